/* settling.h - whose the slots of a changed table were, while that still matters.
 *
 * Role     a service without an entry per connection finds a connection's server by its slot of
 *          the table. When the table changes, the slots that have another server now go on naming
 *          the one they had, for packets that open nothing, until their settle time is over
 * Shape    an opaque, immutable object that a service object owns; a bitmap over the slots with
 *          ranks, and a row for each slot that settles
 * Units    ms of the caller's clock, the same from one build to the next
 * Threads  built by control, read by the workers through the service object
 * Memory   one heap block: 1.5 bits a slot of the table, 16 bytes a slot that settles
 * Limits   a row for each slot of a table at most (LB_MAGLEV_SIZE_MAX: 10 MB). A slot that changes
 *          again while it settles keeps its row and its time: what came after the first change has
 *          entries
 * Errors   build: -ENOMEM
 * Source   decision 0070
 * Tests    tests/unit/test_settling.c, tests/unit/test_stateless.c (naive twin)
 */
#ifndef LB_SETTLING_H
#define LB_SETTLING_H

#include <stddef.h>
#include <stdint.h>

struct lb_service;
struct lb_service_params;
struct lb_settling;

/* What the service `next` that takes the place of `old` has to remember from `now_ms` on; *out
 * NULL: nothing. `old` NULL: there was none. Servers that `next` does not list are forgotten: their
 * connections have ended. When the size of the table or what is hashed changes, every slot
 * settles. */
int lb_settling_build(const struct lb_service *old, const struct lb_service_params *next,
		      uint64_t now_ms, struct lb_settling **out);

/* What would settle at `until_ms` does so `ms` later. Only before a worker can read it. */
void lb_settling_delay(struct lb_settling *s, uint64_t until_ms, uint64_t ms);

/* When the first of its slots has settled: time to build the service again. */
uint64_t lb_settling_due_ms(const struct lb_settling *s);

uint32_t lb_settling_n_slots(const struct lb_settling *s);
size_t lb_settling_bytes(const struct lb_settling *s);

/* NULL is allowed. */
void lb_settling_free(struct lb_settling *s);

#endif
