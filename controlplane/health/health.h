/* health.h - watches real servers from the control loop.
 *
 * Role     runs the probes that reconcile wants and reports verdicts
 * Shape    one entry per probe, started by a jittered timer each; outcomes go through the pure
 *          state machine of monitor.h
 * Units    ms of CLOCK_MONOTONIC; timers have the loop's resolution of 1 ms
 * Threads  control thread; callbacks come from the loop, never from inside a call below. They may
 *          change the set of probes, but not destroy it
 * Memory   own heap, one entry per probe
 * Limits   at most LB_HEALTH_OUTSTANDING_MAX probes under way; one that is due beyond that waits
 *          its turn, oldest first (lb_health_stats says how many have had to)
 * Errors   a probe that this host cannot make (no right, no descriptor, no address of its own) is
 *          an outcome of its own: it leaves the state as it is and shows in lb_health_error
 * Source   DESIGN 4.1, 4.6
 * Tests    tests/unit/test_health.c, tests/system/test_vip_probe.py
 *
 * A TCP probe connects without blocking and, once connected, closes with a reset: the server never
 * waits in LAST_ACK for us and no local port stays in TIME_WAIT, whatever the interval. An ICMP
 * probe is an echo request over one socket per family (raw, or the unprivileged kind), answers are
 * matched by identifier, sequence number, source and a random word. A probe of a VIP does the same
 * through the forwarding path (vip_probe.h).
 */
#ifndef LB_HEALTH_H
#define LB_HEALTH_H

#include "health/monitor.h"
#include "health/vip_marks.h"

struct event_base;
struct lb_health;

#define LB_HEALTH_OUTSTANDING_MAX 4096u

struct lb_health_verdict {
	uint32_t probe; /* id of the spec */
	enum lb_health_state state;
	const char *reason; /* static: "connection refused", "no answer in time", ... */
};

typedef void (*lb_on_verdict)(void *ctx, const struct lb_health_verdict *verdict);

/* `seed` decides the jitter; the same seed gives the same times. */
int lb_health_create(struct event_base *base, uint64_t seed, lb_on_verdict on_verdict, void *ctx,
		     struct lb_health **out);

/* The way to a VIP now, asked for each probe. No way (false) is an outcome, DOWN or UNABLE. Never
 * set: VIPs cannot be probed. */
struct lb_no_way {
	enum lb_probe_outcome outcome;
	const char *reason; /* static */
};
typedef bool (*lb_vip_way_of)(void *ctx, const struct lb_probe_spec *spec, struct lb_vip_way *way,
			      struct lb_no_way *none);
void lb_health_set_vip_way(struct lb_health *h, lb_vip_way_of way_of, void *ctx);

/* Ends all probes without a verdict. NULL is allowed. */
void lb_health_destroy(struct lb_health *h);

/* The probes of a new configuration: begin, want each, end. A probe whose spec is as before goes
 * on undisturbed; one that is not wanted again ends; a new one starts within its first interval.
 * -ENOMEM: that probe is not watched; the others are. */
void lb_health_begin(struct lb_health *h);
int lb_health_want(struct lb_health *h, const struct lb_probe_spec *spec);
void lb_health_end(struct lb_health *h);

/* Why this host cannot probe at the moment (static text), NULL: it can. */
const char *lb_health_error(const struct lb_health *h, uint32_t probe);

struct lb_health_stats {
	uint32_t n_probes;
	uint32_t n_outstanding;
	uint64_t n_sent;
	uint64_t n_up; /* outcomes */
	uint64_t n_down;
	uint64_t n_unable;  /* could not be made here */
	uint64_t n_delayed; /* waited for others to end */
};

void lb_health_stats(const struct lb_health *h, struct lb_health_stats *out);

#endif
