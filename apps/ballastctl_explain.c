#include "ballastctl_explain.h"

#include "ballastctl_json.h"
#include "ballastctl_pages.h"
#include "ballastctl_text.h"

#include <string.h>

static void put_steps(const struct lb_ctl_view *view, const cJSON *answer)
{
	const cJSON *step;
	unsigned n = 0;

	lb_ctl_put_text(view->out, lb_ctl_json_str(answer, "summary"));
	fputs("\n\n", view->out);
	cJSON_ArrayForEach(step, lb_ctl_json_get(answer, "steps"))
	{
		fprintf(view->out, "%3u. ", ++n);
		lb_ctl_put_text(view->out, cJSON_IsString(step) ? step->valuestring : "-");
		fputc('\n', view->out);
	}
}

static int put_servers(const struct lb_ctl_view *view, const cJSON *list)
{
	static const struct lb_ctl_column columns[] = {
		{"SERVER", false},        {"ADDRESS", false}, {"WEIGHT", true},
		{"ADMIN", false},         {"STATUS", false},  {"NEW CLIENTS", false},
		{"KNOWN CLIENTS", false}, {"REASON", false}};
	struct lb_ctl_table *t = lb_ctl_table_create(columns, sizeof(columns) / sizeof(columns[0]));
	const cJSON *s;

	fputc('\n', view->out);
	cJSON_ArrayForEach(s, list)
	{
		const char *status = lb_ctl_json_str(s, "status");
		const char *reason = lb_ctl_json_str(s, "reason");

		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(s, "name"));
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(s, "address"));
		lb_ctl_cellf(t, LB_CTL_PLAIN, "%llu",
			     (unsigned long long)lb_ctl_json_u64(s, "weight"));
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(s, "admin_state"));
		lb_ctl_cell(t, lb_ctl_state_color(status), status);
		lb_ctl_cell(t, LB_CTL_PLAIN,
			    lb_ctl_json_bool(s, "takes_new_clients") ? "yes" : "no");
		lb_ctl_cell(t, LB_CTL_PLAIN,
			    lb_ctl_json_bool(s, "keeps_known_clients") ? "yes" : "no");
		lb_ctl_cell(t, LB_CTL_PLAIN, strcmp(reason, "-") == 0 ? "" : reason);
	}
	return lb_ctl_finish_table(view, t);
}

int lb_ctl_explain(const struct lb_ctl_view *view)
{
	const struct lb_ctl_options *o = view->options;
	char query[LB_CTL_QUERY_MAX] = "";
	const struct lb_ctl_request request = {.method = "GET", .path = "explain", .query = query};
	struct lb_ctl_answer answer;
	const cJSON *servers;
	int rc;

	if (!lb_ctl_query_add(query, "protocol", o->argument) ||
	    !lb_ctl_query_add(query, "source", o->source) ||
	    !lb_ctl_query_add(query, "destination", o->destination) ||
	    !lb_ctl_query_add(query, "tcp_flags", o->tcp_flags) ||
	    !lb_ctl_query_add(query, "bytes", o->bytes) ||
	    !lb_ctl_query_add(query, "interface", o->interface)) {
		fputs("ballastctl: explain: the question is too long\n", stderr);
		return LB_CTL_USAGE;
	}
	rc = lb_ctl_call(view->client, &request, &answer);
	if (rc == LB_CTL_OK && o->is_json) {
		rc = lb_ctl_show_tree(view, answer.json, NULL);
	} else if (rc == LB_CTL_OK) {
		put_steps(view, answer.json);
		servers = lb_ctl_json_get(answer.json, "real_servers");
		if (cJSON_IsArray(servers))
			rc = put_servers(view, servers);
	}
	lb_ctl_answer_free(&answer);
	return rc;
}
