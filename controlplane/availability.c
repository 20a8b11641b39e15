#include "availability.h"

/* As many bits as records keep of a generation. */
#define GENERATION_MASK 0xfffu

void lb_availability_begin(struct lb_reconcile *r)
{
	r->serial++;
	r->n_touched = 0;
	r->n_moved = 0;
}

/* Voids the records that name this group target. */
static void move_generation(struct lb_reconcile *r, uint32_t target)
{
	struct lb_target_state *t = &r->targets[target];

	if (t->moved_in == r->serial)
		return;
	t->moved_in = r->serial;
	t->generation = (t->generation + 1) & GENERATION_MASK;
	r->moved[r->n_moved++] = target;
}

static void touch_group_target(struct lb_reconcile *r, uint32_t target)
{
	struct lb_target_state *t = &r->targets[target];

	if (t->touched_in == r->serial)
		return;
	t->touched_in = r->serial;
	t->was_keeping = t->is_known && t->n_broken == 0;
	t->is_known = true;
	r->touched[r->n_touched++] = target;
}

static void set_bits(struct lb_reconcile *r, uint32_t target, uint8_t bits, struct lb_cmd_list *out)
{
	if (r->targets[target].bits == bits)
		return;
	r->targets[target].bits = bits;
	lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_TARGET, target, NULL, bits});
}

void lb_availability_finish(struct lb_reconcile *r, struct lb_cmd_list *out)
{
	for (uint32_t i = 0; i < r->n_touched; i++) {
		uint32_t target = r->touched[i];
		const struct lb_target_state *t = &r->targets[target];

		set_bits(r, target, t->n_blocked == 0 ? LB_TARGET_NEW : 0, out);
		if (t->was_keeping && t->n_broken > 0)
			move_generation(r, target);
	}
	for (uint32_t i = 0; i < r->n_moved; i++)
		lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_MEMBER, r->moved[i], NULL,
						     r->targets[r->moved[i]].generation});
}

bool lb_availability_is_of_machine(const struct lb_reconcile *r, uint32_t probe)
{
	const struct lb_probe_key *key = lb_ids_key(r->reg.of[LB_ID_PROBE], probe);
	const struct lb_monitor_key *monitor = lb_ids_key(r->reg.of[LB_ID_MONITOR], key->monitor);

	return monitor->type == LB_MONITOR_ICMP && key->vip_path == 0;
}

enum lb_health_state lb_availability_machine(const struct lb_reconcile *r, uint32_t machine)
{
	const struct lb_machine_state *m = &r->machines[machine];

	if (m->n_icmp_down > 0)
		return LB_HEALTH_DOWN;
	if (!r->params.has_neighbor_discovery)
		return LB_HEALTH_UP;
	if (m->next_hop == LB_NEXT_HOP_NONE)
		return LB_HEALTH_DOWN;
	if (m->next_hop >= r->hops_max || !r->hops[m->next_hop].is_known)
		return LB_HEALTH_CHECKING;
	return r->hops[m->next_hop].value.resolved ? LB_HEALTH_UP : LB_HEALTH_DOWN;
}

static enum lb_health_state worse(enum lb_health_state a, enum lb_health_state b)
{
	if (a == LB_HEALTH_DOWN || b == LB_HEALTH_DOWN)
		return LB_HEALTH_DOWN;
	return a == LB_HEALTH_CHECKING ? a : b;
}

static enum lb_health_state target_state(const struct lb_reconcile *r, uint32_t target)
{
	enum lb_health_state state = lb_availability_machine(r, r->wanted.targets[target].machine);
	const uint32_t *probes;
	uint32_t n = lb_adjacent(&r->wanted.target_probes, target, &probes);

	for (uint32_t i = 0; i < n && state != LB_HEALTH_DOWN; i++)
		state = worse(state, r->probes[probes[i]].state);
	return state;
}

static uint8_t target_bits(enum lb_health_state state, uint8_t admin_state)
{
	if (state == LB_HEALTH_DOWN || admin_state == LB_ADMIN_DISABLED)
		return LB_TARGET_DOWN;
	if (state != LB_HEALTH_UP)
		return 0;
	return admin_state == LB_ADMIN_DRAIN ? LB_TARGET_KEEP : LB_TARGET_NEW | LB_TARGET_KEEP;
}

static void set_target(struct lb_reconcile *r, uint32_t target, uint64_t now_ms,
		       struct lb_cmd_list *out)
{
	uint8_t admin_state = r->wanted.targets[target].admin_state;
	struct lb_target_state *t = &r->targets[target];
	enum lb_health_state state = target_state(r, target);

	if (!t->is_known || t->state != state)
		t->since_ms = now_ms;
	t->is_known = true;
	t->state = state;
	t->is_broken = state == LB_HEALTH_DOWN || admin_state == LB_ADMIN_DISABLED;
	set_bits(r, target, target_bits(state, admin_state), out);
}

static void set_target_and_groups(struct lb_reconcile *r, uint32_t target, uint64_t now_ms,
				  struct lb_cmd_list *out)
{
	const struct lb_target_state *t = &r->targets[target];
	bool was_blocking = !(t->bits & LB_TARGET_NEW), was_broken = t->is_broken;
	const uint32_t *groups;
	uint32_t n = lb_adjacent(&r->wanted.target_groups, target, &groups);

	set_target(r, target, now_ms, out);
	for (uint32_t i = 0; i < n; i++) {
		struct lb_target_state *group = &r->targets[groups[i]];

		touch_group_target(r, groups[i]);
		group->n_blocked -= was_blocking;
		group->n_blocked += !(t->bits & LB_TARGET_NEW);
		group->n_broken -= was_broken;
		group->n_broken += t->is_broken;
	}
}

void lb_availability_set_all(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out)
{
	const struct lb_ids *ids = r->reg.of[LB_ID_TARGET];
	const uint32_t *groups;

	for (uint32_t id = 0; id < r->wanted.n_targets; id++) {
		if (!lb_ids_is_used(ids, id) || lb_ids_is_leaving(ids, id))
			continue;
		if (!r->wanted.targets[id].is_group) {
			set_target(r, id, now_ms, out);
			continue;
		}
		touch_group_target(r, id);
		r->targets[id].n_blocked = 0;
		r->targets[id].n_broken = 0;
	}
	for (uint32_t id = 0; id < r->wanted.n_targets; id++) {
		uint32_t n = lb_adjacent(&r->wanted.target_groups, id, &groups);

		for (uint32_t i = 0; i < n; i++) {
			r->targets[groups[i]].n_blocked += !(r->targets[id].bits & LB_TARGET_NEW);
			r->targets[groups[i]].n_broken += r->targets[id].is_broken;
		}
	}
}

void lb_availability_set_machine(struct lb_reconcile *r, uint32_t machine, uint64_t now_ms,
				 struct lb_cmd_list *out)
{
	const uint32_t *targets;
	uint32_t n = lb_adjacent(&r->wanted.machine_targets, machine, &targets);

	for (uint32_t i = 0; i < n; i++)
		set_target_and_groups(r, targets[i], now_ms, out);
}

void lb_availability_set_probe(struct lb_reconcile *r, uint32_t probe, uint64_t now_ms,
			       struct lb_cmd_list *out)
{
	const uint32_t *targets;
	uint32_t n = lb_adjacent(&r->wanted.probe_targets, probe, &targets);

	for (uint32_t i = 0; i < n; i++)
		set_target_and_groups(r, targets[i], now_ms, out);
}

void lb_availability_release_target(struct lb_reconcile *r, uint32_t target,
				    struct lb_cmd_list *out)
{
	const struct lb_target_key *key = lb_ids_key(r->reg.of[LB_ID_TARGET], target);
	struct lb_target_state *t = &r->targets[target];

	set_bits(r, target, 0, out);
	if ((key->scope & LB_SCOPE_GROUP) && t->n_broken == 0)
		move_generation(r, target);
	/* Whoever gets the id next goes on counting: records may still name it. */
	*t = (struct lb_target_state){.generation = t->generation, .moved_in = t->moved_in};
}

size_t lb_availability_cmds_of(const struct lb_reconcile *r, uint32_t machine)
{
	const uint32_t *targets, *groups;
	uint32_t n = lb_adjacent(&r->wanted.machine_targets, machine, &targets);
	size_t cmds = 0;

	for (uint32_t i = 0; i < n; i++)
		cmds += 1 + 2 * lb_adjacent(&r->wanted.target_groups, targets[i], &groups);
	return cmds;
}
