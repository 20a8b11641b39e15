#include "runtime/reporter.h"

#include <assert.h>

#define LAST_REPORTS_BYTES (LB_QUERIES_MAX * (uint32_t)(sizeof(struct lb_report) + 16))

static bool tell_trace(void *ctx, const struct lb_trace_record *record)
{
	struct lb_reporter *r = ctx;
	struct lb_report report = {
		.type = LB_QUERY_TRACE, .id = r->trace_id, .worker = r->worker, .trace = *record};

	report.trace.at_ms = *r->now_ms;
	if (lb_byte_ring_room(r->ring) >= sizeof(report) + 16 + LAST_REPORTS_BYTES &&
	    lb_byte_ring_put(r->ring, report.type, &report, sizeof(report)))
		return true;
	lb_pipeline_count(r->pipeline, LB_COUNT_trace_lost, 1);
	return false;
}

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

/* Has room for the report, besides what is kept for last ones? */
static bool has_room(const struct lb_reporter *r, uint32_t n)
{
	return lb_byte_ring_room(r->ring) >=
	       n * (uint32_t)(sizeof(struct lb_report) + 16) + LAST_REPORTS_BYTES;
}

static void tell_conns(struct lb_reporter *r, const struct lb_listing_record *conns, uint32_t n)
{
	struct lb_report report = {
		.type = LB_QUERY_LISTING, .id = r->listing_query.id, .worker = r->worker};

	for (uint32_t i = 0; i < n; i++) {
		report.conn = conns[i];
		(void)lb_byte_ring_put(r->ring, report.type, &report, sizeof(report));
	}
}

/* A page of nothing for whom it is not meant, or who tells another one. */
static void start_page(struct lb_reporter *r, const struct lb_query *query)
{
	struct lb_report report = {.page = {.bucket = query->listing.bucket}};

	if (query->listing.worker != r->worker || r->is_listing) {
		tell_last(r, query, &report);
		return;
	}
	r->is_listing = true;
	r->listing_query = *query;
	lb_conn_listing_start(&r->listing, &query->listing);
}

/* False: nothing could be done. */
static bool go_on_with_page(struct lb_reporter *r)
{
	struct lb_report report = {0};
	struct lb_listing_record conns[2];
	uint32_t n;

	for (uint32_t i = 0; i < LB_LISTING_STEP; i++) {
		if (!has_room(r, 2))
			return i != 0;
		if (!lb_pipeline_list(r->pipeline, &r->listing, *r->now_ms, conns, &n)) {
			report.page = lb_pipeline_list_end(r->pipeline, &r->listing);
			r->is_listing = false;
			tell_last(r, &r->listing_query, &report);
			break;
		}
		tell_conns(r, conns, n);
	}
	return true;
}

static void start_records(struct lb_reporter *r, const struct lb_query *query)
{
	struct lb_report report = {.records = {.place = query->records.place}};

	if (query->records.worker != r->worker || r->is_at_records) {
		tell_last(r, query, &report);
		return;
	}
	r->is_at_records = true;
	r->records_query = *query;
	lb_record_listing_start(&r->records, &query->records);
}

/* False: nothing could be done. */
static bool go_on_with_records(struct lb_reporter *r)
{
	struct lb_report report = {
		.type = LB_QUERY_RECORDS, .id = r->records_query.id, .worker = r->worker};
	bool is_told;

	for (uint32_t i = 0; i < LB_RECORDS_STEP; i++) {
		if (!has_room(r, 1))
			return i != 0;
		if (!lb_pipeline_records(r->pipeline, &r->records, *r->now_ms, &report.record,
					 &is_told)) {
			report.records = lb_pipeline_records_end(r->pipeline, &r->records);
			r->is_at_records = false;
			tell_last(r, &r->records_query, &report);
			break;
		}
		if (is_told)
			(void)lb_byte_ring_put(r->ring, report.type, &report, sizeof(report));
	}
	return true;
}

void lb_reporter_init(struct lb_reporter *r, const uint64_t *now_ms)
{
	r->now_ms = now_ms;
	r->tracer.tell = tell_trace;
	r->tracer.ctx = r;
}

bool lb_reporter_keep_house(struct lb_reporter *r)
{
	bool has_worked;

	lb_tracer_rest(&r->tracer);
	has_worked = r->is_listing && go_on_with_page(r);
	return (r->is_at_records && go_on_with_records(r)) || has_worked;
}

void lb_reporter_take(struct lb_reporter *r, const struct lb_query *query)
{
	struct lb_report report = {.type = query->type};

	switch ((enum lb_query_type)query->type) {
	case LB_QUERY_EXPLAIN:
		lb_pipeline_explain(r->pipeline, &query->question, *r->now_ms, &report.answer);
		break;
	case LB_QUERY_TRACE:
		r->trace_id = query->id;
		lb_tracer_start(&r->tracer, r->pipeline, &query->filter);
		break;
	case LB_QUERY_LISTING:
		start_page(r, query);
		return;
	case LB_QUERY_RECORDS:
		start_records(r, query);
		return;
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
