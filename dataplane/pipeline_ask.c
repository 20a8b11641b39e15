/* What is asked of a pipeline beside running bursts. */
#include <assert.h>

#include "pipeline_state.h"
#include "steer/promises.h"

void lb_pipeline_age(struct lb_pipeline *pl, uint64_t now_ms)
{
	lb_conn_age(&pl->steer, now_ms, LB_AGE_BUCKETS_MAX);
	lb_fragment_age(pl->fragments, now_ms);
}

uint32_t lb_pipeline_take_unresolved(struct lb_pipeline *pl, uint32_t *ids, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && pl->n_unresolved != 0)
		ids[n++] = pl->unresolved[--pl->n_unresolved];
	return n;
}

void lb_pipeline_uncount(struct lb_pipeline *pl, enum lb_counter from, enum lb_counter reason)
{
	assert(from == LB_COUNT_tx || from == LB_COUNT_punted);
	lb_add(&pl->counters[from], (uint64_t)-1);
	lb_add(&pl->counters[reason], 1);
}

bool lb_pipeline_is_awaited(const struct lb_pipeline *pl, const struct lb_pkt *p)
{
	return lb_awaited_is(pl->steer.awaited, p);
}

void lb_pipeline_count(struct lb_pipeline *pl, enum lb_counter counter, uint64_t n)
{
	lb_add(&pl->counters[counter], n);
}

static uint64_t load(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

uint64_t lb_pipeline_counter(const struct lb_pipeline *pl, enum lb_counter counter)
{
	return load(&pl->counters[counter]);
}

static void add_cell(const struct lb_traffic_cell *cell, struct lb_traffic *add_to)
{
	add_to->conns += load(&cell->conns);
	add_to->conns_live += load(&cell->conns_live);
	add_to->pkts_in += load(&cell->way[0].pkts);
	add_to->bytes_in += load(&cell->way[0].bytes);
	add_to->pkts_out += load(&cell->way[1].pkts);
	add_to->bytes_out += load(&cell->way[1].bytes);
}

void lb_pipeline_service_traffic(const struct lb_pipeline *pl, uint32_t slot,
				 struct lb_traffic *add_to)
{
	const struct lb_promise_cell *cell = &pl->steer.promises[slot];

	assert(slot < LB_SERVICES_MAX);
	add_cell(&pl->steer.service_lines[slot].traffic, add_to);
	add_to->server_changed += load(&cell->moved);
	add_to->evicted_closed += load(&cell->evicted_closed);
	add_to->evicted_embryonic += load(&cell->evicted_embryonic);
	add_to->evicted_idle += load(&cell->evicted_idle);
}

void lb_pipeline_real_traffic(const struct lb_pipeline *pl, uint32_t real_id,
			      struct lb_traffic *add_to)
{
	assert(real_id < LB_REALS_MAX);
	add_cell(&pl->steer.real_lines[real_id].traffic, add_to);
}

uint32_t lb_pipeline_conns(const struct lb_pipeline *pl)
{
	return __atomic_load_n(&pl->steer.conns, __ATOMIC_RELAXED);
}

uint32_t lb_pipeline_entries(const struct lb_pipeline *pl)
{
	return __atomic_load_n(&pl->steer.entries, __ATOMIC_RELAXED);
}

uint32_t lb_pipeline_entries_max(const struct lb_pipeline *pl)
{
	return pl->steer.entries_max;
}

bool lb_pipeline_list(const struct lb_pipeline *pl, struct lb_conn_listing *l, uint64_t now_ms,
		      struct lb_listing_record out[2], uint32_t *n)
{
	return lb_conn_listing_next(l, &pl->steer, now_ms, out, n);
}

struct lb_listing_end lb_pipeline_list_end(const struct lb_pipeline *pl,
					   const struct lb_conn_listing *l)
{
	return lb_conn_listing_end(l, &pl->steer);
}

bool lb_pipeline_records(const struct lb_pipeline *pl, struct lb_record_listing *l, uint64_t now_ms,
			 struct lb_records_record *out, bool *is_told)
{
	return lb_record_listing_next(l, &pl->steer, now_ms, out, is_told);
}

struct lb_records_end lb_pipeline_records_end(const struct lb_pipeline *pl,
					      const struct lb_record_listing *l)
{
	return lb_record_listing_end(l, &pl->steer);
}

void lb_pipeline_observe(struct lb_pipeline *pl, lb_pipeline_observer on_pass, void *ctx)
{
	pl->on_pass = on_pass;
	pl->on_pass_ctx = ctx;
}
