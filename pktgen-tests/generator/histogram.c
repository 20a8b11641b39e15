#include "histogram.h"

static uint64_t upper_end(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 2 * GEN_HISTOGRAM_SUB)
		return bucket;
	shift = bucket / GEN_HISTOGRAM_SUB - 1;
	return ((uint64_t)(bucket % GEN_HISTOGRAM_SUB + GEN_HISTOGRAM_SUB) << shift) +
	       (UINT64_C(1) << shift) - 1;
}

uint64_t gen_histogram_quantile(const struct gen_histogram *h, double share)
{
	double wanted = share * (double)h->n;
	uint64_t seen = 0;

	if (h->n == 0)
		return 0;
	for (uint32_t i = 0; i < GEN_HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen != 0 && (double)seen >= wanted) {
			uint64_t end = upper_end(i);

			return end < h->max ? end : h->max;
		}
	}
	return h->max;
}
