#include "state_json.h"

#include "courier.h"
#include "kernel_path.h"
#include "reconcile.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS_TEXT_MAX 16

const char *const lb_state_admin_words[LB_ADMIN_DISABLED + 1] = {
	[LB_ADMIN_ENABLED] = "enabled",
					  [LB_ADMIN_DRAIN] = "drain",
					  [LB_ADMIN_DISABLED] = "disabled"};
const char *const lb_state_forwarding_words[LB_FORWARD_N] = {
	[LB_FORWARD_FULLNAT] = "fullnat", [LB_FORWARD_NAT] = "nat", [LB_FORWARD_DSR] = "dsr",
	[LB_FORWARD_IPIP] = "ipip",       [LB_FORWARD_GUE] = "gue"};
const char *const lb_state_scheduler_words[LB_SCHED_N] = {
	[LB_SCHED_ROUND_ROBIN] = "round_robin",
	[LB_SCHED_WEIGHTED_ROUND_ROBIN] = "weighted_round_robin",
	[LB_SCHED_MAGLEV] = "maglev",
	[LB_SCHED_SOURCE_HASH] = "source_hash",
	[LB_SCHED_LEAST_CONNECTIONS] = "least_connections",
	[LB_SCHED_WEIGHTED_LEAST_CONNECTIONS] = "weighted_least_connections",
	[LB_SCHED_PRIORITY] = "priority"};

/* "135", "6005-59530", "any". Returns `text`. */
static const char *format_ports(const struct lb_port_range *range, char text[PORTS_TEXT_MAX])
{
	if (range->first == 0 && range->last == UINT16_MAX)
		snprintf(text, PORTS_TEXT_MAX, "any");
	else if (range->first == range->last)
		snprintf(text, PORTS_TEXT_MAX, "%u", range->first);
	else
		snprintf(text, PORTS_TEXT_MAX, "%u-%u", range->first, range->last);
	return text;
}

static void add_real_state(struct lb_text *out, const struct lb_real_status *s, uint64_t now_ms)
{
	lb_text_json_str(out, "status", lb_health_state_name[s->state]);
	if (s->reason[0] != '\0')
		lb_text_json_str(out, "reason", s->reason);
	lb_text_json_seconds(out, "since_s", now_ms > s->since_ms ? now_ms - s->since_ms : 0);
	lb_text_json_str(out, "admin_state", lb_state_admin_words[s->admin_state]);
}

struct state_counts {
	uint32_t n[LB_HEALTH_STATE_N];
};

static enum lb_health_state best_of(const struct state_counts *c)
{
	if (c->n[LB_HEALTH_UP] > 0)
		return LB_HEALTH_UP;
	return c->n[LB_HEALTH_CHECKING] > 0 ? LB_HEALTH_CHECKING : LB_HEALTH_DOWN;
}

static struct state_counts add_service_reals(const struct lb_control *ctl, uint32_t idx,
					     struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	const struct lb_cfg_pool *pool = &cfg->pools[cfg->services[idx].pool];
	uint64_t now_ms = lb_now_us() / 1000;
	struct state_counts counts = {0};
	char address[LB_ADDR_TEXT_MAX];

	lb_text_json_open(out, "real_servers", '[');
	for (uint32_t i = 0; i < pool->n_reals; i++) {
		const struct lb_cfg_real *real = &pool->reals[i];
		struct lb_real_status status;

		lb_reconcile_service_real(lb_control_reconcile(ctl), idx, i, &status);
		counts.n[status.state]++;
		lb_text_json_open(out, NULL, '{');
		lb_text_json_str(out, "name", real->name);
		lb_text_json_str(out, "address", lb_addr_format(&real->address, address));
		if (real->port != 0)
			lb_text_json_u64(out, "port", real->port);
		lb_text_json_u64(out, "weight", real->weight);
		add_real_state(out, &status, now_ms);
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
	return counts;
}

static void add_service(const struct lb_control *ctl, uint32_t idx, struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	const struct lb_cfg_service *svc = &cfg->services[idx];
	struct state_counts counts;
	char text[LB_ADDR_TEXT_MAX];

	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "name", svc->name);
	lb_text_json_str(out, "address", lb_addr_format(&svc->address, text));
	lb_text_json_str(out, "protocol", svc->protocol == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_json_open(out, "ports", '[');
	for (uint32_t i = 0; i < svc->n_ports; i++)
		lb_text_json_str(out, NULL, format_ports(&svc->ports[i], text));
	lb_text_json_close(out, ']');
	lb_text_json_str(out, "server_pool", cfg->pools[svc->pool].name);
	lb_text_json_str(out, "forwarding", lb_state_forwarding_words[svc->forwarding]);
	lb_text_json_str(out, "scheduler", lb_state_scheduler_words[svc->scheduler]);
	if (svc->tracking == LB_TRACKING_NONE)
		lb_text_json_u64(out, "settling_slots",
				 lb_reconcile_settling_slots(lb_control_reconcile(ctl), idx));
	if (svc->group != LB_CFG_NONE)
		lb_text_json_str(out, "persistence_group", cfg->groups[svc->group].name);
	counts = add_service_reals(ctl, idx, out);
	lb_text_json_u64(out, "servers_up", counts.n[LB_HEALTH_UP]);
	lb_text_json_str(out, "status", lb_health_state_name[best_of(&counts)]);
	lb_text_json_close(out, '}');
}

/* Where a machine is listed; sorted by name they form its object. */
struct place {
	const char *name;
	uint32_t pool;
	uint32_t real;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	if (by_name != 0)
		return by_name;
	return x->pool != y->pool ? (x->pool > y->pool) - (x->pool < y->pool)
				  : (x->real > y->real) - (x->real < y->real);
}

/* NULL: none, or out of memory. `name` NULL: all machines. */
static struct place *find_places(const struct lb_config *cfg, const char *name, size_t *n)
{
	struct place *places;
	size_t n_all = 0;

	*n = 0;
	for (uint32_t p = 0; p < cfg->n_pools; p++)
		n_all += cfg->pools[p].n_reals;
	places = malloc((n_all + 1) * sizeof(*places));
	for (uint32_t p = 0; places != NULL && p < cfg->n_pools; p++)
		for (uint32_t i = 0; i < cfg->pools[p].n_reals; i++) {
			const char *own = cfg->pools[p].reals[i].name;

			if (name == NULL || strcmp(name, own) == 0)
				places[(*n)++] = (struct place){own, p, i};
		}
	if (places != NULL)
		qsort(places, *n, sizeof(*places), compare_places);
	return places;
}

/* `n` places of one machine. A machine is as bad as its worst place. */
static void add_machine(const struct lb_control *ctl, const struct place *places, size_t n,
			struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	const struct lb_cfg_real *first = &cfg->pools[places[0].pool].reals[places[0].real];
	uint64_t now_ms = lb_now_us() / 1000;
	struct state_counts counts = {0};
	char address[LB_ADDR_TEXT_MAX];
	enum lb_health_state state = LB_HEALTH_UP;

	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "name", first->name);
	lb_text_json_str(out, "address", lb_addr_format(&first->address, address));
	lb_text_json_open(out, "pools", '[');
	for (size_t i = 0; i < n; i++) {
		const struct lb_cfg_pool *pool = &cfg->pools[places[i].pool];
		const struct lb_cfg_real *real = &pool->reals[places[i].real];
		struct lb_real_status status;

		lb_reconcile_pool_real(lb_control_reconcile(ctl), places[i].pool, places[i].real,
				       &status);
		counts.n[status.state]++;
		lb_text_json_open(out, NULL, '{');
		lb_text_json_str(out, "server_pool", pool->name);
		if (real->port != 0)
			lb_text_json_u64(out, "port", real->port);
		lb_text_json_u64(out, "weight", real->weight);
		add_real_state(out, &status, now_ms);
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
	if (counts.n[LB_HEALTH_CHECKING] > 0)
		state = LB_HEALTH_CHECKING;
	if (counts.n[LB_HEALTH_DOWN] > 0)
		state = LB_HEALTH_DOWN;
	lb_text_json_str(out, "status", lb_health_state_name[state]);
	lb_text_json_close(out, '}');
}

bool lb_state_machine(const struct lb_control *ctl, const char *name, struct lb_text *out)
{
	size_t n;
	struct place *places = find_places(lb_control_config(ctl), name, &n);

	if (n > 0)
		add_machine(ctl, places, n, out);
	free(places);
	return n > 0;
}

void lb_state_machines(const struct lb_control *ctl, struct lb_text *out)
{
	size_t n, from = 0;
	struct place *places = find_places(lb_control_config(ctl), NULL, &n);

	for (size_t i = 1; i <= n; i++) {
		if (i < n && strcmp(places[i].name, places[from].name) == 0)
			continue;
		add_machine(ctl, places + from, i - from, out);
		from = i;
	}
	free(places);
}

void lb_state_workers(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_dataplane *dp = lb_control_dataplane(ctl);
	uint32_t n = lb_dataplane_n_workers(dp);

	for (uint32_t i = 0; i < n; i++) {
		struct lb_worker_info info;
		uint64_t counters[LB_COUNTER_N];
		size_t n_queued;

		lb_dataplane_worker_info(dp, i, &info);
		lb_dataplane_counters(dp, i, counters);
		lb_text_json_open(out, NULL, '{');
		lb_text_json_u64(out, "worker", i);
		lb_text_json_u64(out, "core", info.core);
		lb_text_json_u64(out, "acked_generation",
				 lb_dataplane_worker_acked(dp, i, &n_queued));
		lb_text_json_u64(out, "commands_queued", n_queued);
		lb_text_json_u64(out, "loops", info.loops);
		lb_text_json_u64(out, "busy_tsc", info.busy_tsc);
		lb_text_json_u64(out, "total_tsc", info.total_tsc);
		lb_text_json_u64(out, "tsc_hz", info.tsc_hz);
		lb_text_json_u64(out, "connection_entries", info.n_entries);
		lb_text_json_u64(out, "connection_entries_max", info.entries_max);
		lb_text_json_u64(out, "memory_bytes", info.memory_bytes);
		if (info.numa_node >= 0)
			lb_text_json_i64(out, "numa_node", info.numa_node);
		lb_text_json_u64(out, "rx", counters[LB_COUNT_rx]);
		lb_text_json_u64(out, "tx", counters[LB_COUNT_tx]);
		lb_text_json_u64(out, "handed_in", counters[LB_COUNT_handed_in]);
		lb_text_json_u64(out, "handed_out", counters[LB_COUNT_handed_out]);
		lb_text_json_close(out, '}');
	}
}

static void add_interface(const struct lb_control *ctl, uint32_t i, struct lb_text *out)
{
	const struct lb_cfg_interface *cfg = &lb_control_config(ctl)->node.interfaces[i];
	struct lb_port_info info;
	char mac[18];

	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "name", cfg->name);
	lb_text_json_str(out, "device", cfg->device);
	if (lb_dataplane_port_info(lb_control_dataplane(ctl), i, &info) == 0) {
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", info.mac[0],
			 info.mac[1], info.mac[2], info.mac[3], info.mac[4], info.mac[5]);
		lb_text_json_str(out, "driver", info.driver);
		lb_text_json_str(out, "mac", mac);
		lb_text_json_u64(out, "mtu", info.mtu);
		lb_text_json_bool(out, "link_up", info.link_up);
		if (info.link_mbps != 0)
			lb_text_json_u64(out, "link_mbps", info.link_mbps);
		if (info.numa_node >= 0)
			lb_text_json_i64(out, "numa_node", info.numa_node);
		lb_text_json_u64(out, "rx_queues", info.n_rx_queues);
		lb_text_json_u64(out, "tx_queues", info.n_tx_queues);
		lb_text_json_str(out, "offloads", info.offloads);
		lb_text_json_u64(out, "rx_missed", info.rx_missed);
		lb_text_json_u64(out, "rx_errors", info.rx_errors);
		lb_text_json_u64(out, "tx_errors", info.tx_errors);
		lb_text_json_str(out, "replies", info.replies);
	}
	lb_kernel_path_status(lb_control_kernel_path(ctl), i, out);
	lb_text_json_close(out, '}');
}

static void add_loop(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_courier *courier = lb_control_courier(ctl);
	const struct lb_latency *latency = lb_courier_latency(courier);
	char etag[LB_ETAG_MAX];
	uint32_t n_checking;

	lb_text_json_str(out, "version", LB_VERSION);
	lb_text_json_seconds(out, "uptime_s", lb_control_uptime_ms(ctl));
	lb_text_json_bool(out, "ready", lb_control_is_ready(ctl, &n_checking));
	lb_text_json_u64(out, "probes_checking", n_checking);
	lb_text_json_str(out, "etag", lb_document_etag(lb_control_document(ctl), etag));
	lb_text_json_u64(out, "generation", lb_courier_published(courier));
	lb_text_json_u64(out, "acked_generation", lb_courier_acked(courier));
	lb_text_json_u64(out, "persistence_records",
			 lb_dataplane_records_live(lb_control_dataplane(ctl)));
	lb_text_json_open(out, "verdict_to_ack", '{');
	lb_text_json_u64(out, "n", latency->n);
	lb_text_json_u64(out, "median_us", lb_latency_median_us(latency));
	lb_text_json_u64(out, "max_us", latency->max_us);
	lb_text_json_close(out, '}');
}

void lb_state_status(const struct lb_control *ctl, struct lb_text *out)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	const struct lb_error_list *warnings = lb_control_warnings(ctl);
	const struct lb_error_list *pending = lb_control_pending(ctl);

	lb_text_json_open(out, NULL, '{');
	add_loop(ctl, out);
	lb_text_json_open(out, "virtual_services", '[');
	for (uint32_t i = 0; i < cfg->n_services; i++)
		add_service(ctl, i, out);
	lb_text_json_close(out, ']');
	lb_text_json_open(out, "real_servers", '[');
	lb_state_machines(ctl, out);
	lb_text_json_close(out, ']');
	lb_text_json_open(out, "workers", '[');
	lb_state_workers(ctl, out);
	lb_text_json_close(out, ']');
	lb_text_json_open(out, "interfaces", '[');
	for (uint32_t i = 0; i < cfg->node.n_interfaces; i++)
		add_interface(ctl, i, out);
	lb_text_json_close(out, ']');
	lb_text_json_open(out, "pending_restart", '[');
	for (uint32_t i = 0; i < pending->n; i++)
		lb_text_json_str(out, NULL, pending->item[i].where);
	lb_text_json_close(out, ']');
	lb_text_json_open(out, "warnings", '[');
	for (uint32_t i = 0; i < warnings->n; i++) {
		lb_text_json_open(out, NULL, '{');
		lb_text_json_str(out, "pointer", warnings->item[i].where);
		lb_text_json_str(out, "detail", warnings->item[i].what);
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
}
