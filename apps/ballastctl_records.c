#include "ballastctl_records.h"

#include "ballastctl_json.h"
#include "ballastctl_pages.h"
#include "ballastctl_text.h"

static bool make_filter(const struct lb_ctl_filter *f, char query[LB_CTL_QUERY_MAX])
{
	query[0] = '\0';
	if (lb_ctl_query_add(query, "virtual_service", f->service) &&
	    lb_ctl_query_add(query, "persistence_group", f->group) &&
	    lb_ctl_query_add(query, "client", f->source) &&
	    lb_ctl_query_add(query, "real_server", f->server))
		return true;
	fputs("ballastctl: the filter is too long\n", stderr);
	return false;
}

static int put_table(const struct lb_ctl_view *view, const cJSON *all)
{
	static const struct lb_ctl_column columns[] = {{"CLIENT", false},
						       {"GROUP", false},
						       {"SERVER", false},
						       {"ADDRESS", false},
						       {"EXPIRES IN", true}};
	struct lb_ctl_table *t = lb_ctl_table_create(columns, sizeof(columns) / sizeof(columns[0]));
	char text[LB_CTL_TEXT_MAX];
	const cJSON *r;

	cJSON_ArrayForEach(r, all)
	{
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(r, "client"));
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(r, "persistence_group"));
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(r, "real_server"));
		lb_ctl_cell(t, LB_CTL_PLAIN, lb_ctl_json_str(r, "address"));
		lb_ctl_cell(t, LB_CTL_PLAIN,
			    lb_ctl_duration(lb_ctl_json_double(r, "expires_in_s"), text));
	}
	return lb_ctl_finish_table(view, t);
}

int lb_ctl_show_persistence(const struct lb_ctl_view *view)
{
	static const struct lb_ctl_pages pages = {"persistence", "records", 1};
	char filter[LB_CTL_QUERY_MAX];
	cJSON *all = NULL;
	int rc = LB_CTL_USAGE;

	if (make_filter(&view->options->filter, filter))
		rc = lb_ctl_pages_get(view, &pages, filter, &all);
	if (rc == LB_CTL_OK)
		rc = view->options->is_json ? lb_ctl_show_tree(view, all, NULL)
					    : put_table(view, all);
	cJSON_Delete(all);
	return rc;
}

int lb_ctl_clear_persistence(const struct lb_ctl_view *view)
{
	char filter[LB_CTL_QUERY_MAX];
	struct lb_ctl_request request = {
		.method = "DELETE", .path = "persistence", .query = filter};
	struct lb_ctl_answer answer = {0};
	int rc = LB_CTL_USAGE;

	if (make_filter(&view->options->filter, filter) && filter[0] == '\0')
		fputs("ballastctl: clear persistence: say whose by --source, --service, --group "
		      "or --server\n",
		      stderr);
	else if (filter[0] != '\0')
		rc = lb_ctl_call(view->client, &request, &answer);
	if (rc == LB_CTL_OK && view->options->is_json)
		rc = lb_ctl_show_tree(view, answer.json, NULL);
	else if (rc == LB_CTL_OK)
		fprintf(view->out, "persistence records removed: %llu; connections stay\n",
			(unsigned long long)lb_ctl_json_u64(answer.json, "cleared"));
	lb_ctl_answer_free(&answer);
	return rc;
}
