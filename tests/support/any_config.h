/* any_config.h - small installations that a test edits at random.
 *
 * Role     a mutable sketch of pools, services, groups and monitors, and the struct lb_config that
 *          it stands for
 * Shape    plain arrays; what is absent has `is_present` = false
 * Threads  one
 * Memory   a value; any_config_make allocates a config for lb_config_free
 * Limits   the constants below
 */
#ifndef LB_ANY_CONFIG_H
#define LB_ANY_CONFIG_H

#include "lb/config.h"
#include "random.h"

#define ANY_MACHINES 7u
#define ANY_POOLS 4u     /* named ones */
#define ANY_SERVICES 10u /* each may have servers of its own */
#define ANY_GROUPS 3u
#define ANY_MONITORS 5u
#define ANY_NATS 2u

struct any_member {
	bool is_present;
	enum lb_admin_state admin_state;
	uint32_t weight;
	uint32_t priority;
	uint16_t port;
};

struct any_pool {
	bool monitors[ANY_MONITORS];
	struct any_member members[ANY_MACHINES];
};

struct any_service {
	bool is_present;
	uint32_t vip;
	uint32_t n_ports;
	uint32_t pool; /* ANY_POOLS: its own */
	struct any_pool own;
	uint32_t group; /* ANY_GROUPS: none */
	uint32_t nat;   /* ANY_NATS: its own address */
	enum lb_forwarding forwarding;
	enum lb_scheduler scheduler;
	uint32_t maglev_table_size;
	uint32_t idle_timeout_s;
	uint32_t max_connections;
	uint32_t max_new_connections_per_s;
};

struct any_config {
	struct any_pool pools[ANY_POOLS];
	struct any_service services[ANY_SERVICES];
	uint32_t interval_ms[ANY_MONITORS];
	bool has_neighbor[ANY_MACHINES];
	uint8_t mac_byte[ANY_MACHINES];
};

void any_config_init(struct any_config *any, struct test_random *random);

/* One small change. */
void any_config_edit(struct any_config *any, struct test_random *random);

struct lb_config *any_config_make(const struct any_config *any);

struct lb_addr any_machine_address(uint32_t machine);

#endif
