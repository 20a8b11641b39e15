#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"

#define FIRST_OF_NONE UINT32_MAX

/* What the checks of services want to know of a pool, found once per pool. */
struct pool_facts {
	uint32_t first_v4; /* position of the first real server of that family */
	uint32_t first_v6;
	uint32_t portless; /* a tcp monitor without port, index; LB_CFG_NONE: there is none */
	bool keeps_port;   /* a real server has no port of its own */
	uint64_t weights;  /* their sum after division by their common divisor */
};

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void find_facts(const struct lb_config *cfg, const struct lb_cfg_pool *pool,
		       struct pool_facts *facts)
{
	uint32_t divisor = 0;

	*facts = (struct pool_facts){FIRST_OF_NONE, FIRST_OF_NONE, LB_CFG_NONE, false, 0};
	for (uint32_t r = pool->n_reals; r-- > 0;) {
		const struct lb_cfg_real *real = &pool->reals[r];

		if (lb_addr_is_v4(&real->address))
			facts->first_v4 = r;
		else if (!lb_addr_is_zero(&real->address))
			facts->first_v6 = r;
		facts->keeps_port |= real->port == 0;
		facts->weights += real->weight;
		divisor = common_divisor(divisor, real->weight);
	}
	if (divisor > 1)
		facts->weights /= divisor;
	for (uint32_t i = 0; i < pool->n_monitors; i++) {
		const struct lb_cfg_monitor *m = &cfg->monitors[pool->monitors[i]];

		if (m->type == LB_MONITOR_TCP && m->port == 0)
			facts->portless = pool->monitors[i];
	}
}

static void check_families(struct lb_draft *d, uint32_t idx, const struct pool_facts *facts)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	char where[LB_ERROR_WHERE_MAX], vip[LB_ADDR_TEXT_MAX], address[LB_ADDR_TEXT_MAX];
	const bool is_v4 = lb_addr_is_v4(&svc->address);
	uint32_t other = is_v4 ? facts->first_v6 : facts->first_v4;

	if (lb_addr_is_zero(&svc->address) || other == FIRST_OF_NONE ||
	    lb_forwarding_is_tunnel((uint8_t)svc->forwarding))
		return;
	if (pool->is_inline)
		lb_draft_real_place(d, svc->pool, other, "/address", where);
	else
		lb_draft_service_place(idx, "/server_pool", where);
	lb_error_list_add(d->errors, where,
			  "%s cannot reach the real server \"%s\" at %s: both must be IPv4 or both "
			  "IPv6",
			  lb_addr_format(&svc->address, vip), pool->reals[other].name,
			  lb_addr_format(&pool->reals[other].address, address));
}

/* A monitor without port probes the ports that services name one by one. */
static void check_probe_ports(struct lb_draft *d, uint32_t idx, const struct pool_facts *facts)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX], key[24];

	if (facts->portless == LB_CFG_NONE || !facts->keeps_port)
		return;
	for (uint32_t p = 0; p < svc->n_ports; p++) {
		if (svc->ports[p].first == svc->ports[p].last)
			continue;
		snprintf(key, sizeof(key), "/ports/%u", p);
		lb_error_list_add(
			d->errors, lb_draft_service_place(idx, key, where),
			"a range or \"any\" needs a health monitor with a port; \"%s\" of "
			"the pool has none",
			d->cfg->monitors[facts->portless].name);
		return;
	}
}

/* A tunnel of the real server's family needs an address to come from. */
static void check_tunnel_source(struct lb_draft *d, uint32_t idx, const struct pool_facts *facts)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_node *node = &d->cfg->node;
	const uint32_t first[2] = {facts->first_v4, facts->first_v6};
	char where[LB_ERROR_WHERE_MAX];

	if (!lb_forwarding_is_tunnel((uint8_t)svc->forwarding) || node->n_interfaces == 0)
		return;
	for (uint32_t family = 0; family < 2; family++) {
		bool has_source = first[family] == FIRST_OF_NONE;

		for (uint32_t i = 0; i < node->n_interfaces; i++)
			has_source |= !lb_addr_is_zero(&node->interfaces[i].tunnel_source[family]);
		if (!has_source)
			lb_error_list_add(
				d->errors, lb_draft_service_place(idx, "/forwarding", where),
				"needs an IPv%d tunnel source for the real server \"%s\": an "
				"address or %s of an interface",
				family == 0 ? 4 : 6,
				d->cfg->pools[svc->pool].reals[first[family]].name,
				family == 0 ? "tunnel_source" : "tunnel_source_ipv6");
	}
}

static void check_mss_clamp(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (svc->mss_clamp != 0 && svc->protocol != IPPROTO_TCP)
		lb_error_list_add(d->errors, lb_draft_service_place(idx, "/mss_clamp", where),
				  "goes with \"protocol\": \"tcp\" only");
}

static void check_server_down(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	bool is_reset = svc->server_down_action == LB_SERVER_DOWN_RESET;
	char where[LB_ERROR_WHERE_MAX];

	if (svc->server_down_action == LB_SERVER_DOWN_KEEP) {
		if (svc->server_down_drain_s != 0)
			lb_error_list_add(
				d->errors,
				lb_draft_service_place(idx, "/server_down_drain_s", where),
				"goes with \"server_down_action\": \"reset\" or \"move\" only");
		return;
	}
	lb_draft_service_place(idx, "/server_down_action", where);
	if (is_reset != (svc->protocol == IPPROTO_TCP))
		lb_error_list_add(d->errors, where, "%s goes with \"protocol\": \"%s\" only",
				  is_reset ? "reset" : "move", is_reset ? "tcp" : "udp");
	if (svc->tracking == LB_TRACKING_NONE)
		lb_error_list_add(d->errors, where,
				  "%s does not go with \"tracking\": \"none\": there are no "
				  "entries to end",
				  is_reset ? "reset" : "move");
}

static void check_gue_port(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (svc->gue_port != LB_CFG_GUE_PORT && svc->forwarding != LB_FORWARD_GUE)
		lb_error_list_add(d->errors, lb_draft_service_place(idx, "/gue_port", where),
				  "goes with \"forwarding\": \"gue\" only");
}

/* The packet keeps the port that the client asked for: a real server cannot have another. */
static void check_server_ports(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	char where[LB_ERROR_WHERE_MAX];

	if (!lb_forwarding_is_one_way((uint8_t)svc->forwarding))
		return;
	for (uint32_t r = 0; r < pool->n_reals; r++) {
		uint16_t port = pool->reals[r].port;

		if (port == 0 || (svc->n_ports == 1 && svc->ports[0].first == port &&
				  svc->ports[0].last == port))
			continue;
		if (pool->is_inline)
			lb_draft_real_place(d, svc->pool, r, "/port", where);
		else
			lb_draft_service_place(idx, "/server_pool", where);
		lb_error_list_add(d->errors, where,
				  "the real server \"%s\" has port %u, but this forwarding mode "
				  "leaves packets as they are: the port must be the virtual "
				  "service's only one or be left out",
				  pool->reals[r].name, port);
		return;
	}
}

static void check_pool(struct lb_draft *d, uint32_t idx, const struct pool_facts *facts)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const struct lb_cfg_pool *pool = &d->cfg->pools[svc->pool];
	const char *key = pool->is_inline ? "/real_servers" : "/server_pool";
	char where[LB_ERROR_WHERE_MAX];

	check_families(d, idx, facts);
	check_probe_ports(d, idx, facts);
	check_server_ports(d, idx);
	check_tunnel_source(d, idx, facts);
	if (lb_sched_has_cycle(svc->scheduler) && facts->weights > LB_SERVICE_SEQUENCE_MAX)
		lb_error_list_add(
			d->errors, lb_draft_service_place(idx, key, where),
			"the weights add up to %llu after division by their common divisor; "
			"%s allows %u",
			(unsigned long long)facts->weights, lb_draft_scheduler_word(svc->scheduler),
			LB_SERVICE_SEQUENCE_MAX);
}

static void check_table_size(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];
	uint32_t n_reals;

	if (svc->maglev_table_size == 0)
		return;
	lb_draft_service_place(idx, "/maglev_table_size", where);
	if (!lb_sched_has_table(svc->scheduler)) {
		lb_error_list_add(d->errors, where,
				  "goes with \"scheduler\": \"maglev\" or \"source_hash\" only");
		return;
	}
	if (svc->pool == LB_CFG_NONE)
		return;
	n_reals = d->cfg->pools[svc->pool].n_reals;
	if (svc->maglev_table_size < n_reals)
		lb_error_list_add(d->errors, where,
				  "%u slots are fewer than the %u real servers that share them",
				  svc->maglev_table_size, n_reals);
}

/* Without entries only the table can find a connection's server again, and only where replies need
 * none. */
static void check_tracking(struct lb_draft *d, uint32_t idx)
{
	struct lb_cfg_service *svc = &d->cfg->services[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (svc->tracking == LB_TRACKING_CONNECTIONS) {
		if (svc->settle_time_s != 0)
			lb_error_list_add(d->errors,
					  lb_draft_service_place(idx, "/settle_time_s", where),
					  "goes with \"tracking\": \"none\" only");
		return;
	}
	if (svc->settle_time_s == 0)
		svc->settle_time_s = svc->idle_timeout_s;
	lb_draft_service_place(idx, "/tracking", where);
	if (!lb_forwarding_is_one_way((uint8_t)svc->forwarding))
		lb_error_list_add(d->errors, where,
				  "none goes with \"forwarding\": \"dsr\", \"ipip\" or \"gue\" "
				  "only: replies through Ballast need an entry");
	if (!lb_sched_has_table(svc->scheduler))
		lb_error_list_add(d->errors, where,
				  "none goes with \"scheduler\": \"maglev\" or \"source_hash\" "
				  "only: others do not choose the same server twice");
	if (svc->group != LB_CFG_NONE)
		lb_error_list_add(d->errors, where,
				  "none does not go with persistence: a record may name another "
				  "server than the table; source_hash keeps a client's connections "
				  "together");
}

static void check_nat_source(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_service *svc = &d->cfg->services[idx];
	const bool is_v4 = lb_addr_is_v4(&svc->address);
	const struct lb_cfg_nat_source *src;
	char where[LB_ERROR_WHERE_MAX];

	if (svc->nat_source == LB_CFG_NONE)
		return;
	lb_draft_service_place(idx, "/nat_source", where);
	if (svc->forwarding != LB_FORWARD_FULLNAT)
		lb_error_list_add(d->errors, where, "goes with \"forwarding\": \"fullnat\" only");
	src = &d->cfg->nat_sources[svc->nat_source];
	for (uint32_t i = 0; i < src->n_addresses; i++)
		if (lb_addr_is_v4(&src->addresses[i]) == is_v4)
			return;
	if (src->n_addresses > 0 && !lb_addr_is_zero(&svc->address))
		lb_error_list_add(d->errors, where, "\"%s\" has no IPv%d address", src->name,
				  is_v4 ? 4 : 6);
}

static void check_n_groups(struct lb_draft *d)
{
	if (d->cfg->n_groups > LB_GROUPS_MAX)
		lb_error_list_add(
			d->errors, "/persistence_groups",
			"there are %u, those of virtual services included; at most %u are "
			"allowed",
			d->cfg->n_groups, LB_GROUPS_MAX);
}

int lb_draft_check_services(struct lb_draft *d)
{
	const struct lb_config *cfg = d->cfg;
	struct pool_facts *facts = calloc((size_t)cfg->n_pools + 1, sizeof(*facts));

	if (facts == NULL)
		return -ENOMEM;
	for (uint32_t p = 0; p < cfg->n_pools; p++)
		find_facts(cfg, &cfg->pools[p], &facts[p]);
	for (uint32_t s = 0; s < cfg->n_services; s++) {
		check_nat_source(d, s);
		check_table_size(d, s);
		check_tracking(d, s);
		check_gue_port(d, s);
		check_mss_clamp(d, s);
		check_server_down(d, s);
		if (cfg->services[s].pool != LB_CFG_NONE)
			check_pool(d, s, &facts[cfg->services[s].pool]);
	}
	check_n_groups(d);
	free(facts);
	return 0;
}
