#include "api_records.h"

#include "inquiry.h"
#include "names.h"
#include "problem.h"
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct records_request {
	struct lb_inquiry inquiry;
	struct lb_control *ctl;
	struct lb_http_exchange *x;
	struct lb_text body;
	struct lb_records_end page;
	uint64_t n_cleared;
};

static void add_record(struct records_request *r, const struct lb_records_record *rec)
{
	struct lb_names names = {lb_control_config(r->ctl), lb_control_reconcile(r->ctl)};
	struct lb_text *out = &r->body;
	char text[LB_ADDR_TEXT_MAX];
	struct lb_addr machine;

	lb_text_json_open(out, NULL, '{');
	lb_text_json_str(out, "client", lb_addr_format(&rec->client, text));
	lb_text_json_str(out, "persistence_group", lb_names_group(&names, rec->group_id));
	if (lb_reconcile_member_address(names.reconcile, rec->member_id, &machine)) {
		lb_text_json_str(out, "real_server",
				 lb_names_group_real(&names, rec->group_id, &machine));
		lb_text_json_str(out, "address", lb_addr_format(&machine, text));
	} else {
		lb_text_json_str(out, "real_server", "?");
		lb_text_json_str(out, "address", "?");
	}
	lb_text_json_u64(out, "expires_in_s", rec->expires_in_s);
	lb_text_json_close(out, '}');
}

static void on_report(struct lb_inquiry *q, const struct lb_report *report)
{
	struct records_request *r = (struct records_request *)q;

	if (!report->is_last)
		add_record(r, &report->record);
	else if (report->worker == q->query.records.worker)
		r->page = report->records;
}

static void answer(struct records_request *r)
{
	char cursor[16];

	if (r->inquiry.query.records.is_clearing) {
		lb_text_json_u64(&r->body, "cleared", r->n_cleared);
	} else {
		lb_text_json_close(&r->body, ']');
		if (!r->page.is_end) {
			snprintf(cursor, sizeof(cursor), "%u", r->page.place);
			lb_text_json_str(&r->body, "cursor", cursor);
		}
	}
	lb_text_json_close(&r->body, '}');
	lb_text_str(&r->body, "\n");
	lb_answer_text(r->x, 200, LB_TYPE_JSON, &r->body, NULL);
	free(r);
}

static void give_up(struct records_request *r, int status, const char *why)
{
	lb_answer_problem(r->x, status, why, NULL, NULL);
	lb_text_free(&r->body);
	free(r);
}

static void start(struct records_request *r)
{
	if (lb_inquiry_start(lb_control_inquiries(r->ctl), lb_control_dataplane(r->ctl),
			     &r->inquiry) < 0)
		give_up(r, 503, "too many questions are unanswered");
}

/* Clearing goes on to the table's end. */
static void on_end(struct lb_inquiry *q, enum lb_inquiry_end why)
{
	struct records_request *r = (struct records_request *)q;

	if (why != LB_INQUIRY_ANSWERED) {
		give_up(r, why == LB_INQUIRY_LATE ? 504 : 503,
			why == LB_INQUIRY_LATE ? "a worker has not answered in time"
					       : "the daemon is ending");
		return;
	}
	r->n_cleared += r->page.n_cleared;
	if (!q->query.records.is_clearing || r->page.is_end) {
		answer(r);
		return;
	}
	q->query.records.place = r->page.place;
	start(r);
}

/* ---- the query ---- */

static void read_cursor(const char *query, struct lb_records_query *q, struct lb_error_list *errors)
{
	char value[LB_HTTP_VALUE_MAX], end;

	if (lb_http_query_get(query, "cursor", value, sizeof(value)) &&
	    (value[0] < '0' || value[0] > '9' || sscanf(value, "%9u%c", &q->place, &end) != 1))
		lb_error_list_add(errors, "cursor", "must be the one of the page before");
}

static uint32_t find_group(const struct lb_config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->n_groups; i++)
		if (strcmp(cfg->groups[i].name, name) == 0)
			return i;
	return LB_CFG_NONE;
}

static uint32_t find_service_group(const struct lb_config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->n_services; i++)
		if (strcmp(cfg->services[i].name, name) == 0)
			return cfg->services[i].group;
	return LB_CFG_NONE;
}

static void read_group(const struct lb_control *ctl, const char *query, struct lb_records_query *q,
		       struct lb_error_list *errors)
{
	const struct lb_config *cfg = lb_control_config(ctl);
	char group[LB_HTTP_VALUE_MAX], service[LB_HTTP_VALUE_MAX];
	bool has_group = lb_http_query_get(query, "persistence_group", group, sizeof(group));
	bool has_service = lb_http_query_get(query, "virtual_service", service, sizeof(service));
	uint32_t of_group = has_group ? find_group(cfg, group) : LB_CFG_NONE;
	uint32_t of_service = has_service ? find_service_group(cfg, service) : LB_CFG_NONE;

	if (has_group && of_group == LB_CFG_NONE)
		lb_error_list_add(errors, "persistence_group", "must name a persistence group");
	else if (has_service && of_service == LB_CFG_NONE)
		lb_error_list_add(errors, "virtual_service",
				  "must name a virtual service with persistence");
	else if (has_group && has_service && of_group != of_service)
		lb_error_list_add(errors, "virtual_service", "is not in that persistence group");
	if (errors->n != 0 || (!has_group && !has_service))
		return;
	q->has_group = true;
	q->group_id = (uint16_t)lb_reconcile_group_id(
		lb_control_reconcile(ctl), cfg->groups[has_group ? of_group : of_service].name);
}

/* By the name that a pool gives it, or by its address. */
static bool find_machine(const struct lb_config *cfg, const char *text, struct lb_addr *out)
{
	for (uint32_t p = 0; p < cfg->n_pools; p++)
		for (uint32_t i = 0; i < cfg->pools[p].n_reals; i++)
			if (strcmp(cfg->pools[p].reals[i].name, text) == 0) {
				*out = cfg->pools[p].reals[i].address;
				return true;
			}
	return lb_addr_parse(text, out) == 0;
}

static void read_server(const struct lb_control *ctl, const char *query, struct lb_records_query *q,
			struct lb_error_list *errors)
{
	const struct lb_reconcile *reconcile = lb_control_reconcile(ctl);
	const struct lb_config *cfg = lb_control_config(ctl);
	char text[LB_HTTP_VALUE_MAX];
	struct lb_addr addr;

	q->has_members = lb_http_query_get(query, "real_server", text, sizeof(text));
	if (!q->has_members)
		return;
	if (!find_machine(cfg, text, &addr)) {
		lb_error_list_add(errors, "real_server",
				  "must be the name or the address of a real server");
		return;
	}
	for (uint32_t i = 0; i < cfg->n_groups; i++) {
		uint32_t group = lb_reconcile_group_id(reconcile, cfg->groups[i].name), member;

		if ((q->has_group && q->group_id != group) ||
		    !lb_reconcile_group_member(reconcile, group, &addr, &member))
			continue;
		if (q->n_members == LB_RECORDS_MEMBERS_MAX) {
			lb_error_list_add(errors, "real_server",
					  "is in more than %u persistence groups: give "
					  "persistence_group too",
					  LB_RECORDS_MEMBERS_MAX);
			return;
		}
		q->members[q->n_members++] = member;
	}
}

static void read_query(const struct lb_control *ctl, const char *query, struct lb_records_query *q,
		       struct lb_error_list *errors)
{
	static const char *const listing[] = {"virtual_service",
					      "persistence_group",
					      "client",
					      "real_server",
					      "limit",
					      "cursor",
					      NULL};
	static const char *const clearing[] = {"virtual_service", "persistence_group", "client",
					       "real_server", NULL};
	char client[LB_HTTP_VALUE_MAX];

	lb_query_check(query, q->is_clearing ? clearing : listing, errors);
	q->limit = lb_query_number(query, "limit", 1, LB_RECORDS_LIMIT_MAX,
				   LB_API_RECORDS_LIMIT_DEFAULT, errors);
	read_cursor(query, q, errors);
	read_group(ctl, query, q, errors);
	read_server(ctl, query, q, errors);
	q->has_client = lb_http_query_get(query, "client", client, sizeof(client));
	if (q->has_client && lb_prefix_parse(client, &q->client) < 0)
		lb_error_list_add(errors, "client",
				  "must be an address or a prefix: 192.0.2.0/24 or 2001:db8::/32");
	if (q->is_clearing && errors->n == 0 && !q->has_client && !q->has_group && !q->has_members)
		lb_error_list_add(errors, "",
				  "say whose: client, persistence_group, virtual_service or "
				  "real_server (client=0.0.0.0/0 and client=::/0 are everybody's)");
}

void lb_api_records(struct lb_control *ctl, struct lb_http_exchange *x)
{
	const struct lb_http_head *head = lb_http_exchange_head(x);
	struct records_request *r = calloc(1, sizeof(*r));
	struct lb_error_list errors;

	if (r == NULL) {
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
		return;
	}
	lb_error_list_init(&errors);
	*r = (struct records_request){.ctl = ctl, .x = x};
	r->inquiry.patience_ms = LB_INQUIRY_PATIENCE_MS;
	r->inquiry.on_report = on_report;
	r->inquiry.on_end = on_end;
	r->inquiry.query.type = LB_QUERY_RECORDS;
	r->inquiry.query.records.is_clearing = head->method == LB_HTTP_DELETE;
	read_query(ctl, head->query, &r->inquiry.query.records, &errors);
	r->page.place = r->inquiry.query.records.place;
	if (errors.n != 0) {
		lb_answer_problem(x, 400, "the query is not understood", &errors, NULL);
		free(r);
		return;
	}
	lb_text_json_open(&r->body, NULL, '{');
	if (!r->inquiry.query.records.is_clearing)
		lb_text_json_open(&r->body, "records", '[');
	start(r);
}
