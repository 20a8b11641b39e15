/* static_hops.h - next hops and routes that follow from the configuration alone.
 *
 * Role     for runs without a kernel's network (captures, tests): the way to each real server and
 *          client by interface addresses and gateways, link-layer addresses by `neighbors`
 * Shape    arrays; ids from the next hop registry
 * Threads  one; immutable after build
 * Memory   own heap
 * Limits   LB_NEXT_HOP_LEARNED - 1 next hops, refused by name
 * Errors   -ENOSPC, -ENOMEM with lb_error
 * Source   DESIGN 3.9 (static neighbours)
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_STATIC_HOPS_H
#define LB_STATIC_HOPS_H

#include "lb/service.h"
#include "registries.h"

struct lb_static_hops {
	struct lb_next_hop *hops; /* by id */
	uint32_t n_hops;          /* one past the highest id */
	uint32_t hops_max;
	struct lb_route *routes;
	uint32_t n_routes;
};

/* Within an open round of `reg`. Interface gateways get their ids and routes. */
int lb_static_hops_build(struct lb_registries *reg, const struct lb_cfg_node *node,
			 struct lb_static_hops *out, struct lb_error *err);

/* The next hop towards `addr`, given an id if need be; LB_NEXT_HOP_NONE: no route. */
int lb_static_hops_towards(struct lb_registries *reg, const struct lb_cfg_node *node,
			   const struct lb_addr *addr, uint32_t *id, struct lb_error *err);

/* After the last id was given out: their contents by the configuration's neighbours. */
int lb_static_hops_resolve(struct lb_registries *reg, const struct lb_cfg_node *node,
			   struct lb_static_hops *hops, struct lb_error *err);

void lb_static_hops_free(struct lb_static_hops *hops);

#endif
