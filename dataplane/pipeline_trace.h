/* pipeline_trace.h - the observer that tells matching packets.
 *
 * Role     picks packets by a filter in the first pass, follows them through the others, tells one
 *          record each at the end
 * Shape    one per pipeline; a packet that does not match costs the comparison and, in the other
 *          passes, a bit test
 * Units    as in lb/trace.h
 * Threads  the pipeline's owner
 * Memory   16 KiB inside; nothing allocated
 * Limits   one trace at a time; it ends when filter.count packets are told
 * Errors   none: what `tell` does not take is counted in the next record's n_lost
 * Source   decision 0091
 * Tests    tests/unit/test_pipeline_trace.c
 */
#ifndef LB_PIPELINE_TRACE_H
#define LB_PIPELINE_TRACE_H

#include "lb/trace.h"
#include "pipeline.h"

struct lb_tracer {
	struct lb_pipeline *pl; /* NULL: no trace */
	struct lb_trace_filter filter;
	uint32_t n_left;
	uint32_t n_lost;
	bool is_again;	  /* what runs now has waited: lb_pipeline_run_again */
	uint32_t matched; /* bits: packets of this burst */
	bool (*tell)(void *ctx, const struct lb_trace_record *record); /* false: no room */
	void *ctx;
	struct lb_trace_record records[LB_BURST_MAX];
};

/* Between bursts. Replaces what runs; a count of 0 ends it. */
void lb_tracer_start(struct lb_tracer *t, struct lb_pipeline *pl,
		     const struct lb_trace_filter *filter);

/* Between bursts: a trace that has told its last packet stops observing. */
void lb_tracer_rest(struct lb_tracer *t);

#endif
