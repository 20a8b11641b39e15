/* counters.h - the counters of a worker, from the one list in counters.def.
 *
 * Role     enum, names, kinds and help sentences of every counter and drop reason
 * Shape    uint64_t value[LB_COUNTER_N] per worker; drop reasons are the DROP counters
 * Units    packets or events
 * Threads  worker: rw (relaxed stores), control: ro (relaxed loads)
 * Memory   LB_COUNTER_N * 8 bytes per worker
 * Limits   64-bit, do not wrap in practice
 * Errors   none
 * Tests    tests/unit/test_counters.c
 */
#ifndef LB_COUNTERS_H
#define LB_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

enum lb_counter {
#define LB_COUNTER(name, kind, help) LB_COUNT_##name,
#include "lb/counters.def"
#undef LB_COUNTER
	LB_COUNTER_N
};

enum lb_counter_kind {
	LB_COUNTER_IN,
	LB_COUNTER_OUT,
	LB_COUNTER_DROP,
	LB_COUNTER_GAUGE_OUT,
	LB_COUNTER_INFO,
};

struct lb_counter_info {
	const char *name;
	enum lb_counter_kind kind;
	const char *help;
};

/* One row per counter, in the order of the enum. */
extern const struct lb_counter_info lb_counter_info[LB_COUNTER_N];

/* The accounting law: sum of the IN side less sum of the OUT side; 0 when every packet is
 * accounted for. */
int64_t lb_counters_imbalance(const uint64_t value[LB_COUNTER_N]);

#endif
