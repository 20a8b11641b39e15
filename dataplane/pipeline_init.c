#include <errno.h>
#include <stdint.h>

#include "pipeline_state.h"
#include "steer/promises.h"
#include "steer/service_limits.h"
#include "steer/table_line.h"

#define ALIGNMENT 128u
#define NEWCOMERS_SEED UINT64_C(0x6e6577636f6d6572) /* sets this hash apart from the others */

/* Both hands of the layout: with a base it gives out addresses, without one it only measures. */
struct arena {
	uint8_t *base;
	size_t used;
};

static void *take(struct arena *a, size_t bytes)
{
	size_t at = a->used;

	a->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	return a->base == NULL ? NULL : a->base + at;
}

/* The parts with an init function of their own. */
struct parts {
	struct lb_pipeline *pl;
	void *conn_table;
	void *service_table;
	void *nat_addr_set;
	void *next_hops;
	struct lb_owner_map *owners;
	void *fragments;
	struct lb_awaited *awaited;
};

/* A NAT connection takes two entries, and the table is to be no fuller than 80 % (decision 0130);
 * either family may need them all. */
static uint32_t entries_of(const struct lb_pipeline_params *params)
{
	return params->n_connections / 2 * 5;
}

static void lay_out(struct arena *a, const struct lb_pipeline_params *params, struct parts *parts,
		    struct lb_steer *st)
{
	parts->pl = take(a, sizeof(struct lb_pipeline));
	parts->conn_table = take(a, lb_conn_table_bytes(entries_of(params), entries_of(params)));
	parts->service_table = take(a, lb_service_table_bytes(LB_SERVICE_ENTRIES_MAX));
	parts->nat_addr_set = take(a, lb_nat_addr_set_bytes());
	parts->next_hops = take(a, lb_next_hops_bytes());
	parts->awaited = take(a, sizeof(*parts->awaited));
	parts->owners = params->n_workers > 1 ? take(a, sizeof(*parts->owners)) : NULL;
	parts->fragments = take(a, lb_fragment_table_bytes());
	st->services = take(a, LB_SERVICES_MAX * sizeof(*st->services));
	st->schedule = take(a, LB_SERVICES_MAX * sizeof(*st->schedule));
	st->reals = take(a, LB_REALS_MAX * sizeof(*st->reals));
	st->member_generation = take(a, LB_TARGETS_MAX * sizeof(*st->member_generation));
	st->targets.bits = take(a, LB_TARGETS_MAX / 4);
	st->targets.down = take(a, LB_TARGETS_MAX / 8);
	st->down_since_s = take(a, LB_TARGETS_MAX * sizeof(*st->down_since_s));
	st->nat_sources = take(a, LB_NAT_SOURCES_MAX * sizeof(*st->nat_sources));
	st->nat_cursors = take(a, 2 * LB_NAT_SOURCES_MAX * sizeof(*st->nat_cursors));
	st->nat_addrs = take(a, (LB_NAT_ADDR_IDS_MAX + 1) * sizeof(*st->nat_addrs));
	st->service_lines = take(a, LB_SERVICES_MAX * sizeof(*st->service_lines));
	st->table_lines = take(a, LB_SERVICES_MAX * sizeof(*st->table_lines));
	st->real_lines = take(a, LB_REALS_MAX * sizeof(*st->real_lines));
	st->limits = take(a, LB_SERVICES_MAX * sizeof(*st->limits));
	st->promises = take(a, LB_SERVICES_MAX * sizeof(*st->promises));
	st->begun.n_max = st->over.n_max = params->n_connections;
	st->begun.marks = take(a, params->n_connections * sizeof(*st->begun.marks));
	st->over.marks = take(a, params->n_connections * sizeof(*st->over.marks));
	lb_newcomers_init(&st->newcomers, take(a, lb_newcomers_bytes(params->n_connections)),
			  params->n_connections);
}

static uint64_t *take_unplaced(struct arena *a)
{
	return take(a, LB_SERVICES_MAX / 8);
}

size_t lb_pipeline_bytes(const struct lb_pipeline_params *params)
{
	struct arena a = {NULL, 0};
	struct parts parts;
	struct lb_steer st;

	lay_out(&a, params, &parts, &st);
	take_unplaced(&a);
	return a.used;
}

static int init_tables(const struct parts *parts, const struct lb_pipeline_params *params,
		       struct lb_steer *st)
{
	int rc = lb_conn_table_init(parts->conn_table, entries_of(params), entries_of(params),
				    params->seed, &st->conn_table);

	if (rc != 0)
		return rc;
	rc = lb_service_table_init(parts->service_table, LB_SERVICE_ENTRIES_MAX, params->seed,
				   &st->service_table);
	if (rc != 0)
		return rc;
	lb_nat_addr_set_init(parts->nat_addr_set, params->seed, &st->nat_addr_set);
	lb_next_hops_init(parts->next_hops, params->seed, &st->next_hops);
	st->hops = lb_next_hops_all(st->next_hops);
	if (parts->owners != NULL)
		lb_owner_map_init(parts->owners, params->n_workers, params->seed);
	st->owners = parts->owners;
	parts->awaited->seed = params->seed;
	st->awaited = parts->awaited;
	return 0;
}

int lb_pipeline_init(void *mem, const struct lb_pipeline_params *params, struct lb_pipeline **out)
{
	struct arena a = {mem, 0};
	struct lb_steer st = {.worker = params->worker,
			      .n_workers = params->n_workers,
			      .seed = params->seed,
			      .entries_max = 2 * params->n_connections,
			      .persist = params->persist,
			      .rss = params->n_workers > 1 ? params->rss : NULL};
	struct parts parts;
	int rc;

	if (params->n_connections == 0 || params->n_connections > UINT32_MAX / 2 ||
	    params->worker >= params->n_workers || params->n_workers > LB_WORKERS_MAX ||
	    (uintptr_t)mem % ALIGNMENT != 0)
		return -EINVAL;
	lay_out(&a, params, &parts, &st);
	rc = init_tables(&parts, params, &st);
	if (rc != 0)
		return rc;
	parts.pl->steer = st;
	parts.pl->steer.counters = parts.pl->counters;
	lb_hash_seed_init(&parts.pl->steer.newcomer_seed, params->seed ^ NEWCOMERS_SEED);
	parts.pl->unplaced = take_unplaced(&a);
	lb_fragment_table_init(parts.fragments, params->seed, params->worker, params->n_workers,
			       &parts.pl->fragments);
	lb_token_bucket_init(&parts.pl->replies, LB_REPLIES_PER_S, LB_REPLIES_BURST);
	lb_token_bucket_init(&parts.pl->steer.asks.bucket, LB_ASKS_PER_S, LB_ASKS_MAX);
	*out = parts.pl;
	return 0;
}
