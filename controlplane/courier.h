/* courier.h - carries commands to the workers and waits for their acknowledgements.
 *
 * Role     the open command list, what has been published and acknowledged, who waits for that,
 *          how long it took
 * Shape    one object on the loop with one timer: 0.2 ms for 2 ms after a publication, then 1 ms
 *          while something is pending, 50 ms otherwise
 * Units    generations as in lb/dataplane.h; microseconds of CLOCK_MONOTONIC
 * Threads  control thread only
 * Memory   own heap; waiters are the caller's
 * Limits   LB_COURIER_TIMED_MAX timed publications under way, further ones are not timed; a list
 *          that the data plane could not take for lack of memory is kept and tried again
 * Errors   none is lost: has_backlog
 * Source   DESIGN 1
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_COURIER_H
#define LB_COURIER_H

#include <stdbool.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "cmd_list.h"
#include "latency.h"
#include "lb/dataplane.h"

#define LB_COURIER_TIMED_MAX 256u
#define LB_ACK_PATIENCE_MS 2000u

struct lb_courier;

struct lb_courier_events {
	void *ctx;
	/* Every worker has acknowledged `generation`. Called before the waiters. */
	void (*on_acked)(void *ctx, uint64_t generation);
	/* A worker needed a next hop that is not resolved. */
	void (*on_resolve)(void *ctx, uint32_t next_hop);
	/* On every tick: frames and whatever else is polled; true: come again soon. */
	bool (*on_tick)(void *ctx);
};

int lb_courier_create(struct event_base *base, const struct lb_courier_events *events,
		      struct lb_courier **out);

/* Those who still wait are told that it was not acknowledged. NULL is allowed. */
void lb_courier_destroy(struct lb_courier *p);

/* From now on lists go to `dp`; NULL ends that. */
void lb_courier_attach(struct lb_courier *p, struct lb_dataplane *dp);

/* Where changes are appended until the next flush. */
struct lb_cmd_list *lb_courier_list(struct lb_courier *p);

/* Publishes the open list when it has a generation. `since_us`: when what is published became
 * known, for the latency; 0: not timed. */
void lb_courier_flush(struct lb_courier *p, uint64_t since_us);

uint64_t lb_courier_published(const struct lb_courier *p);
uint64_t lb_courier_acked(const struct lb_courier *p);

/* The first worker that has not acknowledged what was published; false: all have. */
bool lb_courier_laggard(const struct lb_courier *p, uint32_t *worker);

/* Times from `since_us` to the last worker's acknowledgement. */
const struct lb_latency *lb_courier_latency(const struct lb_courier *p);

/* Waits for everything flushed so far. `on_end` is called once, later, never from within wait:
 * is_acked is false when LB_ACK_PATIENCE_MS have passed without it. */
struct lb_ack_waiter {
	void (*on_end)(struct lb_ack_waiter *w, bool is_acked);
	TAILQ_ENTRY(lb_ack_waiter) link;
	uint64_t generation;
	uint64_t deadline_us;
};

void lb_courier_wait(struct lb_courier *p, struct lb_ack_waiter *w);

uint64_t lb_now_us(void);

#endif
