#include "helper.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

struct test_job {
	struct lb_helper_job job;
	pthread_t loop_thread;
	sem_t *gate; /* waited for before the work, when set */
	uint32_t number;
	uint32_t *ran; /* written by the helper, read after done */
	uint32_t *done;
	bool was_elsewhere;
};

static void run(struct lb_helper_job *job)
{
	struct test_job *t = (struct test_job *)job;

	if (t->gate != NULL)
		sem_wait(t->gate);
	t->was_elsewhere = !pthread_equal(pthread_self(), t->loop_thread);
	if (*t->ran == t->number)
		++*t->ran;
}

static void done(struct lb_helper_job *job)
{
	struct test_job *t = (struct test_job *)job;

	if (pthread_equal(pthread_self(), t->loop_thread) && *t->done == t->number)
		++*t->done;
}

Test(helper, jobs_run_elsewhere_in_order_and_end_on_the_loop)
{
	struct event_base *base = event_base_new();
	struct lb_helper *helper;
	uint32_t n_ran = 0, n_done = 0;
	struct test_job jobs[100];

	cr_assert(lb_helper_create(base, &helper) == 0);
	for (uint32_t i = 0; i < 100; i++) {
		jobs[i] = (struct test_job){.job = {.run = run, .done = done},
					    .loop_thread = pthread_self(),
					    .number = i,
					    .ran = &n_ran,
					    .done = &n_done};
		cr_assert(lb_helper_submit(helper, &jobs[i].job) == 0);
	}
	while (n_done < 100)
		event_base_loop(base, EVLOOP_ONCE);
	cr_expect(n_ran == 100);
	for (uint32_t i = 0; i < 100; i++)
		cr_expect(jobs[i].was_elsewhere, "job %u", i);
	lb_helper_destroy(helper);
	event_base_free(base);
}

Test(helper, a_full_queue_refuses_and_destroy_finishes_the_rest)
{
	struct event_base *base = event_base_new();
	struct test_job *jobs = calloc(LB_HELPER_JOBS_MAX + 2, sizeof(*jobs));
	struct lb_helper *helper;
	uint32_t n_ran = 0, n_done = 0, n = 0;
	sem_t gate;

	sem_init(&gate, 0, 0);
	cr_assert(lb_helper_create(base, &helper) == 0);
	for (; n < LB_HELPER_JOBS_MAX + 2; n++) {
		jobs[n] = (struct test_job){.job = {.run = run, .done = done},
					    .loop_thread = pthread_self(),
					    .gate = n == 0 ? &gate : NULL,
					    .number = n,
					    .ran = &n_ran,
					    .done = &n_done};
		if (lb_helper_submit(helper, &jobs[n].job) < 0)
			break;
	}
	/* One may be with the helper already. */
	cr_expect(n == LB_HELPER_JOBS_MAX || n == LB_HELPER_JOBS_MAX + 1, "%u", n);
	sem_post(&gate);
	lb_helper_destroy(helper);
	cr_expect(n_ran == n && n_done == n, "%u %u %u", n, n_ran, n_done);
	free(jobs);
	event_base_free(base);
}
