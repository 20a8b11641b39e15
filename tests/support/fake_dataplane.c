#include "fake_dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct lb_dataplane *current;

struct lb_dataplane *fake_dataplane(void)
{
	return current;
}

int lb_dataplane_start(const struct lb_dataplane_params *params, struct lb_dataplane **out,
		       struct lb_error *err)
{
	(void)err;
	current = calloc(1, sizeof(*current));
	if (current == NULL)
		return -ENOMEM;
	current->n_ports = params->n_ports;
	*out = current;
	return 0;
}

const char *lb_dataplane_notes(const struct lb_dataplane *dp)
{
	(void)dp;
	return "nothing is forwarded here\n";
}

void lb_dataplane_halt(struct lb_dataplane *dp)
{
	(void)dp;
}

void lb_dataplane_stop(struct lb_dataplane *dp)
{
	free(dp);
	current = NULL;
}

int lb_dataplane_publish(struct lb_dataplane *dp, const struct lb_cmd *cmds, size_t n,
			 uint64_t generation)
{
	if (dp->refuses)
		return -ENOMEM;
	dp->published = generation;
	dp->n_commands += n;
	for (size_t i = 0; i < n; i++)
		dp->n_of_type[cmds[i].type]++;
	return 0;
}

size_t lb_dataplane_poll(struct lb_dataplane *dp, struct lb_event *events, size_t max)
{
	size_t n = 0;

	for (uint32_t w = 0; w < FAKE_WORKERS; w++)
		if (!dp->is_stuck[w])
			dp->acked[w] = dp->published;
	for (; n < max && n < dp->n_resolve; n++)
		events[n] = (struct lb_event){.type = LB_EVENT_RESOLVE, .value = 7};
	dp->n_resolve -= (uint32_t)n;
	return n;
}

int lb_dataplane_ask(struct lb_dataplane *dp, const struct lb_query *query)
{
	if (dp->is_deaf)
		return -EAGAIN;
	dp->asked = *query;
	dp->n_asked++;
	return 0;
}

bool lb_dataplane_report(struct lb_dataplane *dp, struct lb_report *out)
{
	if (dp->n_reports == 0)
		return false;
	*out = dp->reports[0];
	memmove(dp->reports, dp->reports + 1, --dp->n_reports * sizeof(dp->reports[0]));
	return true;
}

uint64_t lb_dataplane_acked(const struct lb_dataplane *dp)
{
	return dp->acked[0] < dp->acked[1] ? dp->acked[0] : dp->acked[1];
}

uint64_t lb_dataplane_worker_acked(const struct lb_dataplane *dp, uint32_t worker, size_t *n_queued)
{
	*n_queued = 0;
	return dp->acked[worker];
}

uint32_t lb_dataplane_n_workers(const struct lb_dataplane *dp)
{
	(void)dp;
	return FAKE_WORKERS;
}

void lb_dataplane_worker_info(const struct lb_dataplane *dp, uint32_t worker,
			      struct lb_worker_info *out)
{
	*out = (struct lb_worker_info){.core = worker + 1,
				       .loops = dp->loops,
				       .n_entries = dp->n_entries[worker],
				       .entries_max = FAKE_ENTRIES_MAX};
}

void lb_dataplane_counters(const struct lb_dataplane *dp, uint32_t worker,
			   uint64_t out[LB_COUNTER_N])
{
	memcpy(out, dp->counter[worker], sizeof(dp->counter[worker]));
}

void lb_dataplane_service_traffic(const struct lb_dataplane *dp, uint32_t slot,
				  struct lb_traffic *out)
{
	*out = dp->promises;
	out->conns = slot + 1;
	out->conns_live = 3;
}

void lb_dataplane_real_traffic(const struct lb_dataplane *dp, uint32_t real_id,
			       struct lb_traffic *out)
{
	*out = (struct lb_traffic){.conns = real_id + 1,
				   .conns_live = real_id < FAKE_REALS_MAX ? dp->real_live[real_id]
									  : 0,
				   .bytes_in = UINT64_MAX};
}

uint64_t lb_dataplane_records_live(const struct lb_dataplane *dp)
{
	(void)dp;
	return 5;
}

int lb_dataplane_port_info(const struct lb_dataplane *dp, uint32_t iface, struct lb_port_info *out)
{
	if (iface >= dp->n_ports)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	snprintf(out->driver, sizeof(out->driver), "fake");
	out->mtu = 1500;
	out->mac[0] = 2;
	return 0;
}

size_t lb_dataplane_punt_read(struct lb_dataplane *dp, uint32_t *iface, uint8_t *frame, size_t size)
{
	(void)dp;
	(void)iface;
	(void)frame;
	(void)size;
	return 0;
}

int lb_dataplane_inject(struct lb_dataplane *dp, uint32_t iface, const uint8_t *frame, size_t len)
{
	(void)dp;
	(void)iface;
	(void)frame;
	(void)len;
	return 0;
}
