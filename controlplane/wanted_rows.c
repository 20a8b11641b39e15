#include "wanted_draft.h"

#include <errno.h>
#include <stdlib.h>

static int get_monitor(struct lb_wanted_draft *b, uint32_t monitor, uint32_t *id)
{
	const struct lb_cfg_monitor *m = &b->cfg->monitors[monitor];
	struct lb_monitor_key key = {m->type, m->interval_ms, m->timeout_ms,
				     m->rise, m->fall,        m->jitter_percent};

	return lb_wanted_get(b, LB_ID_MONITOR, &key, id, NULL);
}

static int get_monitor_set(struct lb_wanted_draft *b, const struct lb_cfg_pool *pool, uint32_t *set)
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
		ret = lb_wanted_get(b, LB_ID_MONITOR_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
		key = (struct lb_chain_key){*set, (uint32_t)m->probes_vip << 16 | m->port};
		ret = lb_wanted_get(b, LB_ID_MONITOR_SET, &key, set, NULL);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static int build_member(struct lb_wanted_draft *b, const struct lb_cfg_real *real,
			struct lb_wanted_member *out)
{
	struct lb_endpoint_key key = {real->address, real->port};
	int ret;

	ret = lb_wanted_get(b, LB_ID_REAL, &key, &out->real_id, NULL);
	if (ret != 0)
		return ret;
	out->weight = real->weight;
	out->priority = real->priority;
	out->port = real->port;
	out->admin_state = (uint8_t)real->admin_state;
	if (real->weight == 0 && real->admin_state == LB_ADMIN_ENABLED)
		out->admin_state = LB_ADMIN_DRAIN;
	return lb_wanted_get(b, LB_ID_MACHINE, &real->address, &out->machine, NULL);
}

static int build_pool(struct lb_wanted_draft *b, uint32_t idx, uint32_t first_member)
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
	return lb_wanted_get(b, LB_ID_SCOPE, &scope, &out->scope, NULL);
}

int lb_wanted_build_pools(struct lb_wanted_draft *b)
{
	const struct lb_config *cfg = b->cfg;
	uint32_t n = 0;
	int ret;

	for (uint32_t i = 0; i < cfg->n_pools; i++)
		n += cfg->pools[i].n_reals;
	b->w->pools = calloc(cfg->n_pools + 1, sizeof(*b->w->pools));
	b->w->members = calloc(n + 1, sizeof(*b->w->members));
	if (b->w->pools == NULL || b->w->members == NULL)
		return lb_wanted_no_memory(b);
	b->w->n_pools = cfg->n_pools;
	for (uint32_t i = 0; i < cfg->n_pools; i++) {
		ret = build_pool(b, i, b->w->n_members);
		if (ret != 0)
			return ret;
		b->w->n_members += cfg->pools[i].n_reals;
	}
	return 0;
}

static int add_probe(struct lb_wanted_draft *b, uint32_t target, const struct lb_probe_key *key)
{
	bool is_first;
	uint32_t id;
	int ret;

	ret = lb_wanted_get(b, LB_ID_PROBE, key, &id, &is_first);
	if (ret != 0)
		return ret;
	if (lb_pairs_add(&b->target_probes, target, id) != 0)
		return lb_wanted_no_memory(b);
	if (!is_first)
		return 0;
	if (key->vip_path != 0)
		ret = lb_pairs_add(&b->vip_path_probes, key->vip_path, id);
	else
		ret = lb_pairs_add(&b->machine_probes, key->machine, id);
	return ret != 0 ? lb_wanted_no_memory(b) : 0;
}

static int add_port_probes(struct lb_wanted_draft *b, uint32_t target, struct lb_probe_key key,
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
static int add_probes(struct lb_wanted_draft *b, const struct lb_cfg_pool *pool, uint32_t target,
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

static int note_target(struct lb_wanted_draft *b, uint32_t id, struct lb_wanted_target value)
{
	struct lb_wanted *w = b->w;

	if (lb_array_reserve((void **)&w->targets, &w->targets_max, id, sizeof(*w->targets)) != 0)
		return lb_wanted_no_memory(b);
	w->targets[id] = value;
	return 0;
}

static int build_target(struct lb_wanted_draft *b, const struct lb_wanted_row *row, uint32_t idx,
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

		ret = lb_wanted_get(b, LB_ID_SCOPE, &scope, &key.scope, NULL);
		if (ret != 0)
			return ret;
	}
	ret = lb_wanted_get(b, LB_ID_TARGET, &key, id, &is_first);
	if (ret != 0 || !is_first)
		return ret;
	ret = note_target(b, *id, (struct lb_wanted_target){m->machine, m->admin_state, false});
	if (ret != 0)
		return ret;
	if (lb_pairs_add(&b->machine_targets, m->machine, *id) != 0)
		return lb_wanted_no_memory(b);
	ret = add_probes(b, &b->cfg->pools[row->pool], *id, &key, 0);
	/* Behind those of the address: a server that does not answer at all is told as that. */
	if (ret == 0 && row->vip_path != 0)
		ret = add_probes(b, &b->cfg->pools[row->pool], *id, &key, row->vip_path);
	return ret;
}

int lb_wanted_build_row(struct lb_wanted_draft *b, uint32_t pool_idx, uint32_t port_set,
			uint32_t vip_path, uint32_t *out)
{
	struct lb_wanted *w = b->w;
	struct lb_wanted_pool *pool = &w->pools[pool_idx];
	uint32_t last = w->n_member_targets + pool->n_members;
	struct lb_wanted_row row = {pool_idx, port_set, vip_path, w->n_member_targets};

	if (lb_array_reserve((void **)&w->rows, &w->rows_max, w->n_rows, sizeof(*w->rows)) != 0 ||
	    lb_array_reserve((void **)&w->member_targets, &w->member_targets_max, last,
			     sizeof(*w->member_targets)) != 0)
		return lb_wanted_no_memory(b);
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

static int build_group_target(struct lb_wanted_draft *b, uint32_t group_id, uint32_t target,
			      uint32_t *id)
{
	uint32_t machine = b->w->targets[target].machine;
	struct lb_target_key key = {.scope = LB_SCOPE_GROUP | group_id, .machine = machine};
	struct lb_chain_key edge;
	bool is_first;
	uint32_t unused;
	int ret;

	ret = lb_wanted_get(b, LB_ID_TARGET, &key, id, &is_first);
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
		return lb_wanted_no_memory(b);
	return 0;
}

/* The group targets of a row's members, made once for each group that uses the row. */
int lb_wanted_build_row_group(struct lb_wanted_draft *b, uint32_t row_idx, uint32_t group_id,
			      uint32_t *first)
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
		return lb_wanted_no_memory(b);
	if (!is_first) {
		*first = b->row_group_targets[id];
		return 0;
	}
	if (lb_array_reserve((void **)&w->group_targets, &w->group_targets_max, last,
			     sizeof(*w->group_targets)) != 0)
		return lb_wanted_no_memory(b);
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
