/* What is promised, and what became of it: by service, then the room in the tables. */
#include "ballastctl_json.h"
#include "ballastctl_show.h"
#include "ballastctl_text.h"

#define N_OF(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))
#define FULL_WARN_PERCENT 80

static void cell_count(struct lb_ctl_table *table, const cJSON *object, const char *key)
{
	char text[LB_CTL_TEXT_MAX];

	lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(object, key), text));
}

/* Nobody should have to change its server. */
static void cell_changed(struct lb_ctl_table *table, const cJSON *service)
{
	uint64_t n = lb_ctl_json_u64(service, "server_changed");
	char text[LB_CTL_TEXT_MAX];

	lb_ctl_cell(table, n > 0 ? LB_CTL_RED : LB_CTL_PLAIN, lb_ctl_count(n, text));
}

static void cell_spread(struct lb_ctl_table *table, const cJSON *service)
{
	if (lb_ctl_json_get(service, "spread_percent") == NULL) {
		lb_ctl_cell(table, LB_CTL_PLAIN, "-");
		lb_ctl_cell(table, LB_CTL_PLAIN, "-");
		return;
	}
	lb_ctl_cellf(table, LB_CTL_PLAIN, "%.1f %%", lb_ctl_json_double(service, "spread_percent"));
	cell_count(table, service, "spread_services");
}

static int services_table(const struct lb_ctl_view *view, const cJSON *services)
{
	static const struct lb_ctl_column columns[] = {
		{"SERVICE", false},           {"LIVE CONNS", true},
		{"SERVER CHANGED", true},     {"SPREAD", true},
		{"OF SERVICES", true},        {"EVICTED CLOSED", true},
		{"EVICTED UNFINISHED", true}, {"EVICTED IDLE", true}};
	struct lb_ctl_table *table = lb_ctl_table_create(columns, N_OF(columns));
	const cJSON *service;

	cJSON_ArrayForEach(service, services)
	{
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "name"));
		cell_count(table, service, "connections_live");
		cell_changed(table, service);
		cell_spread(table, service);
		cell_count(table, service, "evicted_closed");
		cell_count(table, service, "evicted_embryonic");
		cell_count(table, service, "evicted_idle");
	}
	return lb_ctl_finish_table(view, table);
}

/* `fill` NULL: the daemon does not say. */
static void add_fill(struct lb_ctl_table *table, const char *name, const cJSON *fill)
{
	const cJSON *worker = lb_ctl_json_get(fill, "worker");
	double percent = lb_ctl_json_double(fill, "fill_percent");

	if (fill == NULL)
		return;
	lb_ctl_cell(table, LB_CTL_PLAIN, name);
	if (worker != NULL)
		cell_count(table, fill, "worker");
	else
		lb_ctl_cell(table, LB_CTL_PLAIN, "all");
	cell_count(table, fill, "used");
	cell_count(table, fill, "limit");
	lb_ctl_cellf(table, percent >= FULL_WARN_PERCENT ? LB_CTL_YELLOW : LB_CTL_PLAIN, "%.1f %%",
		     percent);
}

static int room_table(const struct lb_ctl_view *view, const cJSON *tables)
{
	static const struct lb_ctl_column columns[] = {{"TABLE", false},
						       {"WORKER", true},
						       {"USED", true},
						       {"LIMIT", true},
						       {"FULL", true}};
	struct lb_ctl_table *table = lb_ctl_table_create(columns, N_OF(columns));
	const cJSON *conns = lb_ctl_json_get(tables, "connections"), *worker;

	add_fill(table, "connection entries", conns);
	cJSON_ArrayForEach(worker, lb_ctl_json_get(conns, "workers"))
		add_fill(table, "connection entries", worker);
	add_fill(table, "persistence records", lb_ctl_json_get(tables, "persistence_records"));
	return lb_ctl_finish_table(view, table);
}

static int promises_tree(const struct lb_ctl_view *view, const cJSON *stats)
{
	static const char *const keys[] = {"virtual_services", "tables"};

	return lb_ctl_show_members(view, stats, keys, N_OF(keys));
}

int lb_ctl_show_promises(const struct lb_ctl_view *view, const cJSON *stats)
{
	int rc;

	if (view->options->is_json)
		return promises_tree(view, stats);
	rc = services_table(view, lb_ctl_json_get(stats, "virtual_services"));
	fputc('\n', view->out);
	return rc == LB_CTL_OK ? room_table(view, lb_ctl_json_get(stats, "tables")) : rc;
}
