#include "latency.h"

#include <stdlib.h>
#include <string.h>

const uint32_t lb_latency_bound_us[LB_LATENCY_BUCKETS - 1] = {
	50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 500000, 2000000,
};

void lb_latency_add(struct lb_latency *l, uint64_t us)
{
	uint32_t i = 0;

	while (i < LB_LATENCY_BUCKETS - 1 && us > lb_latency_bound_us[i])
		i++;
	l->bucket[i]++;
	l->sample_us[l->n % LB_LATENCY_SAMPLES] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	l->n++;
	l->sum_us += us;
	if (us > l->max_us)
		l->max_us = us;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint64_t lb_latency_median_us(const struct lb_latency *l)
{
	uint32_t n = l->n < LB_LATENCY_SAMPLES ? (uint32_t)l->n : LB_LATENCY_SAMPLES;
	uint32_t sorted[LB_LATENCY_SAMPLES];

	if (n == 0)
		return 0;
	memcpy(sorted, l->sample_us, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return sorted[(n - 1) / 2];
}
