#include "bench_passes.h"

#include <x86intrin.h>

void bench_passes_begin(struct bench_passes *p, const struct lb_burst *burst)
{
	p->burst = burst;
	p->next = LB_PASS_ADMIT;
	p->last_next = burst->n - 1;
	p->from = __rdtsc();
}

/* The next pass shows what has not ended yet, the last one everything. */
static uint32_t find_last(const struct lb_burst *b)
{
	for (uint32_t i = b->n; i > 0; i--)
		if (b->pkt[i - 1].verdict == LB_VERDICT_CONTINUE)
			return i - 1;
	return b->n - 1;
}

void bench_passes_on_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *pkt)
{
	struct bench_passes *p = ctx;

	(void)pkt;
	if (pass >= p->next) {
		p->cycles[pass] += __rdtsc() - p->from;
		p->next = pass + 1;
		p->last = p->last_next;
		p->last_next = find_last(p->burst);
	}
	if (idx == p->last)
		p->from = __rdtsc();
}
