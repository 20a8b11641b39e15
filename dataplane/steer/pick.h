/* pick.h - the server of a new connection.
 *
 * Role     follows the client's persistence record where it holds, otherwise asks the scheduler
 *          and writes the record
 * Shape    two functions over the worker's tables: one decides and changes nothing but a turn, the
 *          other decides and acts
 * Units    seconds since the process started, for records
 * Threads  owner worker; the persistence table is shared
 * Memory   none
 * Limits   one look-up and at most one compare-exchange per new connection
 * Errors   UINT32_MAX: no server may take the connection
 * Source   DESIGN 3.5
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_PICK_H
#define LB_PICK_H

#include "lb/explain.h"
#include "steer/conn.h"

/* How a connection comes to its server. */
struct lb_pick {
	enum lb_pick_way way;
	uint32_t server;   /* index, UINT32_MAX: none may take the connection */
	bool is_for_group; /* RECORD, REPLACE: false: nobody takes new clients of the whole group,
			      so this service chose for itself and writes no record */
	bool has_record;
	struct lb_record record; /* the one that was found */
};

/* What lb_pick_server would do now. Only `turn` moves on, which is the service's lb_schedule_state
 * or a copy of it. */
void lb_pick_decide(const struct lb_steer *st, uint32_t slot, const struct lb_pkt *p,
		    uint64_t now_ms, struct lb_schedule_state *turn, struct lb_pick *out);

/* Index of a server of the service in `slot` for the connection that begins with this packet, whose
 * record key, if it has one, is of that service. */
uint32_t lb_pick_server(struct lb_steer *st, uint32_t slot, const struct lb_pkt *p,
			uint64_t now_ms);

#endif
