#include <criterion/criterion.h>
#include <stdlib.h>

#include "config/config_tables.h"
#include "random.h"

#define POOLS 12
#define SERVICES 40

/* Pools of few kinds, so that several are alike; services of every scheduler. */
static struct lb_config *random_config(struct test_random *r)
{
	struct lb_config *cfg = calloc(1, sizeof(*cfg));

	cr_assert_not_null(cfg);
	cfg->n_pools = POOLS;
	cfg->pools = calloc(POOLS, sizeof(*cfg->pools));
	cfg->n_services = SERVICES;
	cfg->services = calloc(SERVICES, sizeof(*cfg->services));
	cr_assert(cfg->pools != NULL && cfg->services != NULL);
	for (uint32_t p = 0; p < POOLS; p++) {
		struct lb_cfg_pool *pool = &cfg->pools[p];
		uint32_t scale = 1 + test_random_below(r, 3), odd = test_random_below(r, 2);

		pool->n_reals = test_random_below(r, 4);
		pool->reals = calloc(4, sizeof(*pool->reals));
		cr_assert_not_null(pool->reals);
		for (uint32_t i = 0; i < pool->n_reals; i++) {
			pool->reals[i].address = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000001 + i));
			pool->reals[i].weight = (i + odd) * scale;
		}
	}
	for (uint32_t s = 0; s < SERVICES; s++) {
		struct lb_cfg_service *svc = &cfg->services[s];

		svc->pool = test_random_below(r, POOLS);
		svc->scheduler = (enum lb_scheduler)test_random_below(r, LB_SCHED_N);
		svc->maglev_table_size = test_random_below(r, 2) * 307;
	}
	return cfg;
}

/* Every service against what its own table would be, built for it alone. */
static void check_services(const struct lb_config *cfg)
{
	for (uint32_t s = 0; s < cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &cfg->services[s];
		const struct lb_cfg_pool *pool = &cfg->pools[svc->pool];
		uint32_t size = lb_maglev_size(svc->maglev_table_size, pool->n_reals);
		struct lb_maglev_server list[4];
		const struct lb_maglev *table;
		struct lb_maglev *own;

		for (uint32_t i = 0; i < pool->n_reals; i++)
			list[i] = (struct lb_maglev_server){pool->reals[i].address,
							    pool->reals[i].weight};
		if (!lb_sched_has_table(svc->scheduler) ||
		    lb_maglev_build(list, pool->n_reals, size, &own) != 0) {
			cr_assert_eq(svc->table, LB_CFG_NONE, "service %u", s);
			continue;
		}
		cr_assert_lt(svc->table, cfg->n_tables, "service %u", s);
		table = cfg->tables[svc->table];
		cr_assert_eq(lb_maglev_n_slots(table), size, "service %u", s);
		for (uint32_t i = 0; i < size; i++)
			cr_assert_eq(lb_maglev_server_at(table, i), lb_maglev_server_at(own, i),
				     "service %u slot %u", s, i);
		lb_maglev_unref(own);
	}
	for (uint32_t i = 1; i < cfg->n_tables; i++)
		cr_assert_lt(lb_maglev_content_of(cfg->tables[i - 1]),
			     lb_maglev_content_of(cfg->tables[i]));
}

Test(config_tables, each_service_has_its_table_and_equal_ones_are_one)
{
	struct test_random r = {test_seed("config tables")};

	for (int round = 0; round < 50; round++) {
		struct lb_config *cfg = random_config(&r);

		cr_assert_eq(lb_config_build_tables(cfg, NULL), 0);
		check_services(cfg);
		lb_config_free(cfg);
	}
}

Test(config_tables, a_new_configuration_goes_on_with_the_tables_in_force)
{
	struct test_random r = {test_seed("config tables share")};
	struct lb_config *now = random_config(&r);

	cr_assert_eq(lb_config_build_tables(now, NULL), 0);
	for (int round = 0; round < 50; round++) {
		struct lb_config *next = random_config(&r);
		uint32_t n_shared = 0, n_common = 0;

		cr_assert_eq(lb_config_build_tables(next, now), 0);
		check_services(next);
		for (uint32_t i = 0; i < next->n_tables; i++)
			for (uint32_t j = 0; j < now->n_tables; j++) {
				n_shared += next->tables[i] == now->tables[j];
				n_common += lb_maglev_content_of(next->tables[i]) ==
					    lb_maglev_content_of(now->tables[j]);
			}
		cr_expect_eq(n_shared, n_common, "round %d", round);
		lb_config_free(now);
		check_services(next);
		now = next;
	}
	lb_config_free(now);
}
