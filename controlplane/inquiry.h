/* inquiry.h - questions to the workers under way, and their reports.
 *
 * Role     puts a query to the workers and brings their reports to whoever asked
 * Shape    one list on the loop; a timer of 1 ms runs while something is under way, one of 50 ms
 *          while a worker owes its last report to somebody who has given up
 * Units    milliseconds of patience; microseconds of CLOCK_MONOTONIC inside
 * Threads  the loop's thread only
 * Memory   an inquiry is its asker's
 * Limits   LB_QUERIES_MAX unanswered queries (lb/report.h); LB_INQUIRY_REPORTS_MAX reports are
 *          brought in one turn of the loop, the rest in the next
 * Errors   start: -EAGAIN, -ENOMEM; on_end is not called then
 * Source   DESIGN 4.4
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_INQUIRY_H
#define LB_INQUIRY_H

#include <stdbool.h>
#include <sys/queue.h>

#include "lb/dataplane.h"

#define LB_INQUIRY_PATIENCE_MS 2000u
#define LB_INQUIRY_REPORTS_MAX 64u

struct event_base;
struct lb_inquiries;

enum lb_inquiry_end {
	LB_INQUIRY_ANSWERED, /* every worker has told its last report */
	LB_INQUIRY_LATE,     /* patience is over */
	LB_INQUIRY_STOPPED,  /* the daemon ends */
};

struct lb_inquiry {
	struct lb_query query; /* `id` is given by start */
	uint32_t patience_ms;
	void (*on_report)(struct lb_inquiry *q, const struct lb_report *report);
	/* NULL: done when every worker has told its last report, or when patience is over.
	 * Otherwise asked in each turn, and nothing else ends it but the daemon. */
	bool (*is_done)(struct lb_inquiry *q);
	/* Once, from the loop, never from within start: `q` is the asker's again. */
	void (*on_end)(struct lb_inquiry *q, enum lb_inquiry_end why);

	uint32_t n_left; /* workers whose last report has not come */
	uint64_t deadline_us;
	TAILQ_ENTRY(lb_inquiry) link;
};

int lb_inquiries_create(struct event_base *base, struct lb_inquiries **out);

/* Ends what is under way. NULL is allowed. */
void lb_inquiries_destroy(struct lb_inquiries *all);

/* For a query whose reports nobody waits for; they are read all the same. */
int lb_inquiry_tell(struct lb_inquiries *all, struct lb_dataplane *dp,
		    const struct lb_query *query);

/* Is a query of this type under way? */
bool lb_inquiry_is_open(const struct lb_inquiries *all, enum lb_query_type type);

int lb_inquiry_start(struct lb_inquiries *all, struct lb_dataplane *dp, struct lb_inquiry *q);

#endif
