#include "ballastctl_show.h"

#include "ballastctl_json.h"
#include "ballastctl_text.h"

#include <stdlib.h>
#include <string.h>

#define CONNS_DEFAULT 100u
#define PAGE_MAX 1000u
#define QUERY_MAX 512

/* The filter and place of one page; false: it does not fit. */
static bool make_query(const struct lb_ctl_options *o, unsigned limit, const char *cursor,
		       char query[QUERY_MAX])
{
	int n = snprintf(query, QUERY_MAX, "limit=%u", limit);

	if (o->trace.service != NULL)
		n += snprintf(query + n, QUERY_MAX - (size_t)n, "&virtual_service=%.100s",
			      o->trace.service);
	if (o->trace.source != NULL)
		n += snprintf(query + n, QUERY_MAX - (size_t)n, "&client=%.100s", o->trace.source);
	if (cursor != NULL)
		n += snprintf(query + n, QUERY_MAX - (size_t)n, "&cursor=%.40s", cursor);
	return n < QUERY_MAX && strpbrk(query, " #%") == NULL;
}

static void add_conn(struct lb_ctl_table *t, const cJSON *c)
{
	const char *state = lb_ctl_json_str(c, "tcp_state");
	char text[LB_CTL_TEXT_MAX];

	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "protocol"));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "client"));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "virtual_ip"));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "virtual_service"));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "real_server"));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(c, "source"));
	lb_ctl_cell(t, LB_CTL_PLAIN, state);
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_duration(lb_ctl_json_double(c, "idle_s"), text));
	lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_duration(lb_ctl_json_double(c, "timeout_s"), text));
	lb_ctl_cellf(t, LB_CTL_PLAIN, "%llu", (unsigned long long)lb_ctl_json_u64(c, "worker"));
}

/* Pages until there are enough; `all` gets the connections. */
static int collect(const struct lb_ctl_view *view, unsigned wanted, cJSON *all)
{
	char query[QUERY_MAX], cursor[41] = "";

	do {
		unsigned left = wanted - (unsigned)cJSON_GetArraySize(all);
		unsigned limit = left < 2 ? 2 : left < PAGE_MAX ? left : PAGE_MAX;
		struct lb_ctl_request request = {
			.method = "GET", .path = "connections", .query = query};
		struct lb_ctl_answer answer;
		cJSON *list;
		int rc;

		if (!make_query(view->options, limit, cursor[0] != '\0' ? cursor : NULL, query)) {
			fputs("ballastctl: show connections: no such filter\n", stderr);
			return LB_CTL_USAGE;
		}
		rc = lb_ctl_call(view->client, &request, &answer);
		if (rc != LB_CTL_OK) {
			lb_ctl_answer_free(&answer);
			return rc;
		}
		list = cJSON_GetObjectItemCaseSensitive(answer.json, "connections");
		while (cJSON_GetArraySize(list) > 0 && (unsigned)cJSON_GetArraySize(all) < wanted)
			cJSON_AddItemToArray(all, cJSON_DetachItemFromArray(list, 0));
		snprintf(cursor, sizeof(cursor), "%s",
			 cJSON_IsString(lb_ctl_json_get(answer.json, "cursor"))
				 ? lb_ctl_json_str(answer.json, "cursor")
				 : "");
		lb_ctl_answer_free(&answer);
	} while (cursor[0] != '\0' && (unsigned)cJSON_GetArraySize(all) < wanted);
	return LB_CTL_OK;
}

static int put_table(const struct lb_ctl_view *view, const cJSON *all)
{
	static const struct lb_ctl_column columns[] = {
		{"PROTO", false},  {"CLIENT", false}, {"VIRTUAL IP", false}, {"SERVICE", false},
		{"SERVER", false}, {"SOURCE", false}, {"STATE", false},      {"IDLE", true},
		{"KEPT", true},    {"WORKER", true}};
	struct lb_ctl_table *t = lb_ctl_table_create(columns, sizeof(columns) / sizeof(columns[0]));
	const cJSON *c;

	cJSON_ArrayForEach(c, all) add_conn(t, c);
	return lb_ctl_finish_table(view, t);
}

int lb_ctl_show_connections(const struct lb_ctl_view *view)
{
	const char *count = view->options->trace.count;
	unsigned long wanted = count != NULL ? strtoul(count, NULL, 10) : CONNS_DEFAULT;
	cJSON *all = cJSON_CreateArray();
	int rc;

	if (wanted == 0 || wanted > 1000000 || all == NULL) {
		fputs("ballastctl: --count: 1 to 1000000 are possible\n", stderr);
		cJSON_Delete(all);
		return LB_CTL_USAGE;
	}
	rc = collect(view, (unsigned)wanted, all);
	if (rc == LB_CTL_OK)
		rc = view->options->is_json ? lb_ctl_show_tree(view, all, NULL)
					    : put_table(view, all);
	cJSON_Delete(all);
	return rc;
}
