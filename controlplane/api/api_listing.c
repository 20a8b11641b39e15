#include "api_listing.h"

#include "api_inquiry.h"
#include "query.h"
#include "state_json.h"

#include <netinet/in.h>
#include <stdio.h>

struct listing_request {
	struct lb_api_inquiry asked;
	struct lb_listing_end page;
};

static void add_conn(struct listing_request *r, const struct lb_listing_record *c, uint32_t worker)
{
	struct lb_names names = lb_api_inquiry_names(&r->asked);
	const char *state = lb_answer_tcp_state(c->tcp_state);
	struct lb_text *out = &r->asked.body;
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
	struct lb_text *body = &r->asked.body;
	uint32_t worker = q->query.listing.worker + r->page.is_end;
	char cursor[32];

	if (!lb_api_inquiry_is_answered(&r->asked, why))
		return;
	lb_text_json_close(body, ']');
	if (worker < lb_dataplane_n_workers(lb_control_dataplane(r->asked.ctl))) {
		snprintf(cursor, sizeof(cursor), "%u-%u", worker,
			 r->page.is_end ? 0 : r->page.bucket);
		lb_text_json_str(body, "cursor", cursor);
	}
	lb_text_json_close(body, '}');
	lb_text_str(body, "\n");
	lb_api_inquiry_answer(&r->asked);
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

static void read_service(const struct lb_names *names, const char *query,
			 struct lb_listing_query *q, struct lb_error_list *errors)
{
	char name[LB_HTTP_VALUE_MAX];
	uint32_t i;

	if (!lb_http_query_get(query, "virtual_service", name, sizeof(name)))
		return;
	i = lb_names_find_service(names, name);
	if (i == LB_CFG_NONE)
		lb_error_list_add(errors, "virtual_service", "must name a virtual service");
	else
		q->slot = lb_reconcile_service_slot(names->reconcile, i);
}

static void read_query(struct listing_request *r, struct lb_error_list *errors)
{
	static const char *const known[] = {"virtual_service", "client", "limit", "cursor", NULL};
	struct lb_listing_query *q = &r->asked.inquiry.query.listing;
	const char *query = lb_http_exchange_head(r->asked.x)->query;
	struct lb_names names = lb_api_inquiry_names(&r->asked);

	q->slot = UINT32_MAX;
	lb_query_check(query, known, errors);
	q->limit = lb_query_number(query, "limit", 2, LB_LISTING_LIMIT_MAX,
				   LB_API_LISTING_LIMIT_DEFAULT, errors);
	read_cursor(r->asked.ctl, query, q, errors);
	read_service(&names, query, q, errors);
	q->has_src = lb_query_prefix(query, "client", &q->src, errors);
	r->page.bucket = q->bucket;
}

void lb_api_listing(struct lb_control *ctl, struct lb_http_exchange *x)
{
	struct listing_request *r = lb_api_inquiry_create(ctl, x, sizeof(*r), LB_QUERY_LISTING);
	struct lb_error_list errors;

	if (r == NULL)
		return;
	r->asked.inquiry.on_report = on_report;
	r->asked.inquiry.on_end = on_end;
	lb_error_list_init(&errors);
	read_query(r, &errors);
	if (errors.n != 0) {
		lb_api_inquiry_give_up(&r->asked, 400, "the query is not understood", &errors);
		return;
	}
	lb_text_json_open(&r->asked.body, NULL, '{');
	lb_text_json_open(&r->asked.body, "connections", '[');
	lb_api_inquiry_start(&r->asked);
}
