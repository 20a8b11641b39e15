/* maglev.h - consistent-hash tables, made by the control plane and read by the workers.
 *
 * Role     which server of a list each slot of a table of prime size belongs to, so that equal
 *          lists give equal tables on every node and a change of the list moves few slots
 * Shape    an opaque, reference-counted object; slots are 16-bit positions in the list
 * Units    weights relative to each other; sizes in slots
 * Threads  build and ask: any thread. The count of references is atomic; the rest never changes
 * Memory   one block of 2 bytes a slot and 8 a server, on the heap or where its home has room
 * Limits   LB_MAGLEV_SIZE_MAX slots, LB_SERVICE_SERVERS_MAX servers; a table has at least as many
 *          slots as servers. Building takes about size x ln(size) steps: DESIGN 1 wants it off
 *          the control loop
 * Errors   build: -EINVAL (size no prime, too small or too large; no weight above 0), -E2BIG,
 *          -ENOMEM
 * Source   Eisenbud et al., Maglev, NSDI 2016, section 3.4; decision 0041
 * Tests    tests/unit/test_maglev.c (naive twin)
 */
#ifndef LB_MAGLEV_H
#define LB_MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/limits.h"

#define LB_MAGLEV_SIZE_MIN 101u
#define LB_MAGLEV_SIZE_MAX 655373u
#define LB_MAGLEV_SLOTS_PER_SERVER 100u
#define LB_MAGLEV_SIZE_STATELESS 65537u /* whatever the number of servers: no slot moves by it */

struct lb_maglev_server {
	struct lb_addr addr; /* what it is known by on every node; different for each */
	uint32_t weight;     /* 0: no slot */
};

struct lb_maglev;

/* The smallest prime of at least `at_least` slots, within the bounds. `at_least` 0: of at least
 * LB_MAGLEV_SLOTS_PER_SERVER slots for each of n servers. */
uint32_t lb_maglev_size(uint32_t at_least, uint32_t n_servers);

/* Whose memory a table lives in. `take`: NULL, then the heap serves. `give_back` is called by
 * whoever is the table's last owner. */
struct lb_maglev_home {
	void *(*take)(void *ctx, size_t bytes);
	void (*give_back)(void *ctx, void *mem, size_t bytes);
	void *ctx;
};

/* The order of the list decides only what a slot's position means, not whose slot it is. */
int lb_maglev_build(const struct lb_maglev_server *servers, uint32_t n, uint32_t size,
		    struct lb_maglev **out);

/* The same at home; NULL: on the heap. */
int lb_maglev_build_at(const struct lb_maglev_home *home, const struct lb_maglev_server *servers,
		       uint32_t n, uint32_t size, struct lb_maglev **out);

/* Says of lists whether their tables would be equal, without building them. */
uint64_t lb_maglev_content(const struct lb_maglev_server *servers, uint32_t n, uint32_t size);
uint64_t lb_maglev_content_of(const struct lb_maglev *table);

uint32_t lb_maglev_n_slots(const struct lb_maglev *table);

/* Position in the list of the server that slot `slot` belongs to. */
uint32_t lb_maglev_server_at(const struct lb_maglev *table, uint32_t slot);

size_t lb_maglev_bytes(const struct lb_maglev *table);

/* One more owner; returns `table`. */
struct lb_maglev *lb_maglev_ref(struct lb_maglev *table);

/* One owner less; the last one frees it. NULL is allowed. */
void lb_maglev_unref(struct lb_maglev *table);

#endif
