#include "state_spread.h"

#include "reconcile.h"
#include "spread.h"

#include <stdlib.h>

struct pool_use {
	uint32_t n_services;
	uint32_t service; /* the first of them */
	bool is_mixed;    /* its counts are of different shares */
};

struct spreads {
	const struct lb_control *ctl;
	const struct lb_config *cfg;
	const struct lb_reconcile *reconcile;
	struct pool_use *pools;
	uint32_t *owners; /* by real id: 1 + the pool; 0: none */
	struct lb_spread_share *shares;
};

static bool has_same_ideal(const struct spreads *s, uint32_t a, uint32_t b)
{
	const struct lb_cfg_service *x = &s->cfg->services[a], *y = &s->cfg->services[b];

	if (x->scheduler != y->scheduler)
		return false;
	for (uint32_t i = 0; i < s->cfg->pools[x->pool].n_reals; i++)
		if (lb_reconcile_takes_new(s->reconcile, a, i) !=
		    lb_reconcile_takes_new(s->reconcile, b, i))
			return false;
	return true;
}

static void note_services(struct spreads *s)
{
	for (uint32_t i = 0; i < s->cfg->n_services; i++) {
		struct pool_use *use = &s->pools[s->cfg->services[i].pool];

		if (use->n_services++ == 0)
			use->service = i;
		use->is_mixed = use->is_mixed || s->cfg->services[i].tracking == LB_TRACKING_NONE ||
				!has_same_ideal(s, use->service, i);
	}
}

static void note_reals(struct spreads *s)
{
	for (uint32_t p = 0; p < s->cfg->n_pools; p++)
		for (uint32_t i = 0; s->pools[p].n_services > 0 && i < s->cfg->pools[p].n_reals;
		     i++) {
			uint32_t real_id = lb_reconcile_member_real(s->reconcile, p, i);
			uint32_t owner;

			if (real_id >= LB_REALS_MAX)
				continue;
			owner = s->owners[real_id];
			if (owner == 0)
				s->owners[real_id] = p + 1;
			else
				s->pools[owner - 1].is_mixed = s->pools[p].is_mixed = true;
		}
}

/* Under `priority` the best that takes anybody; otherwise all are equal. */
static uint32_t best_priority(const struct spreads *s, uint32_t service)
{
	const struct lb_cfg_pool *pool = &s->cfg->pools[s->cfg->services[service].pool];
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < pool->n_reals; i++)
		if (pool->reals[i].priority < best &&
		    lb_reconcile_takes_new(s->reconcile, service, i))
			best = pool->reals[i].priority;
	return best;
}

static uint32_t weight_of(const struct lb_cfg_service *svc, const struct lb_cfg_real *real,
			  uint32_t priority)
{
	switch (svc->scheduler) {
	case LB_SCHED_ROUND_ROBIN:
	case LB_SCHED_LEAST_CONNECTIONS:
		return 1;
	case LB_SCHED_PRIORITY:
		return real->priority == priority ? real->weight : 0;
	default:
		return real->weight;
	}
}

static uint32_t spread_of(const struct spreads *s, const struct pool_use *use)
{
	const struct lb_cfg_service *svc = &s->cfg->services[use->service];
	const struct lb_cfg_pool *pool = &s->cfg->pools[svc->pool];
	uint32_t priority = best_priority(s, use->service);

	for (uint32_t i = 0; i < pool->n_reals; i++) {
		uint32_t real_id = lb_reconcile_member_real(s->reconcile, svc->pool, i);
		struct lb_traffic traffic;

		s->shares[i] = (struct lb_spread_share){0};
		if (real_id >= LB_REALS_MAX ||
		    !lb_reconcile_takes_new(s->reconcile, use->service, i))
			continue;
		lb_dataplane_real_traffic(lb_control_dataplane(s->ctl), real_id, &traffic);
		s->shares[i] = (struct lb_spread_share){traffic.conns_live,
							weight_of(svc, &pool->reals[i], priority)};
	}
	return lb_spread_permille(s->shares, pool->n_reals);
}

static void fill(const struct spreads *s, struct lb_state_spread *out)
{
	for (uint32_t i = 0; i < s->cfg->n_services; i++) {
		const struct pool_use *use = &s->pools[s->cfg->services[i].pool];

		out[i].n_services = use->n_services;
		if (use->is_mixed)
			out[i].permille = LB_SPREAD_UNKNOWN;
		else if (i == use->service)
			out[i].permille = spread_of(s, use);
		else
			out[i] = out[use->service];
	}
}

static uint32_t largest_pool(const struct lb_config *cfg)
{
	uint32_t n = 1;

	for (uint32_t p = 0; p < cfg->n_pools; p++)
		if (cfg->pools[p].n_reals > n)
			n = cfg->pools[p].n_reals;
	return n;
}

struct lb_state_spread *lb_state_spreads(const struct lb_control *ctl)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	struct spreads s = {.ctl = ctl, .cfg = cfg, .reconcile = lb_control_reconcile(ctl)};
	struct lb_state_spread *out = NULL;

	if (cfg->n_services == 0)
		return NULL;
	s.pools = calloc(cfg->n_pools, sizeof(*s.pools));
	s.owners = calloc(LB_REALS_MAX, sizeof(*s.owners));
	s.shares = calloc(largest_pool(cfg), sizeof(*s.shares));
	if (s.pools != NULL && s.owners != NULL && s.shares != NULL)
		out = calloc(cfg->n_services, sizeof(*out));
	if (out != NULL) {
		note_services(&s);
		note_reals(&s);
		fill(&s, out);
	}
	free(s.pools);
	free(s.owners);
	free(s.shares);
	return out;
}
