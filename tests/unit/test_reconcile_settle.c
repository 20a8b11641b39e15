/* What reconciliation makes of services without tracking while their servers change. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_load.h"
#include "lb/config.h"
#include "reconcile.h"
#include "steer/service_object.h"
#include "worker_model.h"

#define SETTLE_MS 60000u

struct rig {
	struct lb_reconcile *r;
	struct lb_cmd_list list;
	struct worker_model *w;
};

static void open_rig(struct rig *g)
{
	*g = (struct rig){.w = worker_model_create()};
	cr_assert_eq(lb_reconcile_create(&(struct lb_reconcile_params){0}, &g->r), 0);
}

static void close_rig(struct rig *g)
{
	lb_reconcile_destroy(g->r);
	lb_cmd_list_free(&g->list);
	free(g->w);
}

/* The workers take what was collected, and only then may anything be freed. */
static void take(struct rig *g)
{
	worker_model_count_anew(g->w);
	worker_model_apply(g->w, g->list.cmds, g->list.n);
	worker_model_touch(g->w);
	lb_reconcile_acked(g->r, g->list.generation);
	worker_model_touch(g->w);
	lb_cmd_list_reset(&g->list);
}

/* Two services without tracking on one pool; `extra` goes into the first, `weight` is web1's. */
static void put(struct rig *g, uint32_t n_servers, uint32_t weight, const char *extra,
		uint64_t now_ms)
{
	struct lb_error_list errors, warnings;
	struct lb_document *doc = NULL;
	struct lb_config *cfg = NULL;
	char text[4096], servers[1024] = "";
	struct lb_plan *plan;
	struct lb_error err;

	for (uint32_t i = 0; i < n_servers; i++) {
		size_t n = strlen(servers);

		snprintf(servers + n, sizeof(servers) - n,
			 "%s{\"name\": \"web%u\", \"address\": \"192.0.2.%u\", \"weight\": %u}",
			 i == 0 ? "" : ",", i + 1, i + 11, i == 0 ? weight : 1);
	}
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"node\": {\"interfaces\": [{\"name\": \"lan\", \"device\": "
		 "\"af_xdp:eth1\", \"addresses\": [\"192.0.2.2/24\"]}]},"
		 "\"server_pools\": [{\"name\": \"web\", \"real_servers\": [%s]}],"
		 "\"virtual_services\": [{\"name\": \"a\", \"address\": \"192.0.2.10\", "
		 "\"protocol\": \"tcp\", \"ports\": [80], \"server_pool\": \"web\", "
		 "\"forwarding\": \"dsr\", \"scheduler\": \"maglev\", \"tracking\": \"none\", "
		 "\"settle_time_s\": 60%s},"
		 "{\"name\": \"b\", \"address\": \"192.0.2.10\", \"protocol\": \"tcp\", "
		 "\"ports\": [81], \"server_pool\": \"web\", \"forwarding\": \"ipip\", "
		 "\"scheduler\": \"source_hash\", \"tracking\": \"none\", "
		 "\"settle_time_s\": 90}]}",
		 servers, extra);
	lb_error_list_init(&errors);
	cr_assert_eq(lb_config_load(text, strlen(text), &doc, &cfg, &errors, &warnings), 0,
		     "%s: %s", errors.item[0].where, errors.item[0].what);
	/* Planned a while before: slots settle from when the change is put in force. */
	cr_assert_eq(lb_reconcile_plan(g->r, cfg, now_ms - 700, &plan, &err), 0, "%s", err.what);
	cr_assert_eq(lb_reconcile_carry_out(g->r, plan, now_ms, &g->list, &err), 0);
	lb_reconcile_plan_free(plan);
	take(g);
	lb_config_free(cfg);
	lb_document_free(doc);
}

static const struct lb_settling *settling_of(const struct rig *g, uint32_t service)
{
	return lb_service_settling(g->w->services[lb_reconcile_service_slot(g->r, service)]);
}

Test(reconcile_settle, a_change_settles_when_its_time_has_come_and_each_service_has_its_own)
{
	struct rig g;

	open_rig(&g);
	put(&g, 4, 1, "", 1000);
	cr_expect_null(settling_of(&g, 0));
	cr_expect_eq(lb_reconcile_settle_due_ms(g.r), UINT64_MAX);
	put(&g, 4, 3, "", 2000);
	cr_assert_not_null(settling_of(&g, 0));
	cr_assert_not_null(settling_of(&g, 1));
	cr_expect_eq(lb_reconcile_settle_due_ms(g.r), 2000 + SETTLE_MS);
	cr_expect_eq(lb_reconcile_settling_slots(g.r, 0), lb_settling_n_slots(settling_of(&g, 0)));

	cr_assert_eq(lb_reconcile_settle(g.r, 1999 + SETTLE_MS, &g.list), 0);
	cr_expect_eq(g.list.n, 0, "too early");
	cr_assert_eq(lb_reconcile_settle(g.r, 2000 + SETTLE_MS, &g.list), 0);
	cr_expect_eq(g.list.n, 1, "one service, one command");
	cr_expect_neq(g.list.generation, 0);
	take(&g);
	cr_expect_null(settling_of(&g, 0));
	cr_expect_eq(lb_reconcile_settling_slots(g.r, 0), 0);
	cr_assert_not_null(settling_of(&g, 1));
	cr_expect_eq(lb_reconcile_settle_due_ms(g.r), 2000 + 90000);
	cr_assert_eq(lb_reconcile_settle(g.r, 2000 + 90000, &g.list), 0);
	take(&g);
	cr_expect_null(settling_of(&g, 1));
	cr_expect_eq(lb_reconcile_settle_due_ms(g.r), UINT64_MAX);
	close_rig(&g);
}

Test(reconcile_settle, what_is_no_change_of_servers_settles_nothing_and_forgets_nothing)
{
	struct rig g;
	uint32_t n;

	open_rig(&g);
	put(&g, 4, 1, "", 1000);
	put(&g, 4, 1, ", \"no_server_action\": \"reject\"", 2000);
	cr_expect_null(settling_of(&g, 0));
	put(&g, 4, 2, "", 3000);
	cr_assert_not_null(settling_of(&g, 0));
	n = lb_settling_n_slots(settling_of(&g, 0));
	put(&g, 4, 2, ", \"no_server_action\": \"reject\"", 4000);
	cr_assert_not_null(settling_of(&g, 0), "another change of the service keeps them");
	cr_expect_eq(lb_settling_n_slots(settling_of(&g, 0)), n);
	cr_expect_eq(lb_settling_due_ms(settling_of(&g, 0)), 3000 + SETTLE_MS);
	close_rig(&g);
}

/* Long after: what was due has not been asked for, and the next change finds it settled. */
Test(reconcile_settle, a_change_that_comes_late_counts_from_the_table_in_force)
{
	struct rig g;

	open_rig(&g);
	put(&g, 4, 1, "", 1000);
	put(&g, 4, 2, "", 2000);
	put(&g, 4, 3, "", 10 * SETTLE_MS);
	cr_assert_not_null(settling_of(&g, 0));
	cr_expect_eq(lb_settling_due_ms(settling_of(&g, 0)), 11 * SETTLE_MS);
	close_rig(&g);
}

Test(reconcile_settle, the_table_has_one_size_whatever_the_number_of_servers)
{
	struct rig g;

	open_rig(&g);
	for (uint32_t n = 1; n < 8; n++) {
		put(&g, n, 1, "", 1000 * n);
		cr_expect_eq(lb_maglev_n_slots(
				     g.w->services[lb_reconcile_service_slot(g.r, 0)]->maglev),
			     LB_MAGLEV_SIZE_STATELESS);
		if (settling_of(&g, 0) != NULL)
			cr_expect_lt(lb_settling_n_slots(settling_of(&g, 0)),
				     LB_MAGLEV_SIZE_STATELESS);
	}
	close_rig(&g);
}
