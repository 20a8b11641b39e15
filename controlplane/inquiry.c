#include "inquiry.h"

#include "courier.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#define TICK_US 1000
#define TICK_UNHEARD_US 50000

struct lb_inquiries {
	struct event *tick;
	struct lb_dataplane *dp;
	uint32_t last_id;
	uint32_t n_unheard; /* last reports still to come to queries that nobody waits for */
	TAILQ_HEAD(, lb_inquiry) open;
};

static void arm(struct lb_inquiries *all)
{
	bool is_open = !TAILQ_EMPTY(&all->open);
	const struct timeval tv = {.tv_usec = is_open ? TICK_US : TICK_UNHEARD_US};

	if (is_open || all->n_unheard != 0)
		evtimer_add(all->tick, &tv);
}

/* To a query that nobody waits for any more nobody listens. */
static void bring(struct lb_inquiries *all, const struct lb_report *report)
{
	struct lb_inquiry *q = TAILQ_FIRST(&all->open);

	while (q != NULL && q->query.id != report->id)
		q = TAILQ_NEXT(q, link);
	if (q == NULL) {
		all->n_unheard -= report->is_last && all->n_unheard != 0;
		return;
	}
	q->n_left -= report->is_last;
	q->on_report(q, report);
}

static void end(struct lb_inquiries *all, struct lb_inquiry *q, enum lb_inquiry_end why)
{
	TAILQ_REMOVE(&all->open, q, link);
	all->n_unheard += q->n_left;
	q->on_end(q, why);
}

/* An on_end may start another, which goes to the tail with a deadline ahead. */
static void end_some(struct lb_inquiries *all)
{
	uint64_t now_us = lb_now_us();
	struct lb_inquiry *q, *next;

	for (q = TAILQ_FIRST(&all->open); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (q->is_done != NULL ? q->is_done(q) : q->n_left == 0)
			end(all, q, LB_INQUIRY_ANSWERED);
		else if (q->is_done == NULL && now_us >= q->deadline_us)
			end(all, q, LB_INQUIRY_LATE);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_inquiries *all = ctx;
	struct lb_report report;

	(void)fd;
	(void)what;
	for (uint32_t i = 0; i < LB_INQUIRY_REPORTS_MAX; i++) {
		if (!lb_dataplane_report(all->dp, &report))
			break;
		bring(all, &report);
	}
	end_some(all);
	arm(all);
}

int lb_inquiries_create(struct event_base *base, struct lb_inquiries **out)
{
	struct lb_inquiries *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	TAILQ_INIT(&all->open);
	all->tick = evtimer_new(base, on_tick, all);
	if (all->tick == NULL) {
		free(all);
		return -ENOMEM;
	}
	*out = all;
	return 0;
}

void lb_inquiries_destroy(struct lb_inquiries *all)
{
	if (all == NULL)
		return;
	while (!TAILQ_EMPTY(&all->open))
		end(all, TAILQ_FIRST(&all->open), LB_INQUIRY_STOPPED);
	event_free(all->tick);
	free(all);
}

int lb_inquiry_tell(struct lb_inquiries *all, struct lb_dataplane *dp, const struct lb_query *query)
{
	int rc = lb_dataplane_ask(dp, query);

	if (rc < 0)
		return rc;
	all->dp = dp;
	all->n_unheard += lb_dataplane_n_workers(dp);
	arm(all);
	return 0;
}

bool lb_inquiry_is_open(const struct lb_inquiries *all, enum lb_query_type type)
{
	const struct lb_inquiry *q = TAILQ_FIRST(&all->open);

	while (q != NULL && q->query.type != type)
		q = TAILQ_NEXT(q, link);
	return q != NULL;
}

int lb_inquiry_start(struct lb_inquiries *all, struct lb_dataplane *dp, struct lb_inquiry *q)
{
	int rc;

	all->dp = dp;
	if (++all->last_id == 0)
		all->last_id = 1;
	q->query.id = all->last_id;
	rc = lb_dataplane_ask(dp, &q->query);
	if (rc < 0)
		return rc;
	q->n_left = lb_dataplane_n_workers(dp);
	q->deadline_us = lb_now_us() + q->patience_ms * UINT64_C(1000);
	TAILQ_INSERT_TAIL(&all->open, q, link);
	arm(all);
	return 0;
}
