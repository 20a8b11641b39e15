/* promises.h - what is counted for each service because nobody should have to guess it.
 *
 * Role     connections whose server changed in mid-flow, evictions by kind
 * Shape    one line a service, beside its traffic
 * Threads  owner worker: rw (relaxed stores), control: ro (relaxed loads)
 * Memory   64 bytes a service in the worker's block, touched only where used
 * Errors   none
 * Tests    tests/unit/test_conn_room.c
 */
#ifndef LB_PROMISES_H
#define LB_PROMISES_H

#include "steer/conn.h"

struct lb_promise_cell {
	uint64_t moved;
	uint64_t evicted_closed;
	uint64_t evicted_embryonic;
	uint64_t evicted_idle;
	uint64_t unused[4];
};

/* `why` is the counter of the same name. */
static inline void lb_promise_evicted(struct lb_steer *st, uint32_t slot, enum lb_counter why)
{
	struct lb_promise_cell *cell = &st->promises[slot];

	lb_add(why == LB_COUNT_conn_evicted_closed      ? &cell->evicted_closed
	       : why == LB_COUNT_conn_evicted_embryonic ? &cell->evicted_embryonic
							: &cell->evicted_idle,
	       1);
}

/* A later packet of a connection goes to another server than the earlier ones. */
static inline void lb_promise_moved(struct lb_steer *st, uint32_t slot)
{
	lb_count(st, LB_COUNT_conn_server_changed);
	lb_add(&st->promises[slot].moved, 1);
}

#endif
