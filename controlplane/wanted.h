/* wanted.h - what one configuration comes to, in ids.
 *
 * Role     everything that follows from a configuration alone: ids, who depends on whom, the
 *          contents of the objects that the workers need; nothing of health
 * Shape    arrays by id and arrays by position in the configuration
 * Units    as in lb/service.h
 * Threads  one; immutable after build
 * Memory   own heap
 * Limits   include/lb/limits.h, refused by name
 * Errors   build: -ENOSPC, -E2BIG, -ENOMEM with lb_error
 * Source   DESIGN 3.5, 4.6
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_WANTED_H
#define LB_WANTED_H

#include "adjacency.h"
#include "lb/config.h"
#include "registries.h"

struct lb_wanted_target {
	uint32_t machine;
	uint8_t admin_state;
	bool is_group; /* a machine's eligibility for new records of a group */
};

/* A real server as its pool lists it. */
struct lb_wanted_member {
	uint32_t real_id;
	uint32_t machine;
	uint32_t weight;
	uint32_t priority;
	uint16_t port;
	uint8_t admin_state; /* weight 0 counts as drain */
};

/* The targets of a pool's members for services that have the same probed. */
struct lb_wanted_row {
	uint32_t pool;
	uint32_t port_set;
	uint32_t vip_path;
	uint32_t first_target; /* into member_targets; one per member */
};

struct lb_wanted_pool {
	uint32_t first_member;
	uint32_t n_members;
	uint32_t first_row;
	uint32_t n_rows;
	bool probes_service_ports;
	bool probes_vips;
	uint32_t scope;       /* named pools */
	uint32_t monitor_set; /* pools of one service */
};

struct lb_wanted_service {
	uint32_t slot;
	uint32_t port_set;
	uint32_t vip_path;
	uint32_t row;
	uint32_t group_id;           /* 0: none */
	uint32_t first_group_target; /* into group_targets */
	uint32_t nat_source_id;
};

struct lb_wanted {
	/* by position in the configuration */
	struct lb_wanted_pool *pools;
	uint32_t n_pools;
	struct lb_wanted_member *members;
	uint32_t n_members;
	struct lb_wanted_service *services;
	uint32_t n_services;
	struct lb_wanted_row *rows;
	uint32_t n_rows;
	uint32_t rows_max;
	uint32_t *member_targets;
	uint32_t n_member_targets;
	uint32_t member_targets_max;
	uint32_t *group_targets;
	uint32_t n_group_targets;
	uint32_t group_targets_max;
	/* by id */
	struct lb_wanted_target *targets;
	uint32_t targets_max;
	uint32_t n_targets; /* one past the highest id */
	struct lb_adjacency target_probes;
	struct lb_adjacency probe_targets;
	struct lb_adjacency machine_targets; /* without group targets */
	struct lb_adjacency machine_probes;  /* of the address */
	struct lb_adjacency vip_path_probes;
	struct lb_adjacency target_groups; /* to group targets */
};

/* Within an open round of `reg`. On error *out is empty. */
int lb_wanted_build(struct lb_registries *reg, const struct lb_config *cfg, struct lb_wanted *out,
		    struct lb_error *err);

void lb_wanted_free(struct lb_wanted *wanted);

#endif
