#include <errno.h>
#include <stdlib.h>

#include "availability.h"
#include "plan.h"
#include "reconcile.h"

static void end_list(struct lb_reconcile *r, struct lb_cmd_list *out)
{
	out->generation = ++r->generation;
}

int lb_reconcile_verdict(struct lb_reconcile *r, uint32_t probe, enum lb_health_state state,
			 const char *reason, uint64_t now_ms, struct lb_cmd_list *out)
{
	const struct lb_ids *probes = r->reg.of[LB_ID_PROBE];
	const struct lb_probe_key *key;
	struct lb_probe_state *p;
	size_t n_before = out->n;

	if (!lb_ids_is_used(probes, probe))
		return 0;
	key = lb_ids_key(probes, probe);
	p = &r->probes[probe];
	if (p->state == state) {
		p->reason = reason;
		return 0;
	}
	if (lb_cmd_list_reserve(out, lb_availability_cmds_of(r, key->machine)) != 0)
		return -ENOMEM;
	lb_availability_begin(r);
	if (lb_availability_is_of_machine(r, probe)) {
		r->machines[key->machine].n_icmp_down -= p->state == LB_HEALTH_DOWN;
		r->machines[key->machine].n_icmp_down += state == LB_HEALTH_DOWN;
	}
	*p = (struct lb_probe_state){reason, now_ms, state};
	/* A host that does not answer is out at every port, whoever asked. */
	if (lb_availability_is_of_machine(r, probe))
		lb_availability_set_machine(r, key->machine, now_ms, out);
	else
		lb_availability_set_probe(r, probe, now_ms, out);
	lb_availability_finish(r, out);
	if (out->n > n_before)
		end_list(r, out);
	return 0;
}

/* One command with a copied object. */
static int add_copied(struct lb_reconcile *r, struct lb_cmd cmd, size_t bytes,
		      struct lb_cmd_list *out)
{
	struct lb_retired_batch *batch = lb_retired_batch_create(1);
	void *copy = malloc(bytes);

	if (batch == NULL || copy == NULL || lb_cmd_list_reserve(out, 1) != 0) {
		free(batch);
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, cmd.object, bytes);
	cmd.object = copy;
	lb_cmd_list_add(out, cmd);
	end_list(r, out);
	lb_retired_add_block(batch, copy);
	lb_retired_push(&r->retired, batch, r->generation);
	return 0;
}

int lb_reconcile_iface(struct lb_reconcile *r, uint32_t iface, const struct lb_iface *value,
		       struct lb_cmd_list *out)
{
	return add_copied(r, (struct lb_cmd){LB_CMD_IFACE, iface, value, 0}, sizeof(*value), out);
}

int lb_reconcile_next_hop(struct lb_reconcile *r, uint32_t id, const struct lb_next_hop *value,
			  uint64_t now_ms, struct lb_cmd_list *out)
{
	struct lb_hop_state *hop;
	const uint32_t *machines;
	uint32_t n = lb_adjacent(&r->hop_machines, id, &machines);
	size_t room = 1;
	int ret;

	if (r->params.next_hop_of == NULL || id == LB_NEXT_HOP_NONE || id >= LB_NEXT_HOP_LEARNED)
		return 0;
	if (lb_array_reserve((void **)&r->hops, &r->hops_max, id, sizeof(*r->hops)) != 0)
		return -ENOMEM;
	hop = &r->hops[id];
	if (hop->is_known && memcmp(&hop->value, value, sizeof(*value)) == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		room += lb_availability_cmds_of(r, machines[i]);
	if (lb_cmd_list_reserve(out, room) != 0)
		return -ENOMEM;
	ret = add_copied(r, (struct lb_cmd){LB_CMD_NEXT_HOP, id, value, 0}, sizeof(*value), out);
	if (ret != 0)
		return ret;
	lb_availability_begin(r);
	for (uint32_t i = 0; i < n; i++)
		if (!hop->is_known || hop->value.resolved != value->resolved)
			r->machines[machines[i]].since_ms = now_ms;
	hop->value = *value;
	hop->is_known = true;
	for (uint32_t i = 0; i < n; i++)
		lb_availability_set_machine(r, machines[i], now_ms, out);
	lb_availability_finish(r, out);
	return 0;
}

int lb_reconcile_routes(struct lb_reconcile *r, const struct lb_route *routes, size_t n,
			struct lb_cmd_list *out)
{
	struct lb_retired_batch *batch;
	struct lb_route_table *table;
	int ret;

	if (r->params.next_hop_of == NULL)
		return 0;
	ret = lb_route_table_build(routes, n, &table);
	if (ret != 0)
		return ret;
	batch = lb_retired_batch_create(1);
	if (batch == NULL || lb_cmd_list_reserve(out, 1) != 0) {
		free(batch);
		lb_route_table_free(table);
		return -ENOMEM;
	}
	lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_ROUTES, 0, table, 0});
	end_list(r, out);
	lb_retired_add_routes(batch, r->route_table);
	lb_retired_push(&r->retired, batch, r->generation);
	r->route_table = table;
	return 0;
}

/* Everything that lb_reconcile_paths needs and that may fail to be had. */
struct path_change {
	uint32_t *machine_hops;
	struct lb_adjacency hop_machines;
	struct lb_real *reals;
	uint32_t *real_ids;
	uint32_t n_reals;
	struct lb_retired_batch *retired;
};

static void free_path_change(struct path_change *change)
{
	free(change->machine_hops);
	lb_adjacency_free(&change->hop_machines);
	free(change->reals);
	free(change->real_ids);
	free(change->retired);
}

static int make_path_change(struct lb_reconcile *r, struct path_change *change,
			    struct lb_cmd_list *out)
{
	const struct lb_ids *machines = r->reg.of[LB_ID_MACHINE];
	uint32_t n = lb_ids_bound(machines);

	*change = (struct path_change){.machine_hops = calloc(n + 1, sizeof(uint32_t)),
				       .retired = lb_retired_batch_create(1)};
	if (change->machine_hops == NULL || change->retired == NULL)
		return -ENOMEM;
	for (uint32_t m = 0; m < n; m++)
		if (lb_ids_is_used(machines, m))
			change->machine_hops[m] = r->params.next_hop_of(r->params.ctx,
									lb_ids_key(machines, m));
	if (lb_plan_hop_machines(&r->reg, change->machine_hops, &change->hop_machines) != 0 ||
	    lb_plan_reals(r, &r->reg, change->machine_hops, &change->reals, &change->real_ids,
			  &change->n_reals) != 0)
		return -ENOMEM;
	return lb_cmd_list_reserve(out,
				   change->n_reals + n + lb_ids_bound(r->reg.of[LB_ID_TARGET]));
}

static void carry_out_paths(struct lb_reconcile *r, struct path_change *change, uint64_t now_ms,
			    struct lb_cmd_list *out)
{
	struct lb_adjacency hop_machines = r->hop_machines;
	size_t n_before = out->n;

	lb_availability_begin(r);
	r->hop_machines = change->hop_machines;
	change->hop_machines = hop_machines;
	for (uint32_t m = 0; m < lb_ids_bound(r->reg.of[LB_ID_MACHINE]); m++) {
		if (r->machines[m].next_hop != change->machine_hops[m])
			r->machines[m].since_ms = now_ms;
		r->machines[m].next_hop = change->machine_hops[m];
	}
	for (uint32_t i = 0; i < change->n_reals; i++) {
		uint32_t id = change->real_ids[i];

		r->reals[id] = change->reals[i];
		lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_REAL, id, &change->reals[i], 0});
	}
	lb_availability_set_all(r, now_ms, out);
	lb_availability_finish(r, out);
	if (out->n == n_before)
		return;
	end_list(r, out);
	lb_retired_add_block(change->retired, change->reals);
	lb_retired_push(&r->retired, change->retired, r->generation);
	change->reals = NULL;
	change->retired = NULL;
}

int lb_reconcile_paths(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out)
{
	struct path_change change;
	int ret;

	if (r->params.next_hop_of == NULL)
		return 0;
	ret = make_path_change(r, &change, out);
	if (ret == 0)
		carry_out_paths(r, &change, now_ms, out);
	free_path_change(&change);
	return ret;
}
