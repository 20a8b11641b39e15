#include "plan.h"

#include <errno.h>
#include <stdlib.h>

static int no_memory(struct lb_error *err)
{
	return lb_error_set(err, -ENOMEM, "", "out of memory");
}

/* Without a kernel's network the configuration alone decides. */
static int plan_static_hops(struct lb_plan *plan, struct lb_error *err)
{
	const struct lb_ids *machines = plan->reg.of[LB_ID_MACHINE];
	const struct lb_cfg_node *node = &plan->next->node;
	int ret = lb_static_hops_build(&plan->reg, node, &plan->hops, err);

	plan->has_static_hops = true;
	for (uint32_t m = 0; ret == 0 && m < lb_ids_bound(machines); m++)
		if (lb_ids_is_used(machines, m) && !lb_ids_is_leaving(machines, m))
			ret = lb_static_hops_towards(&plan->reg, node, lb_ids_key(machines, m),
						     &plan->machine_hops[m], err);
	return ret != 0 ? ret : lb_static_hops_resolve(&plan->reg, node, &plan->hops, err);
}

static void ask_machine_hops(const struct lb_reconcile *r, struct lb_plan *plan)
{
	const struct lb_ids *machines = plan->reg.of[LB_ID_MACHINE];

	for (uint32_t m = 0; m < lb_ids_bound(machines); m++)
		if (lb_ids_is_used(machines, m) && !lb_ids_is_leaving(machines, m))
			plan->machine_hops[m] = r->params.next_hop_of(r->params.ctx,
								      lb_ids_key(machines, m));
}

int lb_plan_hop_machines(const struct lb_registries *reg, const uint32_t *machine_hops,
			 struct lb_adjacency *out)
{
	const struct lb_ids *machines = reg->of[LB_ID_MACHINE];
	struct lb_pairs pairs = {0};
	int ret = 0;

	for (uint32_t m = 0; ret == 0 && m < lb_ids_bound(machines); m++)
		if (lb_ids_is_used(machines, m) && machine_hops[m] < LB_NEXT_HOP_LEARNED)
			ret = lb_pairs_add(&pairs, machine_hops[m], m);
	if (ret == 0)
		ret = lb_adjacency_build(&pairs, LB_NEXT_HOP_LEARNED, out);
	lb_pairs_free(&pairs);
	return ret;
}

/* The destination is reached by another machine's next hop. */
bool lb_plan_is_via_gateway(const struct lb_reconcile *r, const struct lb_registries *reg,
			    const struct lb_addr *addr, uint32_t hop)
{
	const struct lb_endpoint_key *key;

	if (hop == LB_NEXT_HOP_NONE)
		return false;
	if (r->params.next_hop_of != NULL)
		return r->params.is_on_link != NULL && !r->params.is_on_link(r->params.ctx, addr);
	key = lb_ids_key(reg->of[LB_ID_NEXT_HOP], hop);
	return !lb_addr_equal(&key->addr, addr);
}

static struct lb_real real_value(const struct lb_reconcile *r, const struct lb_registries *reg,
				 const uint32_t *machine_hops, uint32_t id)
{
	const struct lb_ids *ids = reg->of[LB_ID_REAL];
	const struct lb_endpoint_key *key = lb_ids_key(ids, id);
	struct lb_real real = {.epoch = (uint8_t)lb_ids_epoch(ids, id)};

	if (lb_ids_is_leaving(ids, id)) {
		real.epoch++;
		return real;
	}
	real.addr = key->addr;
	real.port_be = rte_cpu_to_be_16((uint16_t)key->number);
	real.in_use = 1;
	real.machine_id = lb_ids_find(reg->of[LB_ID_MACHINE], &key->addr);
	real.next_hop = machine_hops[real.machine_id];
	real.via_gateway = lb_plan_is_via_gateway(r, reg, &key->addr, real.next_hop);
	return real;
}

int lb_plan_reals(const struct lb_reconcile *r, const struct lb_registries *reg,
		  const uint32_t *machine_hops, struct lb_real **reals, uint32_t **ids, uint32_t *n)
{
	const struct lb_ids *known = reg->of[LB_ID_REAL];
	uint32_t reals_max = 0, ids_max = 0;

	for (uint32_t id = 0; id < lb_ids_bound(known); id++) {
		struct lb_real value;

		if (!lb_ids_is_used(known, id))
			continue;
		value = real_value(r, reg, machine_hops, id);
		if (id < r->reals_max && memcmp(&r->reals[id], &value, sizeof(value)) == 0)
			continue;
		if (lb_array_reserve((void **)reals, &reals_max, *n, sizeof(**reals)) != 0 ||
		    lb_array_reserve((void **)ids, &ids_max, *n, sizeof(**ids)) != 0)
			return -ENOMEM;
		(*reals)[*n] = value;
		(*ids)[(*n)++] = id;
	}
	return 0;
}

/* Next hops of the configuration's own making; those of netlink come by their own calls. */
static int plan_hop_values(struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	const struct lb_next_hop none = {0};

	plan->hop_values = calloc(plan->hops.n_hops + 1, sizeof(*plan->hop_values));
	plan->hop_ids = calloc(plan->hops.n_hops + 1, sizeof(*plan->hop_ids));
	if (plan->hop_values == NULL || plan->hop_ids == NULL)
		return no_memory(err);
	for (uint32_t id = 1; id < plan->hops.n_hops; id++) {
		const struct lb_next_hop *old = id < r->hops_max ? &r->hops[id].value : &none;

		if (memcmp(old, &plan->hops.hops[id], sizeof(*old)) == 0)
			continue;
		plan->hop_values[plan->n_hop_values] = plan->hops.hops[id];
		plan->hop_ids[plan->n_hop_values++] = id;
	}
	return 0;
}

static bool is_same_routes(const struct lb_reconcile *r, const struct lb_static_hops *hops)
{
	if (r->route_table == NULL || r->n_routes != hops->n_routes)
		return false;
	for (uint32_t i = 0; i < hops->n_routes; i++) {
		const struct lb_route *a = &r->routes[i], *b = &hops->routes[i];

		if (a->prefix.len != b->prefix.len || a->next_hop != b->next_hop ||
		    a->iface != b->iface || !lb_addr_equal(&a->prefix.addr, &b->prefix.addr))
			return false;
	}
	return true;
}

static int plan_routes(struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	if (!plan->has_static_hops || is_same_routes(r, &plan->hops))
		return 0;
	if (lb_route_table_build(plan->hops.routes, plan->hops.n_routes, &plan->route_table) != 0)
		return no_memory(err);
	return 0;
}

/* Memory for what carrying out needs, so that it cannot fail. */
static int plan_memory(struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	uint32_t n_targets = lb_ids_bound(plan->reg.of[LB_ID_TARGET]);
	uint32_t n_machines = lb_ids_bound(plan->reg.of[LB_ID_MACHINE]);

	if (lb_array_reserve((void **)&r->services, &r->services_max,
			     lb_ids_bound(plan->reg.of[LB_ID_SERVICE]),
			     sizeof(*r->services)) != 0 ||
	    lb_array_reserve((void **)&r->nats, &r->nats_max,
			     lb_ids_bound(plan->reg.of[LB_ID_NAT_SOURCE]), sizeof(*r->nats)) != 0 ||
	    lb_array_reserve((void **)&r->reals, &r->reals_max,
			     lb_ids_bound(plan->reg.of[LB_ID_REAL]), sizeof(*r->reals)) != 0 ||
	    lb_array_reserve((void **)&r->hops, &r->hops_max, plan->hops.n_hops,
			     sizeof(*r->hops)) != 0 ||
	    lb_array_reserve((void **)&r->machines, &r->machines_max, n_machines,
			     sizeof(*r->machines)) != 0 ||
	    lb_array_reserve((void **)&r->moved, &r->moved_max, n_targets, sizeof(*r->moved)) !=
		    0 ||
	    lb_array_reserve((void **)&r->probes, &r->probes_max,
			     lb_ids_bound(plan->reg.of[LB_ID_PROBE]), sizeof(*r->probes)) != 0 ||
	    lb_array_reserve((void **)&r->targets, &r->targets_max, n_targets,
			     sizeof(*r->targets)) != 0 ||
	    lb_array_reserve((void **)&r->touched, &r->touched_max, n_targets,
			     sizeof(*r->touched)) != 0)
		return no_memory(err);
	plan->retired = lb_retired_batch_create(plan->n_services + plan->n_nats + 3);
	if (plan->retired == NULL)
		return no_memory(err);
	plan->n_cmds_max = (size_t)plan->n_services + plan->n_nats + plan->n_reals +
			   plan->n_hop_values + 2 * (size_t)n_targets + 1;
	return 0;
}

int lb_plan_make(const struct lb_reconcile *r, struct lb_plan *out, struct lb_error *err)
{
	int ret;

	if (lb_registries_copy(&r->reg, &out->reg) != 0)
		return no_memory(err);
	lb_registries_begin(&out->reg);
	ret = lb_wanted_build(&out->reg, out->next, &out->wanted, err);
	if (ret != 0)
		return ret;
	out->machine_hops = calloc(lb_ids_bound(out->reg.of[LB_ID_MACHINE]) + 1,
				   sizeof(*out->machine_hops));
	if (out->machine_hops == NULL)
		return no_memory(err);
	if (r->params.next_hop_of == NULL)
		ret = plan_static_hops(out, err);
	if (ret == 0)
		ret = lb_plan_services(r, out, err);
	if (ret == 0)
		ret = lb_plan_nats(r, out, err);
	return ret;
}

int lb_plan_finish(struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	int ret;

	if (!plan->has_static_hops)
		ask_machine_hops(r, plan);
	if (lb_plan_hop_machines(&plan->reg, plan->machine_hops, &plan->hop_machines) != 0 ||
	    lb_plan_reals(r, &plan->reg, plan->machine_hops, &plan->reals, &plan->real_ids,
			  &plan->n_reals) != 0)
		return no_memory(err);
	ret = plan_hop_values(r, plan, err);
	if (ret == 0)
		ret = plan_routes(r, plan, err);
	return ret != 0 ? ret : plan_memory(r, plan, err);
}

void lb_plan_free(struct lb_plan *plan)
{
	lb_wanted_free(&plan->wanted);
	lb_static_hops_free(&plan->hops);
	lb_adjacency_free(&plan->hop_machines);
	for (uint32_t i = 0; i < plan->n_services; i++) {
		free(plan->services[i].image);
		lb_service_free(plan->services[i].object);
	}
	for (uint32_t i = 0; i < plan->n_nats; i++)
		free(plan->nats[i].object);
	free(plan->machine_hops);
	free(plan->services);
	free(plan->nats);
	free(plan->reals);
	free(plan->real_ids);
	free(plan->hop_values);
	free(plan->hop_ids);
	lb_route_table_free(plan->route_table);
	free(plan->retired);
	lb_registries_fini(&plan->reg);
	*plan = (struct lb_plan){0};
}
