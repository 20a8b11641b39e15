/* ballastctl_show.h - the commands that ask and change nothing.
 *
 * Role     answers of the daemon as tables for people or as JSON for programs
 * Shape    one function for all `show` commands
 * Threads  one
 * Memory   freed before it returns
 * Limits   those of the client
 * Errors   enum lb_ctl_exit; printed
 * Source   controlplane/api/openapi.yaml (Status, Stats)
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_SHOW_H
#define LB_BALLASTCTL_SHOW_H

#include "ballastctl_client.h"
#include "ballastctl_options.h"
#include "ballastctl_table.h"

struct lb_ctl_view {
	struct lb_ctl_client *client;
	const struct lb_ctl_options *options;
	FILE *out;
	bool use_color;
};

int lb_ctl_show(const struct lb_ctl_view *view);

/* ---- shared by the parts of show; int is an exit code ---- */

int lb_ctl_show_services(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats);
int lb_ctl_show_servers(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats);
int lb_ctl_show_connections(const struct lb_ctl_view *view); /* asks by itself, page by page */
int lb_ctl_show_promises(const struct lb_ctl_view *view, const cJSON *stats);
int lb_ctl_show_stats(const struct lb_ctl_view *view, const cJSON *stats);
int lb_ctl_show_counters(const struct lb_ctl_view *view, const cJSON *stats);
int lb_ctl_show_interfaces(const struct lb_ctl_view *view, const cJSON *status);
int lb_ctl_show_workers(const struct lb_ctl_view *view, const cJSON *status);
int lb_ctl_show_status(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats);

/* Prints the table and destroys it. */
int lb_ctl_finish_table(const struct lb_ctl_view *view, struct lb_ctl_table *table);

/* Prints the tree, and destroys it when it is the caller's own (`own` is NULL or `tree`). */
int lb_ctl_show_tree(const struct lb_ctl_view *view, const cJSON *tree, cJSON *own);

/* The same of these members of an object alone. */
int lb_ctl_show_members(const struct lb_ctl_view *view, const cJSON *object,
			const char *const *keys, size_t n);

/* up green, down red, everything else yellow. */
enum lb_ctl_color lb_ctl_state_color(const char *state);

#endif
