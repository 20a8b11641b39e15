#include "runtime/reporter.h"

#include <assert.h>

/* A last report: the room for it was kept. */
static void tell_last(struct lb_reporter *r, const struct lb_query *query, struct lb_report *report)
{
	bool is_told;

	report->type = query->type;
	report->id = query->id;
	report->worker = r->worker;
	report->is_last = true;
	is_told = lb_byte_ring_put(r->ring, query->type, report, sizeof(*report));
	assert(is_told);
	(void)is_told;
}

void lb_reporter_take(struct lb_reporter *r, const struct lb_query *query, uint64_t now_ms)
{
	struct lb_report report = {.type = query->type};

	switch ((enum lb_query_type)query->type) {
	case LB_QUERY_EXPLAIN:
		lb_pipeline_explain(r->pipeline, &query->question, now_ms, &report.answer);
		break;
	case LB_QUERY_N:
		break;
	}
	tell_last(r, query, &report);
}

bool lb_reporter_read(struct lb_byte_ring *ring, struct lb_report *out)
{
	uint32_t type, len;

	return lb_byte_ring_get(ring, &type, out, sizeof(*out), &len);
}
