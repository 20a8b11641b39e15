#include "ballastctl_show.h"

#include "ballastctl_json.h"
#include "ballastctl_records.h"
#include "ballastctl_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BALANCE_TRIES 20
#define BALANCE_QUICK_TRIES 10
#define BALANCE_PAUSE_NS 50000000 /* before each of the others */

/* Requests whose answers a command is made of. */
static const struct lb_ctl_request get_status = {.method = "GET", .path = "status"};
static const struct lb_ctl_request get_stats = {.method = "GET", .path = "stats"};
static const struct lb_ctl_request get_config = {.method = "GET", .path = "config"};

enum lb_ctl_color lb_ctl_state_color(const char *state)
{
	if (strcmp(state, "up") == 0)
		return LB_CTL_GREEN;
	return strcmp(state, "down") == 0 ? LB_CTL_RED : LB_CTL_YELLOW;
}

int lb_ctl_finish_table(const struct lb_ctl_view *view, struct lb_ctl_table *table)
{
	int rc = lb_ctl_table_print(table, view->out, view->use_color);

	lb_ctl_table_destroy(table);
	if (rc == 0)
		return LB_CTL_OK;
	fputs("ballastctl: out of memory\n", stderr);
	return LB_CTL_USAGE;
}

int lb_ctl_show_tree(const struct lb_ctl_view *view, const cJSON *tree, cJSON *own)
{
	if (tree == NULL) {
		fputs("ballastctl: out of memory\n", stderr);
		return LB_CTL_USAGE;
	}
	lb_ctl_json_put(view->out, tree);
	cJSON_Delete(own);
	return LB_CTL_OK;
}

int lb_ctl_show_members(const struct lb_ctl_view *view, const cJSON *object,
			const char *const *keys, size_t n)
{
	cJSON *tree = cJSON_CreateObject();

	for (size_t i = 0; i < n; i++) {
		const cJSON *item = lb_ctl_json_get(object, keys[i]);

		if (tree != NULL && item != NULL)
			cJSON_AddItemToObject(tree, keys[i], cJSON_Duplicate(item, true));
	}
	return lb_ctl_show_tree(view, tree, tree);
}

/* As the daemon has it, with the writer's layout. */
static int show_config(const struct lb_ctl_view *view)
{
	struct lb_ctl_answer answer;
	int rc = lb_ctl_call(view->client, &get_config, &answer);

	if (rc == LB_CTL_OK) {
		lb_ctl_put_json(view->out, answer.body, answer.n);
		if (answer.n > 0 && answer.body[answer.n - 1] != '\n')
			fputc('\n', view->out);
	}
	lb_ctl_answer_free(&answer);
	return rc;
}

/* Workers go on while their counters are read one by one: an imbalance counts once it stays. One
 * that the kernel interrupts while it counts stands still for some turns of the scheduler. */
static int get_balanced_stats(const struct lb_ctl_view *view, struct lb_ctl_answer *answer)
{
	int rc = lb_ctl_call(view->client, &get_stats, answer);

	for (unsigned i = 1; i < BALANCE_TRIES && rc == LB_CTL_OK &&
			     lb_ctl_json_double(answer->json, "imbalance") != 0;
	     i++) {
		const struct timespec pause = {.tv_nsec = BALANCE_PAUSE_NS};

		lb_ctl_answer_free(answer);
		if (i >= BALANCE_QUICK_TRIES)
			nanosleep(&pause, NULL);
		rc = lb_ctl_call(view->client, &get_stats, answer);
	}
	return rc;
}

static int show_counters(const struct lb_ctl_view *view)
{
	struct lb_ctl_answer stats;
	int rc = get_balanced_stats(view, &stats);

	if (rc == LB_CTL_OK)
		rc = lb_ctl_show_counters(view, stats.json);
	lb_ctl_answer_free(&stats);
	return rc;
}

static int show_promises(const struct lb_ctl_view *view)
{
	struct lb_ctl_answer stats;
	int rc = lb_ctl_call(view->client, &get_stats, &stats);

	if (rc == LB_CTL_OK)
		rc = lb_ctl_show_promises(view, stats.json);
	lb_ctl_answer_free(&stats);
	return rc;
}

static int show_stats(const struct lb_ctl_view *view)
{
	struct lb_ctl_answer stats;
	int rc = lb_ctl_call(view->client, &get_stats, &stats);

	if (rc == LB_CTL_OK)
		rc = view->options->is_json ? lb_ctl_show_tree(view, stats.json, NULL)
					    : lb_ctl_show_stats(view, stats.json);
	lb_ctl_answer_free(&stats);
	return rc;
}

static int show_of_status(const struct lb_ctl_view *view,
			  int (*show)(const struct lb_ctl_view *view, const cJSON *status))
{
	struct lb_ctl_answer status;
	int rc = lb_ctl_call(view->client, &get_status, &status);

	if (rc == LB_CTL_OK)
		rc = show(view, status.json);
	lb_ctl_answer_free(&status);
	return rc;
}

/* What is made of the state and the counters. */
static int show_both(const struct lb_ctl_view *view,
		     int (*show)(const struct lb_ctl_view *view, const cJSON *status,
				 const cJSON *stats))
{
	struct lb_ctl_answer status = {0}, stats = {0};
	int rc = lb_ctl_call(view->client, &get_status, &status);

	if (rc == LB_CTL_OK)
		rc = show == lb_ctl_show_status ? get_balanced_stats(view, &stats)
						: lb_ctl_call(view->client, &get_stats, &stats);
	if (rc == LB_CTL_OK)
		rc = show(view, status.json, stats.json);
	lb_ctl_answer_free(&status);
	lb_ctl_answer_free(&stats);
	return rc;
}

int lb_ctl_show(const struct lb_ctl_view *view)
{
	switch (view->options->command) {
	case LB_CTL_SHOW_SERVICES:
		return show_both(view, lb_ctl_show_services);
	case LB_CTL_SHOW_SERVERS:
		return show_both(view, lb_ctl_show_servers);
	case LB_CTL_SHOW_WORKERS:
		return show_of_status(view, lb_ctl_show_workers);
	case LB_CTL_SHOW_INTERFACES:
		return show_of_status(view, lb_ctl_show_interfaces);
	case LB_CTL_SHOW_COUNTERS:
		return show_counters(view);
	case LB_CTL_SHOW_CONNECTIONS:
		return lb_ctl_show_connections(view);
	case LB_CTL_SHOW_PERSISTENCE:
		return lb_ctl_show_persistence(view);
	case LB_CTL_SHOW_STATUS:
		return show_both(view, lb_ctl_show_status);
	case LB_CTL_SHOW_PROMISES:
		return show_promises(view);
	case LB_CTL_SHOW_STATS:
		return show_stats(view);
	default:
		return show_config(view);
	}
}
