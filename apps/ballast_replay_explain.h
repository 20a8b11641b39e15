/* ballast_replay_explain.h - what each pass found out about a packet, in words.
 *
 * Role     one line per packet and pass on standard output, for ballast_replay --explain
 * Shape    a pipeline observer
 * Units    packets are counted from 1, in the order of the capture
 * Threads  one
 * Memory   borrows the configuration and its reconciliation
 * Limits   none
 * Errors   none
 * Tests    tests/golden/
 */
#ifndef LB_BALLAST_REPLAY_EXPLAIN_H
#define LB_BALLAST_REPLAY_EXPLAIN_H

#include "lb/config.h"
#include "pipeline.h"
#include "reconcile.h"

struct lb_explain {
	const struct lb_config *cfg;
	const struct lb_reconcile *reconcile;
	const uint64_t *numbers; /* of the burst's packets */
	bool is_again;           /* they have waited */
};

/* An lb_pipeline_observer; `ctx` is a struct lb_explain. */
void lb_explain_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *pkt);

#endif
