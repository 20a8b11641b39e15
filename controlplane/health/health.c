#include "health/health.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <time.h>

#include "health/icmp_probe.h"
#include "health/tcp_probe.h"
#include "health/vip_probe.h"
#include "registries.h"

enum phase {
	PHASE_IDLE,        /* its timer runs to the next probe */
	PHASE_WAITING,     /* due, in the queue for a place */
	PHASE_OUTSTANDING, /* its timer runs to the timeout */
};

struct probe {
	struct lb_health *h;
	struct lb_probe_spec spec;
	struct lb_monitor monitor;
	enum phase phase;
	int fd;          /* tcp at the address, outstanding */
	uint16_t number; /* of a VIP, outstanding */
	uint32_t serial;
	uint32_t wanted_in; /* round */
	const char *error;  /* why the last one could not be made */
	struct event timer;
	struct event socket;
	TAILQ_ENTRY(probe) waiting;
};

struct lb_health {
	struct event_base *base;
	lb_on_verdict on_verdict;
	void *ctx;
	uint64_t seed;
	uint64_t nonce;
	uint32_t round;
	uint32_t outstanding_max;
	struct probe **probes; /* by id */
	uint32_t probes_max;
	TAILQ_HEAD(, probe) queue;
	struct lb_icmp_socket icmp[2]; /* IPv4, IPv6 */
	struct event icmp_event[2];
	struct lb_vip_probes *vips;
	lb_vip_way_of vip_way_of;
	void *vip_way_ctx;
	struct event kick; /* places became free outside of the loop */
	struct lb_health_stats stats;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void arm(struct probe *p, uint64_t after_ms)
{
	const struct timeval tv = {(time_t)(after_ms / 1000),
				   (suseconds_t)(after_ms % 1000 * 1000)};

	evtimer_add(&p->timer, &tv);
}

static void schedule_next(struct probe *p)
{
	uint64_t now = now_ms();

	p->phase = PHASE_IDLE;
	arm(p, lb_monitor_next_ms(&p->monitor, now) - now);
}

/* Lets go of what an outstanding probe holds. */
static void release(struct probe *p)
{
	if (p->phase != PHASE_OUTSTANDING)
		return;
	if (p->spec.is_of_vip)
		lb_vip_probe_end(p->h->vips, p->number);
	else if (p->spec.type == LB_MONITOR_TCP)
		event_del(&p->socket);
	p->h->stats.n_outstanding--;
}

static void take_outcome(struct probe *p, enum lb_probe_outcome outcome, const char *reason)
{
	struct lb_health_verdict verdict = {.probe = p->spec.id, .reason = reason};
	struct lb_health *h = p->h;
	const char *old_error = p->error;
	bool is_news;

	p->error = outcome == LB_PROBE_UNABLE ? reason : NULL;
	if (outcome == LB_PROBE_UNABLE) {
		/* Nothing was learnt of the server; say so once, the state stays. */
		h->stats.n_unable++;
		is_news = old_error != reason;
	} else {
		h->stats.n_up += outcome == LB_PROBE_UP;
		h->stats.n_down += outcome == LB_PROBE_DOWN;
		is_news = lb_monitor_outcome(&p->monitor, outcome == LB_PROBE_UP);
		if (!is_news && old_error != NULL) {
			/* The error is over: it is no longer the reason of anything. */
			is_news = true;
			if (p->monitor.state == LB_HEALTH_UP)
				verdict.reason = "";
			else if (outcome == LB_PROBE_UP)
				verdict.reason = "answers again, not often enough yet";
		}
	}
	verdict.state = p->monitor.state;
	schedule_next(p);
	/* Last: the callback may end this probe. */
	if (is_news)
		h->on_verdict(h->ctx, &verdict);
}

static void start_waiting(struct lb_health *h);

static void finish(struct probe *p, enum lb_probe_outcome outcome, const char *reason)
{
	struct lb_health *h = p->h;

	release(p);
	take_outcome(p, outcome, reason);
	start_waiting(h);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct probe *p = arg;
	enum lb_probe_outcome outcome;
	const char *reason;

	(void)what;
	evtimer_del(&p->timer);
	/* The descriptor must leave the loop before it is closed. */
	event_del(&p->socket);
	outcome = lb_tcp_probe_finish(fd, &reason);
	p->fd = -1;
	finish(p, outcome, reason);
}

static enum lb_probe_outcome start_tcp(struct probe *p, const char **reason)
{
	enum lb_probe_outcome outcome = lb_tcp_probe_start(&p->spec.address, p->spec.port, &p->fd,
							   reason);
	const char *unused;

	if (outcome != LB_PROBE_PENDING)
		return outcome;
	if (event_assign(&p->socket, p->h->base, p->fd, EV_WRITE, on_socket, p) != 0 ||
	    event_add(&p->socket, NULL) != 0) {
		lb_tcp_probe_finish(p->fd, &unused);
		p->fd = -1;
		return lb_probe_outcome_of(ENOMEM, reason);
	}
	return outcome;
}

static enum lb_probe_outcome start_icmp(struct probe *p, const char **reason)
{
	struct lb_icmp_token token = {p->h->nonce, p->spec.id, p->serial};
	uint32_t family = lb_addr_is_v4(&p->spec.address) ? 0 : 1;

	return lb_icmp_send(&p->h->icmp[family], &p->spec.address, &token, reason);
}

static enum lb_probe_outcome start_vip(struct probe *p, const char **reason)
{
	struct lb_vip_question question = {.probe = p->spec.id, .port = p->spec.port};
	struct lb_no_way none = {LB_PROBE_UNABLE, "cannot probe: there is no way to VIPs"};

	if (p->h->vip_way_of == NULL ||
	    !p->h->vip_way_of(p->h->vip_way_ctx, &p->spec, &question.way, &none)) {
		*reason = none.reason;
		return none.outcome;
	}
	return lb_vip_probe_start(p->h->vips, &question, &p->number, reason);
}

static enum lb_probe_outcome start_by_type(struct probe *p, const char **reason)
{
	if (p->spec.is_of_vip)
		return start_vip(p, reason);
	return p->spec.type == LB_MONITOR_TCP ? start_tcp(p, reason) : start_icmp(p, reason);
}

/* Precondition: there is a place. */
static void start(struct probe *p)
{
	enum lb_probe_outcome outcome;
	const char *reason = "";

	p->h->stats.n_sent++;
	p->serial++;
	outcome = start_by_type(p, &reason);
	if (outcome != LB_PROBE_PENDING) {
		take_outcome(p, outcome, reason);
		return;
	}
	p->phase = PHASE_OUTSTANDING;
	p->h->stats.n_outstanding++;
	arm(p, p->spec.timeout_ms);
}

static void start_waiting(struct lb_health *h)
{
	while (!TAILQ_EMPTY(&h->queue) && h->stats.n_outstanding < h->outstanding_max) {
		struct probe *p = TAILQ_FIRST(&h->queue);

		TAILQ_REMOVE(&h->queue, p, waiting);
		start(p);
	}
}

static void take_answers(struct lb_health *h, struct lb_icmp_socket *sock, uint32_t max)
{
	struct lb_icmp_token token;
	struct lb_addr from;
	bool is_echo;

	for (uint32_t i = 0; i < max; i++) {
		struct probe *p;

		if (!lb_icmp_receive(sock, &from, &token, &is_echo))
			return;
		if (!is_echo || token.nonce != h->nonce || token.probe >= h->probes_max)
			continue;
		p = h->probes[token.probe];
		if (p == NULL || p->phase != PHASE_OUTSTANDING || p->serial != token.serial ||
		    p->spec.type != LB_MONITOR_ICMP || p->spec.is_of_vip ||
		    !lb_addr_equal(&p->spec.address, &from))
			continue;
		evtimer_del(&p->timer);
		finish(p, LB_PROBE_UP, "");
	}
}

static void on_icmp(evutil_socket_t fd, short what, void *arg)
{
	struct lb_health *h = arg;

	(void)what;
	take_answers(h, &h->icmp[fd == h->icmp[0].fd ? 0 : 1], LB_ICMP_BURST);
}

static void on_vip_answer(void *ctx, uint32_t id, enum lb_probe_outcome outcome, const char *reason)
{
	struct lb_health *h = ctx;

	evtimer_del(&h->probes[id]->timer);
	finish(h->probes[id], outcome, reason);
}

/* When the loop was late the answer may lie there unread: an answer counts before its absence. */
static void time_out(struct probe *p)
{
	struct lb_health *h = p->h;
	uint32_t id = p->spec.id, serial = p->serial;

	if (!p->spec.is_of_vip && p->spec.type == LB_MONITOR_TCP) {
		struct pollfd ready = {.fd = p->fd, .events = POLLOUT};
		const char *unused;

		if (poll(&ready, 1, 0) > 0) {
			on_socket(p->fd, EV_WRITE, p);
			return;
		}
		event_del(&p->socket);
		lb_tcp_probe_finish(p->fd, &unused);
		p->fd = -1;
	} else {
		if (p->spec.is_of_vip)
			lb_vip_probes_receive(h->vips, LB_HEALTH_OUTSTANDING_MAX);
		else
			take_answers(h, &h->icmp[lb_addr_is_v4(&p->spec.address) ? 0 : 1],
				     LB_HEALTH_OUTSTANDING_MAX);
		if (h->probes[id] != p || p->phase != PHASE_OUTSTANDING || p->serial != serial)
			return;
	}
	finish(p, LB_PROBE_DOWN, "no answer in time");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct probe *p = arg;

	(void)fd;
	(void)what;
	if (p->phase == PHASE_OUTSTANDING) {
		time_out(p);
		return;
	}
	if (p->h->stats.n_outstanding < p->h->outstanding_max && TAILQ_EMPTY(&p->h->queue)) {
		start(p);
		return;
	}
	p->phase = PHASE_WAITING;
	p->h->stats.n_delayed++;
	TAILQ_INSERT_TAIL(&p->h->queue, p, waiting);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_waiting(arg);
}

static void open_icmp(struct lb_health *h, uint32_t i)
{
	lb_icmp_open(&h->icmp[i], i == 0, (uint16_t)(h->nonce >> 48));
	if (h->icmp[i].fd < 0)
		return;
	if (event_assign(&h->icmp_event[i], h->base, h->icmp[i].fd, EV_READ | EV_PERSIST, on_icmp,
			 h) == 0 &&
	    event_add(&h->icmp_event[i], NULL) == 0)
		return;
	lb_icmp_close(&h->icmp[i]);
	h->icmp[i].error = "cannot probe: out of memory";
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

int lb_health_create(struct event_base *base, uint64_t seed, lb_on_verdict on_verdict, void *ctx,
		     struct lb_health **out)
{
	struct lb_health *h = calloc(1, sizeof(*h));
	struct rlimit files;

	*out = NULL;
	if (h == NULL)
		return -ENOMEM;
	h->base = base;
	h->on_verdict = on_verdict;
	h->ctx = ctx;
	h->seed = seed;
	/* Not from the seed: two processes on one host must not take each other's answers. */
	h->nonce = mix(now_ms() ^ mix((uint64_t)(uintptr_t)h));
	h->outstanding_max = LB_HEALTH_OUTSTANDING_MAX;
	/* Half of the descriptors stay for everything else. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < h->outstanding_max)
		h->outstanding_max = (uint32_t)(files.rlim_cur / 2) + 1;
	TAILQ_INIT(&h->queue);
	if (evtimer_assign(&h->kick, base, on_kick, h) != 0 ||
	    lb_vip_probes_create(base, mix(h->nonce), on_vip_answer, h, &h->vips) != 0) {
		free(h);
		return -ENOMEM;
	}
	open_icmp(h, 0);
	open_icmp(h, 1);
	*out = h;
	return 0;
}

static void end_probe(struct lb_health *h, uint32_t id)
{
	struct probe *p = h->probes[id];
	const char *unused;

	if (p == NULL)
		return;
	evtimer_del(&p->timer);
	if (p->phase == PHASE_WAITING)
		TAILQ_REMOVE(&h->queue, p, waiting);
	release(p);
	if (p->fd >= 0)
		lb_tcp_probe_finish(p->fd, &unused);
	h->probes[id] = NULL;
	h->stats.n_probes--;
	free(p);
}

void lb_health_destroy(struct lb_health *h)
{
	if (h == NULL)
		return;
	for (uint32_t id = 0; id < h->probes_max; id++)
		end_probe(h, id);
	for (uint32_t i = 0; i < 2; i++) {
		if (h->icmp[i].fd < 0)
			continue;
		event_del(&h->icmp_event[i]);
		lb_icmp_close(&h->icmp[i]);
	}
	lb_vip_probes_destroy(h->vips);
	event_del(&h->kick);
	free(h->probes);
	free(h);
}

static bool is_same_spec(const struct lb_probe_spec *a, const struct lb_probe_spec *b)
{
	return lb_addr_equal(&a->address, &b->address) && a->type == b->type &&
	       a->port == b->port && a->interval_ms == b->interval_ms &&
	       a->timeout_ms == b->timeout_ms && a->rise == b->rise && a->fall == b->fall &&
	       a->jitter_percent == b->jitter_percent && a->is_of_vip == b->is_of_vip &&
	       a->forwarding == b->forwarding && a->gue_port == b->gue_port &&
	       lb_addr_equal(&a->vip, &b->vip);
}

void lb_health_set_vip_way(struct lb_health *h, lb_vip_way_of way_of, void *ctx)
{
	h->vip_way_of = way_of;
	h->vip_way_ctx = ctx;
}

void lb_health_begin(struct lb_health *h)
{
	h->round++;
}

int lb_health_want(struct lb_health *h, const struct lb_probe_spec *spec)
{
	uint64_t seed = mix(h->seed + mix(spec->id + ((uint64_t)spec->port << 32)) +
			    mix(spec->address.word_be[3]));
	struct probe *p;

	if (lb_array_reserve((void **)&h->probes, &h->probes_max, spec->id,
			     sizeof(struct probe *)) != 0)
		return -ENOMEM;
	p = h->probes[spec->id];
	if (p != NULL && is_same_spec(&p->spec, spec)) {
		p->wanted_in = h->round;
		return 0;
	}
	end_probe(h, spec->id);
	p = calloc(1, sizeof(*p));
	if (p == NULL || evtimer_assign(&p->timer, h->base, on_timer, p) != 0) {
		free(p);
		return -ENOMEM;
	}
	p->h = h;
	p->spec = *spec;
	p->fd = -1;
	p->wanted_in = h->round;
	h->probes[spec->id] = p;
	h->stats.n_probes++;
	lb_monitor_init(&p->monitor, spec, seed, now_ms());
	schedule_next(p);
	return 0;
}

void lb_health_end(struct lb_health *h)
{
	for (uint32_t id = 0; id < h->probes_max; id++)
		if (h->probes[id] != NULL && h->probes[id]->wanted_in != h->round)
			end_probe(h, id);
	event_active(&h->kick, EV_TIMEOUT, 0);
}

const char *lb_health_error(const struct lb_health *h, uint32_t probe)
{
	return probe < h->probes_max && h->probes[probe] != NULL ? h->probes[probe]->error : NULL;
}

void lb_health_stats(const struct lb_health *h, struct lb_health_stats *out)
{
	*out = h->stats;
}
