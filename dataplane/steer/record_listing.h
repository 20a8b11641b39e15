/* record_listing.h - walks the persistence table for a page of records.
 *
 * Role     records that match, told or removed
 * Shape    a cursor over the table's places; one at each call
 * Units    as in lb/records.h
 * Threads  any one worker, between bursts; the table may change meanwhile (persist_table.h)
 * Memory   the caller's cursor
 * Limits   those of lb/records.h
 * Errors   none
 * Tests    tests/unit/test_record_listing.c
 */
#ifndef LB_RECORD_LISTING_H
#define LB_RECORD_LISTING_H

#include "lb/records.h"
#include "steer/conn.h"

struct lb_record_listing {
	struct lb_records_query query;
	uint32_t at;
	uint32_t n_told;
	uint32_t n_visited;
	uint32_t n_cleared;
};

void lb_record_listing_start(struct lb_record_listing *l, const struct lb_records_query *query);

/* Visits the next place; *is_told: its record is in *out. False: the page has ended, and nothing
 * was visited. */
bool lb_record_listing_next(struct lb_record_listing *l, const struct lb_steer *st, uint64_t now_ms,
			    struct lb_records_record *out, bool *is_told);

/* After the last call. */
struct lb_records_end lb_record_listing_end(const struct lb_record_listing *l,
					    const struct lb_steer *st);

#endif
