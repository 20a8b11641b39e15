#include "helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job_list {
	struct lb_helper_job *first;
	struct lb_helper_job **last;
};

struct lb_helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job_list waiting; /* under lock */
	struct job_list finished;
	uint32_t n_waiting;
	bool stop;
	int fd;
	struct event *on_fd;
};

static void list_init(struct job_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_add(struct job_list *l, struct lb_helper_job *job)
{
	job->next = NULL;
	*l->last = job;
	l->last = &job->next;
}

static struct lb_helper_job *list_take(struct job_list *l)
{
	struct lb_helper_job *job = l->first;

	if (job == NULL)
		return NULL;
	l->first = job->next;
	if (l->first == NULL)
		l->last = &l->first;
	return job;
}

static void *helper_main(void *ctx)
{
	struct lb_helper *h = ctx;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct lb_helper_job *job = list_take(&h->waiting);
		const uint64_t one = 1;

		if (job == NULL) {
			if (h->stop)
				break;
			pthread_cond_wait(&h->wake, &h->lock);
			continue;
		}
		h->n_waiting--;
		pthread_mutex_unlock(&h->lock);
		job->run(job);
		pthread_mutex_lock(&h->lock);
		list_add(&h->finished, job);
		if (write(h->fd, &one, sizeof(one)) < 0)
			continue; /* only when 2^64 wake-ups wait: one of them will do */
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void deliver(struct lb_helper *h)
{
	for (;;) {
		struct lb_helper_job *job;

		pthread_mutex_lock(&h->lock);
		job = list_take(&h->finished);
		pthread_mutex_unlock(&h->lock);
		if (job == NULL)
			return;
		job->done(job);
	}
}

static void on_finished(evutil_socket_t fd, short what, void *ctx)
{
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	deliver(ctx);
}

static int start_thread(struct lb_helper *h)
{
	sigset_t all, before;
	int rc;

	/* Signals belong to the loop. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&h->thread, NULL, helper_main, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -rc;
}

int lb_helper_create(struct event_base *base, struct lb_helper **out)
{
	struct lb_helper *h = calloc(1, sizeof(*h));
	int rc;

	if (h == NULL)
		return -ENOMEM;
	list_init(&h->waiting);
	list_init(&h->finished);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	h->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (h->fd < 0) {
		rc = -errno;
		goto fail_fd;
	}
	h->on_fd = event_new(base, h->fd, EV_READ | EV_PERSIST, on_finished, h);
	if (h->on_fd == NULL || event_add(h->on_fd, NULL) < 0) {
		rc = -ENOMEM;
		goto fail_event;
	}
	rc = start_thread(h);
	if (rc < 0)
		goto fail_event;
	*out = h;
	return 0;
fail_event:
	if (h->on_fd != NULL)
		event_free(h->on_fd);
	close(h->fd);
fail_fd:
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return rc;
}

void lb_helper_destroy(struct lb_helper *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	deliver(h);
	event_free(h->on_fd);
	close(h->fd);
	pthread_cond_destroy(&h->wake);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

int lb_helper_submit(struct lb_helper *h, struct lb_helper_job *job)
{
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	if (h->n_waiting >= LB_HELPER_JOBS_MAX || h->stop) {
		rc = -EAGAIN;
	} else {
		list_add(&h->waiting, job);
		h->n_waiting++;
		pthread_cond_signal(&h->wake);
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}
