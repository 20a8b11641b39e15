/* nat_source.h - the source address and port that a fullnat connection gets.
 *
 * Role     candidates, one after another, from the ports that this worker owns
 * Shape    a cursor per NAT source and worker over its addresses x own ports
 * Units    ports in network order
 * Threads  owner worker only
 * Memory   8 bytes per cursor
 * Limits   LB_NAT_TRIES candidates per new connection; the caller checks each against the
 *          connection table and the services, and drops by name when none is free. Whose ports
 *          are by the card's hash (rss_map.h) walks all and skips the others'
 * Errors   false: the source has no address of this family or no port for this worker
 * Source   DESIGN 3.7, 3.8; RFC 6056 (the cursor starts at a seeded place)
 * Tests    tests/unit/test_nat_source.c
 */
#ifndef LB_NAT_SOURCE_H
#define LB_NAT_SOURCE_H

#include "lb/service.h"

#define LB_NAT_TRIES 64u
#define LB_NAT_STEPS_MAX 1024u /* places of the walk that are looked at for them */
#define LB_NAT_TRIES_FEW 16u /* ... once one is known that may be taken over */
#define LB_NAT_TRIES_SCARCE 2u /* ... for a client's first attempt while ports are scarce */

struct lb_nat_cursor {
	uint32_t next;
	uint32_t total; /* places of the cycle at the last step, and how far a step of the walk */
	uint32_t step;  /* goes within them: divisions are for changes of the source */
	bool is_started;
	bool is_scarce; /* the caller's: the last search found no free port */
};

/* Whose ports the walk may use. */
struct lb_nat_share {
	uint32_t worker;
	uint32_t n_workers;
	uint64_t seed; /* decides where a cursor starts */
};

struct lb_nat_candidate {
	const struct lb_nat_addr *addr;
	rte_be16_t port_be;
};

/* The next candidate; each (address, port) of this worker comes once before one comes again, and
 * two in a row differ in the address where there are several. A zeroed cursor starts anew. `src`
 * may be replaced under the cursor. */
bool lb_nat_source_next(const struct lb_nat_source *src, struct lb_nat_cursor *cursor, bool is_v6,
			const struct lb_nat_share *share, struct lb_nat_candidate *out);

/* The worker that owns a port of this source; UINT32_MAX: not a port of it. Sources that share an
 * address and a port agree. */
uint32_t lb_nat_source_owner(const struct lb_nat_source *src, rte_be16_t port_be,
			     uint32_t n_workers);

#endif
