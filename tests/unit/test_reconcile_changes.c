#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#include "reconcile.h"
#include "steer/service_object.h"
#include "worker_model.h"

/* n services at their own port (or, past one address's ports, at further addresses) on three
 * machines that a TCP monitor with a port watches; one group for all. */
static struct lb_config *make_config(uint32_t n, bool is_inline)
{
	struct lb_config *cfg = calloc(1, sizeof(*cfg));
	uint32_t n_pools = is_inline ? n : 1;

	cfg->monitors = calloc(2, sizeof(*cfg->monitors));
	cfg->groups = calloc(1, sizeof(*cfg->groups));
	cfg->pools = calloc(n_pools, sizeof(*cfg->pools));
	cfg->services = calloc(n, sizeof(*cfg->services));
	cfg->n_monitors = 2;
	cfg->monitors[0] = (struct lb_cfg_monitor){"tcp80", LB_MONITOR_TCP, 80, 250, 200, 2, 3, 0,
						   true};
	cfg->monitors[1] = (struct lb_cfg_monitor){"icmp", LB_MONITOR_ICMP, 0, 250, 200, 2, 3, 0,
						   true};
	cfg->n_groups = 1;
	cfg->groups[0] = (struct lb_cfg_group){"all", 60, 32, 128};
	cfg->node.n_interfaces = 1;
	cfg->node.interfaces[0].n_addresses = 1;
	cfg->node.interfaces[0].addresses[0] = (struct lb_prefix){
		lb_addr_from_v4(RTE_BE32(0x0a000001)), 8};
	for (uint32_t p = 0; p < n_pools; p++) {
		struct lb_cfg_pool *pool = &cfg->pools[cfg->n_pools++];

		pool->is_inline = is_inline;
		snprintf(pool->name, sizeof(pool->name), "p%u", p);
		pool->n_monitors = 1;
		pool->n_reals = 3;
		pool->reals = calloc(3, sizeof(*pool->reals));
		for (uint32_t m = 0; m < 3; m++) {
			pool->reals[m].address = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000010 + m));
			pool->reals[m].weight = 1;
		}
	}
	for (uint32_t s = 0; s < n; s++) {
		struct lb_cfg_service *svc = &cfg->services[cfg->n_services++];

		snprintf(svc->name, sizeof(svc->name), "s%u", s);
		svc->address = lb_addr_from_v4(rte_cpu_to_be_32(0xc0000200 + s / 50000));
		svc->protocol = IPPROTO_TCP;
		svc->n_ports = 1;
		svc->ports[0].first = svc->ports[0].last = (uint16_t)(1 + s % 50000);
		svc->pool = is_inline ? s : 0;
		svc->nat_source = LB_CFG_NONE;
		svc->idle_timeout_s = 60;
	}
	return cfg;
}

struct rig {
	struct lb_reconcile *r;
	struct lb_cmd_list list;
	struct worker_model *w;
	uint32_t n_of[LB_CMD_N]; /* of the last change */
};

static void init_rig(struct rig *g, struct lb_reconcile_params params)
{
	*g = (struct rig){.w = worker_model_create()};
	cr_assert_eq(lb_reconcile_create(&params, &g->r), 0);
}

static void fini_rig(struct rig *g)
{
	lb_reconcile_destroy(g->r);
	lb_cmd_list_free(&g->list);
	free(g->w);
}

/* Applies what was collected; returns how many commands that was. */
static size_t take(struct rig *g)
{
	size_t n = g->list.n;

	worker_model_count_anew(g->w);
	worker_model_apply(g->w, g->list.cmds, n);
	memcpy(g->n_of, g->w->n_of, sizeof(g->n_of));
	lb_reconcile_acked(g->r, g->list.generation);
	lb_cmd_list_reset(&g->list);
	return n;
}

static size_t take_config(struct rig *g, const struct lb_config *cfg)
{
	struct lb_error err;

	cr_assert_eq(lb_reconcile_config(g->r, cfg, 1, &g->list, &err), 0, "%s: %s", err.where,
		     err.what);
	cr_assert_neq(g->list.generation, 0);
	return take(g);
}

static void all_probes(struct rig *g, enum lb_health_state state)
{
	struct lb_probe_spec spec;
	uint32_t cursor = 0;

	while (lb_reconcile_next_probe(g->r, &cursor, &spec))
		cr_assert_eq(lb_reconcile_verdict(g->r, spec.id, state, "", 2, &g->list), 0);
	take(g);
}

static double ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

Test(reconcile_changes, one_machine_down_among_10000_services_is_three_commands)
{
	for (int is_inline = 0; is_inline < 2; is_inline++) {
		struct lb_config *cfg = make_config(10000, is_inline);
		struct timespec start;
		struct rig g;
		uint32_t n, n_checking;

		init_rig(&g, (struct lb_reconcile_params){0});
		clock_gettime(CLOCK_MONOTONIC, &start);
		take_config(&g, cfg);
		fprintf(stderr, "10000 services, %s: %.1f ms\n",
			is_inline ? "own servers" : "one pool", ms_since(&start));
		lb_reconcile_probe_counts(g.r, &n, &n_checking);
		cr_assert_eq(n, 3);
		all_probes(&g, LB_HEALTH_UP);
		clock_gettime(CLOCK_MONOTONIC, &start);
		cr_assert_eq(lb_reconcile_verdict(g.r, 0, LB_HEALTH_DOWN, "gone", 3, &g.list), 0);
		fprintf(stderr, "machine down: %.3f ms\n", ms_since(&start));
		/* Its own target and its group target before its generation. */
		cr_assert_eq(g.list.n, 3);
		cr_assert_eq(g.list.cmds[0].type, LB_CMD_TARGET);
		cr_assert_eq(g.list.cmds[1].type, LB_CMD_TARGET);
		cr_assert_eq(g.list.cmds[2].type, LB_CMD_MEMBER);
		take(&g);
		clock_gettime(CLOCK_MONOTONIC, &start);
		cr_assert_eq(take_config(&g, cfg), 0, "an unchanged configuration made commands");
		fprintf(stderr, "the same again: %.1f ms\n", ms_since(&start));
		fini_rig(&g);
		lb_config_free(cfg);
	}
}

Test(reconcile_changes, a_change_of_one_service_is_one_command)
{
	struct lb_config *cfg = make_config(1000, false);
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	cfg->services[17].idle_timeout_s++;
	cr_assert_eq(take_config(&g, cfg), 1);
	cr_assert_eq(g.n_of[LB_CMD_SERVICE], 1);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, what_a_service_does_when_servers_go_reaches_the_workers)
{
	struct lb_config *cfg = make_config(10, false);
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	take_config(&g, cfg);
	cr_assert_eq(g.n_of[LB_CMD_SERVICE], 0);
	cfg->services[3].server_down_action = LB_SERVER_DOWN_RESET;
	cfg->services[3].server_down_drain_s = 7;
	take_config(&g, cfg);
	cr_assert_eq(g.n_of[LB_CMD_SERVICE], 1);
	cr_expect_eq(g.w->services[3]->server_down_action, LB_SERVER_DOWN_RESET);
	cr_expect_eq(g.w->services[3]->server_down_drain_s, 7);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, admin_states_reach_the_workers_without_new_services)
{
	static const struct {
		enum lb_admin_state state;
		uint8_t bits;
		uint32_t n_machines;
	} cases[] = {
		{LB_ADMIN_DRAIN, LB_TARGET_KEEP, 0},
		/* Clients with records have to go: as a whole. */
		{LB_ADMIN_DISABLED, LB_TARGET_DOWN, 1},
		{LB_ADMIN_DRAIN, LB_TARGET_KEEP, 0},
		{LB_ADMIN_ENABLED, LB_TARGET_KEEP | LB_TARGET_NEW, 0},
	};
	struct lb_config *cfg = make_config(1000, false);
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	all_probes(&g, LB_HEALTH_UP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_real_status status;

		cfg->pools[0].reals[1].admin_state = cases[i].state;
		cr_assert_leq(take_config(&g, cfg), 3);
		cr_assert_eq(g.n_of[LB_CMD_SERVICE], 0);
		cr_assert_eq(g.n_of[LB_CMD_MEMBER], cases[i].n_machines, "case %zu", i);
		lb_reconcile_service_real(g.r, 500, 1, &status);
		cr_assert_eq(status.target_bits, cases[i].bits, "case %zu", i);
		cr_assert_eq(status.state, LB_HEALTH_UP);
		cr_assert_eq(status.admin_state, cases[i].state);
		cr_assert_eq(g.w->targets[g.w->services[0]->servers[1].target_id], cases[i].bits);
	}
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, editing_a_monitor_takes_nobody_out)
{
	struct lb_config *cfg = make_config(10, false);
	struct lb_probe_spec spec;
	uint32_t cursor = 0, n = 0;
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	all_probes(&g, LB_HEALTH_UP);
	cr_assert_eq(lb_reconcile_verdict(g.r, 2, LB_HEALTH_DOWN, "gone", 3, &g.list), 0);
	take(&g);
	/* Another interval, and one more monitor. */
	cfg->monitors[0].interval_ms = 1000;
	cfg->pools[0].monitors[cfg->pools[0].n_monitors++] = 1;
	cr_assert_eq(take_config(&g, cfg), 0);
	while (lb_reconcile_next_probe(g.r, &cursor, &spec)) {
		bool is_last = spec.address.word_be[3] == RTE_BE32(0x0a000012);

		n++;
		cr_assert_eq(spec.initial, !is_last                       ? LB_HEALTH_UP
					   : spec.type == LB_MONITOR_ICMP ? LB_HEALTH_CHECKING
									  : LB_HEALTH_DOWN);
	}
	cr_assert_eq(n, 6);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, an_icmp_failure_takes_the_machine_out_everywhere)
{
	struct lb_config *cfg = make_config(2, true);
	struct lb_real_status status;
	struct lb_probe_spec spec;
	uint32_t cursor = 0;
	struct rig g;

	/* Only the first service's pool asks for ICMP, the second has no monitor at all. */
	cfg->pools[0].monitors[0] = 1;
	cfg->pools[1].n_monitors = 0;
	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	lb_reconcile_service_real(g.r, 0, 0, &status);
	cr_assert_eq(status.state, LB_HEALTH_CHECKING);
	cr_assert_str_eq(status.reason, "icmp: no verdict yet");
	lb_reconcile_service_real(g.r, 1, 0, &status);
	cr_assert_eq(status.state, LB_HEALTH_UP);
	all_probes(&g, LB_HEALTH_UP);
	cr_assert(lb_reconcile_next_probe(g.r, &cursor, &spec));
	cr_assert_eq(lb_reconcile_verdict(g.r, spec.id, LB_HEALTH_DOWN, "gone", 3, &g.list), 0);
	take(&g);
	for (uint32_t s = 0; s < 2; s++) {
		lb_reconcile_service_real(g.r, s, 0, &status);
		cr_assert_eq(status.state, LB_HEALTH_DOWN);
		cr_assert_str_eq(status.reason, "icmp: gone");
		cr_assert_eq(status.since_ms, 3);
		cr_assert_eq(status.target_bits, LB_TARGET_DOWN);
	}
	fini_rig(&g);
	lb_config_free(cfg);
}

/* The probe of this VIP, or without one of the address, of the first machine. */
static uint32_t probe_of(const struct rig *g, const struct lb_addr *vip)
{
	struct lb_probe_spec spec;
	uint32_t cursor = 0;

	while (lb_reconcile_next_probe(g->r, &cursor, &spec))
		if (spec.address.word_be[3] == RTE_BE32(0x0a000010) &&
		    (vip == NULL ? !spec.is_of_vip
				 : spec.is_of_vip && lb_addr_equal(&spec.vip, vip)))
			return spec.id;
	cr_assert_fail("not probed");
	return 0;
}

static void check_first(const struct rig *g, uint32_t service, enum lb_health_state state,
			const char *reason)
{
	struct lb_real_status status;

	lb_reconcile_service_real(g->r, service, 0, &status);
	cr_expect_eq(status.state, state, "service %u", service);
	cr_expect_str_eq(status.reason, reason, "service %u", service);
}

Test(reconcile_changes, a_vip_that_does_not_answer_is_down_for_its_services_alone)
{
	struct lb_config *cfg = make_config(4, false);
	struct lb_addr vip = lb_addr_from_v4(RTE_BE32(0xc000020a));
	struct rig g;
	uint32_t n, n_checking;

	/* 0, 1: dsr at one VIP; 2: gue at it; 3: nat, which needs no VIP at servers. */
	for (uint32_t s = 0; s < 3; s++) {
		cfg->services[s].address = vip;
		cfg->services[s].forwarding = s < 2 ? LB_FORWARD_DSR : LB_FORWARD_GUE;
		cfg->services[s].gue_port = 6080;
	}
	cfg->services[3].forwarding = LB_FORWARD_NAT;
	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	lb_reconcile_probe_counts(g.r, &n, &n_checking);
	cr_expect_eq(n, 9, "three machines: the address, the VIP by dsr, the VIP by gue");
	check_first(&g, 0, LB_HEALTH_CHECKING, "tcp port 80: no verdict yet");
	cr_assert_eq(lb_reconcile_verdict(g.r, probe_of(&g, NULL), LB_HEALTH_UP, "", 2, &g.list),
		     0);
	take(&g);
	check_first(&g, 0, LB_HEALTH_CHECKING,
		    "address up, VIP 192.0.2.10 by dsr: tcp port 80: no verdict yet");
	check_first(&g, 3, LB_HEALTH_UP, "");
	all_probes(&g, LB_HEALTH_UP);
	cr_assert_eq(
		lb_reconcile_verdict(g.r, probe_of(&g, &vip), LB_HEALTH_DOWN, "gone", 3, &g.list),
		0);
	cr_expect_eq(take(&g), 3, "both dsr services share a target, a group target and records");
	for (uint32_t s = 0; s < 2; s++)
		check_first(&g, s, LB_HEALTH_DOWN,
			    "address up, VIP 192.0.2.10 by dsr: tcp port 80: gone");
	check_first(&g, 2, LB_HEALTH_UP, "");
	check_first(&g, 3, LB_HEALTH_UP, "");
	cr_assert_eq(
		lb_reconcile_verdict(g.r, probe_of(&g, NULL), LB_HEALTH_DOWN, "cut", 4, &g.list),
		0);
	take(&g);
	check_first(&g, 0, LB_HEALTH_DOWN, "tcp port 80: cut");
	/* Another interval is another probe of the same place: nobody has to be asked anew. */
	cfg->monitors[0].interval_ms = 500;
	take_config(&g, cfg);
	check_first(&g, 0, LB_HEALTH_DOWN, "tcp port 80: cut");
	check_first(&g, 2, LB_HEALTH_DOWN, "tcp port 80: cut");
	cfg->monitors[0].probes_vip = false;
	take_config(&g, cfg);
	lb_reconcile_probe_counts(g.r, &n, &n_checking);
	cr_expect_eq(n, 3);
	cr_expect_eq(n_checking, 0);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, an_echo_of_a_vip_takes_nothing_else_out)
{
	struct lb_config *cfg = make_config(2, false);
	struct lb_addr vip = lb_addr_from_v4(RTE_BE32(0xc000020a));
	struct rig g;

	cfg->pools[0].monitors[0] = 1;
	cfg->services[0].address = vip;
	cfg->services[0].forwarding = LB_FORWARD_IPIP;
	cfg->services[1].forwarding = LB_FORWARD_NAT;
	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	all_probes(&g, LB_HEALTH_UP);
	cr_assert_eq(
		lb_reconcile_verdict(g.r, probe_of(&g, &vip), LB_HEALTH_DOWN, "gone", 3, &g.list),
		0);
	take(&g);
	check_first(&g, 0, LB_HEALTH_DOWN, "address up, VIP 192.0.2.10 by ipip: icmp: gone");
	check_first(&g, 1, LB_HEALTH_UP, "");
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, another_owner_of_a_number_has_another_epoch)
{
	struct lb_config *cfg = make_config(3, false);
	struct rig g;
	uint8_t epoch;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	epoch = g.w->services[1]->epoch;
	cfg->services[1].ports[0].last = 9000;
	take_config(&g, cfg);
	cr_assert_eq(g.w->services[1]->epoch, epoch, "connections outlive a change of ports");
	cfg->services[1].address.word_be[3] = RTE_BE32(0xc0000299);
	take_config(&g, cfg);
	cr_assert_neq(g.w->services[1]->epoch, epoch, "a reply would carry another address");
	epoch = g.w->services[1]->epoch;
	cfg->services[1].idle_timeout_s = 99;
	take_config(&g, cfg);
	cr_assert_eq(g.w->services[1]->epoch, epoch);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, what_does_not_fit_is_refused_and_changes_nothing)
{
	struct lb_config *small = make_config(3, false), *large = make_config(5000, false);
	struct lb_error err;
	struct rig g;

	/* Each at an address of its own, which serves as its NAT source. */
	for (uint32_t s = 0; s < large->n_services; s++)
		large->services[s].address.word_be[3] = rte_cpu_to_be_32(0xc6120000 + s);
	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, small);
	cr_assert_eq(lb_reconcile_config(g.r, large, 2, &g.list, &err), -ENOSPC);
	cr_assert_str_eq(err.where, "/nat_sources");
	cr_assert_neq(strstr(err.what, "4096"), NULL);
	cr_assert_eq(g.list.n | g.list.generation, 0);
	cr_assert_eq(take_config(&g, small), 0);
	fini_rig(&g);
	lb_config_free(small);
	lb_config_free(large);
}

static void collect(void *ctx, const struct lb_change *change)
{
	size_t n = strlen(ctx);

	snprintf((char *)ctx + n, 256 - n, "%d %s;", (int)change->type, change->name);
}

static int dry_run(const struct rig *g, const struct lb_config *cfg, char *text,
		   struct lb_change_summary *summary)
{
	struct lb_plan *plan;
	struct lb_error err;
	int rc = lb_reconcile_plan(g->r, cfg, 1, &plan, &err);

	if (rc == 0)
		lb_reconcile_tell(plan, collect, text, summary);
	lb_reconcile_plan_free(plan);
	return rc;
}

Test(reconcile_changes, a_dry_run_names_the_changes_and_makes_none)
{
	struct lb_config *cfg = make_config(3, false);
	struct lb_change_summary summary;
	char text[256] = "";
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){0});
	take_config(&g, cfg);
	cfg->n_services = 2;
	cfg->services[0].idle_timeout_s++;
	cfg->pools[0].reals[2].address.word_be[3] = RTE_BE32(0x0a000063);
	cfg->pools[0].reals[2].port = 81;
	cr_assert_eq(dry_run(&g, cfg, text, &summary), 0);
	cr_assert_str_eq(text, "2 s2;1 s0;1 s1;4 10.0.0.18;3 10.0.0.99:81;");
	cr_assert_eq(summary.n[LB_CHANGE_SERVICE_REMOVED], 1);
	cr_assert_eq(summary.n[LB_CHANGE_SERVICE_CHANGED], 2);
	cr_assert_eq(summary.n_services, 2);
	cr_assert_eq(summary.n_reals, 3);
	cr_assert_eq(g.list.n, 0);
	cr_assert_gt(take_config(&g, cfg), 0);
	cr_assert_eq(dry_run(&g, cfg, text, &summary), 0);
	cr_assert_eq(summary.n[LB_CHANGE_SERVICE_CHANGED], 0);
	fini_rig(&g);
	lb_config_free(cfg);
}

/* ---- next hops of the kernel's ---- */

static uint32_t hop_of(void *ctx, const struct lb_addr *addr)
{
	const uint32_t *hops = ctx;

	return hops[rte_be_to_cpu_32(addr->word_be[3]) & 3];
}

static enum lb_health_state state_of(const struct rig *g, uint32_t real, const char *reason)
{
	struct lb_real_status status;

	lb_reconcile_service_real(g->r, 0, real, &status);
	cr_assert_str_eq(status.reason, reason);
	return status.state;
}

Test(reconcile_changes, a_next_hop_that_does_not_resolve_counts_as_down)
{
	uint32_t hops[4] = {5, 6, LB_NEXT_HOP_NONE, 0};
	struct lb_next_hop value = {.mac = {2, 0, 0, 0, 0, 1}, .resolved = 1};
	struct lb_config *cfg = make_config(2, false);
	struct rig g;

	cfg->pools[0].n_monitors = 0;
	init_rig(&g, (struct lb_reconcile_params){
			     .next_hop_of = hop_of, .ctx = hops, .has_neighbor_discovery = true});
	take_config(&g, cfg);
	cr_assert_eq(state_of(&g, 0, "next hop is being resolved"), LB_HEALTH_CHECKING);
	cr_assert_eq(state_of(&g, 2, "no route"), LB_HEALTH_DOWN);
	cr_assert_eq(lb_reconcile_next_hop(g.r, 5, &value, 9, &g.list), 0);
	take(&g);
	cr_assert_eq(state_of(&g, 0, ""), LB_HEALTH_UP);
	cr_assert_eq(state_of(&g, 1, "next hop is being resolved"), LB_HEALTH_CHECKING);
	cr_assert_eq(g.w->hops[5].resolved, 1);
	cr_assert_eq(g.n_of[LB_CMD_NEXT_HOP], 1);
	/* The same again is nothing; lost, the machine's records are void. */
	cr_assert_eq(lb_reconcile_next_hop(g.r, 5, &value, 9, &g.list), 0);
	cr_assert_eq(g.list.n, 0);
	value.resolved = 0;
	cr_assert_eq(lb_reconcile_next_hop(g.r, 5, &value, 10, &g.list), 0);
	take(&g);
	cr_assert_eq(state_of(&g, 0, "next hop does not resolve"), LB_HEALTH_DOWN);
	cr_assert_eq(g.n_of[LB_CMD_MEMBER], 1);
	/* The way changes to one that is resolved. */
	value.resolved = 1;
	cr_assert_eq(lb_reconcile_next_hop(g.r, 7, &value, 10, &g.list), 0);
	hops[0] = hops[2] = 7;
	cr_assert_eq(lb_reconcile_paths(g.r, 11, &g.list), 0);
	take(&g);
	cr_assert_eq(g.n_of[LB_CMD_REAL], 2);
	cr_assert_eq(g.n_of[LB_CMD_SERVICE], 0);
	cr_assert_eq(g.w->reals[0].next_hop, 7);
	cr_assert_eq(state_of(&g, 0, ""), LB_HEALTH_UP);
	cr_assert_eq(state_of(&g, 2, ""), LB_HEALTH_UP);
	cr_assert_eq(lb_reconcile_paths(g.r, 11, &g.list), 0);
	cr_assert_eq(g.list.n | g.list.generation, 0);
	fini_rig(&g);
	lb_config_free(cfg);
}

Test(reconcile_changes, routes_and_interfaces_pass_through)
{
	const struct lb_route route = {{lb_addr_from_v4(0), 0}, 9, 1};
	const struct lb_iface iface = {.mac = {2, 1, 1, 1, 1, 1}, .mtu = 1500};
	uint32_t hops[4] = {1, 1, 1, 1};
	struct rig g;

	init_rig(&g, (struct lb_reconcile_params){
			     .next_hop_of = hop_of, .ctx = hops, .has_neighbor_discovery = true});
	cr_assert_eq(lb_reconcile_iface(g.r, 1, &iface, &g.list), 0);
	cr_assert_eq(lb_reconcile_routes(g.r, &route, 1, &g.list), 0);
	cr_assert_eq(g.list.generation, lb_reconcile_generation(g.r));
	cr_assert_eq(take(&g), 2);
	cr_assert_eq(g.w->ifaces[1].mtu, 1500);
	cr_assert_neq(g.w->routes, NULL);
	cr_assert_eq(lb_reconcile_routes(g.r, &route, 1, &g.list), 0);
	take(&g);
	worker_model_touch(g.w);
	fini_rig(&g);
}
