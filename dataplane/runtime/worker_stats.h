/* worker_stats.h - how busy a worker is.
 *
 * Role     iterations, cycles of those that had work, cycles in all
 * Shape    one cache line per worker
 * Units    TSC cycles
 * Threads  worker: rw (relaxed stores), control: ro (relaxed loads)
 * Memory   inside struct lb_worker
 * Errors   none
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_WORKER_STATS_H
#define LB_WORKER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lb/dataplane.h"

struct lb_worker_stats {
	_Alignas(64) _Atomic uint64_t loops;
	_Atomic uint64_t busy_tsc;
	_Atomic uint64_t start_tsc; /* 0: not started */
	_Atomic uint64_t last_tsc;  /* end of the last iteration */
};

void lb_worker_stats_start(struct lb_worker_stats *s, uint64_t tsc);

/* One iteration that ended at `tsc`. Returns the cycles that it took. */
uint64_t lb_worker_stats_iteration(struct lb_worker_stats *s, uint64_t tsc, uint32_t work);

/* Fills loops, busy_tsc and total_tsc. */
void lb_worker_stats_read(const struct lb_worker_stats *s, struct lb_worker_info *out);

#endif
