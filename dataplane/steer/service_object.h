/* service_object.h - the inside of struct lb_service, for the packet path only.
 *
 * Role     what the passes read of a service; the first line is all that an established packet
 *          needs
 * Shape    one block: head, servers, their orders, schedule sequence, ports
 * Units    as in include/lb/service.h
 * Threads  immutable
 * Memory   one heap block owned by control
 * Tests    tests/unit/test_service.c
 */
#ifndef LB_SERVICE_OBJECT_H
#define LB_SERVICE_OBJECT_H

#include "lb/service.h"
#include "steer/table_line.h"

struct lb_service {
	struct lb_addr vip;
	uint8_t protocol;
	uint8_t epoch;
	uint8_t forwarding;
	uint8_t scheduler;
	uint8_t no_server_action;
	uint8_t server_down_action;
	uint8_t persist_len;
	uint16_t group_id;
	rte_be16_t gue_port_be;
	uint16_t mss_clamp;
	bool is_stateless; /* no entry per connection but where settling or health ask for one */
	uint32_t nat_source_id;
	uint32_t idle_timeout_ms;
	uint32_t server_down_drain_s;
	bool has_limits; /* either of the next two */
	uint32_t starts_per_s_max;
	uint32_t conns_max;
	uint32_t persist_timeout_ms;
	uint32_t n_servers;
	uint32_t n_sequence; /* weighted: length of the cycle; else n_servers */
	uint32_t n_ports;
	/* weighted: server indexes; with priorities the cycle of the best ones first, then that of
	 * the next ones, and so on; NULL: 0..n-1 */
	const uint32_t *sequence;
	const struct lb_service_server *servers; /* in document order */
	const struct lb_table_server *by_table;  /* the same, is_stateless only */
	const uint32_t *by_machine;		 /* server indexes sorted by machine id */
	const uint32_t *by_member;		 /* ... by group target id */
	const uint32_t *by_priority;		 /* ... best first; NULL: not by priority */
	const struct lb_port_range *ports;
	struct lb_maglev *maglev; /* one owner is this object; NULL: the scheduler has none */
	struct lb_settling *settling; /* this object's own; NULL: every slot is settled */
	size_t bytes;
};

/* Index of the server on this machine, or UINT32_MAX. */
uint32_t lb_service_find_machine(const struct lb_service *svc, uint32_t machine_id);

/* ... and which is this one, of perhaps several on the machine. */
uint32_t lb_service_find_real(const struct lb_service *svc, uint32_t machine_id, uint32_t real_id);

/* Index of the server that is this member of the group, or UINT32_MAX. */
uint32_t lb_service_find_member(const struct lb_service *svc, uint32_t group_target_id);

#endif
