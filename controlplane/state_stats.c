#include "state_json.h"

#include "reconcile.h"
#include "spread.h"
#include "state_spread.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_counters(struct lb_text *out, const uint64_t value[LB_COUNTER_N])
{
	for (uint32_t c = 0; c < LB_COUNTER_N; c++)
		lb_text_json_u64(out, lb_counter_info[c].name, value[c]);
}

static int add_all_counters(const struct lb_dataplane *dp, struct lb_text *out)
{
	uint32_t n = lb_dataplane_n_workers(dp);
	uint64_t totals[LB_COUNTER_N] = {0};
	int64_t imbalance;

	lb_text_json_open(out, "workers", '[');
	for (uint32_t i = 0; i < n; i++) {
		uint64_t value[LB_COUNTER_N];

		lb_dataplane_counters(dp, i, value);
		for (uint32_t c = 0; c < LB_COUNTER_N; c++)
			totals[c] += value[c];
		lb_text_json_open(out, NULL, '{');
		lb_text_json_u64(out, "worker", i);
		lb_text_json_i64(out, "imbalance", lb_counters_imbalance(value));
		lb_text_json_open(out, "counters", '{');
		add_counters(out, value);
		lb_text_json_close(out, '}');
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
	imbalance = lb_counters_imbalance(totals);
	lb_text_json_i64(out, "imbalance", imbalance);
	lb_text_json_open(out, "totals", '{');
	add_counters(out, totals);
	lb_text_json_close(out, '}');
	return imbalance == 0 ? 0 : -EAGAIN;
}

int lb_state_counters(const struct lb_dataplane *dp, struct lb_text *out)
{
	int rc;

	lb_text_json_open(out, NULL, '{');
	rc = add_all_counters(dp, out);
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
	return rc;
}

static void add_traffic(struct lb_text *out, const struct lb_traffic *t)
{
	lb_text_json_u64(out, "connections", t->conns);
	lb_text_json_u64(out, "connections_live", t->conns_live);
	lb_text_json_u64(out, "packets_in", t->pkts_in);
	lb_text_json_u64(out, "bytes_in", t->bytes_in);
	lb_text_json_u64(out, "packets_out", t->pkts_out);
	lb_text_json_u64(out, "bytes_out", t->bytes_out);
}

void lb_state_each_real(const struct lb_control *ctl, lb_state_on_real on_real, void *ctx)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	uint8_t *is_seen = calloc(LB_REALS_MAX / CHAR_BIT, 1);

	for (uint32_t p = 0; is_seen != NULL && p < cfg->n_pools; p++)
		for (uint32_t i = 0; i < cfg->pools[p].n_reals; i++) {
			struct lb_state_real r = {.pool = &cfg->pools[p],
						  .real = &cfg->pools[p].reals[i],
						  .pool_idx = p,
						  .real_idx = i};
			struct lb_real_status status;
			uint8_t bit;

			lb_reconcile_pool_real(lb_control_reconcile(ctl), p, i, &status);
			r.real_id = status.real_id;
			if (r.real_id >= LB_REALS_MAX)
				continue;
			bit = (uint8_t)(1u << (r.real_id % CHAR_BIT));
			if ((is_seen[r.real_id / CHAR_BIT] & bit) != 0)
				continue;
			is_seen[r.real_id / CHAR_BIT] |= bit;
			on_real(ctx, &r);
		}
	free(is_seen);
}

struct stats_walk {
	const struct lb_dataplane *dp;
	struct lb_text *out;
};

static void add_real(void *ctx, const struct lb_state_real *r)
{
	struct stats_walk *walk = ctx;
	char address[LB_ADDR_TEXT_MAX];
	struct lb_traffic traffic;

	lb_dataplane_real_traffic(walk->dp, r->real_id, &traffic);
	lb_text_json_open(walk->out, NULL, '{');
	lb_text_json_str(walk->out, "name", r->real->name);
	lb_text_json_str(walk->out, "address", lb_addr_format(&r->real->address, address));
	if (r->real->port != 0)
		lb_text_json_u64(walk->out, "port", r->real->port);
	add_traffic(walk->out, &traffic);
	lb_text_json_close(walk->out, '}');
}

/* Thousandths as per cent with one place. */
static void add_percent(struct lb_text *out, const char *key, uint32_t permille)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u.%u", permille / 10, permille % 10);

	lb_text_json_raw(out, key, text, (size_t)n);
}

static void add_service(const struct lb_control *ctl, uint32_t idx,
			const struct lb_state_spread *spread, struct lb_text *out)
{
	struct lb_traffic traffic;

	lb_dataplane_service_traffic(lb_control_dataplane(ctl),
				     lb_reconcile_service_slot(lb_control_reconcile(ctl), idx),
				     &traffic);
	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "name", lb_control_config(ctl)->services[idx].name);
	add_traffic(out, &traffic);
	lb_text_json_u64(out, "server_changed", traffic.server_changed);
	if (spread != NULL && spread->permille != LB_SPREAD_UNKNOWN) {
		add_percent(out, "spread_percent", spread->permille);
		lb_text_json_u64(out, "spread_services", spread->n_services);
	}
	lb_text_json_u64(out, "evicted_closed", traffic.evicted_closed);
	lb_text_json_u64(out, "evicted_embryonic", traffic.evicted_embryonic);
	lb_text_json_u64(out, "evicted_idle", traffic.evicted_idle);
	lb_text_json_close(out, '}');
}

static void add_services(const struct lb_control *ctl, struct lb_text *out)
{
	struct lb_state_spread *spreads = lb_state_spreads(ctl);
	uint32_t n = lb_control_config(ctl)->n_services;

	lb_text_json_open(out, "virtual_services", '[');
	for (uint32_t i = 0; i < n; i++)
		add_service(ctl, i, spreads != NULL ? &spreads[i] : NULL, out);
	lb_text_json_close(out, ']');
	free(spreads);
}

static void add_fill(struct lb_text *out, uint64_t used, uint64_t limit)
{
	lb_text_json_u64(out, "used", used);
	lb_text_json_u64(out, "limit", limit);
	if (limit > 0)
		add_percent(out, "fill_percent", (uint32_t)(1000 * used / limit));
}

static void add_tables(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_dataplane *dp = lb_control_dataplane(ctl);
	uint32_t n = lb_dataplane_n_workers(dp);
	uint64_t used = 0, limit = 0;

	lb_text_json_open(out, "tables", '{');
	lb_text_json_open(out, "connections", '{');
	lb_text_json_open(out, "workers", '[');
	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(dp, i, &info);
		used += info.n_entries;
		limit += info.entries_max;
		lb_text_json_open(out, NULL, '{');
		lb_text_json_u64(out, "worker", i);
		add_fill(out, info.n_entries, info.entries_max);
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
	add_fill(out, used, limit);
	lb_text_json_close(out, '}');
	lb_text_json_open(out, "persistence_records", '{');
	add_fill(out, lb_dataplane_records_live(dp),
		 lb_control_config(ctl)->node.persistence_records);
	lb_text_json_close(out, '}');
	lb_text_json_close(out, '}');
}

void lb_state_stats(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_dataplane *dp = lb_control_dataplane(ctl);
	struct stats_walk walk = {dp, out};

	lb_text_json_open(out, NULL, '{');
	add_all_counters(dp, out);
	lb_text_json_u64(out, "persistence_records", lb_dataplane_records_live(dp));
	add_tables(ctl, out);
	add_services(ctl, out);
	lb_text_json_open(out, "real_servers", '[');
	lb_state_each_real(ctl, add_real, &walk);
	lb_text_json_close(out, ']');
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
}
