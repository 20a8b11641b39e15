#include "courier.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_QUICK_US 200 /* the first QUICK_TICKS after a publication */
#define QUICK_TICKS 10u
#define TICK_PENDING_US 1000
#define TICK_IDLE_US 50000
#define EVENTS_MAX 64u

struct timed {
	uint64_t generation;
	uint64_t since_us;
};

struct lb_courier {
	struct lb_courier_events events;
	struct event *tick;
	struct lb_dataplane *dp;
	struct lb_cmd_list list;
	bool has_backlog; /* the list was refused for lack of memory */
	uint64_t backlog_since_us;
	bool is_busy; /* the last tick had work */
	uint32_t n_quick; /* ticks that come quickly while something is pending */
	uint64_t published;
	uint64_t acked;
	TAILQ_HEAD(, lb_ack_waiter) waiters; /* by generation */
	struct timed timed[LB_COURIER_TIMED_MAX];
	uint32_t n_timed;
	struct lb_latency latency;
};

uint64_t lb_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void arm(struct lb_courier *p)
{
	bool is_pending = p->has_backlog || p->is_busy || p->acked < p->published ||
			  !TAILQ_EMPTY(&p->waiters);
	suseconds_t pending_us = p->n_quick > 0 ? TICK_QUICK_US : TICK_PENDING_US;
	const struct timeval tv = {.tv_usec = is_pending ? pending_us : TICK_IDLE_US};

	evtimer_add(p->tick, &tv);
}

static void poll_events(struct lb_courier *p)
{
	struct lb_event events[EVENTS_MAX];
	size_t n = lb_dataplane_poll(p->dp, events, EVENTS_MAX);

	for (size_t i = 0; i < n; i++)
		if (events[i].type == LB_EVENT_RESOLVE)
			p->events.on_resolve(p->events.ctx, (uint32_t)events[i].value);
}

static void record_times(struct lb_courier *p, uint64_t now_us)
{
	uint32_t n_kept = 0;

	for (uint32_t i = 0; i < p->n_timed; i++) {
		if (p->timed[i].generation <= p->acked)
			lb_latency_add(&p->latency, now_us - p->timed[i].since_us);
		else
			p->timed[n_kept++] = p->timed[i];
	}
	p->n_timed = n_kept;
}

static void end_waiters(struct lb_courier *p, uint64_t now_us)
{
	struct lb_ack_waiter *w, *next;

	for (w = TAILQ_FIRST(&p->waiters); w != NULL; w = next) {
		bool is_acked = w->generation <= p->acked && !p->has_backlog;

		next = TAILQ_NEXT(w, link);
		if (!is_acked && now_us < w->deadline_us)
			continue;
		TAILQ_REMOVE(&p->waiters, w, link);
		/* The waiter may free itself and wait anew: it goes to the tail then. */
		w->on_end(w, is_acked);
	}
}

static void publish(struct lb_courier *p, uint64_t since_us)
{
	uint64_t generation = p->list.generation;
	int rc = lb_dataplane_publish(p->dp, p->list.cmds, p->list.n, generation);

	if (rc < 0) {
		if (!p->has_backlog)
			lb_log(LB_LOG_ERROR, "publish", "kept for later generation=%llu error=%d",
			       (unsigned long long)generation, -rc);
		p->has_backlog = true;
		if (p->backlog_since_us == 0)
			p->backlog_since_us = since_us;
		return;
	}
	p->has_backlog = false;
	p->backlog_since_us = 0;
	p->published = generation;
	p->n_quick = QUICK_TICKS;
	if (since_us != 0 && p->n_timed < LB_COURIER_TIMED_MAX)
		p->timed[p->n_timed++] = (struct timed){generation, since_us};
	lb_cmd_list_reset(&p->list);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_courier *p = ctx;
	uint64_t now_us;

	(void)fd;
	(void)what;
	if (p->dp != NULL) {
		uint64_t acked;

		if (p->has_backlog)
			publish(p, p->backlog_since_us);
		poll_events(p);
		acked = lb_dataplane_acked(p->dp);
		now_us = lb_now_us();
		if (acked > p->acked) {
			p->acked = acked;
			record_times(p, now_us);
			p->events.on_acked(p->events.ctx, acked);
		}
		p->is_busy = p->events.on_tick(p->events.ctx);
	}
	end_waiters(p, lb_now_us());
	p->n_quick -= p->n_quick > 0;
	arm(p);
}

int lb_courier_create(struct event_base *base, const struct lb_courier_events *events,
		      struct lb_courier **out)
{
	struct lb_courier *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->events = *events;
	TAILQ_INIT(&p->waiters);
	p->tick = evtimer_new(base, on_tick, p);
	if (p->tick == NULL) {
		free(p);
		return -ENOMEM;
	}
	arm(p);
	*out = p;
	return 0;
}

void lb_courier_destroy(struct lb_courier *p)
{
	struct lb_ack_waiter *w;

	if (p == NULL)
		return;
	while ((w = TAILQ_FIRST(&p->waiters)) != NULL) {
		TAILQ_REMOVE(&p->waiters, w, link);
		w->on_end(w, false);
	}
	event_free(p->tick);
	lb_cmd_list_free(&p->list);
	free(p);
}

void lb_courier_attach(struct lb_courier *p, struct lb_dataplane *dp)
{
	p->dp = dp;
}

struct lb_cmd_list *lb_courier_list(struct lb_courier *p)
{
	return &p->list;
}

void lb_courier_flush(struct lb_courier *p, uint64_t since_us)
{
	if (p->dp == NULL || p->list.generation == 0)
		return;
	publish(p, since_us);
	arm(p);
}

uint64_t lb_courier_published(const struct lb_courier *p)
{
	return p->published;
}

uint64_t lb_courier_acked(const struct lb_courier *p)
{
	return p->acked;
}

bool lb_courier_laggard(const struct lb_courier *p, uint32_t *worker)
{
	uint32_t n = p->dp != NULL ? lb_dataplane_n_workers(p->dp) : 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t n_queued;

		if (lb_dataplane_worker_acked(p->dp, i, &n_queued) < p->published) {
			*worker = i;
			return true;
		}
	}
	return false;
}

const struct lb_latency *lb_courier_latency(const struct lb_courier *p)
{
	return &p->latency;
}

void lb_courier_wait(struct lb_courier *p, struct lb_ack_waiter *w)
{
	w->generation = p->list.generation > p->published ? p->list.generation : p->published;
	w->deadline_us = lb_now_us() + LB_ACK_PATIENCE_MS * UINT64_C(1000);
	TAILQ_INSERT_TAIL(&p->waiters, w, link);
	arm(p);
}
