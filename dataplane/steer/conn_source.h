/* conn_source.h - where a new NAT connection leaves from, and so how its replies are found.
 *
 * Role     picks the source address and port towards the server; makes the replies' key
 * Shape    functions on the worker's tables: one decides, one makes way for what was decided
 * Units    as in conn.h
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   fullnat looks at LB_NAT_TRIES candidates (where it goes by the card's hash at so many
 *          on average, of at most LB_NAT_STEPS_MAX places of the walk), at LB_NAT_TRIES_FEW once
 *          one may be taken over; in a flood, after a search that found no free one, a client's
 *          first attempt looks at LB_NAT_TRIES_SCARCE. When none is free it takes the first whose
 *          connection is over, then the oldest embryonic one; then the client is refused by name.
 *          No source of an open connection is ever given out twice towards one server
 * Errors   the drop reason
 * Source   DESIGN 3.7, 3.8
 * Tests    tests/unit/test_pipeline_sources.c, tests/unit/test_conn.c
 */
#ifndef LB_CONN_SOURCE_H
#define LB_CONN_SOURCE_H

#include "steer/conn.h"

/* Fills the plan's `replies`, the source of fullnat and takes_over. 0: no reason against it. */
enum lb_counter lb_conn_plan_replies(const struct lb_steer *st, const struct lb_conn_request *rq,
				     struct lb_nat_cursor *cursor, struct lb_conn_plan *plan);

/* The key that lb_conn_plan_replies() would begin with, from where the cursor is: a copy of the
 * request's, which moves on. False: none. */
bool lb_conn_foresee_replies(const struct lb_steer *st, const struct lb_conn_request *rq,
			     struct lb_nat_cursor *cursor, struct lb_key *out);

/* Before planning: while the ports of its source are scarce in a flood, how far a request looks for
 * one depends on whether its client has tried before. */
void lb_conn_ask_if_scarce(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms);

/* An embryonic connection keeps its port for so long, but from a client that has tried before. */
#define LB_EMBRYO_KEEP_TICKS 2u

/* Removes what a plan takes over: pointers found before are void. False: it may not go yet. Of a
 * question only says which. */
bool lb_conn_make_way(struct lb_steer *st, struct lb_conn_request *rq,
		      const struct lb_conn_plan *plan, uint64_t now_ms);

#endif
