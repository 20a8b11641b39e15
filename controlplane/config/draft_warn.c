#include <stdio.h>

#include "draft.h"

/* A quarter of a core, about (decision 0110). */
#define VIP_PROBES_PER_S_MANY 10000u

/* These look at weight 0 only. */
static void warn_weights(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	enum lb_scheduler better = LB_SCHED_WEIGHTED_ROUND_ROBIN;
	uint32_t weight = 0;
	char where[LB_ERROR_WHERE_MAX];

	if (svc->scheduler == LB_SCHED_LEAST_CONNECTIONS)
		better = LB_SCHED_WEIGHTED_LEAST_CONNECTIONS;
	else if (svc->scheduler != LB_SCHED_ROUND_ROBIN)
		return;
	for (uint32_t r = 0; r < pool->n_reals; r++) {
		if (pool->reals[r].weight == 0)
			continue;
		if (weight == 0)
			weight = pool->reals[r].weight;
		if (pool->reals[r].weight == weight)
			continue;
		lb_error_list_add(d->warnings, lb_draft_service_place(idx, "/scheduler", where),
				  "%s ignores the weights of pool \"%s\"; %s follows them",
				  lb_draft_scheduler_word(svc->scheduler), pool->name,
				  lb_draft_scheduler_word(better));
		return;
	}
}

/* A share of the weights that is not worth a slot. */
static void warn_slots(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	char where[LB_ERROR_WHERE_MAX];
	uint64_t sum = 0;
	uint32_t size;

	if (!lb_sched_has_table(svc->scheduler))
		return;
	size = lb_maglev_size(svc->maglev_table_size, pool->n_reals);
	for (uint32_t r = 0; r < pool->n_reals; r++)
		sum += pool->reals[r].weight;
	for (uint32_t r = 0; r < pool->n_reals; r++) {
		const struct lb_cfg_real *real = &pool->reals[r];

		if (real->weight == 0 || (uint64_t)real->weight * size >= sum)
			continue;
		lb_error_list_add(
			d->warnings, lb_draft_service_place(idx, "/scheduler", where),
			"\"%s\" may get no client: its weight %u of %llu is less than one "
			"of %u slots",
			real->name, real->weight, (unsigned long long)sum, size);
		return;
	}
}

/* Replies of a real server to a client on its own subnet do not come back through Ballast. */
static void warn_nat(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	const struct lb_cfg_node *node = &d->cfg->node;
	char where[LB_ERROR_WHERE_MAX], prefix[LB_PREFIX_TEXT_MAX];

	if (svc->forwarding != LB_FORWARD_NAT)
		return;
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		for (uint32_t a = 0; a < node->interfaces[i].n_addresses; a++) {
			struct lb_prefix subnet = node->interfaces[i].addresses[a];

			if (pool->n_reals == 0 ||
			    !lb_prefix_contains(&subnet, &pool->reals[0].address) ||
			    !lb_prefix_contains(&subnet, &svc->address))
				continue;
			subnet.addr = lb_addr_mask(&subnet.addr, subnet.len);
			lb_error_list_add(d->warnings,
					  lb_draft_service_place(idx, "/forwarding", where),
					  "nat does not work for clients on %s, where the real "
					  "servers answer them directly; fullnat does",
					  lb_prefix_format(&subnet, prefix));
			return;
		}
}

/* dsr changes link-layer addresses only: a real server behind a gateway is never reached. */
static void warn_dsr(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	const struct lb_cfg_node *node = &d->cfg->node;
	char where[LB_ERROR_WHERE_MAX], address[LB_ADDR_TEXT_MAX];

	if (svc->forwarding != LB_FORWARD_DSR)
		return;
	for (uint32_t r = 0; r < pool->n_reals; r++) {
		bool is_on_link = node->n_interfaces == 0;

		for (uint32_t i = 0; i < node->n_interfaces; i++)
			for (uint32_t a = 0; a < node->interfaces[i].n_addresses; a++)
				is_on_link |= lb_prefix_contains(&node->interfaces[i].addresses[a],
								 &pool->reals[r].address);
		if (is_on_link)
			continue;
		lb_error_list_add(d->warnings, lb_draft_service_place(idx, "/forwarding", where),
				  "dsr reaches real servers on the link only; \"%s\" at %s is "
				  "on no interface's subnet",
				  pool->reals[r].name,
				  lb_addr_format(&pool->reals[r].address, address));
		return;
	}
}

/* The client's end hears of it from the server, whose answers take another way. */
static void warn_mss_clamp(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (svc->mss_clamp == 0 || !lb_forwarding_is_one_way((uint8_t)svc->forwarding))
		return;
	lb_error_list_add(d->warnings, lb_draft_service_place(idx, "/mss_clamp", where),
			  "limits what the servers send; their answers do not pass here, so what "
			  "clients send is limited at the servers: `ip route ... advmss`");
}

static void warn_empty(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (d->cfg->pools[svc->pool].n_reals == 0)
		lb_error_list_add(d->warnings, lb_draft_service_place(idx, "", where),
				  "has no real server");
}

/* One probe is outstanding at a time. */
static void warn_monitors(struct lb_draft *d)
{
	char where[LB_ERROR_WHERE_MAX];

	for (uint32_t i = 0; i < d->n_declared_monitors; i++) {
		const struct lb_cfg_monitor *m = &d->cfg->monitors[i];

		if (m->timeout_ms <= m->interval_ms)
			continue;
		snprintf(where, sizeof(where), "/health_monitors/%u/timeout_ms", i);
		lb_error_list_add(
			d->warnings, where,
			"is longer than interval_ms (%u ms): probes of a server that does "
			"not answer follow each other %u ms apart",
			m->interval_ms, m->timeout_ms);
	}
}

/* Probes of this service's VIP in a second by one monitor, at each of its servers. */
static uint64_t vip_probes_per_s(const struct lb_cfg_service *svc, const struct lb_cfg_pool *pool,
				 const struct lb_cfg_monitor *m)
{
	uint64_t n_ports = 0;

	if (!m->probes_vip)
		return 0;
	for (uint32_t i = 0; i < svc->n_ports; i++)
		n_ports += svc->ports[i].first == svc->ports[i].last;
	if (m->type == LB_MONITOR_ICMP || m->port != 0)
		n_ports = 1;
	return n_ports * pool->n_reals * 1000 / m->interval_ms;
}

/* Services with one VIP and the same port to ask share the probes and are counted each: up to. */
static void warn_vip_probes(struct lb_draft *d)
{
	uint64_t n = 0;

	for (uint32_t s = 0; s < d->cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &d->cfg->services[s];
		const struct lb_cfg_pool *pool;

		if (svc->pool == LB_CFG_NONE || !lb_forwarding_is_one_way((uint8_t)svc->forwarding))
			continue;
		pool = &d->cfg->pools[svc->pool];
		for (uint32_t i = 0; i < pool->n_monitors; i++)
			n += vip_probes_per_s(svc, pool, &d->cfg->monitors[pool->monitors[i]]);
	}
	if (n > VIP_PROBES_PER_S_MANY)
		lb_error_list_add(d->warnings, "/health_monitors",
				  "up to %llu probes of virtual addresses a second keep the "
				  "control plane busy: longer interval_ms, or \"vip_probe\": "
				  "\"none\", makes them fewer",
				  (unsigned long long)n);
}

void lb_draft_warn(struct lb_draft *d)
{
	warn_vip_probes(d);
	warn_monitors(d);
	for (uint32_t s = 0; s < d->cfg->n_services; s++) {
		if (d->cfg->services[s].pool == LB_CFG_NONE)
			continue;
		warn_weights(d, s);
		warn_slots(d, s);
		warn_nat(d, s);
		warn_dsr(d, s);
		warn_mss_clamp(d, s);
		warn_empty(d, s);
	}
}
