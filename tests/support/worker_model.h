/* worker_model.h - what a worker believes after the commands it has taken.
 *
 * Role     the plainest possible reader of a command stream: keeps the last value of each id
 * Shape    arrays by id, small bounds that a test must stay within
 * Threads  one
 * Memory   one heap block
 * Limits   WORKER_MODEL_MAX ids of each kind, asserted
 */
#ifndef LB_WORKER_MODEL_H
#define LB_WORKER_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "lb/command.h"
#include "lb/service.h"

#define WORKER_MODEL_MAX 16384u

struct worker_model {
	const struct lb_service *services[WORKER_MODEL_MAX];
	struct lb_real reals[WORKER_MODEL_MAX];
	struct lb_next_hop hops[WORKER_MODEL_MAX];
	const struct lb_nat_source *nats[WORKER_MODEL_MAX];
	uint8_t targets[WORKER_MODEL_MAX];
	uint64_t members[WORKER_MODEL_MAX];
	struct lb_iface ifaces[LB_IFACES_MAX];
	const struct lb_route_table *routes;
	uint32_t n_of[LB_CMD_N]; /* commands by type since they were last counted */
};

struct worker_model *worker_model_create(void);
void worker_model_apply(struct worker_model *w, const struct lb_cmd *cmds, size_t n);
void worker_model_count_anew(struct worker_model *w);

/* Reads every byte of the objects that the worker still holds, so that a sanitizer sees one that
 * was freed too early; returns something that depends on them. */
uint64_t worker_model_touch(const struct worker_model *w);

/* Do both believe the same? */
bool worker_model_equal(const struct worker_model *a, const struct worker_model *b);

#endif
