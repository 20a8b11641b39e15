#include "service_image.h"

#include <errno.h>
#include <stdlib.h>

static size_t image_bytes(size_t n_ports, size_t n_servers)
{
	return sizeof(struct lb_service_image) + n_ports * sizeof(struct lb_port_range) +
	       n_servers * sizeof(struct lb_service_server);
}

/* Points the arrays behind the head. */
static void place_arrays(struct lb_service_image *image, struct lb_port_range **ports,
			 struct lb_service_server **servers)
{
	struct lb_service_params *p = &image->params;

	*ports = (struct lb_port_range *)(image + 1);
	*servers = (struct lb_service_server *)(*ports + p->n_ports);
	p->ports = *ports;
	p->servers = *servers;
}

static void fill_persistence(struct lb_service_params *p, const struct lb_cfg_service *svc,
			     const struct lb_config *cfg)
{
	const struct lb_cfg_group *group;

	if (svc->group == LB_CFG_NONE)
		return;
	group = &cfg->groups[svc->group];
	p->persist_len = lb_addr_is_v4(&svc->address) ? group->ipv4_prefix : group->ipv6_prefix;
	p->persist_timeout_ms = group->timeout_s * 1000;
}

struct lb_service_image *lb_service_image_fill(struct lb_service_scratch *scratch,
					       const struct lb_config *cfg,
					       const struct lb_wanted *wanted, uint32_t idx)
{
	const struct lb_cfg_service *svc = &cfg->services[idx];
	const struct lb_wanted_service *ws = &wanted->services[idx];
	const struct lb_wanted_pool *pool = &wanted->pools[svc->pool];
	const struct lb_wanted_member *members = wanted->members + pool->first_member;
	const uint32_t *targets = wanted->member_targets + wanted->rows[ws->row].first_target;
	const uint32_t *groups = wanted->group_targets + ws->first_group_target;
	size_t bytes = image_bytes(svc->n_ports, pool->n_members);
	struct lb_service_server *servers;
	struct lb_service_params *p;
	struct lb_port_range *ports;

	if (bytes > scratch->max_bytes) {
		struct lb_service_image *grown = realloc(scratch->image, bytes * 2);

		if (grown == NULL)
			return NULL;
		scratch->image = grown;
		scratch->max_bytes = bytes * 2;
	}
	memset(scratch->image, 0, bytes);
	p = &scratch->image->params;
	p->vip = svc->address;
	p->protocol = svc->protocol;
	p->forwarding = (uint8_t)svc->forwarding;
	p->scheduler = (uint8_t)svc->scheduler;
	p->no_server_action = (uint8_t)svc->no_server_action;
	p->server_down_action = (uint8_t)svc->server_down_action;
	p->group_id = (uint16_t)ws->group_id;
	p->nat_source_id = ws->nat_source_id;
	p->gue_port = svc->gue_port;
	p->mss_clamp = svc->mss_clamp;
	p->idle_timeout_ms = svc->idle_timeout_s * 1000;
	p->server_down_drain_s = svc->server_down_drain_s;
	p->conns_max = svc->max_connections;
	p->starts_per_s_max = svc->max_new_connections_per_s;
	p->is_stateless = svc->tracking == LB_TRACKING_NONE;
	p->settle_ms = svc->settle_time_s * 1000;
	fill_persistence(p, svc, cfg);
	p->n_ports = svc->n_ports;
	p->n_servers = pool->n_members;
	if (lb_sched_has_table(svc->scheduler) && svc->table != LB_CFG_NONE)
		p->maglev = cfg->tables[svc->table];
	place_arrays(scratch->image, &ports, &servers);
	memcpy(ports, svc->ports, svc->n_ports * sizeof(*ports));
	for (uint32_t i = 0; i < pool->n_members; i++) {
		servers[i].real_id = members[i].real_id;
		servers[i].machine_id = members[i].machine;
		servers[i].target_id = targets[i];
		servers[i].group_target_id = ws->group_id != 0 ? groups[i] : targets[i];
		servers[i].weight = members[i].weight;
		/* Where it does not count, a change of it is no change of the service. */
		if (svc->scheduler == LB_SCHED_PRIORITY)
			servers[i].priority = members[i].priority;
	}
	return scratch->image;
}

struct lb_service_image *lb_service_image_copy(const struct lb_service_image *image)
{
	size_t bytes = image_bytes(image->params.n_ports, image->params.n_servers);
	struct lb_service_image *copy = malloc(bytes);
	struct lb_service_server *servers;
	struct lb_port_range *ports;

	if (copy == NULL)
		return NULL;
	memcpy(copy, image, bytes);
	place_arrays(copy, &ports, &servers);
	return copy;
}

int lb_service_image_build(const struct lb_service_image *image, const struct lb_service *old,
			   uint64_t now_ms, struct lb_service **out, struct lb_error *err)
{
	struct lb_service_params params = image->params;
	int ret;

	*out = NULL;
	if (lb_settling_build(old, &params, now_ms, &params.settling) != 0)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	ret = lb_service_build(&params, out, err);
	if (ret != 0)
		lb_settling_free(params.settling);
	return ret;
}

static bool is_same_place(const struct lb_service_image *a, const struct lb_service_image *b)
{
	const struct lb_service_params *p = &a->params, *q = &b->params;

	return lb_addr_equal(&p->vip, &q->vip) && p->protocol == q->protocol &&
	       p->n_ports == q->n_ports &&
	       memcmp(p->ports, q->ports, p->n_ports * sizeof(*p->ports)) == 0;
}

static bool has_same_table(const struct lb_service_params *p, const struct lb_service_params *q)
{
	if (p->maglev == NULL || q->maglev == NULL)
		return p->maglev == q->maglev;
	return lb_maglev_content_of(p->maglev) == lb_maglev_content_of(q->maglev);
}

bool lb_service_image_equal(const struct lb_service_image *a, const struct lb_service_image *b)
{
	const struct lb_service_params *p = &a->params, *q = &b->params;

	return is_same_place(a, b) && has_same_table(p, q) && p->forwarding == q->forwarding &&
	       p->scheduler == q->scheduler && p->no_server_action == q->no_server_action &&
	       p->persist_len == q->persist_len && p->group_id == q->group_id &&
	       p->nat_source_id == q->nat_source_id && p->gue_port == q->gue_port &&
	       p->mss_clamp == q->mss_clamp && p->server_down_action == q->server_down_action &&
	       p->server_down_drain_s == q->server_down_drain_s &&
	       p->idle_timeout_ms == q->idle_timeout_ms && p->conns_max == q->conns_max &&
	       p->starts_per_s_max == q->starts_per_s_max &&
	       p->persist_timeout_ms == q->persist_timeout_ms &&
	       p->is_stateless == q->is_stateless && p->settle_ms == q->settle_ms &&
	       p->n_servers == q->n_servers &&
	       memcmp(p->servers, q->servers, p->n_servers * sizeof(*p->servers)) == 0;
}
