/* reconcile_state.h - the inside of struct lb_reconcile.
 *
 * Role     what is published and what is known of health, by id; shared by reconcile.c, plan.c,
 *          availability.c and reconcile_status.c only
 * Shape    arrays by id that grow with the registries
 * Threads  control thread
 * Memory   own heap
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_RECONCILE_STATE_H
#define LB_RECONCILE_STATE_H

#include "reconcile.h"
#include "registries.h"
#include "retired.h"
#include "service_image.h"
#include "wanted.h"

struct lb_service_state {
	struct lb_service_image *image; /* NULL: nothing in this slot */
	struct lb_service *object;
	uint8_t epoch_moves; /* beyond those of the id: address or protocol were changed */
};

struct lb_probe_state {
	const char *reason;
	uint64_t since_ms;
	enum lb_health_state state;
};

struct lb_hop_state {
	struct lb_next_hop value; /* as published */
	bool is_known;            /* heard of at all */
};

struct lb_machine_state {
	uint64_t since_ms; /* of its next hop's state */
	uint32_t n_icmp_down;
	uint32_t next_hop;
};

struct lb_target_state {
	uint64_t since_ms;
	uint8_t bits;  /* as published */
	bool is_known; /* has been set since its id was given out */
	/* a machine's target */
	enum lb_health_state state;
	bool is_broken; /* down or disabled: clients may not stay */
	/* a group's target */
	uint64_t touched_in; /* serial of the change that last touched it */
	uint32_t n_blocked;  /* targets that keep the machine from new records */
	uint32_t n_broken;   /* targets that are broken */
	bool was_keeping;    /* before the change that touched it */
	uint16_t generation; /* as published; outlives the id's owner */
	uint64_t moved_in;   /* serial of the change that last moved the generation */
};

struct lb_reconcile {
	struct lb_reconcile_params params;
	struct lb_registries reg;
	struct lb_wanted wanted;
	uint64_t generation;
	uint64_t serial; /* of the change under way */
	uint64_t settle_due_ms;
	struct lb_retired retired;
	struct lb_service_state *services; /* by slot */
	uint32_t services_max;
	struct lb_nat_source **nats;
	uint32_t nats_max;
	struct lb_real *reals; /* as published */
	uint32_t reals_max;
	struct lb_hop_state *hops;
	uint32_t hops_max;
	struct lb_machine_state *machines;
	uint32_t machines_max;
	struct lb_probe_state *probes;
	uint32_t probes_max;
	struct lb_target_state *targets;
	uint32_t targets_max;
	uint32_t *touched; /* group targets touched by the change under way; room for all */
	uint32_t touched_max;
	uint32_t n_touched;
	uint32_t *moved; /* group targets whose generation the change under way moved on */
	uint32_t moved_max;
	uint32_t n_moved;
	struct lb_adjacency hop_machines; /* who is reached through a next hop */
	struct lb_route *routes;          /* as published */
	uint32_t n_routes;
	struct lb_route_table *route_table;
};

/* reconcile_settle.c: after services have changed. */
void lb_reconcile_find_settle_due(struct lb_reconcile *r);

#endif
