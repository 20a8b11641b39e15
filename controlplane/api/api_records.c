#include "api_records.h"

#include "api_inquiry.h"
#include "query.h"

#include <stdio.h>
#include <string.h>

struct records_request {
	struct lb_api_inquiry asked;
	struct lb_records_end page;
	uint64_t n_cleared;
};

static void add_record(struct records_request *r, const struct lb_records_record *rec)
{
	struct lb_names names = lb_api_inquiry_names(&r->asked);
	struct lb_text *out = &r->asked.body;
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
	struct lb_text *body = &r->asked.body;
	char cursor[16];

	if (r->asked.inquiry.query.records.is_clearing) {
		lb_text_json_u64(body, "cleared", r->n_cleared);
	} else {
		lb_text_json_close(body, ']');
		if (!r->page.is_end) {
			snprintf(cursor, sizeof(cursor), "%u", r->page.place);
			lb_text_json_str(body, "cursor", cursor);
		}
	}
	lb_text_json_close(body, '}');
	lb_text_str(body, "\n");
	lb_api_inquiry_answer(&r->asked);
}

/* Clearing goes on to the table's end. */
static void on_end(struct lb_inquiry *q, enum lb_inquiry_end why)
{
	struct records_request *r = (struct records_request *)q;

	if (!lb_api_inquiry_is_answered(&r->asked, why))
		return;
	r->n_cleared += r->page.n_cleared;
	if (!q->query.records.is_clearing || r->page.is_end) {
		answer(r);
		return;
	}
	q->query.records.place = r->page.place;
	lb_api_inquiry_start(&r->asked);
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

static void read_group(const struct lb_names *names, const char *query, struct lb_records_query *q,
		       struct lb_error_list *errors)
{
	const struct lb_config *cfg = names->cfg;
	char group[LB_HTTP_VALUE_MAX], service[LB_HTTP_VALUE_MAX];
	bool has_group = lb_http_query_get(query, "persistence_group", group, sizeof(group));
	bool has_service = lb_http_query_get(query, "virtual_service", service, sizeof(service));
	uint32_t of_group = has_group ? find_group(cfg, group) : LB_CFG_NONE;
	uint32_t i = has_service ? lb_names_find_service(names, service) : LB_CFG_NONE;
	uint32_t of_service = i != LB_CFG_NONE ? cfg->services[i].group : LB_CFG_NONE;

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
		names->reconcile, cfg->groups[has_group ? of_group : of_service].name);
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

static void read_server(const struct lb_names *names, const char *query, struct lb_records_query *q,
			struct lb_error_list *errors)
{
	const struct lb_reconcile *reconcile = names->reconcile;
	const struct lb_config *cfg = names->cfg;
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

static void read_query(struct records_request *r, struct lb_error_list *errors)
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
	struct lb_records_query *q = &r->asked.inquiry.query.records;
	const struct lb_http_head *head = lb_http_exchange_head(r->asked.x);
	struct lb_names names = lb_api_inquiry_names(&r->asked);

	q->is_clearing = head->method == LB_HTTP_DELETE;
	lb_query_check(head->query, q->is_clearing ? clearing : listing, errors);
	q->limit = lb_query_number(head->query, "limit", 1, LB_RECORDS_LIMIT_MAX,
				   LB_API_RECORDS_LIMIT_DEFAULT, errors);
	read_cursor(head->query, q, errors);
	read_group(&names, head->query, q, errors);
	read_server(&names, head->query, q, errors);
	q->has_client = lb_query_prefix(head->query, "client", &q->client, errors);
	if (q->is_clearing && errors->n == 0 && !q->has_client && !q->has_group && !q->has_members)
		lb_error_list_add(errors, "",
				  "say whose: client, persistence_group, virtual_service or "
				  "real_server (client=0.0.0.0/0 and client=::/0 are everybody's)");
	r->page.place = q->place;
}

void lb_api_records(struct lb_control *ctl, struct lb_http_exchange *x)
{
	struct records_request *r = lb_api_inquiry_create(ctl, x, sizeof(*r), LB_QUERY_RECORDS);
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
	if (!r->asked.inquiry.query.records.is_clearing)
		lb_text_json_open(&r->asked.body, "records", '[');
	lb_api_inquiry_start(&r->asked);
}
