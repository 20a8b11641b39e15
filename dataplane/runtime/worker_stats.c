#include "runtime/worker_stats.h"

/* One writer: a load and a store, no read-modify-write. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

void lb_worker_stats_start(struct lb_worker_stats *s, uint64_t tsc)
{
	atomic_store_explicit(&s->last_tsc, tsc, memory_order_relaxed);
	atomic_store_explicit(&s->start_tsc, tsc, memory_order_relaxed);
}

uint64_t lb_worker_stats_iteration(struct lb_worker_stats *s, uint64_t tsc, uint32_t work)
{
	uint64_t cycles = tsc - atomic_load_explicit(&s->last_tsc, memory_order_relaxed);

	add(&s->loops, 1);
	if (work > 0)
		add(&s->busy_tsc, cycles);
	atomic_store_explicit(&s->last_tsc, tsc, memory_order_relaxed);
	return cycles;
}

void lb_worker_stats_read(const struct lb_worker_stats *s, struct lb_worker_info *out)
{
	uint64_t start = atomic_load_explicit(&s->start_tsc, memory_order_relaxed);

	out->loops = atomic_load_explicit(&s->loops, memory_order_relaxed);
	out->busy_tsc = atomic_load_explicit(&s->busy_tsc, memory_order_relaxed);
	out->total_tsc = atomic_load_explicit(&s->last_tsc, memory_order_relaxed) - start;
}
