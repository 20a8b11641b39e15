#include "wanted_draft.h"

#include <errno.h>
#include <stdlib.h>

static int build_port_set(struct lb_wanted_draft *b, const struct lb_cfg_service *svc,
			  uint32_t *set)
{
	*set = 0;
	if (!b->w->pools[svc->pool].probes_service_ports)
		return 0;
	for (uint32_t i = 0; i < svc->n_ports; i++) {
		struct lb_chain_key key = {*set, svc->ports[i].first};
		int ret;

		/* Ranges are not probed; the configuration asked for a monitor with a port. */
		if (svc->ports[i].first != svc->ports[i].last)
			continue;
		ret = lb_wanted_get(b, LB_ID_PORT_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int build_vip_path(struct lb_wanted_draft *b, const struct lb_cfg_service *svc, uint32_t *id)
{
	struct lb_vip_path_key key = {.vip = svc->address, .forwarding = svc->forwarding};

	*id = 0;
	if (!lb_forwarding_is_one_way((uint8_t)svc->forwarding) ||
	    !b->w->pools[svc->pool].probes_vips)
		return 0;
	if (svc->forwarding == LB_FORWARD_GUE)
		key.gue_port = svc->gue_port;
	return lb_wanted_get(b, LB_ID_VIP_PATH, &key, id, NULL);
}

static int build_nat_source_id(struct lb_wanted_draft *b, const struct lb_cfg_service *svc,
			       uint32_t *id)
{
	char text[LB_ADDR_TEXT_MAX];
	char name[LB_NAME_MAX];
	struct lb_name_key key;

	*id = 0;
	if (svc->forwarding != LB_FORWARD_FULLNAT)
		return 0;
	if (svc->nat_source != LB_CFG_NONE) {
		key = lb_name_key(b->cfg->nat_sources[svc->nat_source].name);
	} else {
		snprintf(name, sizeof(name), "vip:%s", lb_addr_format(&svc->address, text));
		key = lb_name_key(name);
	}
	return lb_wanted_get(b, LB_ID_NAT_SOURCE, &key, id, NULL);
}

static int build_service_ids(struct lb_wanted_draft *b, uint32_t idx)
{
	const struct lb_cfg_service *svc = &b->cfg->services[idx];
	struct lb_wanted_service *out = &b->w->services[idx];
	struct lb_name_key key = lb_name_key(svc->name);
	int ret;

	ret = lb_wanted_get(b, LB_ID_SERVICE, &key, &out->slot, NULL);
	if (ret == 0 && svc->group != LB_CFG_NONE) {
		key = lb_name_key(b->cfg->groups[svc->group].name);
		ret = lb_wanted_get(b, LB_ID_GROUP, &key, &out->group_id, NULL);
	}
	if (ret == 0)
		ret = build_nat_source_id(b, svc, &out->nat_source_id);
	if (ret == 0)
		ret = build_port_set(b, svc, &out->port_set);
	if (ret == 0)
		ret = build_vip_path(b, svc, &out->vip_path);
	return ret;
}

static int build_service_row(struct lb_wanted_draft *b, uint32_t idx)
{
	struct lb_wanted_service *svc = &b->w->services[idx];
	struct lb_chain_key key = {svc->port_set, svc->vip_path};
	uint32_t pool = b->cfg->services[idx].pool;
	uint32_t *made, id;
	int ret;

	if (lb_ids_get(b->probed, &key, &id, NULL) != 0 ||
	    lb_array_reserve((void **)&b->row_of_probed, &b->row_of_probed_max, id,
			     sizeof(*b->row_of_probed)) != 0)
		return lb_wanted_no_memory(b);
	made = &b->row_of_probed[id];
	if (*made != 0 && b->w->rows[*made - 1].pool == pool) {
		svc->row = *made - 1;
	} else {
		ret = lb_wanted_build_row(b, pool, svc->port_set, svc->vip_path, &svc->row);
		if (ret != 0)
			return ret;
		*made = svc->row + 1;
	}
	if (svc->group_id == 0)
		return 0;
	return lb_wanted_build_row_group(b, svc->row, svc->group_id, &svc->first_group_target);
}

static int build_services(struct lb_wanted_draft *b)
{
	const struct lb_config *cfg = b->cfg;
	struct lb_pairs pairs = {0};
	int ret = 0;

	b->w->services = calloc(cfg->n_services + 1, sizeof(*b->w->services));
	/* The lists exist even where they stay empty: their users add offsets to them. */
	if (b->w->services == NULL ||
	    lb_array_reserve((void **)&b->w->member_targets, &b->w->member_targets_max, 1,
			     sizeof(*b->w->member_targets)) != 0 ||
	    lb_array_reserve((void **)&b->w->group_targets, &b->w->group_targets_max, 1,
			     sizeof(*b->w->group_targets)) != 0)
		return lb_wanted_no_memory(b);
	b->w->n_services = cfg->n_services;
	for (uint32_t i = 0; ret == 0 && i < cfg->n_services; i++) {
		ret = build_service_ids(b, i);
		if (ret == 0 && lb_pairs_add(&pairs, cfg->services[i].pool, i) != 0)
			ret = lb_wanted_no_memory(b);
	}
	if (ret == 0 && lb_adjacency_build(&pairs, cfg->n_pools, &b->pool_services) != 0)
		ret = lb_wanted_no_memory(b);
	lb_pairs_free(&pairs);
	for (uint32_t p = 0; ret == 0 && p < cfg->n_pools; p++) {
		const uint32_t *services;
		uint32_t n = lb_adjacent(&b->pool_services, p, &services), unused;

		b->w->pools[p].first_row = b->w->n_rows;
		/* A pool that no service uses is still watched where its monitors name a port. */
		if (n == 0)
			ret = lb_wanted_build_row(b, p, 0, 0, &unused);
		for (uint32_t i = 0; ret == 0 && i < n; i++)
			ret = build_service_row(b, services[i]);
	}
	return ret;
}

/* Declared NAT sources and groups are known even when no service uses them now. */
static int build_declared(struct lb_wanted_draft *b)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < b->cfg->n_nat_sources; i++) {
		struct lb_name_key key = lb_name_key(b->cfg->nat_sources[i].name);
		uint32_t id;

		ret = lb_wanted_get(b, LB_ID_NAT_SOURCE, &key, &id, NULL);
	}
	for (uint32_t i = 0; ret == 0 && i < b->cfg->n_groups; i++) {
		struct lb_name_key key = lb_name_key(b->cfg->groups[i].name);
		uint32_t id;

		ret = lb_wanted_get(b, LB_ID_GROUP, &key, &id, NULL);
	}
	return ret;
}

static int build_relations(struct lb_wanted_draft *b)
{
	struct lb_wanted *w = b->w;
	uint32_t n_targets = lb_ids_bound(b->reg->of[LB_ID_TARGET]);
	uint32_t n_machines = lb_ids_bound(b->reg->of[LB_ID_MACHINE]);
	uint32_t n_probes = lb_ids_bound(b->reg->of[LB_ID_PROBE]);
	uint32_t n_vip_paths = lb_ids_bound(b->reg->of[LB_ID_VIP_PATH]);

	w->n_targets = n_targets;
	if (lb_array_reserve((void **)&w->targets, &w->targets_max, n_targets,
			     sizeof(*w->targets)) != 0 ||
	    lb_adjacency_build(&b->target_probes, n_targets, &w->target_probes) != 0 ||
	    lb_adjacency_build_reverse(&b->target_probes, n_probes, &w->probe_targets) != 0 ||
	    lb_adjacency_build(&b->machine_targets, n_machines, &w->machine_targets) != 0 ||
	    lb_adjacency_build(&b->machine_probes, n_machines, &w->machine_probes) != 0 ||
	    lb_adjacency_build(&b->vip_path_probes, n_vip_paths, &w->vip_path_probes) != 0 ||
	    lb_adjacency_build(&b->target_groups, n_targets, &w->target_groups) != 0)
		return lb_wanted_no_memory(b);
	return 0;
}

static int create_seen(struct lb_wanted_draft *b)
{
	const struct lb_ids_params params = {sizeof(struct lb_chain_key), 0, UINT32_MAX - 1, 0};

	if (lb_ids_create(&params, &b->row_groups) != 0 ||
	    lb_ids_create(&params, &b->target_group_edges) != 0 ||
	    lb_ids_create(&params, &b->probed) != 0)
		return lb_wanted_no_memory(b);
	lb_ids_begin(b->row_groups);
	lb_ids_begin(b->target_group_edges);
	lb_ids_begin(b->probed);
	return 0;
}

int lb_wanted_build(struct lb_registries *reg, const struct lb_config *cfg, struct lb_wanted *out,
		    struct lb_error *err)
{
	struct lb_wanted_draft b = {.reg = reg, .cfg = cfg, .w = out, .err = err};
	int ret;

	*out = (struct lb_wanted){0};
	ret = create_seen(&b);
	if (ret == 0)
		ret = build_declared(&b);
	if (ret == 0)
		ret = lb_wanted_build_pools(&b);
	if (ret == 0)
		ret = build_services(&b);
	if (ret == 0)
		ret = build_relations(&b);
	lb_pairs_free(&b.target_probes);
	lb_pairs_free(&b.machine_targets);
	lb_pairs_free(&b.machine_probes);
	lb_pairs_free(&b.vip_path_probes);
	lb_pairs_free(&b.target_groups);
	lb_adjacency_free(&b.pool_services);
	lb_ids_destroy(b.row_groups);
	lb_ids_destroy(b.target_group_edges);
	lb_ids_destroy(b.probed);
	free(b.row_group_targets);
	free(b.row_of_probed);
	if (ret != 0)
		lb_wanted_free(out);
	return ret;
}

void lb_wanted_free(struct lb_wanted *wanted)
{
	free(wanted->pools);
	free(wanted->members);
	free(wanted->services);
	free(wanted->rows);
	free(wanted->member_targets);
	free(wanted->group_targets);
	free(wanted->targets);
	lb_adjacency_free(&wanted->target_probes);
	lb_adjacency_free(&wanted->probe_targets);
	lb_adjacency_free(&wanted->machine_targets);
	lb_adjacency_free(&wanted->machine_probes);
	lb_adjacency_free(&wanted->vip_path_probes);
	lb_adjacency_free(&wanted->target_groups);
	*wanted = (struct lb_wanted){0};
}
