#include "reconcile.h"

#include <errno.h>
#include <stdlib.h>

#include "availability.h"
#include "plan.h"

int lb_reconcile_create(const struct lb_reconcile_params *params, struct lb_reconcile **out)
{
	struct lb_reconcile *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	r->params = *params;
	r->settle_due_ms = UINT64_MAX;
	if (lb_registries_init(&r->reg) != 0) {
		free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void lb_reconcile_destroy(struct lb_reconcile *r)
{
	if (r == NULL)
		return;
	lb_retired_free_until(&r->retired, UINT64_MAX);
	for (uint32_t i = 0; i < r->services_max; i++) {
		free(r->services[i].image);
		lb_service_free(r->services[i].object);
	}
	for (uint32_t i = 0; i < r->nats_max; i++)
		free(r->nats[i]);
	lb_route_table_free(r->route_table);
	lb_wanted_free(&r->wanted);
	lb_adjacency_free(&r->hop_machines);
	lb_registries_fini(&r->reg);
	free(r->services);
	free(r->nats);
	free(r->reals);
	free(r->hops);
	free(r->machines);
	free(r->probes);
	free(r->targets);
	free(r->touched);
	free(r->moved);
	free(r->routes);
	free(r);
}

void lb_reconcile_acked(struct lb_reconcile *r, uint64_t generation)
{
	lb_retired_free_until(&r->retired, generation);
}

uint64_t lb_reconcile_generation(const struct lb_reconcile *r)
{
	return r->generation;
}

/* ---- a configuration ------------------------------------------------------------------------- */

static void set_service(struct lb_reconcile *r, struct lb_plan *plan,
			struct lb_plan_service *change, struct lb_cmd_list *out)
{
	struct lb_service_state *s = &r->services[change->slot];

	/* Kept when the slot is freed: no earlier epoch may come again soon. */
	if (change->object != NULL)
		s->epoch_moves = (uint8_t)(change->image->params.epoch -
					   lb_ids_epoch(r->reg.of[LB_ID_SERVICE], change->slot));
	lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_SERVICE, change->slot, change->object, 0});
	lb_retired_add_service(plan->retired, s->object);
	free(s->image);
	s->object = change->object;
	s->image = change->image;
	change->object = NULL;
	change->image = NULL;
}

static void set_services(struct lb_reconcile *r, struct lb_plan *plan, bool is_removal,
			 struct lb_cmd_list *out)
{
	for (uint32_t i = 0; i < plan->n_services; i++)
		if (is_removal ==
		    lb_ids_is_leaving(r->reg.of[LB_ID_SERVICE], plan->services[i].slot))
			set_service(r, plan, &plan->services[i], out);
}

static void set_reals(struct lb_reconcile *r, const struct lb_plan *plan, bool in_use,
		      struct lb_cmd_list *out)
{
	for (uint32_t i = 0; i < plan->n_reals; i++) {
		uint32_t id = plan->real_ids[i];

		if ((plan->reals[i].in_use != 0) != in_use)
			continue;
		r->reals[id] = plan->reals[i];
		lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_REAL, id, &plan->reals[i], 0});
	}
}

static void set_hops(struct lb_reconcile *r, const struct lb_plan *plan, bool resolved,
		     struct lb_cmd_list *out)
{
	for (uint32_t i = 0; i < plan->n_hop_values; i++) {
		uint32_t id = plan->hop_ids[i];

		if ((plan->hop_values[i].resolved != 0) != resolved)
			continue;
		r->hops[id].value = plan->hop_values[i];
		lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_NEXT_HOP, id, &plan->hop_values[i], 0});
	}
}

static void set_nats(struct lb_reconcile *r, struct lb_plan *plan, bool is_removal,
		     struct lb_cmd_list *out)
{
	for (uint32_t i = 0; i < plan->n_nats; i++) {
		struct lb_plan_nat *change = &plan->nats[i];

		/* A change that has been made has given its object away. */
		if (is_removal != lb_ids_is_leaving(r->reg.of[LB_ID_NAT_SOURCE], change->id))
			continue;
		lb_cmd_list_add(out,
				(struct lb_cmd){LB_CMD_NAT_SOURCE, change->id, change->object, 0});
		lb_retired_add_block(plan->retired, r->nats[change->id]);
		r->nats[change->id] = change->object;
		change->object = NULL;
	}
}

static void set_static_routes(struct lb_reconcile *r, struct lb_plan *plan, struct lb_cmd_list *out)
{
	if (plan->route_table == NULL)
		return;
	lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_ROUTES, 0, plan->route_table, 0});
	lb_retired_add_routes(plan->retired, r->route_table);
	free(r->routes);
	r->route_table = plan->route_table;
	r->routes = plan->hops.routes;
	r->n_routes = plan->hops.n_routes;
	plan->route_table = NULL;
	plan->hops.routes = NULL;
}

static uint32_t type_of(const struct lb_reconcile *r, const struct lb_probe_key *probe)
{
	const struct lb_monitor_key *key = lb_ids_key(r->reg.of[LB_ID_MONITOR], probe->monitor);

	return key->type;
}

/* A new probe takes over the verdict of another one of the same place, and one that is new to a
 * target that is up begins as up: editing monitors takes nobody out. */
static enum lb_health_state first_state(const struct lb_reconcile *r, const struct lb_plan *plan,
					uint32_t probe, struct lb_probe_state *out)
{
	const struct lb_ids *probes = r->reg.of[LB_ID_PROBE], *targets = r->reg.of[LB_ID_TARGET];
	const struct lb_probe_key *key = lb_ids_key(probes, probe);
	const uint32_t *items;
	uint32_t n;

	n = key->vip_path != 0 ? lb_adjacent(&r->wanted.vip_path_probes, key->vip_path, &items)
			       : lb_adjacent(&r->wanted.machine_probes, key->machine, &items);
	for (uint32_t i = 0; i < n; i++) {
		const struct lb_probe_key *old = lb_ids_key(probes, items[i]);

		if (old->machine != key->machine || old->port != key->port ||
		    type_of(r, old) != type_of(r, key))
			continue;
		*out = r->probes[items[i]];
		return out->state;
	}
	n = lb_adjacent(&plan->wanted.probe_targets, probe, &items);
	for (uint32_t i = 0; i < n; i++)
		if (!lb_ids_is_new(targets, items[i]) && r->targets[items[i]].state == LB_HEALTH_UP)
			return LB_HEALTH_UP;
	return LB_HEALTH_CHECKING;
}

static void start_probes(struct lb_reconcile *r, const struct lb_plan *plan, uint64_t now_ms)
{
	const struct lb_ids *probes = r->reg.of[LB_ID_PROBE];

	for (uint32_t id = 0; id < lb_ids_bound(probes); id++) {
		struct lb_probe_state state = {.reason = "", .since_ms = now_ms};

		if (!lb_ids_is_new(probes, id))
			continue;
		state.state = first_state(r, plan, id, &state);
		r->probes[id] = state;
	}
}

/* Next hops of machines and what their ICMP probes say, after `wanted` is the new one. */
static void start_machines(struct lb_reconcile *r, const uint32_t *machine_hops, uint64_t now_ms)
{
	const struct lb_ids *machines = r->reg.of[LB_ID_MACHINE];

	for (uint32_t m = 0; m < lb_ids_bound(machines); m++) {
		struct lb_machine_state *state = &r->machines[m];
		const uint32_t *probes;
		uint32_t n = lb_adjacent(&r->wanted.machine_probes, m, &probes);

		if (!lb_ids_is_used(machines, m))
			continue;
		if (lb_ids_is_new(machines, m) || state->next_hop != machine_hops[m])
			state->since_ms = now_ms;
		state->next_hop = machine_hops[m];
		state->n_icmp_down = 0;
		for (uint32_t i = 0; i < n; i++)
			state->n_icmp_down += lb_availability_is_of_machine(r, probes[i]) &&
					      r->probes[probes[i]].state == LB_HEALTH_DOWN;
	}
}

/* Ids that this round frees; after the services that named them have changed. */
static void release_targets(struct lb_reconcile *r, struct lb_cmd_list *out)
{
	const struct lb_ids *targets = r->reg.of[LB_ID_TARGET];

	for (uint32_t id = 0; id < lb_ids_bound(targets); id++)
		if (lb_ids_is_leaving(targets, id))
			lb_availability_release_target(r, id, out);
}

/* What was in force is the plan's to free from here on. */
static void take_wanted(struct lb_reconcile *r, struct lb_plan *plan)
{
	struct lb_wanted wanted = r->wanted;
	struct lb_adjacency hop_machines = r->hop_machines;

	r->wanted = plan->wanted;
	r->hop_machines = plan->hop_machines;
	plan->wanted = wanted;
	plan->hop_machines = hop_machines;
}

static void take_registries(struct lb_reconcile *r, struct lb_plan *plan)
{
	struct lb_registries reg = r->reg;

	r->reg = plan->reg;
	plan->reg = reg;
}

/* Cannot fail: everything has been made. Frames leave as before until a service changes, so what
 * services name comes before them and goes after them. */
static void carry_out(struct lb_reconcile *r, struct lb_plan *plan, uint64_t now_ms,
		      struct lb_cmd_list *out)
{
	lb_availability_begin(r);
	take_registries(r, plan);
	start_probes(r, plan, now_ms);
	take_wanted(r, plan);
	start_machines(r, plan->machine_hops, now_ms);
	set_services(r, plan, true, out);
	set_hops(r, plan, true, out);
	set_reals(r, plan, true, out);
	set_nats(r, plan, false, out);
	set_static_routes(r, plan, out);
	lb_availability_set_all(r, now_ms, out);
	set_services(r, plan, false, out);
	release_targets(r, out);
	lb_availability_finish(r, out);
	set_reals(r, plan, false, out);
	set_nats(r, plan, true, out);
	set_hops(r, plan, false, out);
	lb_retired_add_block(plan->retired, plan->reals);
	lb_retired_add_block(plan->retired, plan->hop_values);
	plan->reals = NULL;
	plan->hop_values = NULL;
	lb_registries_commit(&r->reg);
	out->generation = ++r->generation;
	lb_retired_push(&r->retired, plan->retired, r->generation);
	plan->retired = NULL;
}

int lb_reconcile_plan(const struct lb_reconcile *r, const struct lb_config *next, uint64_t now_ms,
		      struct lb_plan **out, struct lb_error *err)
{
	struct lb_plan *plan = calloc(1, sizeof(*plan));
	int ret;

	*out = NULL;
	if (plan == NULL)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	plan->next = next;
	plan->now_ms = now_ms;
	ret = lb_plan_make(r, plan, err);
	if (ret != 0)
		lb_reconcile_plan_free(plan);
	else
		*out = plan;
	return ret;
}

void lb_reconcile_plan_free(struct lb_plan *plan)
{
	if (plan == NULL)
		return;
	lb_plan_free(plan);
	free(plan);
}

/* Slots that change settle from now on, not from when the plan was made. */
static void delay_settling(struct lb_plan *plan, uint64_t now_ms)
{
	for (uint32_t i = 0; i < plan->n_services; i++) {
		const struct lb_plan_service *s = &plan->services[i];

		if (s->object != NULL)
			lb_service_delay_settling(s->object,
						  plan->now_ms + s->image->params.settle_ms,
						  now_ms - plan->now_ms);
	}
}

int lb_reconcile_carry_out(struct lb_reconcile *r, struct lb_plan *plan, uint64_t now_ms,
			   struct lb_cmd_list *out, struct lb_error *err)
{
	int ret = lb_plan_finish(r, plan, err);

	if (ret != 0)
		return ret;
	if (lb_cmd_list_reserve(out, plan->n_cmds_max) != 0)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	delay_settling(plan, now_ms);
	carry_out(r, plan, now_ms, out);
	lb_reconcile_find_settle_due(r);
	return 0;
}

int lb_reconcile_config(struct lb_reconcile *r, const struct lb_config *next, uint64_t now_ms,
			struct lb_cmd_list *out, struct lb_error *err)
{
	struct lb_plan *plan;
	int ret = lb_reconcile_plan(r, next, now_ms, &plan, err);

	if (ret == 0)
		ret = lb_reconcile_carry_out(r, plan, now_ms, out, err);
	lb_reconcile_plan_free(plan);
	return ret;
}

/* ---- what would change ----------------------------------------------------------------------- */

static void tell(lb_on_change on_change, void *ctx, const struct lb_change *change,
		 struct lb_change_summary *out)
{
	out->n[change->type]++;
	if (on_change != NULL)
		on_change(ctx, change);
}

static void tell_services(const struct lb_plan *plan, lb_on_change on_change, void *ctx,
			  struct lb_change_summary *out)
{
	for (uint32_t i = 0; i < plan->n_services; i++) {
		const struct lb_plan_service *s = &plan->services[i];
		const struct lb_name_key *key = lb_ids_key(plan->reg.of[LB_ID_SERVICE], s->slot);
		struct lb_change change = {.id = s->slot};

		change.type = s->object == NULL ? LB_CHANGE_SERVICE_REMOVED
			      : s->is_added     ? LB_CHANGE_SERVICE_ADDED
						: LB_CHANGE_SERVICE_CHANGED;
		memcpy(change.name, key->name, sizeof(change.name));
		tell(on_change, ctx, &change, out);
	}
}

static void tell_reals(const struct lb_plan *plan, lb_on_change on_change, void *ctx,
		       struct lb_change_summary *out)
{
	const struct lb_ids *ids = plan->reg.of[LB_ID_REAL];

	for (uint32_t id = 0; id < lb_ids_bound(ids); id++) {
		const struct lb_endpoint_key *key;
		struct lb_change change = {.id = id};
		char text[LB_ADDR_TEXT_MAX];

		if (!lb_ids_is_new(ids, id) && !lb_ids_is_leaving(ids, id))
			continue;
		change.type = lb_ids_is_new(ids, id) ? LB_CHANGE_REAL_ADDED
						     : LB_CHANGE_REAL_REMOVED;
		key = lb_ids_key(ids, id);
		lb_addr_format(&key->addr, text);
		if (key->number == 0)
			snprintf(change.name, sizeof(change.name), "%s", text);
		else
			snprintf(change.name, sizeof(change.name),
				 lb_addr_is_v4(&key->addr) ? "%s:%u" : "[%s]:%u", text,
				 key->number);
		tell(on_change, ctx, &change, out);
	}
}

void lb_reconcile_tell(const struct lb_plan *plan, lb_on_change on_change, void *ctx,
		       struct lb_change_summary *out)
{
	*out = (struct lb_change_summary){0};
	tell_services(plan, on_change, ctx, out);
	tell_reals(plan, on_change, ctx, out);
	out->n_services = plan->next->n_services;
	out->n_reals = lb_ids_count(plan->reg.of[LB_ID_REAL]) - out->n[LB_CHANGE_REAL_REMOVED];
}
