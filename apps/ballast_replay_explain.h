/* ballast_replay_explain.h - what each pass found out about a packet, in words.
 *
 * Role     one line per packet and pass on standard output, for ballast_replay --explain
 * Shape    a tracer whose records are printed (controlplane/trace_text.h has the words)
 * Units    packets are counted from 1, in the order of the capture
 * Threads  one
 * Memory   borrows the configuration and its reconciliation
 * Limits   none
 * Errors   none
 * Tests    tests/golden/
 */
#ifndef LB_BALLAST_REPLAY_EXPLAIN_H
#define LB_BALLAST_REPLAY_EXPLAIN_H

#include "names.h"
#include "pipeline_trace.h"

struct lb_explain {
	struct lb_names names;
	const uint64_t *numbers; /* of the burst's packets */
	struct lb_tracer tracer;
};

void lb_explain_start(struct lb_explain *e, struct lb_pipeline *pl);

#endif
