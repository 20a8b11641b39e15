/* command.h - what the control plane tells a worker, one message of the command ring.
 *
 * Role     the only way in which a worker's tables change from outside
 * Shape    a 24-byte value: type, index, object pointer, number
 * Units    as in service.h
 * Threads  made by control, consumed by each worker (or by ballast_replay) in order
 * Memory   objects belong to control. A *kept* object stays valid until every worker has
 *          acknowledged a generation after the command that replaces it; a *copied* object until
 *          every worker has acknowledged a generation after its own command; a query until every
 *          worker has told its last report
 * Limits   indexes are below the bounds of limits.h; control checks, workers assert
 * Errors   none: what could fail has failed when the object was built
 * Source   DESIGN 1, decision 3.8
 * Tests    tests/unit/test_pipeline.c, tests/race/race_command_ring.c
 */
#ifndef LB_COMMAND_H
#define LB_COMMAND_H

#include <stdint.h>

enum lb_cmd_type {
	LB_CMD_SERVICE,	   /* slot idx is now object (kept; NULL: nothing) */
	LB_CMD_REAL,	   /* real idx is now *object (struct lb_real, copied) */
	LB_CMD_TARGET,	   /* target idx has the LB_TARGET_* bits in value */
	LB_CMD_MEMBER,	   /* group target idx is in generation value: older records are void */
	LB_CMD_NEXT_HOP,   /* next hop idx is now *object (struct lb_next_hop, copied) */
	LB_CMD_NAT_SOURCE, /* NAT source idx is now object (kept; NULL: nothing) */
	LB_CMD_ROUTES,	   /* routes are now object (struct lb_route_table, kept) */
	LB_CMD_IFACE,	   /* interface idx is now *object (struct lb_iface, copied) */
	LB_CMD_ASK,	   /* answer object (struct lb_query) by reports; read until the last one */
	LB_CMD_GENERATION, /* acknowledge value on the event ring */
	LB_CMD_N,
};

struct lb_cmd {
	uint32_t type;
	uint32_t idx;
	const void *object;
	uint64_t value;
};

enum lb_event_type {
	LB_EVENT_ACK,	  /* every command up to generation `value` is in force */
	LB_EVENT_RESOLVE, /* next hop `value` was needed and is not resolved */
	LB_EVENT_N,
};

struct lb_event {
	uint32_t type;
	uint32_t worker;
	uint64_t value;
};

#endif
