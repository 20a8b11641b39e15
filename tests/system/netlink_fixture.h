/* netlink_fixture.h - a namespace with a netdev, and what the netlink mirror told of it.
 *
 * Role     what the netlink tests share
 * Threads  one test, one process
 * Limits   waits end the test after NETLINK_WAIT_S
 */
#ifndef NETLINK_FIXTURE_H
#define NETLINK_FIXTURE_H

#include <event2/event.h>

#include "netlink.h"

#define NETLINK_WAIT_S 20

/* What the callbacks said last. */
struct told {
	struct lb_link link;
	uint32_t n_links;
	struct lb_next_hop hops[LB_NEXT_HOP_LEARNED];
	uint32_t n_told[LB_NEXT_HOP_LEARNED]; /* per id */
	struct lb_route *routes;
	size_t n_routes;
	struct lb_addr *locals;
	size_t n_locals;
	uint32_t n_paths;
	uint32_t n_settled;
};

extern struct event_base *base;
extern struct lb_netlink *nl;
extern struct told told;
extern struct lb_cfg_node node;
extern char state_dir[64];
extern int peer;

struct lb_addr addr(const char *text);
const struct lb_netlink_params *params(void);
void open_netlink(void);
void setup(void);
void setup_peer(void);
void teardown(void);
void wait_until(bool (*holds)(const void *arg), const void *arg, const char *what);
bool is_resolved(const void *arg);
bool is_told_unresolved(const void *arg);
const struct lb_route *told_route(const char *text);
bool has_route(const void *arg);
bool has_no_route(const void *arg);
bool is_local(const void *arg);
void expect_hop(const struct lb_addr *destination, const uint8_t mac[6]);
struct lb_wanted_addr wanted_addr(const char *text, uint16_t first, uint16_t last);

#endif
