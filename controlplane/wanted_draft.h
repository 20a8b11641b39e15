/* wanted_draft.h - what one configuration comes to, while that is worked out.
 *
 * Role     joins wanted.c (services and what relates all of it) and wanted_rows.c (pools, their
 *          servers as targets, and the probes of those)
 * Shape    one struct that ends with lb_wanted_build
 * Threads  one
 * Memory   own heap, freed when the building ends
 * Limits   those of wanted.h
 * Errors   -ENOSPC, -E2BIG, -ENOMEM with lb_error
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_WANTED_DRAFT_H
#define LB_WANTED_DRAFT_H

#include "wanted.h"

#include <errno.h>

struct lb_wanted_draft {
	struct lb_registries *reg;
	const struct lb_config *cfg;
	struct lb_wanted *w;
	struct lb_error *err;
	struct lb_pairs target_probes;
	struct lb_pairs machine_targets;
	struct lb_pairs machine_probes;
	struct lb_pairs vip_path_probes;
	struct lb_pairs target_groups;
	struct lb_adjacency pool_services;
	struct lb_ids *row_groups;   /* (row, group) seen */
	uint32_t *row_group_targets; /* its group targets, by id of row_groups */
	uint32_t row_groups_max;
	struct lb_ids *target_group_edges; /* (target, group target) seen */
	struct lb_ids *probed;             /* (port set, VIP path) seen */
	uint32_t *row_of_probed;           /* last row made for it, + 1; by id of probed */
	uint32_t row_of_probed_max;
};

static inline int lb_wanted_no_memory(const struct lb_wanted_draft *b)
{
	return lb_error_set(b->err, -ENOMEM, "", "out of memory");
}

static inline int lb_wanted_get(struct lb_wanted_draft *b, enum lb_id_kind kind, const void *key,
				uint32_t *id, bool *first)
{
	return lb_registries_get(b->reg, kind, key, id, first, b->err);
}

int lb_wanted_build_pools(struct lb_wanted_draft *b);

/* A pool's servers as targets of one port set and way to a VIP; `out` is the row's index. */
int lb_wanted_build_row(struct lb_wanted_draft *b, uint32_t pool_idx, uint32_t port_set,
			uint32_t vip_path, uint32_t *out);

/* The group targets of a row's members, made once for each group that uses the row. */
int lb_wanted_build_row_group(struct lb_wanted_draft *b, uint32_t row_idx, uint32_t group_id,
			      uint32_t *first);

#endif
