#include "reconcile.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "any_config.h"
#include "config/config_tables.h"
#include "steer/next_hop.h"
#include "steer/service_object.h"
#include "worker_model.h"

#define ROUNDS 1500u
#define PROBES_MAX 512u
#define LISTS_MAX 64u

/* ---- the naive twin: everything computed anew from the configuration and the verdicts ---- */

struct twin_probe {
	struct lb_probe_spec spec; /* `initial` is its state now */
};

struct twin {
	struct twin_probe probes[PROBES_MAX];
	uint32_t n;
};

/* `svc` NULL: of the address, else of its VIP. */
static bool is_probe(const struct lb_probe_spec *p, const struct lb_addr *addr,
		     const struct lb_cfg_monitor *m, uint16_t port,
		     const struct lb_cfg_service *svc)
{
	if (p->is_of_vip != (svc != NULL))
		return false;
	if (svc != NULL &&
	    (!lb_addr_equal(&p->vip, &svc->address) || p->forwarding != svc->forwarding ||
	     p->gue_port != (svc->forwarding == LB_FORWARD_GUE ? svc->gue_port : 0)))
		return false;
	return lb_addr_equal(&p->address, addr) && p->type == m->type && p->port == port &&
	       p->interval_ms == m->interval_ms;
}

static enum lb_health_state find_state(const struct twin *t, const struct lb_addr *addr,
				       const struct lb_cfg_monitor *m, uint16_t port,
				       const struct lb_cfg_service *svc)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (is_probe(&t->probes[i].spec, addr, m, port, svc))
			return t->probes[i].spec.initial;
	cr_assert_fail("a probe that is needed is not wanted");
	return LB_HEALTH_DOWN;
}

static enum lb_health_state worse(enum lb_health_state a, enum lb_health_state b)
{
	if (a == LB_HEALTH_DOWN || b == LB_HEALTH_DOWN)
		return LB_HEALTH_DOWN;
	return a == LB_HEALTH_CHECKING ? a : b;
}

/* What a monitor says of a server: at its address and, where servers answer clients themselves, at
 * the VIP. */
static enum lb_health_state state_of(const struct twin *t, const struct lb_cfg_real *real,
				     const struct lb_cfg_monitor *m, uint16_t port,
				     const struct lb_cfg_service *svc)
{
	enum lb_health_state state = find_state(t, &real->address, m, port, NULL);

	if (!m->probes_vip || svc->forwarding < LB_FORWARD_DSR)
		return state;
	return worse(state, find_state(t, &real->address, m, port, svc));
}

static enum lb_health_state naive_state(const struct twin *t, const struct lb_config *cfg,
					const struct lb_cfg_service *svc, uint32_t member)
{
	const struct lb_cfg_pool *pool = &cfg->pools[svc->pool];
	const struct lb_cfg_real *real = &pool->reals[member];
	enum lb_health_state state = LB_HEALTH_UP;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->probes[i].spec.type == LB_MONITOR_ICMP && !t->probes[i].spec.is_of_vip &&
		    lb_addr_equal(&t->probes[i].spec.address, &real->address) &&
		    t->probes[i].spec.initial == LB_HEALTH_DOWN)
			return LB_HEALTH_DOWN;
	for (uint32_t i = 0; i < pool->n_monitors; i++) {
		const struct lb_cfg_monitor *m = &cfg->monitors[pool->monitors[i]];

		if (m->type == LB_MONITOR_ICMP)
			state = worse(state, state_of(t, real, m, 0, svc));
		else if (m->port != 0 || real->port != 0)
			state = worse(state, state_of(t, real, m,
						      m->port != 0 ? m->port : real->port, svc));
		else
			for (uint32_t p = 0; p < svc->n_ports; p++)
				state = worse(state,
					      state_of(t, real, m, svc->ports[p].first, svc));
	}
	return state;
}

static uint8_t naive_bits(enum lb_health_state state, const struct lb_cfg_real *real)
{
	if (state == LB_HEALTH_DOWN || real->admin_state == LB_ADMIN_DISABLED)
		return LB_TARGET_DOWN;
	if (state != LB_HEALTH_UP)
		return 0;
	if (real->admin_state == LB_ADMIN_DRAIN || real->weight == 0)
		return LB_TARGET_KEEP;
	return LB_TARGET_KEEP | LB_TARGET_NEW;
}

/* What all services of a group together say of a machine. */
struct opinion {
	bool is_listed;
	bool is_blocked;
	bool is_broken;
};

static struct opinion naive_opinion(const struct twin *t, const struct lb_config *cfg,
				    uint32_t group, const struct lb_addr *machine)
{
	struct opinion o = {0};

	for (uint32_t s = 0; s < cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &cfg->services[s];
		const struct lb_cfg_pool *pool = &cfg->pools[svc->pool];

		for (uint32_t i = 0; svc->group == group && i < pool->n_reals; i++) {
			enum lb_health_state state;

			if (!lb_addr_equal(&pool->reals[i].address, machine))
				continue;
			state = naive_state(t, cfg, svc, i);
			o.is_listed = true;
			o.is_blocked |= !(naive_bits(state, &pool->reals[i]) & LB_TARGET_NEW);
			o.is_broken |= state == LB_HEALTH_DOWN ||
				       pool->reals[i].admin_state == LB_ADMIN_DISABLED;
		}
	}
	return o;
}

/* ---- the installation under test ---- */

struct rig {
	struct test_random random;
	struct any_config any;
	struct lb_config *cfg;
	struct lb_reconcile *r;
	struct lb_cmd_list list;
	struct worker_model *quick; /* takes commands at once */
	struct worker_model *slow;  /* takes them whenever it likes */
	struct lb_cmd_list waiting[LISTS_MAX];
	uint32_t n_waiting;
	struct twin twin;
	struct opinion opinions[ANY_GROUPS][ANY_MACHINES];
	uint64_t generations[ANY_GROUPS][ANY_MACHINES];
	uint32_t member_ids[ANY_GROUPS][ANY_MACHINES];
};

static void let_slow_catch_up(struct rig *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct lb_cmd_list *list = &g->waiting[i];

		worker_model_apply(g->slow, list->cmds, list->n);
		worker_model_touch(g->slow);
		lb_reconcile_acked(g->r, list->generation);
		worker_model_touch(g->slow);
		lb_cmd_list_free(list);
	}
	memmove(g->waiting, g->waiting + n, (g->n_waiting - n) * sizeof(g->waiting[0]));
	g->n_waiting -= n;
}

/* Packets come between any two commands: what a service names must always be there. */
static void check_references(const struct worker_model *w)
{
	for (uint32_t slot = 0; slot < ANY_SERVICES + 64; slot++) {
		const struct lb_service *svc = w->services[slot];

		if (svc == NULL)
			continue;
		cr_assert(svc->forwarding != LB_FORWARD_FULLNAT ||
			  w->nats[svc->nat_source_id] != NULL);
		for (uint32_t i = 0; i < svc->n_servers; i++)
			cr_assert(w->reals[svc->servers[i].real_id].in_use);
	}
}

static void publish(struct rig *g)
{
	if (g->list.generation == 0) {
		cr_assert_eq(g->list.n, 0);
		return;
	}
	for (size_t i = 0; i < g->list.n; i++) {
		worker_model_apply(g->quick, &g->list.cmds[i], 1);
		check_references(g->quick);
	}
	if (g->n_waiting == LISTS_MAX)
		let_slow_catch_up(g, LISTS_MAX);
	g->waiting[g->n_waiting++] = g->list;
	g->list = (struct lb_cmd_list){0};
	let_slow_catch_up(g, test_random_below(&g->random, g->n_waiting + 1));
}

static void note_probes(struct rig *g)
{
	struct twin now = {.n = 0};
	uint32_t cursor = 0, n, n_checking, seen = 0;

	while (lb_reconcile_next_probe(g->r, &cursor, &now.probes[now.n].spec)) {
		struct lb_probe_spec *spec = &now.probes[now.n++].spec;

		cr_assert_lt(now.n, PROBES_MAX);
		seen += spec->initial == LB_HEALTH_CHECKING;
		for (uint32_t i = 0; i < g->twin.n; i++) {
			const struct lb_probe_spec *old = &g->twin.probes[i].spec;

			if (lb_addr_equal(&old->address, &spec->address) &&
			    old->type == spec->type && old->port == spec->port &&
			    old->interval_ms == spec->interval_ms &&
			    old->is_of_vip == spec->is_of_vip &&
			    lb_addr_equal(&old->vip, &spec->vip) &&
			    old->forwarding == spec->forwarding && old->gue_port == spec->gue_port)
				cr_assert_eq(old->initial, spec->initial, "a verdict was lost");
		}
	}
	g->twin = now;
	lb_reconcile_probe_counts(g->r, &n, &n_checking);
	cr_assert_eq(n, now.n);
	cr_assert_eq(n_checking, seen);
}

static uint32_t find_slot(const struct rig *g, const struct lb_cfg_service *svc)
{
	uint32_t found = UINT32_MAX;

	for (uint32_t slot = 0; slot < 1024; slot++) {
		const struct lb_service *s = g->quick->services[slot];

		if (s == NULL || s->ports[0].first != svc->ports[0].first ||
		    !lb_addr_equal(&s->vip, &svc->address))
			continue;
		cr_assert_eq(found, UINT32_MAX, "two slots serve %s", svc->name);
		found = slot;
	}
	cr_assert_neq(found, UINT32_MAX, "nothing serves %s", svc->name);
	return found;
}

static void check_real(const struct rig *g, const struct lb_cfg_real *want, uint32_t id)
{
	const struct lb_real *real = &g->quick->reals[id];
	struct lb_addr via = want->address;
	const struct lb_next_hop *hop;
	bool is_resolved = false;

	cr_assert(real->in_use);
	cr_assert(lb_addr_equal(&real->addr, &want->address));
	cr_assert_eq(real->port_be, rte_cpu_to_be_16(want->port));
	cr_assert_neq(real->next_hop, LB_NEXT_HOP_NONE);
	hop = &g->quick->hops[real->next_hop];
	if (lb_addr_equal(&via, &(struct lb_addr){{0, 0, RTE_BE32(0xffff), RTE_BE32(0xcb007105)}}))
		via = g->cfg->node.interfaces[0].gateway;
	for (uint32_t i = 0; i < g->cfg->node.n_neighbors; i++) {
		const struct lb_cfg_neighbor *n = &g->cfg->node.neighbors[i];

		if (!lb_addr_equal(&n->address, &via))
			continue;
		is_resolved = true;
		cr_assert_arr_eq(hop->mac, n->mac, 6);
	}
	cr_assert_eq(hop->resolved, is_resolved);
}

static void check_nat(const struct rig *g, const struct lb_cfg_service *svc, uint32_t id)
{
	const struct lb_nat_source *nat = g->quick->nats[id];
	const struct lb_addr *want = svc->nat_source == LB_CFG_NONE
					     ? &svc->address
					     : &g->cfg->nat_sources[svc->nat_source].addresses[0];

	cr_assert_neq(nat, NULL);
	cr_assert_eq(nat->n_v4, 1);
	cr_assert(lb_addr_equal(&nat->v4[0].addr, want));
	cr_assert_neq(nat->v4[0].id, 0);
	cr_assert_eq(nat->last_port, svc->nat_source == LB_CFG_NONE ? 49999 : 30000);
}

/* What the service has is what its servers would have by themselves. */
static void check_table(const struct rig *g, const struct lb_cfg_service *svc, uint32_t slot)
{
	const struct lb_cfg_pool *pool = &g->cfg->pools[svc->pool];
	const struct lb_maglev *table = g->quick->services[slot]->maglev;
	struct lb_maglev_server list[ANY_MACHINES];
	uint32_t weights = 0;

	cr_assert_eq(g->quick->services[slot]->scheduler, svc->scheduler);
	for (uint32_t i = 0; i < pool->n_reals; i++) {
		list[i] = (struct lb_maglev_server){pool->reals[i].address, pool->reals[i].weight};
		weights += pool->reals[i].weight;
	}
	cr_assert_eq(table != NULL, lb_sched_has_table(svc->scheduler) && weights != 0);
	if (table != NULL)
		cr_assert_eq(
			lb_maglev_content_of(table),
			lb_maglev_content(list, pool->n_reals,
					  lb_maglev_size(svc->maglev_table_size, pool->n_reals)));
}

static void check_member(const struct rig *g, uint32_t service, uint32_t slot, uint32_t member)
{
	const struct lb_cfg_service *svc = &g->cfg->services[service];
	const struct lb_cfg_real *real = &g->cfg->pools[svc->pool].reals[member];
	const struct lb_service_server *server = &g->quick->services[slot]->servers[member];
	enum lb_health_state state = naive_state(&g->twin, g->cfg, svc, member);
	struct lb_real_status status;

	check_real(g, real, server->real_id);
	cr_assert_eq(server->weight, real->weight);
	cr_assert_eq(server->priority, svc->scheduler == LB_SCHED_PRIORITY ? real->priority : 0);
	cr_assert_eq(g->quick->targets[server->target_id], naive_bits(state, real), "%s of %s",
		     real->name, svc->name);
	cr_assert_eq(server->machine_id, g->quick->reals[server->real_id].machine_id);
	if (svc->group != LB_CFG_NONE)
		cr_assert_eq(g->quick->targets[server->group_target_id] & LB_TARGET_NEW,
			     naive_opinion(&g->twin, g->cfg, svc->group, &real->address).is_blocked
				     ? 0
				     : LB_TARGET_NEW);
	else
		cr_assert_eq(server->group_target_id, server->target_id);
	lb_reconcile_service_real(g->r, service, member, &status);
	cr_assert_eq(status.state, state);
	cr_assert_eq(status.real_id, server->real_id);
	cr_assert_eq(status.reason[0] == '\0', state == LB_HEALTH_UP);
}

static void check_services(const struct rig *g)
{
	uint32_t n_live = 0, n_reals = 0;

	for (uint32_t slot = 0; slot < WORKER_MODEL_MAX; slot++) {
		n_live += g->quick->services[slot] != NULL;
		n_reals += g->quick->reals[slot].in_use;
	}
	cr_assert_eq(n_live, g->cfg->n_services);
	for (uint32_t s = 0; s < g->cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &g->cfg->services[s];
		uint32_t slot = find_slot(g, svc);
		const struct lb_service *object = g->quick->services[slot];

		check_table(g, svc, slot);
		cr_assert_eq(slot, lb_reconcile_service_slot(g->r, s));
		cr_assert_eq(object->n_ports, svc->n_ports);
		cr_assert_eq(object->forwarding, svc->forwarding);
		cr_assert_eq(object->idle_timeout_ms, svc->idle_timeout_s * 1000);
		cr_assert_eq(object->conns_max, svc->max_connections);
		cr_assert_eq(object->starts_per_s_max, svc->max_new_connections_per_s);
		cr_assert_eq(object->group_id != 0, svc->group != LB_CFG_NONE);
		cr_assert_eq(object->n_servers, g->cfg->pools[svc->pool].n_reals);
		if (svc->forwarding == LB_FORWARD_FULLNAT)
			check_nat(g, svc, object->nat_source_id);
		for (uint32_t m = 0; m < object->n_servers; m++)
			check_member(g, s, slot, m);
	}
	for (uint32_t p = 0; p < g->cfg->n_pools; p++)
		for (uint32_t i = 0; i < g->cfg->pools[p].n_reals; i++) {
			struct lb_real_status status;

			lb_reconcile_pool_real(g->r, p, i, &status);
			cr_assert(g->quick->reals[status.real_id].in_use);
		}
	cr_assert_leq(n_reals, 2 * ANY_MACHINES);
}

/* What records of the group call this machine. */
static uint32_t member_id(const struct rig *g, uint32_t group, const struct lb_addr *machine)
{
	for (uint32_t s = 0; s < g->cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &g->cfg->services[s];
		const struct lb_cfg_pool *pool = &g->cfg->pools[svc->pool];
		uint32_t slot = lb_reconcile_service_slot(g->r, s);

		for (uint32_t i = 0; svc->group == group && i < pool->n_reals; i++)
			if (lb_addr_equal(&pool->reals[i].address, machine))
				return g->quick->services[slot]->servers[i].group_target_id;
	}
	return UINT32_MAX;
}

/* A machine's generation in a group moves on exactly when this group loses it. */
static void check_generations(struct rig *g)
{
	for (uint32_t m = 0; m < ANY_MACHINES; m++) {
		struct lb_addr addr = any_machine_address(m);

		for (uint32_t k = 0; k < ANY_GROUPS; k++) {
			struct opinion o = naive_opinion(&g->twin, g->cfg, k, &addr);
			struct opinion *old = &g->opinions[k][m];
			uint32_t *id = &g->member_ids[k][m];

			if (old->is_listed)
				cr_assert_eq(g->quick->members[*id] != g->generations[k][m],
					     !old->is_broken && (!o.is_listed || o.is_broken),
					     "machine %u in group %u", m, k);
			if (o.is_listed) {
				uint32_t now = member_id(g, k, &addr);

				cr_assert(!old->is_listed || *id == now);
				*id = now;
				g->generations[k][m] = g->quick->members[now];
			}
			*old = o;
		}
	}
}

static void take_verdict(struct rig *g)
{
	struct lb_probe_spec *spec;

	if (g->twin.n == 0)
		return;
	spec = &g->twin.probes[test_random_below(&g->random, g->twin.n)].spec;
	spec->initial = test_random_below(&g->random, 3) ? LB_HEALTH_UP : LB_HEALTH_DOWN;
	cr_assert_eq(lb_reconcile_verdict(g->r, spec->id, spec->initial,
					  spec->initial == LB_HEALTH_UP ? "" : "told so", 2,
					  &g->list),
		     0);
	publish(g);
}

/* A plan on its way, on a thread of its own as in the daemon. */
struct planning {
	struct rig *g;
	struct lb_config *next;
	struct lb_plan *plan;
	struct lb_error err;
	int rc;
};

static void *make_plan(void *arg)
{
	struct planning *p = arg;

	p->rc = lb_reconcile_plan(p->g->r, p->next, 1, &p->plan, &p->err);
	return NULL;
}

static void check_verdict(struct rig *g)
{
	if (g->cfg == NULL)
		return;
	take_verdict(g);
	check_services(g);
	check_generations(g);
}

/* Verdicts come before, during and after it. */
static void plan_beside_verdicts(struct rig *g, struct planning *p)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, make_plan, p), 0);
	for (uint32_t k = test_random_below(&g->random, 4); k > 0; k--)
		check_verdict(g);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_eq(p->rc, 0, "%s", p->err.what);
	for (uint32_t k = test_random_below(&g->random, 2); k > 0; k--)
		check_verdict(g);
}

static void take_config(struct rig *g)
{
	struct planning p = {.g = g, .next = any_config_make(&g->any)};
	struct lb_change_summary summary;

	cr_assert_eq(lb_config_build_tables(p.next, NULL), 0);
	plan_beside_verdicts(g, &p);
	if (test_random_below(&g->random, 4) == 0) {
		/* a dry run: nothing is left of it */
		lb_reconcile_plan_free(p.plan);
		plan_beside_verdicts(g, &p);
	}
	lb_reconcile_tell(p.plan, NULL, NULL, &summary);
	worker_model_count_anew(g->quick);
	cr_assert_eq(lb_reconcile_carry_out(g->r, p.plan, 1, &g->list, &p.err), 0, "%s",
		     p.err.what);
	lb_reconcile_plan_free(p.plan);
	lb_config_free(g->cfg);
	g->cfg = p.next;
	publish(g);
	cr_assert_eq(g->quick->n_of[LB_CMD_SERVICE], summary.n[LB_CHANGE_SERVICE_ADDED] +
							     summary.n[LB_CHANGE_SERVICE_CHANGED] +
							     summary.n[LB_CHANGE_SERVICE_REMOVED]);
	note_probes(g);
}

static void init_rig(struct rig *g, const struct lb_reconcile_params *params)
{
	*g = (struct rig){.quick = worker_model_create(), .slow = worker_model_create()};
	g->random.state = test_seed("reconcile");
	cr_assert_eq(lb_reconcile_create(params, &g->r), 0);
}

static void fini_rig(struct rig *g)
{
	let_slow_catch_up(g, g->n_waiting);
	cr_assert(worker_model_equal(g->quick, g->slow));
	lb_reconcile_destroy(g->r);
	lb_config_free(g->cfg);
	lb_cmd_list_free(&g->list);
	free(g->quick);
	free(g->slow);
}

Test(reconcile, the_workers_believe_what_configuration_and_verdicts_say)
{
	static struct rig g;

	init_rig(&g, &(struct lb_reconcile_params){0});
	any_config_init(&g.any, &g.random);
	take_config(&g);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (test_random_below(&g.random, 3) == 0) {
			for (uint32_t k = test_random_below(&g.random, 4); k > 0; k--)
				any_config_edit(&g.any, &g.random);
			take_config(&g);
		} else {
			take_verdict(&g);
		}
		check_services(&g);
		check_generations(&g);
	}
	fini_rig(&g);
}
