/* conn_source.h - where a new NAT connection leaves from, and so how its replies are found.
 *
 * Role     picks the source address and port towards the server; makes the replies' key
 * Shape    one function on the worker's tables
 * Units    as in conn.h
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   fullnat looks at LB_NAT_TRIES candidates; when none is free, at the first of them whose
 *          connection is over; then the client is refused by name. No source of an open
 *          connection is ever given out twice towards one server
 * Errors   the drop reason
 * Source   DESIGN 3.7, 3.8
 * Tests    tests/unit/test_pipeline_sources.c, tests/unit/test_conn.c
 */
#ifndef LB_CONN_SOURCE_H
#define LB_CONN_SOURCE_H

#include "steer/conn.h"

/* The replies' key, and in `like` what fullnat makes of the source. 0: no reason against it. May
 * remove entries of connections that are over: pointers found before are void. */
enum lb_counter lb_conn_plan_replies(struct lb_steer *st, const struct lb_conn_request *rq,
				     struct lb_conn *like, struct lb_key *rev);

#endif
