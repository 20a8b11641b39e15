#include "runtime/dataplane_state.h"

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

int lb_dataplane_publish(struct lb_dataplane *dp, const struct lb_cmd *cmds, size_t n,
			 uint64_t generation)
{
	return lb_publisher_publish(dp->publisher, cmds, n, generation);
}

size_t lb_dataplane_poll(struct lb_dataplane *dp, struct lb_event *events, size_t max)
{
	return lb_publisher_poll(dp->publisher, events, max);
}

int lb_dataplane_ask(struct lb_dataplane *dp, const struct lb_query *query)
{
	for (uint32_t i = 0; i < LB_QUERIES_MAX; i++) {
		struct lb_asked *a = &dp->queries[i];
		struct lb_cmd cmd = {.type = LB_CMD_ASK, .object = &a->query};

		if (a->n_left != 0)
			continue;
		a->query = *query;
		if (lb_publisher_ask(dp->publisher, &cmd) != 0)
			return -ENOMEM;
		a->n_left = dp->n_workers;
		return 0;
	}
	return -EAGAIN;
}

static void note_last(struct lb_dataplane *dp, uint32_t id)
{
	for (uint32_t i = 0; i < LB_QUERIES_MAX; i++)
		if (dp->queries[i].n_left != 0 && dp->queries[i].query.id == id) {
			dp->queries[i].n_left--;
			return;
		}
}

bool lb_dataplane_report(struct lb_dataplane *dp, struct lb_report *out)
{
	for (uint32_t i = 0; i < dp->n_workers; i++) {
		struct lb_worker *w = dp->workers[dp->report_next];

		dp->report_next = (dp->report_next + 1) % dp->n_workers;
		if (!lb_reporter_read(w->reporter.ring, out))
			continue;
		if (out->is_last)
			note_last(dp, out->id);
		return true;
	}
	return false;
}

uint64_t lb_dataplane_acked(const struct lb_dataplane *dp)
{
	return lb_publisher_acked(dp->publisher);
}

uint64_t lb_dataplane_worker_acked(const struct lb_dataplane *dp, uint32_t worker, size_t *n_queued)
{
	return lb_publisher_worker_acked(dp->publisher, worker, n_queued);
}

const char *lb_dataplane_notes(const struct lb_dataplane *dp)
{
	return dp->notes;
}

uint32_t lb_dataplane_n_workers(const struct lb_dataplane *dp)
{
	return dp->n_workers;
}

void lb_dataplane_worker_info(const struct lb_dataplane *dp, uint32_t worker,
			      struct lb_worker_info *out)
{
	const struct lb_worker *w = dp->workers[worker];

	memset(out, 0, sizeof(*out));
	out->core = w->core;
	lb_worker_stats_read(&w->stats, out);
	out->tsc_hz = rte_get_tsc_hz();
	out->n_entries = lb_pipeline_entries(w->pipeline);
	out->entries_max = lb_pipeline_entries_max(w->pipeline);
	out->memory_bytes = w->block_bytes;
	out->numa_node = (int32_t)rte_lcore_to_socket_id(worker + 1);
}

void lb_dataplane_counters(const struct lb_dataplane *dp, uint32_t worker,
			   uint64_t out[LB_COUNTER_N])
{
	for (uint32_t i = 0; i < LB_COUNTER_N; i++)
		out[i] = lb_pipeline_counter(dp->workers[worker]->pipeline, (enum lb_counter)i);
}

void lb_dataplane_service_traffic(const struct lb_dataplane *dp, uint32_t slot,
				  struct lb_traffic *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < dp->n_workers; i++)
		lb_pipeline_service_traffic(dp->workers[i]->pipeline, slot, out);
}

void lb_dataplane_real_traffic(const struct lb_dataplane *dp, uint32_t real_id,
			       struct lb_traffic *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < dp->n_workers; i++)
		lb_pipeline_real_traffic(dp->workers[i]->pipeline, real_id, out);
}

uint64_t lb_dataplane_records_live(const struct lb_dataplane *dp)
{
	uint64_t s = (rte_rdtsc() - dp->start_tsc) / rte_get_tsc_hz();

	return lb_persist_count(dp->persist, (uint32_t)s);
}

int lb_dataplane_port_info(const struct lb_dataplane *dp, uint32_t iface, struct lb_port_info *out)
{
	const struct lb_port *port;
	int rc;

	if (iface >= dp->n_ports)
		return -EINVAL;
	port = &dp->ports[dp->port_of[iface]];
	rc = lb_port_info(port, out);
	if (rc != 0)
		return rc;
	memcpy(out->replies, port->replies, sizeof(out->replies));
	return 0;
}

size_t lb_dataplane_punt_read(struct lb_dataplane *dp, uint32_t *port, uint8_t *frame, size_t size)
{
	uint32_t room = size < LB_FRAME_MAX ? (uint32_t)size : LB_FRAME_MAX, len;

	for (uint32_t i = 0; i < dp->n_workers; i++) {
		struct lb_worker *w = dp->workers[dp->punt_next];

		dp->punt_next = (dp->punt_next + 1) % dp->n_workers;
		if (lb_byte_ring_get(w->punt, port, frame, room, &len))
			return len;
	}
	return 0;
}

int lb_dataplane_inject(struct lb_dataplane *dp, uint32_t iface, const uint8_t *frame, size_t len)
{
	if (iface >= dp->n_ports || len == 0 || len > LB_FRAME_MAX)
		return -EINVAL;
	return lb_byte_ring_put(dp->workers[0]->inject, dp->port_of[iface], frame, (uint32_t)len)
		       ? 0
		       : -ENOBUFS;
}
