#include "wanted.h"

#include <errno.h>
#include <stdlib.h>

/* What is needed only while building. */
struct build {
	struct lb_registries *reg;
	const struct lb_config *cfg;
	struct lb_wanted *w;
	struct lb_error *err;
	struct lb_pairs target_probes;
	struct lb_pairs machine_targets;
	struct lb_pairs machine_probes;
	struct lb_pairs vip_path_probes;
	struct lb_pairs target_groups;
	struct lb_adjacency pool_services;
	struct lb_ids *row_groups;   /* (row, group) seen */
	uint32_t *row_group_targets; /* its group targets, by id of row_groups */
	uint32_t row_groups_max;
	struct lb_ids *target_group_edges; /* (target, group target) seen */
	struct lb_ids *probed;             /* (port set, VIP path) seen */
	uint32_t *row_of_probed;           /* last row made for it, + 1; by id of probed */
	uint32_t row_of_probed_max;
};

static int no_memory(const struct build *b)
{
	return lb_error_set(b->err, -ENOMEM, "", "out of memory");
}

static int get(struct build *b, enum lb_id_kind kind, const void *key, uint32_t *id, bool *first)
{
	return lb_registries_get(b->reg, kind, key, id, first, b->err);
}

static int get_monitor(struct build *b, uint32_t monitor, uint32_t *id)
{
	const struct lb_cfg_monitor *m = &b->cfg->monitors[monitor];
	struct lb_monitor_key key = {m->type, m->interval_ms, m->timeout_ms,
				     m->rise, m->fall,        m->jitter_percent};

	return get(b, LB_ID_MONITOR, &key, id, NULL);
}

static int get_monitor_set(struct build *b, const struct lb_cfg_pool *pool, uint32_t *set)
{
	uint32_t monitor;
	int ret;

	*set = 0;
	for (uint32_t i = 0; i < pool->n_monitors; i++) {
		const struct lb_cfg_monitor *m = &b->cfg->monitors[pool->monitors[i]];
		struct lb_chain_key key = {.before = *set};

		ret = get_monitor(b, pool->monitors[i], &monitor);
		if (ret != 0)
			return ret;
		/* What is asked there is part of what a shared target means. */
		key.item = monitor;
		ret = get(b, LB_ID_MONITOR_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
		key = (struct lb_chain_key){*set, (uint32_t)m->probes_vip << 16 | m->port};
		ret = get(b, LB_ID_MONITOR_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int build_member(struct build *b, const struct lb_cfg_real *real,
			struct lb_wanted_member *out)
{
	struct lb_endpoint_key key = {real->address, real->port};
	int ret;

	ret = get(b, LB_ID_REAL, &key, &out->real_id, NULL);
	if (ret != 0)
		return ret;
	out->weight = real->weight;
	out->priority = real->priority;
	out->port = real->port;
	out->admin_state = (uint8_t)real->admin_state;
	if (real->weight == 0 && real->admin_state == LB_ADMIN_ENABLED)
		out->admin_state = LB_ADMIN_DRAIN;
	return get(b, LB_ID_MACHINE, &real->address, &out->machine, NULL);
}

static int build_pool(struct build *b, uint32_t idx, uint32_t first_member)
{
	const struct lb_cfg_pool *pool = &b->cfg->pools[idx];
	struct lb_wanted_pool *out = &b->w->pools[idx];
	struct lb_scope_key scope = {.pool = lb_name_key(pool->name)};
	int ret;

	out->first_member = first_member;
	out->n_members = pool->n_reals;
	for (uint32_t i = 0; i < pool->n_monitors; i++) {
		const struct lb_cfg_monitor *m = &b->cfg->monitors[pool->monitors[i]];

		out->probes_service_ports |= m->type == LB_MONITOR_TCP && m->port == 0;
		out->probes_vips |= m->probes_vip;
	}
	for (uint32_t i = 0; i < pool->n_reals; i++) {
		ret = build_member(b, &pool->reals[i], &b->w->members[first_member + i]);
		if (ret != 0)
			return ret;
	}
	ret = get_monitor_set(b, pool, &out->monitor_set);
	if (ret != 0 || pool->is_inline)
		return ret;
	return get(b, LB_ID_SCOPE, &scope, &out->scope, NULL);
}

static int build_pools(struct build *b)
{
	const struct lb_config *cfg = b->cfg;
	uint32_t n = 0;
	int ret;

	for (uint32_t i = 0; i < cfg->n_pools; i++)
		n += cfg->pools[i].n_reals;
	b->w->pools = calloc(cfg->n_pools + 1, sizeof(*b->w->pools));
	b->w->members = calloc(n + 1, sizeof(*b->w->members));
	if (b->w->pools == NULL || b->w->members == NULL)
		return no_memory(b);
	b->w->n_pools = cfg->n_pools;
	for (uint32_t i = 0; i < cfg->n_pools; i++) {
		ret = build_pool(b, i, b->w->n_members);
		if (ret != 0)
			return ret;
		b->w->n_members += cfg->pools[i].n_reals;
	}
	return 0;
}

static int add_probe(struct build *b, uint32_t target, const struct lb_probe_key *key)
{
	bool is_first;
	uint32_t id;
	int ret;

	ret = get(b, LB_ID_PROBE, key, &id, &is_first);
	if (ret != 0)
		return ret;
	if (lb_pairs_add(&b->target_probes, target, id) != 0)
		return no_memory(b);
	if (!is_first)
		return 0;
	if (key->vip_path != 0)
		ret = lb_pairs_add(&b->vip_path_probes, key->vip_path, id);
	else
		ret = lb_pairs_add(&b->machine_probes, key->machine, id);
	return ret != 0 ? no_memory(b) : 0;
}

static int add_port_probes(struct build *b, uint32_t target, struct lb_probe_key key,
			   uint32_t port_set)
{
	int ret = 0;

	while (ret == 0 && port_set != 0) {
		const struct lb_chain_key *chain = lb_ids_key(b->reg->of[LB_ID_PORT_SET], port_set);

		key.port = chain->item;
		port_set = chain->before;
		ret = add_probe(b, target, &key);
	}
	return ret;
}

/* The probes of the address, or those of the VIP there. */
static int add_probes(struct build *b, const struct lb_cfg_pool *pool, uint32_t target,
		      const struct lb_target_key *at, uint32_t vip_path)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < pool->n_monitors; i++) {
		const struct lb_cfg_monitor *m = &b->cfg->monitors[pool->monitors[i]];
		struct lb_probe_key key = {.machine = at->machine, .vip_path = vip_path};

		if (vip_path != 0 && !m->probes_vip)
			continue;
		ret = get_monitor(b, pool->monitors[i], &key.monitor);
		if (ret != 0)
			return ret;
		key.port = m->type != LB_MONITOR_TCP ? 0 : m->port != 0 ? m->port : at->port;
		if (m->type == LB_MONITOR_TCP && key.port == 0)
			ret = add_port_probes(b, target, key, at->port_set);
		else
			ret = add_probe(b, target, &key);
	}
	return ret;
}

static int note_target(struct build *b, uint32_t id, struct lb_wanted_target value)
{
	struct lb_wanted *w = b->w;

	if (lb_array_reserve((void **)&w->targets, &w->targets_max, id, sizeof(*w->targets)) != 0)
		return no_memory(b);
	w->targets[id] = value;
	return 0;
}

static int build_target(struct build *b, const struct lb_wanted_row *row, uint32_t idx,
			uint32_t *id)
{
	const struct lb_wanted_pool *pool = &b->w->pools[row->pool];
	const struct lb_wanted_member *m = &b->w->members[pool->first_member + idx];
	struct lb_target_key key = {pool->scope, m->machine, m->port == 0 ? row->port_set : 0,
				    m->port, row->vip_path};
	bool is_first;
	int ret;

	if (b->cfg->pools[row->pool].is_inline) {
		struct lb_scope_key scope = {.admin_state = m->admin_state,
					     .monitor_set = pool->monitor_set};

		ret = get(b, LB_ID_SCOPE, &scope, &key.scope, NULL);
		if (ret != 0)
			return ret;
	}
	ret = get(b, LB_ID_TARGET, &key, id, &is_first);
	if (ret != 0 || !is_first)
		return ret;
	ret = note_target(b, *id, (struct lb_wanted_target){m->machine, m->admin_state, false});
	if (ret != 0)
		return ret;
	if (lb_pairs_add(&b->machine_targets, m->machine, *id) != 0)
		return no_memory(b);
	ret = add_probes(b, &b->cfg->pools[row->pool], *id, &key, 0);
	/* Behind those of the address: a server that does not answer at all is told as that. */
	if (ret == 0 && row->vip_path != 0)
		ret = add_probes(b, &b->cfg->pools[row->pool], *id, &key, row->vip_path);
	return ret;
}

static int build_row(struct build *b, uint32_t pool_idx, uint32_t port_set, uint32_t vip_path,
		     uint32_t *out)
{
	struct lb_wanted *w = b->w;
	struct lb_wanted_pool *pool = &w->pools[pool_idx];
	uint32_t last = w->n_member_targets + pool->n_members;
	struct lb_wanted_row row = {pool_idx, port_set, vip_path, w->n_member_targets};

	if (lb_array_reserve((void **)&w->rows, &w->rows_max, w->n_rows, sizeof(*w->rows)) != 0 ||
	    lb_array_reserve((void **)&w->member_targets, &w->member_targets_max, last,
			     sizeof(*w->member_targets)) != 0)
		return no_memory(b);
	for (uint32_t i = 0; i < pool->n_members; i++) {
		int ret = build_target(b, &row, i, &w->member_targets[row.first_target + i]);

		if (ret != 0)
			return ret;
	}
	w->n_member_targets = last;
	pool->n_rows++;
	w->rows[w->n_rows] = row;
	*out = w->n_rows++;
	return 0;
}

static int build_group_target(struct build *b, uint32_t group_id, uint32_t target, uint32_t *id)
{
	uint32_t machine = b->w->targets[target].machine;
	struct lb_target_key key = {.scope = LB_SCOPE_GROUP | group_id, .machine = machine};
	struct lb_chain_key edge;
	bool is_first;
	uint32_t unused;
	int ret;

	ret = get(b, LB_ID_TARGET, &key, id, &is_first);
	if (ret != 0)
		return ret;
	if (is_first) {
		ret = note_target(b, *id, (struct lb_wanted_target){machine, 0, true});
		if (ret != 0)
			return ret;
	}
	edge = (struct lb_chain_key){target, *id};
	if (lb_ids_get(b->target_group_edges, &edge, &unused, &is_first) != 0 ||
	    (is_first && lb_pairs_add(&b->target_groups, target, *id) != 0))
		return no_memory(b);
	return 0;
}

/* The group targets of a row's members, made once for each group that uses the row. */
static int build_row_group(struct build *b, uint32_t row_idx, uint32_t group_id, uint32_t *first)
{
	struct lb_wanted *w = b->w;
	const struct lb_wanted_row *row = &w->rows[row_idx];
	uint32_t n = w->pools[row->pool].n_members;
	struct lb_chain_key key = {row_idx, group_id};
	uint32_t id, last = w->n_group_targets + n;
	bool is_first;

	if (lb_ids_get(b->row_groups, &key, &id, &is_first) != 0 ||
	    lb_array_reserve((void **)&b->row_group_targets, &b->row_groups_max, id,
			     sizeof(*b->row_group_targets)) != 0)
		return no_memory(b);
	if (!is_first) {
		*first = b->row_group_targets[id];
		return 0;
	}
	if (lb_array_reserve((void **)&w->group_targets, &w->group_targets_max, last,
			     sizeof(*w->group_targets)) != 0)
		return no_memory(b);
	*first = w->n_group_targets;
	b->row_group_targets[id] = *first;
	for (uint32_t i = 0; i < n; i++) {
		int ret = build_group_target(b, group_id, w->member_targets[row->first_target + i],
					     &w->group_targets[*first + i]);

		if (ret != 0)
			return ret;
	}
	w->n_group_targets = last;
	return 0;
}

static int build_port_set(struct build *b, const struct lb_cfg_service *svc, uint32_t *set)
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
		ret = get(b, LB_ID_PORT_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int build_vip_path(struct build *b, const struct lb_cfg_service *svc, uint32_t *id)
{
	struct lb_vip_path_key key = {.vip = svc->address, .forwarding = svc->forwarding};

	*id = 0;
	if (!lb_forwarding_is_one_way((uint8_t)svc->forwarding) ||
	    !b->w->pools[svc->pool].probes_vips)
		return 0;
	if (svc->forwarding == LB_FORWARD_GUE)
		key.gue_port = svc->gue_port;
	return get(b, LB_ID_VIP_PATH, &key, id, NULL);
}

static int build_nat_source_id(struct build *b, const struct lb_cfg_service *svc, uint32_t *id)
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
	return get(b, LB_ID_NAT_SOURCE, &key, id, NULL);
}

static int build_service_ids(struct build *b, uint32_t idx)
{
	const struct lb_cfg_service *svc = &b->cfg->services[idx];
	struct lb_wanted_service *out = &b->w->services[idx];
	struct lb_name_key key = lb_name_key(svc->name);
	int ret;

	ret = get(b, LB_ID_SERVICE, &key, &out->slot, NULL);
	if (ret == 0 && svc->group != LB_CFG_NONE) {
		key = lb_name_key(b->cfg->groups[svc->group].name);
		ret = get(b, LB_ID_GROUP, &key, &out->group_id, NULL);
	}
	if (ret == 0)
		ret = build_nat_source_id(b, svc, &out->nat_source_id);
	if (ret == 0)
		ret = build_port_set(b, svc, &out->port_set);
	if (ret == 0)
		ret = build_vip_path(b, svc, &out->vip_path);
	return ret;
}

static int build_service_row(struct build *b, uint32_t idx)
{
	struct lb_wanted_service *svc = &b->w->services[idx];
	struct lb_chain_key key = {svc->port_set, svc->vip_path};
	uint32_t pool = b->cfg->services[idx].pool;
	uint32_t *made, id;
	int ret;

	if (lb_ids_get(b->probed, &key, &id, NULL) != 0 ||
	    lb_array_reserve((void **)&b->row_of_probed, &b->row_of_probed_max, id,
			     sizeof(*b->row_of_probed)) != 0)
		return no_memory(b);
	made = &b->row_of_probed[id];
	if (*made != 0 && b->w->rows[*made - 1].pool == pool) {
		svc->row = *made - 1;
	} else {
		ret = build_row(b, pool, svc->port_set, svc->vip_path, &svc->row);
		if (ret != 0)
			return ret;
		*made = svc->row + 1;
	}
	if (svc->group_id == 0)
		return 0;
	return build_row_group(b, svc->row, svc->group_id, &svc->first_group_target);
}

static int build_services(struct build *b)
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
		return no_memory(b);
	b->w->n_services = cfg->n_services;
	for (uint32_t i = 0; ret == 0 && i < cfg->n_services; i++) {
		ret = build_service_ids(b, i);
		if (ret == 0 && lb_pairs_add(&pairs, cfg->services[i].pool, i) != 0)
			ret = no_memory(b);
	}
	if (ret == 0 && lb_adjacency_build(&pairs, cfg->n_pools, &b->pool_services) != 0)
		ret = no_memory(b);
	lb_pairs_free(&pairs);
	for (uint32_t p = 0; ret == 0 && p < cfg->n_pools; p++) {
		const uint32_t *services;
		uint32_t n = lb_adjacent(&b->pool_services, p, &services), unused;

		b->w->pools[p].first_row = b->w->n_rows;
		/* A pool that no service uses is still watched where its monitors name a port. */
		if (n == 0)
			ret = build_row(b, p, 0, 0, &unused);
		for (uint32_t i = 0; ret == 0 && i < n; i++)
			ret = build_service_row(b, services[i]);
	}
	return ret;
}

/* Declared NAT sources and groups are known even when no service uses them now. */
static int build_declared(struct build *b)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < b->cfg->n_nat_sources; i++) {
		struct lb_name_key key = lb_name_key(b->cfg->nat_sources[i].name);
		uint32_t id;

		ret = get(b, LB_ID_NAT_SOURCE, &key, &id, NULL);
	}
	for (uint32_t i = 0; ret == 0 && i < b->cfg->n_groups; i++) {
		struct lb_name_key key = lb_name_key(b->cfg->groups[i].name);
		uint32_t id;

		ret = get(b, LB_ID_GROUP, &key, &id, NULL);
	}
	return ret;
}

static int build_relations(struct build *b)
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
		return no_memory(b);
	return 0;
}

static int create_seen(struct build *b)
{
	const struct lb_ids_params params = {sizeof(struct lb_chain_key), 0, UINT32_MAX - 1, 0};

	if (lb_ids_create(&params, &b->row_groups) != 0 ||
	    lb_ids_create(&params, &b->target_group_edges) != 0 ||
	    lb_ids_create(&params, &b->probed) != 0)
		return no_memory(b);
	lb_ids_begin(b->row_groups);
	lb_ids_begin(b->target_group_edges);
	lb_ids_begin(b->probed);
	return 0;
}

int lb_wanted_build(struct lb_registries *reg, const struct lb_config *cfg, struct lb_wanted *out,
		    struct lb_error *err)
{
	struct build b = {.reg = reg, .cfg = cfg, .w = out, .err = err};
	int ret;

	*out = (struct lb_wanted){0};
	ret = create_seen(&b);
	if (ret == 0)
		ret = build_declared(&b);
	if (ret == 0)
		ret = build_pools(&b);
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
