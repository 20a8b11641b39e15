#include "api_listing.h"

#include "inquiry.h"
#include "names.h"
#include "problem.h"
#include "query.h"
#include "state_json.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct listing_request {
	struct lb_inquiry inquiry;
	struct lb_control *ctl;
	struct lb_http_exchange *x;
	struct lb_text body;
	struct lb_listing_end page;
};

static void add_conn(struct listing_request *r, const struct lb_listing_record *c, uint32_t worker)
{
	struct lb_names names = {lb_control_config(r->ctl), lb_control_reconcile(r->ctl)};
	const char *state = lb_answer_tcp_state(c->tcp_state);
	struct lb_text *out = &r->body;
	char text[LB_END_TEXT_MAX];

	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "protocol", c->proto == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_json_str(out, "client", lb_end_format(&c->client, c->client_port_be, text));
	lb_text_json_str(out, "virtual_ip", lb_end_format(&c->vip, c->vip_port_be, text));
	lb_text_json_str(out, "virtual_service", lb_names_service(&names, c->slot));
	lb_text_json_str(out, "real_server", lb_names_real(&names, c->slot, c->real_id));
	lb_text_json_str(out, "forwarding", lb_state_forwarding_words[c->forwarding]);
	lb_text_json_str(out, "source", lb_end_format(&c->new_src, c->new_sport_be, text));
	if (state[0] != '\0')
		lb_text_json_str(out, "tcp_state", state);
	lb_text_json_seconds(out, "idle_s", c->idle_ms);
	lb_text_json_seconds(out, "timeout_s", c->timeout_ms);
	lb_text_json_u64(out, "worker", worker);
	lb_text_json_close(out, '}');
}

static void on_report(struct lb_inquiry *q, const struct lb_report *report)
{
	struct listing_request *r = (struct listing_request *)q;

	if (!report->is_last)
		add_conn(r, &report->conn, report->worker);
	else if (report->worker == q->query.listing.worker)
		r->page = report->page;
}

static void on_end(struct lb_inquiry *q, enum lb_inquiry_end why)
{
	struct listing_request *r = (struct listing_request *)q;
	const struct lb_dataplane *dp = lb_control_dataplane(r->ctl);
	uint32_t worker = q->query.listing.worker + r->page.is_end;
	char cursor[32];

	if (why != LB_INQUIRY_ANSWERED) {
		lb_answer_problem(r->x, why == LB_INQUIRY_LATE ? 504 : 503,
				  why == LB_INQUIRY_LATE ? "a worker has not answered in time"
							 : "the daemon is ending",
				  NULL, NULL);
		lb_text_free(&r->body);
		free(r);
		return;
	}
	lb_text_json_close(&r->body, ']');
	if (worker < lb_dataplane_n_workers(dp)) {
		snprintf(cursor, sizeof(cursor), "%u-%u", worker,
			 r->page.is_end ? 0 : r->page.bucket);
		lb_text_json_str(&r->body, "cursor", cursor);
	}
	lb_text_json_close(&r->body, '}');
	lb_text_str(&r->body, "\n");
	lb_answer_text(r->x, 200, LB_TYPE_JSON, &r->body, NULL);
	free(r);
}

/* ---- the query ---- */

static void read_cursor(const struct lb_control *ctl, const char *query, struct lb_listing_query *q,
			struct lb_error_list *errors)
{
	char value[LB_HTTP_VALUE_MAX], end;

	if (!lb_http_query_get(query, "cursor", value, sizeof(value)))
		return;
	if (value[0] < '0' || value[0] > '9' ||
	    sscanf(value, "%9u-%9u%c", &q->worker, &q->bucket, &end) != 2 ||
	    q->worker >= lb_dataplane_n_workers(lb_control_dataplane(ctl)))
		lb_error_list_add(errors, "cursor", "must be the one of the page before");
}

static void read_service(const struct lb_control *ctl, const char *query,
			 struct lb_listing_query *q, struct lb_error_list *errors)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	char name[LB_HTTP_VALUE_MAX];

	if (!lb_http_query_get(query, "virtual_service", name, sizeof(name)))
		return;
	for (uint32_t i = 0; i < cfg->n_services; i++)
		if (strcmp(cfg->services[i].name, name) == 0) {
			q->slot = lb_reconcile_service_slot(lb_control_reconcile(ctl), i);
			return;
		}
	lb_error_list_add(errors, "virtual_service", "must name a virtual service");
}

static void read_query(const struct lb_control *ctl, const char *query, struct lb_listing_query *q,
		       struct lb_error_list *errors)
{
	static const char *const known[] = {"virtual_service", "client", "limit", "cursor", NULL};
	char client[LB_HTTP_VALUE_MAX];

	*q = (struct lb_listing_query){.slot = UINT32_MAX};
	lb_query_check(query, known, errors);
	q->limit = lb_query_number(query, "limit", 2, LB_LISTING_LIMIT_MAX,
				   LB_API_LISTING_LIMIT_DEFAULT, errors);
	read_cursor(ctl, query, q, errors);
	read_service(ctl, query, q, errors);
	q->has_src = lb_http_query_get(query, "client", client, sizeof(client));
	if (q->has_src && lb_prefix_parse(client, &q->src) < 0)
		lb_error_list_add(errors, "client",
				  "must be an address or a prefix: 192.0.2.0/24 or 2001:db8::/32");
}

void lb_api_listing(struct lb_control *ctl, struct lb_http_exchange *x)
{
	struct listing_request *r = calloc(1, sizeof(*r));
	struct lb_error_list errors;

	if (r == NULL) {
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
		return;
	}
	lb_error_list_init(&errors);
	*r = (struct listing_request){.ctl = ctl, .x = x};
	r->inquiry.patience_ms = LB_INQUIRY_PATIENCE_MS;
	r->inquiry.on_report = on_report;
	r->inquiry.on_end = on_end;
	r->inquiry.query.type = LB_QUERY_LISTING;
	read_query(ctl, lb_http_exchange_head(x)->query, &r->inquiry.query.listing, &errors);
	r->page.bucket = r->inquiry.query.listing.bucket;
	if (errors.n != 0) {
		lb_answer_problem(x, 400, "the query is not understood", &errors, NULL);
		free(r);
		return;
	}
	lb_text_json_open(&r->body, NULL, '{');
	lb_text_json_open(&r->body, "connections", '[');
	if (lb_inquiry_start(lb_control_inquiries(ctl), lb_control_dataplane(ctl), &r->inquiry) ==
	    0)
		return;
	lb_answer_problem(x, 503, "too many questions are unanswered", NULL, NULL);
	lb_text_free(&r->body);
	free(r);
}
