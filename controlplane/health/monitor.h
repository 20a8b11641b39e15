/* monitor.h - when repeated probes make a server up or down.
 *
 * Role     the state machine of one probe: what is due when, and what an outcome means
 * Shape    a small value per probe; time is an argument, nothing is sent here
 * Units    ms of a monotonic clock
 * Threads  values; no shared state
 * Memory   no heap
 * Limits   one probe outstanding; a verdict at most fall * interval + timeout after the server
 *          stopped answering (lb_monitor_detection_ms)
 * Errors   none
 * Source   DESIGN 4.6
 * Tests    tests/unit/test_monitor.c (naive twin)
 */
#ifndef LB_MONITOR_H
#define LB_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/config.h"

enum lb_health_state {
	LB_HEALTH_CHECKING, /* no verdict yet: takes nothing */
	LB_HEALTH_UP,
	LB_HEALTH_DOWN,
	LB_HEALTH_STATE_N,
};

extern const char *const lb_health_state_name[LB_HEALTH_STATE_N];

/* What is to be probed and how. Ids are given out by reconcile. */
struct lb_probe_spec {
	uint32_t id;
	struct lb_addr address;
	enum lb_monitor_type type;
	uint16_t port; /* tcp */
	/* Asks `vip` at that address by the way of clients' packets; false: the address itself */
	bool is_of_vip;
	uint8_t forwarding; /* of a VIP: enum lb_forwarding, and its port */
	uint16_t gue_port;
	struct lb_addr vip;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;
	uint32_t jitter_percent;
	/* CHECKING, or the verdict of a probe of the same place with other intervals, so that
	 * editing a monitor does not take servers out */
	enum lb_health_state initial;
};

struct lb_monitor {
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;
	uint32_t jitter_percent;
	uint32_t streak; /* outcomes in a row that contradict the state */
	enum lb_health_state state;
	uint64_t next_ms; /* when the next probe is due */
	uint64_t seed;    /* state of the jitter's own random numbers */
};

/* The first probe is due somewhere within an interval (at most LB_MONITOR_FIRST_MS) after now,
 * drawn from `seed`, so that thousands of servers are not probed in one burst. */
#define LB_MONITOR_FIRST_MS 1000u

void lb_monitor_init(struct lb_monitor *m, const struct lb_probe_spec *spec, uint64_t seed,
		     uint64_t now_ms);

/* When the next probe is to start, never before now: an interval after the one before it, less
 * up to jitter_percent. Each call draws the next interval; call it once per probe. Late callers do
 * not pile up probes. */
uint64_t lb_monitor_next_ms(struct lb_monitor *m, uint64_t now_ms);

/* Takes one outcome in; true when the state changed with it. */
bool lb_monitor_outcome(struct lb_monitor *m, bool is_up);

/* The stated bound from failure to verdict. */
uint64_t lb_monitor_detection_ms(const struct lb_monitor *m);

#endif
