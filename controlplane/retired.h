/* retired.h - objects that a worker may still be reading.
 *
 * Role     holds what commands carried or replaced until every worker has acknowledged
 * Shape    a queue of batches, one per change, in the order of their generations
 * Threads  control thread
 * Memory   one block per batch, sized before the change begins so that the change cannot fail
 * Limits   grows while workers do not acknowledge; nothing is freed early
 * Errors   create: NULL
 * Source   lb/command.h, DESIGN 1
 * Tests    tests/unit/test_reconcile.c under ASan
 */
#ifndef LB_RETIRED_H
#define LB_RETIRED_H

#include <stdint.h>

#include "lb/service.h"

struct lb_retired_batch;

struct lb_retired {
	struct lb_retired_batch *oldest;
	struct lb_retired_batch *newest;
};

/* A batch with room for `max` objects, not in the queue yet. */
struct lb_retired_batch *lb_retired_batch_create(uint32_t max);

/* NULL objects are left out. Precondition: there is room. */
void lb_retired_add_block(struct lb_retired_batch *batch, void *block);
void lb_retired_add_service(struct lb_retired_batch *batch, struct lb_service *svc);
void lb_retired_add_routes(struct lb_retired_batch *batch, struct lb_route_table *table);

/* Queues the batch to be freed when `generation` is acknowledged; not below earlier ones. */
void lb_retired_push(struct lb_retired *q, struct lb_retired_batch *batch, uint64_t generation);

void lb_retired_free_until(struct lb_retired *q, uint64_t generation);

#endif
