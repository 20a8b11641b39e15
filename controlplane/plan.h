/* plan.h - the step from what is published to what a configuration wants.
 *
 * Role     everything about a new configuration that can fail, done before anything changes:
 *          ids, new objects, memory for the commands and for what they replace
 * Shape    lists of differences, and the registries as they will be
 * Threads  make: any, see lb_reconcile_plan(); everything else the control thread
 * Memory   own heap; a plan that is carried out gives its objects away
 * Limits   include/lb/limits.h
 * Errors   make: -errno with lb_error, the plan is empty
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_PLAN_H
#define LB_PLAN_H

#include "reconcile_state.h"
#include "static_hops.h"
#include "wanted.h"

struct lb_plan_service {
	uint32_t slot;
	struct lb_service_image *image; /* NULL: the service is removed */
	struct lb_service *object;
	bool is_added;
};

struct lb_plan_nat {
	uint32_t id;
	struct lb_nat_source *object; /* NULL: removed */
};

struct lb_plan {
	const struct lb_config *next;
	uint64_t now_ms;          /* when it was made */
	struct lb_registries reg; /* with an open round */
	struct lb_wanted wanted;
	struct lb_static_hops hops; /* empty where netlink decides */
	bool has_static_hops;
	uint32_t *machine_hops; /* by machine id */
	struct lb_adjacency hop_machines;
	struct lb_plan_service *services; /* changed ones only */
	uint32_t n_services;
	uint32_t services_max;
	struct lb_plan_nat *nats; /* changed ones only */
	uint32_t n_nats;
	uint32_t nats_max;
	struct lb_real *reals; /* changed ones only; these become the commands' objects */
	uint32_t *real_ids;
	uint32_t n_reals;
	struct lb_next_hop *hop_values; /* changed ones only, the same */
	uint32_t *hop_ids;
	uint32_t n_hop_values;
	struct lb_route_table *route_table; /* NULL: as before */
	struct lb_retired_batch *retired;
	size_t n_cmds_max;
};

/* What follows from the configuration and from what only configurations change: `out` is zeroed,
 * with `next` and `now_ms`. */
int lb_plan_make(const struct lb_reconcile *r, struct lb_plan *out, struct lb_error *err);

/* The rest: what the kernel's news change too, and the room to carry it out. */
int lb_plan_finish(struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err);

/* Parts of lb_plan_make. */
int lb_plan_services(const struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err);
int lb_plan_nats(const struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err);

/* The next hops that machine_hops says, by next hop. */
int lb_plan_hop_machines(const struct lb_registries *reg, const uint32_t *machine_hops,
			 struct lb_adjacency *out);

/* Is the next hop towards `addr` another machine? */
bool lb_plan_is_via_gateway(const struct lb_reconcile *r, const struct lb_registries *reg,
			    const struct lb_addr *addr, uint32_t hop);

/* Every real server whose value differs from what is published, by id. */
int lb_plan_reals(const struct lb_reconcile *r, const struct lb_registries *reg,
		  const uint32_t *machine_hops, struct lb_real **reals, uint32_t **ids,
		  uint32_t *n);

/* Frees what has not been given away. */
void lb_plan_free(struct lb_plan *plan);

#endif
