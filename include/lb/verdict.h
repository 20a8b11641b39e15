/* verdict.h - what becomes of a packet.
 *
 * Role     the word that ends a packet's way, for both planes
 * Shape    an enum
 * Units    none
 * Threads  a value
 * Memory   none
 * Errors   none
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_VERDICT_H
#define LB_VERDICT_H

enum lb_verdict {
	LB_VERDICT_CONTINUE,
	LB_VERDICT_TX,        /* leave by `out_port`, as a frame of `out_iface` */
	LB_VERDICT_PUNT,      /* not ours: to the kernel */
	LB_VERDICT_HAND_OVER, /* to worker `owner` */
	LB_VERDICT_HOLD,      /* a fragment that waits: the caller keeps the bytes */
	LB_VERDICT_DROP,      /* counted under `drop_reason` */
	LB_VERDICT_N,
};

#endif
