#include "runtime/worker_block.h"
#include "runtime/memory.h"

#include <errno.h>

#define ALIGNMENT 128u

static size_t aligned(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static size_t commands_bytes(void)
{
	return aligned(lb_spsc_bytes(LB_COMMANDS_MAX, sizeof(struct lb_cmd)));
}

static size_t events_bytes(void)
{
	return aligned(lb_spsc_bytes(LB_EVENTS_MAX, sizeof(struct lb_event)));
}

static size_t hand_in_bytes(void)
{
	return aligned(lb_spsc_bytes(LB_HAND_OVER_CELLS, sizeof(struct lb_handed)));
}

static size_t rings_bytes(const struct lb_pipeline_params *params)
{
	return commands_bytes() + events_bytes() + aligned(lb_byte_ring_bytes(LB_PUNT_RING_BYTES)) +
	       aligned(lb_byte_ring_bytes(LB_REPORT_RING_BYTES)) +
	       (params->worker == 0 ? aligned(lb_byte_ring_bytes(LB_INJECT_RING_BYTES)) : 0) +
	       (params->n_workers - 1) * hand_in_bytes();
}

static size_t block_bytes(const struct lb_pipeline_params *params)
{
	return aligned(sizeof(struct lb_worker)) + rings_bytes(params) + lb_pipeline_bytes(params);
}

/* Gives out the next piece of the block. */
static void *take(uint8_t **at, size_t bytes)
{
	void *piece = *at;

	*at += bytes;
	return piece;
}

static int init_rings(struct lb_worker *w, uint8_t **at)
{
	int rc;

	rc = lb_spsc_init(take(at, commands_bytes()), LB_COMMANDS_MAX, sizeof(struct lb_cmd),
			  &w->mailbox.commands);
	if (rc == 0)
		rc = lb_spsc_init(take(at, events_bytes()), LB_EVENTS_MAX, sizeof(struct lb_event),
				  &w->mailbox.events);
	if (rc == 0)
		rc = lb_byte_ring_init(take(at, aligned(lb_byte_ring_bytes(LB_PUNT_RING_BYTES))),
				       LB_PUNT_RING_BYTES, &w->punt);
	if (rc == 0)
		rc = lb_byte_ring_init(take(at, aligned(lb_byte_ring_bytes(LB_REPORT_RING_BYTES))),
				       LB_REPORT_RING_BYTES, &w->reporter.ring);
	if (rc == 0 && w->idx == 0)
		rc = lb_byte_ring_init(take(at, aligned(lb_byte_ring_bytes(LB_INJECT_RING_BYTES))),
				       LB_INJECT_RING_BYTES, &w->inject);
	for (uint32_t i = 0; i < w->n_workers && rc == 0; i++)
		if (i != w->idx)
			rc = lb_spsc_init(take(at, hand_in_bytes()), LB_HAND_OVER_CELLS,
					  sizeof(struct lb_handed), &w->hand_in[i]);
	return rc;
}

int lb_worker_block_create(const struct lb_pipeline_params *params, struct lb_worker **out)
{
	size_t bytes = block_bytes(params);
	uint8_t *at = lb_memory_map(bytes);
	struct lb_worker *w;
	int rc;

	if (at == NULL)
		return -ENOMEM;
	w = take(&at, aligned(sizeof(*w)));
	w->block_bytes = bytes;
	w->idx = params->worker;
	w->n_workers = params->n_workers;
	rc = init_rings(w, &at);
	if (rc == 0)
		rc = lb_pipeline_init(at, params, &w->pipeline);
	w->reporter.worker = w->idx;
	w->reporter.pipeline = w->pipeline;
	lb_reporter_init(&w->reporter, &w->now_ms);
	if (rc != 0) {
		lb_worker_block_destroy(w);
		return rc;
	}
	*out = w;
	return 0;
}

void lb_worker_block_destroy(struct lb_worker *w)
{
	if (w != NULL)
		lb_memory_unmap(w, w->block_bytes);
}
