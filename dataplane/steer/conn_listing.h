/* conn_listing.h - walks the connection table for a page of connections.
 *
 * Role     forward entries that match, as records
 * Shape    a cursor over the table's buckets; a few at each call
 * Units    as in lb/listing.h
 * Threads  owner worker only, between bursts; changes nothing
 * Memory   the caller's cursor
 * Limits   those of lb/listing.h; a call visits at most the buckets that it is given
 * Errors   none
 * Tests    tests/unit/test_conn_listing.c
 */
#ifndef LB_CONN_LISTING_H
#define LB_CONN_LISTING_H

#include "lb/listing.h"
#include "steer/conn.h"

struct lb_conn_listing {
	struct lb_listing_query query;
	uint32_t at;
	uint32_t n_told;
	uint32_t n_visited;
};

void lb_conn_listing_start(struct lb_conn_listing *l, const struct lb_listing_query *query);

/* The connections of the next bucket into `out`, at most two; *n how many. False: the page has
 * ended, and nothing was visited. */
bool lb_conn_listing_next(struct lb_conn_listing *l, const struct lb_steer *st, uint64_t now_ms,
			  struct lb_listing_record out[2], uint32_t *n);

/* After the last call. */
struct lb_listing_end lb_conn_listing_end(const struct lb_conn_listing *l,
					  const struct lb_steer *st);

#endif
