#include "state_json.h"

#include "courier.h"
#include "reconcile.h"
#include "spread.h"
#include "state_spread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Family names and units follow OpenMetrics: counters end in _total, bytes are bytes. */
static void add_family(struct lb_text *out, const char *name, const char *type, const char *help)
{
	lb_text_fmt(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void add_counters(const struct lb_dataplane *dp, struct lb_text *out)
{
	uint32_t n = lb_dataplane_n_workers(dp);

	for (uint32_t c = 0; c < LB_COUNTER_N; c++) {
		const struct lb_counter_info *info = &lb_counter_info[c];
		bool is_gauge = info->kind == LB_COUNTER_GAUGE_OUT;
		bool is_drop = info->kind == LB_COUNTER_DROP;
		uint64_t value[LB_COUNTER_N];

		if (is_drop)
			continue;
		lb_text_fmt(out, "# TYPE ballast_%s %s\n# HELP ballast_%s %s\n", info->name,
			    is_gauge ? "gauge" : "counter", info->name, info->help);
		for (uint32_t w = 0; w < n; w++) {
			lb_dataplane_counters(dp, w, value);
			lb_text_fmt(out, "ballast_%s%s{worker=\"%u\"} %" PRIu64 "\n", info->name,
				    is_gauge ? "" : "_total", w, value[c]);
		}
	}
}

static void add_drops(const struct lb_dataplane *dp, struct lb_text *out)
{
	uint32_t n = lb_dataplane_n_workers(dp);

	add_family(out, "ballast_drops", "counter", "packets dropped, by reason");
	for (uint32_t w = 0; w < n; w++) {
		uint64_t value[LB_COUNTER_N];

		lb_dataplane_counters(dp, w, value);
		for (uint32_t c = 0; c < LB_COUNTER_N; c++)
			if (lb_counter_info[c].kind == LB_COUNTER_DROP)
				lb_text_fmt(out,
					    "ballast_drops_total{worker=\"%u\",reason=\"%s\"} "
					    "%" PRIu64 "\n",
					    w, lb_counter_info[c].name + strlen("drop_"), value[c]);
	}
}

/* The samples of one family must be neighbours: a pass over all objects per family. */
enum traffic_field {
	TRAFFIC_CONNS,
	TRAFFIC_LIVE,
	TRAFFIC_PKTS_IN,
	TRAFFIC_BYTES_IN,
	TRAFFIC_PKTS_OUT,
	TRAFFIC_BYTES_OUT,
	TRAFFIC_OF_REALS_N, /* what follows is of services only */
	TRAFFIC_SERVER_CHANGED = TRAFFIC_OF_REALS_N,
	TRAFFIC_EVICTED_CLOSED,
	TRAFFIC_EVICTED_EMBRYONIC,
	TRAFFIC_EVICTED_IDLE,
	TRAFFIC_N,
};

static const struct {
	const char *name, *type, *suffix, *help;
} traffic_families[TRAFFIC_N] = {
	[TRAFFIC_CONNS] = {"connections", "counter", "_total", "connections opened"},
	[TRAFFIC_LIVE] = {"connections_live", "gauge", "", "connections now"},
	[TRAFFIC_PKTS_IN] = {"packets_in", "counter", "_total", "packets from clients"},
	[TRAFFIC_BYTES_IN] = {"bytes_in", "counter", "_total", "frame bytes from clients"},
	[TRAFFIC_PKTS_OUT] = {"packets_out", "counter", "_total", "packets to clients"},
	[TRAFFIC_BYTES_OUT] = {"bytes_out", "counter", "_total", "frame bytes to clients"},
	[TRAFFIC_SERVER_CHANGED] = {"server_changed", "counter", "_total",
				    "connections whose real server changed in mid-flow"},
	[TRAFFIC_EVICTED_CLOSED] = {"evicted_closed", "counter", "_total",
				    "closed connections removed early to make room"},
	[TRAFFIC_EVICTED_EMBRYONIC] = {"evicted_embryonic", "counter", "_total",
				       "unfinished connections removed early to make room"},
	[TRAFFIC_EVICTED_IDLE] = {"evicted_idle", "counter", "_total",
				  "idle connections removed early to make room"},
};

static uint64_t field_of(const struct lb_traffic *t, uint32_t field)
{
	switch (field) {
	case TRAFFIC_CONNS:
		return t->conns;
	case TRAFFIC_LIVE:
		return t->conns_live;
	case TRAFFIC_PKTS_IN:
		return t->pkts_in;
	case TRAFFIC_BYTES_IN:
		return t->bytes_in;
	case TRAFFIC_PKTS_OUT:
		return t->pkts_out;
	case TRAFFIC_BYTES_OUT:
		return t->bytes_out;
	case TRAFFIC_SERVER_CHANGED:
		return t->server_changed;
	case TRAFFIC_EVICTED_CLOSED:
		return t->evicted_closed;
	case TRAFFIC_EVICTED_EMBRYONIC:
		return t->evicted_embryonic;
	default:
		return t->evicted_idle;
	}
}

struct real_walk {
	const struct lb_control *ctl;
	struct lb_text *out;
	uint32_t field;
};

static void add_real(void *ctx, const struct lb_state_real *r)
{
	struct real_walk *walk = ctx;
	char address[LB_ADDR_TEXT_MAX];
	struct lb_traffic traffic;

	lb_dataplane_real_traffic(lb_control_dataplane(walk->ctl), r->real_id, &traffic);
	lb_text_fmt(walk->out,
		    "ballast_real_server_%s%s{real_server=\"%s\",address=\"%s\",port=\"%u\"} "
		    "%" PRIu64 "\n",
		    traffic_families[walk->field].name, traffic_families[walk->field].suffix,
		    r->real->name, lb_addr_format(&r->real->address, address), r->real->port,
		    field_of(&traffic, walk->field));
}

static void add_service_traffic(const struct lb_control *ctl, uint32_t field, struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);

	lb_text_fmt(out,
		    "# TYPE ballast_virtual_service_%s %s\n"
		    "# HELP ballast_virtual_service_%s %s\n",
		    traffic_families[field].name, traffic_families[field].type,
		    traffic_families[field].name, traffic_families[field].help);
	for (uint32_t i = 0; i < cfg->n_services; i++) {
		struct lb_traffic traffic;

		lb_dataplane_service_traffic(
			lb_control_dataplane(ctl),
			lb_reconcile_service_slot(lb_control_reconcile(ctl), i), &traffic);
		lb_text_fmt(out,
			    "ballast_virtual_service_%s%s{virtual_service=\"%s\"} %" PRIu64 "\n",
			    traffic_families[field].name, traffic_families[field].suffix,
			    cfg->services[i].name, field_of(&traffic, field));
	}
}

static void add_real_traffic(const struct lb_control *ctl, uint32_t field, struct lb_text *out)
{
	struct real_walk walk = {ctl, out, field};

	lb_text_fmt(out, "# TYPE ballast_real_server_%s %s\n# HELP ballast_real_server_%s %s\n",
		    traffic_families[field].name, traffic_families[field].type,
		    traffic_families[field].name, traffic_families[field].help);
	lb_state_each_real(ctl, add_real, &walk);
}

static void add_up(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);

	add_family(out, "ballast_real_server_up", "gauge",
		   "1: the real server is up for every virtual service of its pool");
	for (uint32_t p = 0; p < cfg->n_pools; p++)
		for (uint32_t i = 0; i < cfg->pools[p].n_reals; i++) {
			struct lb_real_status status;

			lb_reconcile_pool_real(lb_control_reconcile(ctl), p, i, &status);
			lb_text_fmt(out,
				    "ballast_real_server_up{server_pool=\"%s\",real_server=\"%s\"} "
				    "%d\n",
				    cfg->pools[p].name, cfg->pools[p].reals[i].name,
				    status.state == LB_HEALTH_UP);
		}
}

static void add_latency(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_latency *l = lb_courier_latency(lb_control_courier(ctl));
	uint64_t n = 0;

	add_family(out, "ballast_verdict_to_ack_seconds", "histogram",
		   "from a probe's verdict to the last worker's acknowledgement");
	lb_text_str(out, "# UNIT ballast_verdict_to_ack_seconds seconds\n");
	for (uint32_t i = 0; i < LB_LATENCY_BUCKETS; i++) {
		n += l->bucket[i];
		if (i < LB_LATENCY_BUCKETS - 1)
			lb_text_fmt(out, "ballast_verdict_to_ack_seconds_bucket{le=\"%u.%06u\"} ",
				    lb_latency_bound_us[i] / 1000000,
				    lb_latency_bound_us[i] % 1000000);
		else
			lb_text_str(out, "ballast_verdict_to_ack_seconds_bucket{le=\"+Inf\"} ");
		lb_text_fmt(out, "%" PRIu64 "\n", n);
	}
	lb_text_fmt(out, "ballast_verdict_to_ack_seconds_sum %" PRIu64 ".%06" PRIu64 "\n",
		    l->sum_us / 1000000, l->sum_us % 1000000);
	lb_text_fmt(out, "ballast_verdict_to_ack_seconds_count %" PRIu64 "\n", l->n);
}

static void add_workers(const struct lb_dataplane *dp, struct lb_text *out)
{
	uint32_t n = lb_dataplane_n_workers(dp);

	add_family(out, "ballast_connection_entries", "gauge",
		   "entries of the connection tables in use: two of a nat or fullnat connection, "
		   "one of "
		   "others");
	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(dp, i, &info);
		lb_text_fmt(out, "ballast_connection_entries{worker=\"%u\"} %u\n", i,
			    info.n_entries);
	}
	add_family(out, "ballast_connection_entries_limit", "gauge",
		   "entries that the worker has room for, two for each stated connection");
	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;

		lb_dataplane_worker_info(dp, i, &info);
		lb_text_fmt(out, "ballast_connection_entries_limit{worker=\"%u\"} %u\n", i,
			    info.entries_max);
	}
}

static void add_records(const struct lb_control *ctl, struct lb_text *out)
{
	add_family(out, "ballast_persistence_records", "gauge", "persistence records now");
	lb_text_fmt(out, "ballast_persistence_records %" PRIu64 "\n",
		    lb_dataplane_records_live(lb_control_dataplane(ctl)));
	add_family(out, "ballast_persistence_records_limit", "gauge",
		   "persistence records that the table takes");
	lb_text_fmt(out, "ballast_persistence_records_limit %u\n",
		    lb_control_config(ctl)->node.persistence_records);
}

/* A service whose spread cannot be told has no sample. */
static void add_spread(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	struct lb_state_spread *spreads = lb_state_spreads(ctl);

	add_family(out, "ballast_virtual_service_spread_percent", "gauge",
		   "largest deviation of a server's live connections from its weighted share");
	for (uint32_t i = 0; spreads != NULL && i < cfg->n_services; i++)
		if (spreads[i].permille != LB_SPREAD_UNKNOWN)
			lb_text_fmt(out,
				    "ballast_virtual_service_spread_percent{"
				    "virtual_service=\"%s\"} %u.%u\n",
				    cfg->services[i].name, spreads[i].permille / 10,
				    spreads[i].permille % 10);
	free(spreads);
}

void lb_state_metrics(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_dataplane *dp = lb_control_dataplane(ctl);

	add_counters(dp, out);
	add_drops(dp, out);
	add_workers(dp, out);
	add_records(ctl, out);
	for (uint32_t field = 0; field < TRAFFIC_N; field++)
		add_service_traffic(ctl, field, out);
	add_spread(ctl, out);
	for (uint32_t field = 0; field < TRAFFIC_OF_REALS_N; field++)
		add_real_traffic(ctl, field, out);
	add_up(ctl, out);
	add_latency(ctl, out);
	lb_text_str(out, "# EOF\n");
}
