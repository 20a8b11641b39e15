/* worker_block.h - a worker and all that it needs, in one mapping.
 *
 * Role     sizes and lays out the worker, its rings and its pipeline
 * Shape    struct lb_worker, command and event ring, byte rings, a hand-over ring per other
 *          worker, the pipeline; each aligned to 128 bytes
 * Units    bytes
 * Threads  control, at start and stop
 * Memory   one mapping per worker (memory.h), touched where used
 * Limits   sizes of the rings below; what a full one does is said in worker.h and publish.h
 * Errors   -ENOMEM, -EINVAL of the pipeline's init
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_WORKER_BLOCK_H
#define LB_WORKER_BLOCK_H

#include "runtime/worker.h"

#define LB_PUNT_RING_BYTES (1u << 20)
#define LB_PUNT_KEPT_BYTES (LB_PUNT_RING_BYTES / 2) /* for what is awaited (steer/awaited.h) */
#define LB_INJECT_RING_BYTES (1u << 18) /* worker 0 only */

/* Rings, pipeline, indexes; the caller sets ports, stop flag, clock and core. */
int lb_worker_block_create(const struct lb_pipeline_params *params, struct lb_worker **out);

void lb_worker_block_destroy(struct lb_worker *w); /* NULL is allowed */

#endif
