/* helper.h - the one thread for work that would hold the control loop up: parsing, fsync.
 *
 * Role     runs jobs one after another, tells the loop when each is done
 * Shape    a queue in, a queue out, an eventfd on the loop
 * Threads  submit and `done` on the loop's thread, `run` on the helper; a job belongs to the helper
 *          from submit until its `done` is called
 * Memory   jobs are the caller's
 * Limits   LB_HELPER_JOBS_MAX waiting jobs, then -EAGAIN
 * Errors   create: -errno; submit: -EAGAIN
 * Source   DESIGN 1 (the control plane blocks on nothing)
 * Tests    tests/unit/test_helper.c
 */
#ifndef LB_HELPER_H
#define LB_HELPER_H

#include <event2/event.h>

#define LB_HELPER_JOBS_MAX 1024u

struct lb_helper;

struct lb_helper_job {
	void (*run)(struct lb_helper_job *job);
	void (*done)(struct lb_helper_job *job);
	struct lb_helper_job *next;
};

int lb_helper_create(struct event_base *base, struct lb_helper **out);

/* Jobs that were submitted are still run, and their `done` called, before this returns. NULL is
 * allowed. */
void lb_helper_destroy(struct lb_helper *helper);

int lb_helper_submit(struct lb_helper *helper, struct lb_helper_job *job);

#endif
