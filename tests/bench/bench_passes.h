/* bench_passes.h - TSC cycles of each of the four passes.
 *
 * Role     an observer of a pipeline (lb_pipeline_observe) that reads the TSC when a pass has ended
 *          and when the next begins
 * Shape    one object per worker; bench_passes_begin() before each burst
 * Units    TSC cycles
 * Threads  one
 * Memory   the caller's
 * Limits   between two passes the observer is called for each packet, for a nanosecond or two that
 *          is in no pass; what a pass has asked for ahead arrives meanwhile. So these are shares;
 *          the row's own figure is measured without
 * Errors   none
 */
#ifndef BENCH_PASSES_H
#define BENCH_PASSES_H

#include "pipeline.h"

struct bench_passes {
	uint64_t cycles[LB_PASS_N];
	const struct lb_burst *burst;
	uint64_t from;      /* of the pass that runs */
	enum lb_pass next;  /* to end */
	uint32_t last;      /* packet that the pass shows last */
	uint32_t last_next; /* ... and the next one */
};

void bench_passes_begin(struct bench_passes *p, const struct lb_burst *burst);

/* For lb_pipeline_observe(), with a struct bench_passes. */
void bench_passes_on_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *pkt);

#endif
