#include "latency.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The lower median of the last LB_LATENCY_SAMPLES. */
static uint64_t naive_median(const uint64_t *all, uint32_t n)
{
	uint32_t kept = n < LB_LATENCY_SAMPLES ? n : LB_LATENCY_SAMPLES;
	uint64_t last[LB_LATENCY_SAMPLES];

	for (uint32_t i = 0; i < kept; i++)
		last[i] = all[n - kept + i];
	qsort(last, kept, sizeof(last[0]), compare);
	return last[(kept - 1) / 2];
}

Test(latency, median_and_buckets_agree_with_a_naive_twin)
{
	static uint64_t all[3 * LB_LATENCY_SAMPLES];
	static struct lb_latency l;
	unsigned int seed = (unsigned int)time(NULL);
	uint64_t sum = 0, max = 0, in_buckets = 0;
	const uint32_t n = 3 * LB_LATENCY_SAMPLES;

	cr_log_info("seed %u", seed);
	cr_expect(lb_latency_median_us(&l) == 0, "no samples");
	for (uint32_t i = 0; i < n; i++) {
		all[i] = (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31;
		sum += all[i];
		max = all[i] > max ? all[i] : max;
		lb_latency_add(&l, all[i]);
		if (i % 97 == 0)
			cr_assert(lb_latency_median_us(&l) == naive_median(all, i + 1),
				  "seed %u after %u", seed, i + 1);
	}
	cr_expect(l.n == n && l.sum_us == sum && l.max_us == max);
	for (uint32_t b = 0; b < LB_LATENCY_BUCKETS; b++) {
		uint64_t n_up_to = 0;

		in_buckets += l.bucket[b];
		for (uint32_t i = 0; i < n; i++)
			n_up_to += b == LB_LATENCY_BUCKETS - 1 || all[i] <= lb_latency_bound_us[b];
		cr_expect(in_buckets == n_up_to, "seed %u bucket %u", seed, b);
	}
}

Test(latency, what_a_sample_cannot_hold_is_cut)
{
	static struct lb_latency l;

	lb_latency_add(&l, UINT64_MAX / 2);
	cr_expect(l.max_us == UINT64_MAX / 2);
	cr_expect(lb_latency_median_us(&l) == UINT32_MAX);
	cr_expect(l.bucket[LB_LATENCY_BUCKETS - 1] == 1);
}
