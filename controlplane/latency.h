/* latency.h - how long something took, over the daemon's life and lately.
 *
 * Role     histogram with the bounds that the metrics show, maximum, median of the last samples
 * Shape    counts per bucket and a ring of samples
 * Units    microseconds
 * Threads  a value; belongs to whoever holds it
 * Memory   no heap
 * Limits   the median is over the last LB_LATENCY_SAMPLES
 * Errors   none
 * Tests    tests/unit/test_latency.c (naive twin)
 */
#ifndef LB_LATENCY_H
#define LB_LATENCY_H

#include <stdint.h>

#define LB_LATENCY_SAMPLES 1024u
#define LB_LATENCY_BUCKETS 14u

/* Upper bounds, inclusive; the last bucket has none. */
extern const uint32_t lb_latency_bound_us[LB_LATENCY_BUCKETS - 1];

struct lb_latency {
	uint64_t n;
	uint64_t sum_us;
	uint64_t max_us;
	uint64_t bucket[LB_LATENCY_BUCKETS];
	uint32_t sample_us[LB_LATENCY_SAMPLES];
};

void lb_latency_add(struct lb_latency *l, uint64_t us);

/* 0 without samples. */
uint64_t lb_latency_median_us(const struct lb_latency *l);

#endif
