#include "config_tables.h"

#include <errno.h>
#include <stdlib.h>

#include "huge_blocks.h"

/* A service that needs a table. */
struct use {
	uint64_t content;
	uint32_t pool;
	uint32_t size;
	uint32_t service;
};

static int by_pool(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

static int by_content(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->content != y->content)
		return x->content < y->content ? -1 : 1;
	return (x->service > y->service) - (x->service < y->service);
}

static bool has_weight(const struct lb_cfg_pool *pool)
{
	for (uint32_t i = 0; i < pool->n_reals; i++)
		if (pool->reals[i].weight != 0)
			return true;
	return false;
}

static uint32_t find_uses(struct lb_config *cfg, struct use *uses)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->n_services; i++) {
		struct lb_cfg_service *svc = &cfg->services[i];
		const struct lb_cfg_pool *pool = &cfg->pools[svc->pool];

		svc->table = LB_CFG_NONE;
		if (lb_sched_has_table(svc->scheduler) && has_weight(pool))
			uses[n++] = (struct use){
				.pool = svc->pool,
				.size = lb_maglev_size(svc->maglev_table_size, pool->n_reals),
				.service = i};
	}
	return n;
}

static void list_pool(const struct lb_cfg_pool *pool, struct lb_maglev_server *list)
{
	for (uint32_t i = 0; i < pool->n_reals; i++)
		list[i] = (struct lb_maglev_server){pool->reals[i].address, pool->reals[i].weight};
}

/* Many services share few pools: each pool is read once per size, not once per service. */
static void find_contents(const struct lb_config *cfg, struct lb_maglev_server *list,
			  struct use *uses, uint32_t n)
{
	qsort(uses, n, sizeof(*uses), by_pool);
	for (uint32_t i = 0; i < n; i++) {
		const struct lb_cfg_pool *pool = &cfg->pools[uses[i].pool];

		if (i > 0 && by_pool(&uses[i - 1], &uses[i]) == 0) {
			uses[i].content = uses[i - 1].content;
			continue;
		}
		list_pool(pool, list);
		uses[i].content = lb_maglev_content(list, pool->n_reals, uses[i].size);
	}
	qsort(uses, n, sizeof(*uses), by_content);
}

/* A table of the configuration in force, which is sorted too; NULL: it has none like this. */
static struct lb_maglev *find_table(const struct lb_config *now, uint64_t content)
{
	uint32_t low = 0, high = now == NULL ? 0 : now->n_tables;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (lb_maglev_content_of(now->tables[mid]) < content)
			low = mid + 1;
		else
			high = mid;
	}
	if (now == NULL || low == now->n_tables ||
	    lb_maglev_content_of(now->tables[low]) != content)
		return NULL;
	return now->tables[low];
}

static int make_table(struct lb_config *cfg, const struct use *use, struct lb_maglev_server *list,
		      const struct lb_config *now, struct lb_maglev **out)
{
	const struct lb_maglev_home home = {lb_huge_blocks_take, lb_huge_blocks_give_back,
					    cfg->table_blocks};
	const struct lb_cfg_pool *pool = &cfg->pools[use->pool];
	struct lb_maglev *known = find_table(now, use->content);

	if (known != NULL) {
		*out = lb_maglev_ref(known);
		return 0;
	}
	list_pool(pool, list);
	return lb_maglev_build_at(home.ctx != NULL ? &home : NULL, list, pool->n_reals, use->size,
				  out);
}

static int build_each(struct lb_config *cfg, struct lb_maglev_server *list, const struct use *uses,
		      uint32_t n, const struct lb_config *now)
{
	for (uint32_t i = 0; i < n; i++) {
		int rc;

		if (i == 0 || uses[i - 1].content != uses[i].content) {
			rc = make_table(cfg, &uses[i], list, now, &cfg->tables[cfg->n_tables]);
			if (rc < 0)
				return rc;
			cfg->n_tables++;
		}
		cfg->services[uses[i].service].table = cfg->n_tables - 1;
	}
	return 0;
}

/* Without memory for that: the heap. */
static struct lb_huge_blocks *find_blocks(const struct lb_config *now)
{
	if (now != NULL && now->table_blocks != NULL)
		return lb_huge_blocks_ref(now->table_blocks);
	return lb_huge_blocks_create();
}

int lb_config_build_tables(struct lb_config *cfg, const struct lb_config *now)
{
	struct use *uses = calloc((size_t)cfg->n_services + 1, sizeof(*uses));
	struct lb_maglev_server *list = NULL;
	uint32_t n, longest = 0;
	int rc = -ENOMEM;

	if (uses == NULL)
		return rc;
	cfg->table_blocks = find_blocks(now);
	n = find_uses(cfg, uses);
	for (uint32_t i = 0; i < n; i++)
		if (cfg->pools[uses[i].pool].n_reals > longest)
			longest = cfg->pools[uses[i].pool].n_reals;
	list = calloc((size_t)longest + 1, sizeof(*list));
	cfg->tables = calloc((size_t)n + 1, sizeof(*cfg->tables));
	if (list != NULL && cfg->tables != NULL) {
		find_contents(cfg, list, uses, n);
		rc = build_each(cfg, list, uses, n, now);
	}
	free(list);
	free(uses);
	return rc;
}
