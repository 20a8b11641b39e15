#include "ballastctl_show.h"

#include "ballastctl_json.h"
#include "ballastctl_pages.h"
#include "ballastctl_text.h"

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
	static const struct lb_ctl_pages pages = {"connections", "connections", 2};
	const struct lb_ctl_filter *f = &view->options->filter;
	char filter[LB_CTL_QUERY_MAX] = "";
	cJSON *all = NULL;
	int rc = LB_CTL_USAGE;

	if (lb_ctl_query_add(filter, "virtual_service", f->service) &&
	    lb_ctl_query_add(filter, "client", f->source))
		rc = lb_ctl_pages_get(view, &pages, filter, &all);
	else
		fputs("ballastctl: show connections: the filter is too long\n", stderr);
	if (rc == LB_CTL_OK)
		rc = view->options->is_json ? lb_ctl_show_tree(view, all, NULL)
					    : put_table(view, all);
	cJSON_Delete(all);
	return rc;
}
