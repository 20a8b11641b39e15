#include "retired.h"

#include <assert.h>
#include <stdlib.h>

enum retired_type { RETIRED_BLOCK, RETIRED_SERVICE, RETIRED_ROUTES };

struct retired_item {
	enum retired_type type;
	union {
		void *block;
		struct lb_service *service;
		struct lb_route_table *routes;
	};
};

struct lb_retired_batch {
	struct lb_retired_batch *next;
	uint64_t generation;
	uint32_t n;
	uint32_t max;
	struct retired_item items[];
};

struct lb_retired_batch *lb_retired_batch_create(uint32_t max)
{
	struct lb_retired_batch *batch;

	batch = calloc(1, sizeof(*batch) + max * sizeof(batch->items[0]));
	if (batch != NULL)
		batch->max = max;
	return batch;
}

static struct retired_item *next_item(struct lb_retired_batch *batch, enum retired_type type)
{
	struct retired_item *item;

	assert(batch->n < batch->max);
	item = &batch->items[batch->n++];
	item->type = type;
	return item;
}

void lb_retired_add_block(struct lb_retired_batch *batch, void *block)
{
	if (block != NULL)
		next_item(batch, RETIRED_BLOCK)->block = block;
}

void lb_retired_add_service(struct lb_retired_batch *batch, struct lb_service *svc)
{
	if (svc != NULL)
		next_item(batch, RETIRED_SERVICE)->service = svc;
}

void lb_retired_add_routes(struct lb_retired_batch *batch, struct lb_route_table *table)
{
	if (table != NULL)
		next_item(batch, RETIRED_ROUTES)->routes = table;
}

void lb_retired_push(struct lb_retired *q, struct lb_retired_batch *batch, uint64_t generation)
{
	assert(q->newest == NULL || q->newest->generation <= generation);
	batch->generation = generation;
	if (q->newest == NULL)
		q->oldest = batch;
	else
		q->newest->next = batch;
	q->newest = batch;
}

static void free_item(struct retired_item *item)
{
	switch (item->type) {
	case RETIRED_BLOCK:
		free(item->block);
		break;
	case RETIRED_SERVICE:
		lb_service_free(item->service);
		break;
	case RETIRED_ROUTES:
		lb_route_table_free(item->routes);
		break;
	}
}

void lb_retired_free_until(struct lb_retired *q, uint64_t generation)
{
	while (q->oldest != NULL && q->oldest->generation <= generation) {
		struct lb_retired_batch *batch = q->oldest;

		q->oldest = batch->next;
		if (q->oldest == NULL)
			q->newest = NULL;
		for (uint32_t i = 0; i < batch->n; i++)
			free_item(&batch->items[i]);
		free(batch);
	}
}
