/* records.h - the persistence records, page by page: told, or cleared.
 *
 * Role     what control asks of a worker about the table that all of them share
 * Shape    plain values; ids as in service.h
 * Units    addresses in network order, seconds
 * Threads  a query is made by control and copied by its worker; records are told by the worker
 * Memory   values
 * Limits   a page ends after `limit` records or LB_RECORDS_PLACES_MAX places of the table,
 *          whatever comes first, and says where the next one begins. A record that is written
 *          while pages are read may be missed; LB_RECORDS_MEMBERS_MAX members a query
 * Errors   a place past the table's end is the end
 * Source   DESIGN 4.4; decisions 0092, 0093
 * Tests    tests/unit/test_record_listing.c
 */
#ifndef LB_RECORDS_H
#define LB_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"

#define LB_RECORDS_LIMIT_MAX 1000u
#define LB_RECORDS_PLACES_MAX 262144u
#define LB_RECORDS_MEMBERS_MAX 64u

struct lb_records_query {
	uint32_t worker;  /* who tells; the others have nothing to tell */
	uint32_t place;   /* where the page begins */
	uint32_t limit;   /* 1 or more */
	bool is_clearing; /* records that match are removed and not told; `limit` does not count */
	bool has_group;
	uint16_t group_id;
	bool has_client;
	struct lb_prefix client;
	bool has_members; /* only these machines, as members of their groups */
	uint32_t n_members;
	uint32_t members[LB_RECORDS_MEMBERS_MAX];
};

/* A record that new connections of the client would follow. */
struct lb_records_record {
	struct lb_addr client; /* under the group's mask */
	uint16_t group_id;
	uint32_t member_id;
	uint32_t expires_in_s;
};

/* The end of a page. */
struct lb_records_end {
	uint32_t place; /* where the next one begins */
	bool is_end;    /* the table has no more */
	uint32_t n_cleared;
};

#endif
