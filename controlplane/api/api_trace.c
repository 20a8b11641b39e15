#include "api_trace.h"

#include "api_inquiry.h"
#include "config/json.h"
#include "courier.h"
#include "problem.h"
#include "trace_text.h"

#include <math.h>
#include <netinet/in.h>
#include <string.h>

struct trace_request {
	struct lb_api_inquiry asked;
	uint32_t n_packets;
	uint32_t n_lost[LB_WORKERS_MAX];
	uint64_t deadline_us;
	bool is_client_gone;
};

static struct trace_request *request_of(struct lb_inquiry *q)
{
	return (struct trace_request *)q;
}

static void on_report(struct lb_inquiry *q, const struct lb_report *report)
{
	struct trace_request *r = request_of(q);
	struct lb_names names = lb_api_inquiry_names(&r->asked);

	/* The last one says only that the worker has begun. */
	if (report->is_last || r->n_packets == q->query.filter.count)
		return;
	r->n_packets++;
	r->n_lost[report->worker] = report->trace.n_lost;
	lb_trace_json(&names, &report->trace, report->worker, &r->asked.body);
}

/* Enough, or in vain. The workers are told to end before another trace can begin; while they have
 * too many other questions that is tried again. */
static bool is_done(struct lb_inquiry *q)
{
	struct trace_request *r = request_of(q);
	struct lb_query end = {.type = LB_QUERY_TRACE, .id = q->query.id};

	r->is_client_gone = r->is_client_gone || lb_http_exchange_is_abandoned(r->asked.x);
	if (!r->is_client_gone && r->n_packets < q->query.filter.count &&
	    lb_now_us() < r->deadline_us)
		return false;
	return lb_inquiry_tell(lb_control_inquiries(r->asked.ctl),
			       lb_control_dataplane(r->asked.ctl), &end) == 0;
}

static void on_end(struct lb_inquiry *q, enum lb_inquiry_end why)
{
	struct trace_request *r = request_of(q);
	uint64_t n_lost = 0;

	for (uint32_t i = 0; i < LB_WORKERS_MAX; i++)
		n_lost += r->n_lost[i];
	lb_text_json_close(&r->asked.body, ']');
	lb_text_json_str(&r->asked.body, "ended_by",
			 why == LB_INQUIRY_STOPPED                             ? "daemon"
			 : r->n_packets == r->asked.inquiry.query.filter.count ? "count"
									       : "timeout");
	lb_text_json_u64(&r->asked.body, "n_lost", n_lost);
	lb_text_json_close(&r->asked.body, '}');
	lb_text_str(&r->asked.body, "\n");
	lb_api_inquiry_answer(&r->asked);
}

/* ---- the body ---- */

static void read_number(const cJSON *item, const char *where, uint32_t max, uint32_t *out,
			struct lb_error_list *errors)
{
	if (cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble <= max &&
	    floor(item->valuedouble) == item->valuedouble)
		*out = (uint32_t)item->valuedouble;
	else
		lb_error_list_add(errors, where, "must be a whole number of 1 to %u", max);
}

static void read_port(const cJSON *item, const char *where, rte_be16_t *out,
		      struct lb_error_list *errors)
{
	uint32_t port = 0;

	read_number(item, where, UINT16_MAX, &port, errors);
	*out = rte_cpu_to_be_16((uint16_t)port);
}

static void read_prefix(const cJSON *item, const char *where, struct lb_prefix *out, bool *has,
			struct lb_error_list *errors)
{
	*has = cJSON_IsString(item) && lb_prefix_parse(item->valuestring, out) == 0;
	if (!*has)
		lb_error_list_add(errors, where,
				  "must be an address or a prefix: 192.0.2.0/24 or 2001:db8::/32");
}

static void read_protocol(const cJSON *item, struct lb_trace_filter *f,
			  struct lb_error_list *errors)
{
	if (cJSON_IsString(item) && strcmp(item->valuestring, "tcp") == 0)
		f->proto = IPPROTO_TCP;
	else if (cJSON_IsString(item) && strcmp(item->valuestring, "udp") == 0)
		f->proto = IPPROTO_UDP;
	else
		lb_error_list_add(errors, "/protocol", "must be one of: tcp, udp");
}

static void read_service(const struct trace_request *r, const cJSON *item,
			 struct lb_trace_filter *f, struct lb_error_list *errors)
{
	struct lb_names names = lb_api_inquiry_names(&r->asked);
	uint32_t i = cJSON_IsString(item) ? lb_names_find_service(&names, item->valuestring)
					  : LB_CFG_NONE;

	if (i == LB_CFG_NONE)
		lb_error_list_add(errors, "/virtual_service", "must name a virtual service");
	else
		f->slot = lb_reconcile_service_slot(names.reconcile, i);
}

static void read_member(struct trace_request *r, const cJSON *item, uint32_t *timeout_s,
			struct lb_error_list *errors)
{
	struct lb_trace_filter *f = &r->asked.inquiry.query.filter;
	const char *key = item->string;
	char where[LB_ERROR_WHERE_MAX];

	snprintf(where, sizeof(where), "/%s", key);
	if (strcmp(key, "protocol") == 0)
		read_protocol(item, f, errors);
	else if (strcmp(key, "source") == 0)
		read_prefix(item, where, &f->src, &f->has_src, errors);
	else if (strcmp(key, "destination") == 0)
		read_prefix(item, where, &f->dst, &f->has_dst, errors);
	else if (strcmp(key, "source_port") == 0)
		read_port(item, where, &f->sport_be, errors);
	else if (strcmp(key, "destination_port") == 0)
		read_port(item, where, &f->dport_be, errors);
	else if (strcmp(key, "virtual_service") == 0)
		read_service(r, item, f, errors);
	else if (strcmp(key, "count") == 0)
		read_number(item, where, LB_TRACE_COUNT_MAX, &f->count, errors);
	else if (strcmp(key, "timeout_s") == 0)
		read_number(item, where, LB_TRACE_TIMEOUT_MAX_S, timeout_s, errors);
	else if (strcmp(key, "only_drops") != 0)
		lb_error_list_add(errors, where, "is no key of a trace");
	else if (cJSON_IsBool(item))
		f->only_drops = cJSON_IsTrue(item) != 0;
	else
		lb_error_list_add(errors, where, "must be true or false");
}

static void read_body(struct trace_request *r, struct lb_error_list *errors)
{
	uint32_t timeout_s = LB_TRACE_TIMEOUT_DEFAULT_S;
	const cJSON *item;
	cJSON *body = NULL;
	size_t n;
	const char *text = lb_http_exchange_body(r->asked.x, &n);

	r->asked.inquiry.query.filter = (struct lb_trace_filter){.count = LB_TRACE_COUNT_DEFAULT,
								 .slot = UINT32_MAX};
	if (n != 0 && lb_json_parse(text, n, &body, errors) < 0)
		return;
	if (body != NULL && !cJSON_IsObject(body))
		lb_error_list_add(errors, "", "must be an object");
	else
		cJSON_ArrayForEach(item, body) read_member(r, item, &timeout_s, errors);
	cJSON_Delete(body);
	r->deadline_us = lb_now_us() + timeout_s * UINT64_C(1000000);
}

void lb_api_trace(struct lb_control *ctl, struct lb_http_exchange *x)
{
	struct trace_request *r;
	struct lb_error_list errors;

	if (lb_inquiry_is_open(lb_control_inquiries(ctl), LB_QUERY_TRACE)) {
		lb_answer_problem(x, 409, "another trace is running", NULL, NULL);
		return;
	}
	r = lb_api_inquiry_create(ctl, x, sizeof(*r), LB_QUERY_TRACE);
	if (r == NULL)
		return;
	r->asked.inquiry.on_report = on_report;
	r->asked.inquiry.is_done = is_done;
	r->asked.inquiry.on_end = on_end;
	lb_error_list_init(&errors);
	read_body(r, &errors);
	if (errors.n != 0) {
		lb_api_inquiry_give_up(&r->asked, 400, "the filter is not understood", &errors);
		return;
	}
	lb_text_json_open(&r->asked.body, NULL, '{');
	lb_text_json_open(&r->asked.body, "packets", '[');
	lb_api_inquiry_start(&r->asked);
}
