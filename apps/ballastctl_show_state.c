/* Counters, workers and the daemon itself. */
#include "ballastctl_json.h"
#include "ballastctl_show.h"
#include "ballastctl_text.h"

#include "lb/counters.h"

#include <string.h>

#define N_OF(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

/* NULL: a daemon of another version has a counter that this program does not know. */
static const struct lb_counter_info *info_of(const char *name)
{
	for (size_t i = 0; i < LB_COUNTER_N; i++)
		if (strcmp(lb_counter_info[i].name, name) == 0)
			return &lb_counter_info[i];
	return NULL;
}

/* ---- the accounting law ---- */

static void put_count(const struct lb_ctl_view *view, const char *before, uint64_t n,
		      const char *after)
{
	char text[LB_CTL_TEXT_MAX];

	fprintf(view->out, "%s%s%s", before, lb_ctl_count(n, text), after);
}

/* "every packet is accounted for", or how many are missing. */
static void put_law(const struct lb_ctl_view *view, const cJSON *stats)
{
	double imbalance = lb_ctl_json_double(stats, "imbalance");
	uint64_t sum[LB_COUNTER_INFO + 1] = {0};
	const cJSON *counter;

	cJSON_ArrayForEach(counter, lb_ctl_json_get(stats, "totals"))
	{
		const struct lb_counter_info *info = info_of(counter->string);

		if (info != NULL)
			sum[info->kind] += lb_ctl_json_value(counter);
	}
	if (lb_ctl_json_get(stats, "imbalance") == NULL) {
		fputs("the daemon does not say whether every packet is accounted for\n", view->out);
		return;
	}
	if (view->use_color)
		fputs(imbalance == 0 ? "\033[32m" : "\033[31m", view->out);
	if (imbalance == 0)
		fputs("every packet is accounted for", view->out);
	else if (imbalance > 0)
		put_count(view, "packets missing or under way: ", (uint64_t)imbalance, "");
	else
		put_count(view, "packets that went out and never came in: ", (uint64_t)-imbalance,
			  "");
	if (view->use_color)
		fputs("\033[0m", view->out);
	put_count(view, ": ", sum[LB_COUNTER_IN], " in");
	put_count(view, " = ", sum[LB_COUNTER_OUT], " out");
	put_count(view, " + ", sum[LB_COUNTER_GAUGE_OUT], " held");
	put_count(view, " + ", sum[LB_COUNTER_DROP], " dropped");
	if (imbalance != 0)
		put_count(view, imbalance > 0 ? " + " : " - ",
			  (uint64_t)(imbalance > 0 ? imbalance : -imbalance), "");
	fputc('\n', view->out);
}

static int counters_tree(const struct lb_ctl_view *view, const cJSON *stats)
{
	static const char *const keys[] = {"totals", "workers", "imbalance"};

	return lb_ctl_show_members(view, stats, keys, N_OF(keys));
}

int lb_ctl_show_counters(const struct lb_ctl_view *view, const cJSON *stats)
{
	static const struct lb_ctl_column columns[] = {
		{"COUNTER", false}, {"SIDE", false}, {"COUNT", true}, {"MEANING", false}};
	static const char *const sides[] = {
		[LB_COUNTER_IN] = "in",        [LB_COUNTER_OUT] = "out",
		[LB_COUNTER_DROP] = "dropped", [LB_COUNTER_GAUGE_OUT] = "held",
		[LB_COUNTER_INFO] = "event",
	};
	struct lb_ctl_table *table;
	char text[LB_CTL_TEXT_MAX];
	const cJSON *counter;
	int rc;

	if (view->options->is_json)
		return counters_tree(view, stats);
	table = lb_ctl_table_create(columns, N_OF(columns));
	cJSON_ArrayForEach(counter, lb_ctl_json_get(stats, "totals"))
	{
		const struct lb_counter_info *info = info_of(counter->string);
		uint64_t n = lb_ctl_json_value(counter);

		if (n == 0 && !view->options->is_all)
			continue;
		lb_ctl_cell(table, LB_CTL_PLAIN, counter->string);
		lb_ctl_cell(table, LB_CTL_PLAIN, info != NULL ? sides[info->kind] : "-");
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(n, text));
		lb_ctl_cell(table, LB_CTL_PLAIN, info != NULL ? info->help : "-");
	}
	rc = lb_ctl_finish_table(view, table);
	fputc('\n', view->out);
	put_law(view, stats);
	return rc;
}

/* ---- workers ---- */

static void cell_share(struct lb_ctl_table *table, double part, double whole, double warn_percent)
{
	double percent = whole > 0 ? 100 * part / whole : 0;

	lb_ctl_cellf(table, percent >= warn_percent ? LB_CTL_YELLOW : LB_CTL_PLAIN, "%.1f %%",
		     percent);
}

int lb_ctl_show_workers(const struct lb_ctl_view *view, const cJSON *status)
{
	static const struct lb_ctl_column columns[] = {
		{"WORKER", true},     {"CORE", true},          {"BUSY", true},
		{"RECEIVED", true},   {"SENT", true},          {"HANDED IN", true},
		{"HANDED OUT", true}, {"TABLE ENTRIES", true}, {"TABLE FULL", true},
		{"MEMORY", true},     {"GENERATION", true},    {"QUEUED", true}};
	const cJSON *workers = lb_ctl_json_get(status, "workers"), *w;
	struct lb_ctl_table *table;
	char text[LB_CTL_TEXT_MAX];

	if (view->options->is_json)
		return lb_ctl_show_tree(view, workers, NULL);
	table = lb_ctl_table_create(columns, N_OF(columns));
	cJSON_ArrayForEach(w, workers)
	{
		uint64_t queued = lb_ctl_json_u64(w, "commands_queued");

		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(w, "worker"), text));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(w, "core"), text));
		cell_share(table, (double)lb_ctl_json_u64(w, "busy_tsc"),
			   (double)lb_ctl_json_u64(w, "total_tsc"), 90);
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(w, "rx"), text));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(w, "tx"), text));
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_count(lb_ctl_json_u64(w, "handed_in"), text));
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_count(lb_ctl_json_u64(w, "handed_out"), text));
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_count(lb_ctl_json_u64(w, "connection_entries"), text));
		cell_share(table, (double)lb_ctl_json_u64(w, "connection_entries"),
			   (double)lb_ctl_json_u64(w, "connection_entries_max"), 80);
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_human(lb_ctl_json_u64(w, "memory_bytes"), "B", text));
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_count(lb_ctl_json_u64(w, "acked_generation"), text));
		lb_ctl_cell(table, queued > 0 ? LB_CTL_YELLOW : LB_CTL_PLAIN,
			    lb_ctl_count(queued, text));
	}
	return lb_ctl_finish_table(view, table);
}

/* ---- the daemon ---- */

struct tally {
	uint64_t n, up, down;
};

static struct tally tally_of(const cJSON *list)
{
	struct tally t = {0};
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const char *status = lb_ctl_json_str(item, "status");

		t.n++;
		t.up += strcmp(status, "up") == 0;
		t.down += strcmp(status, "down") == 0;
	}
	return t;
}

static void put_tally(const struct lb_ctl_view *view, const char *what, const cJSON *list)
{
	struct tally t = tally_of(list);

	put_count(view, what, t.n, "");
	if (t.n > 0)
		put_count(view, ": ", t.up, " up");
	if (t.down > 0)
		put_count(view, ", ", t.down, " down");
	if (t.up + t.down < t.n)
		put_count(view, ", ", t.n - t.up - t.down, " checking");
	fputc('\n', view->out);
}

static void put_line(const struct lb_ctl_view *view, const char *what, const char *text)
{
	fputs(what, view->out);
	lb_ctl_put_text(view->out, text);
	fputc('\n', view->out);
}

/* Whether it is at work, and what it still waits for. */
static void put_readiness(const struct lb_ctl_view *view, const cJSON *status)
{
	bool is_ready = lb_ctl_json_bool(status, "ready");
	uint64_t n_checking = lb_ctl_json_u64(status, "probes_checking");
	uint64_t generation = lb_ctl_json_u64(status, "generation");
	uint64_t acked = lb_ctl_json_u64(status, "acked_generation");

	fputs("ready               ", view->out);
	if (view->use_color)
		fputs(is_ready ? "\033[32m" : "\033[33m", view->out);
	fputs(is_ready ? "yes" : "no", view->out);
	if (view->use_color)
		fputs("\033[0m", view->out);
	if (n_checking > 0)
		put_count(view, ", probes without a verdict: ", n_checking, "");
	fputc('\n', view->out);
	put_line(view, "configuration       ", lb_ctl_json_str(status, "etag"));
	put_count(view, "generation          ", generation, "");
	if (acked == generation)
		fputs(", acknowledged by every worker\n", view->out);
	else
		put_count(view, ", acknowledged by every worker up to ", acked, "\n");
}

/* From a probe's verdict to the last worker's acknowledgement. */
static void put_latency(const struct lb_ctl_view *view, const cJSON *status)
{
	const cJSON *latency = lb_ctl_json_get(status, "verdict_to_ack");

	if (lb_ctl_json_u64(latency, "n") == 0)
		return;
	put_count(view, "verdict to workers  ", lb_ctl_json_u64(latency, "median_us"), " us");
	put_count(view, " (median), ", lb_ctl_json_u64(latency, "max_us"), " us (max)");
	put_count(view, " of ", lb_ctl_json_u64(latency, "n"), "\n");
}

static void put_connections(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats)
{
	uint64_t live = 0, all = 0;
	const cJSON *service;

	cJSON_ArrayForEach(service, lb_ctl_json_get(stats, "virtual_services"))
	{
		live += lb_ctl_json_u64(service, "connections_live");
		all += lb_ctl_json_u64(service, "connections");
	}
	put_count(view, "connections         ", live, " live");
	put_count(view, ", ", all, " since the services are there\n");
	put_count(view, "persistence records ", lb_ctl_json_u64(status, "persistence_records"),
		  "\n");
	fputs("packets             ", view->out);
	put_law(view, stats);
}

static int interfaces_table(const struct lb_ctl_view *view, const cJSON *interfaces)
{
	static const struct lb_ctl_column columns[] = {
		{"INTERFACE", false}, {"DEVICE", false},   {"DRIVER", false},  {"TWIN", false},
		{"MAC", false},       {"MTU", true},       {"LINK", false},    {"QUEUES", true},
		{"RX MISSED", true},  {"RX ERRORS", true}, {"TX ERRORS", true}};
	struct lb_ctl_table *table = lb_ctl_table_create(columns, N_OF(columns));
	static const char *const counts[] = {"rx_queues", "rx_missed", "rx_errors", "tx_errors"};
	char text[LB_CTL_TEXT_MAX];
	const cJSON *item;

	cJSON_ArrayForEach(item, interfaces)
	{
		bool is_up = lb_ctl_json_bool(item, "link_up");

		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "name"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "device"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "driver"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "twin"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "mac"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(lb_ctl_json_u64(item, "mtu"), text));
		lb_ctl_cell(table, is_up ? LB_CTL_GREEN : LB_CTL_RED, is_up ? "up" : "down");
		for (size_t i = 0; i < N_OF(counts); i++)
			lb_ctl_cell(table, LB_CTL_PLAIN,
				    lb_ctl_count(lb_ctl_json_u64(item, counts[i]), text));
	}
	return lb_ctl_finish_table(view, table);
}

int lb_ctl_show_status(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats)
{
	const cJSON *pending = lb_ctl_json_get(status, "pending_restart"), *item;
	char text[LB_CTL_TEXT_MAX];
	int rc;

	if (view->options->is_json)
		return lb_ctl_show_tree(view, status, NULL);
	put_line(view, "ballastd            ", lb_ctl_json_str(status, "version"));
	fprintf(view->out, "running for         %s\n",
		lb_ctl_duration(lb_ctl_json_double(status, "uptime_s"), text));
	put_readiness(view, status);
	put_tally(view, "virtual services    ", lb_ctl_json_get(status, "virtual_services"));
	put_tally(view, "real servers        ", lb_ctl_json_get(status, "real_servers"));
	put_latency(view, status);
	put_connections(view, status, stats);
	fputc('\n', view->out);
	rc = interfaces_table(view, lb_ctl_json_get(status, "interfaces"));
	cJSON_ArrayForEach(item, pending) if (cJSON_IsString(item))
		put_line(view, "takes effect at the next start: ", item->valuestring);
	lb_ctl_put_complaints(view->out, "warning: ", lb_ctl_json_get(status, "warnings"));
	return rc;
}
