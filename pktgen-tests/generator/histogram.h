/* histogram.h - latencies counted in buckets that grow with the value.
 *
 * Role     takes millions of values a second and tells their quantiles to 1.6 %
 * Shape    values below 64 have a bucket each; above, each power of two has 64 of equal width
 * Units    whatever the values are in
 * Threads  one writer
 * Memory   30 KiB, no allocation
 * Limits   values to 2^64 - 1
 * Errors   none; a quantile of nothing is 0
 * Tests    tests/unit/test_generator_trial.c
 */
#ifndef GEN_HISTOGRAM_H
#define GEN_HISTOGRAM_H

#include <stdint.h>

#define GEN_HISTOGRAM_SUB 64u
#define GEN_HISTOGRAM_BUCKETS (59u * GEN_HISTOGRAM_SUB)

struct gen_histogram {
	uint64_t n;
	uint64_t min;
	uint64_t max;
	uint64_t counts[GEN_HISTOGRAM_BUCKETS];
};

static inline uint32_t gen_histogram_bucket(uint64_t value)
{
	uint32_t shift;

	if (value < GEN_HISTOGRAM_SUB)
		return (uint32_t)value;
	shift = 57u - (uint32_t)__builtin_clzll(value);
	return shift * GEN_HISTOGRAM_SUB + (uint32_t)(value >> shift);
}

static inline void gen_histogram_add(struct gen_histogram *h, uint64_t value)
{
	if (h->n == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->n++;
	h->counts[gen_histogram_bucket(value)]++;
}

/* The smallest value that `share` (0..1) of all are not above, up to its bucket's upper end. */
uint64_t gen_histogram_quantile(const struct gen_histogram *h, double share);

#endif
