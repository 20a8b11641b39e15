/* ballastctl_options.h - the command line of ballastctl.
 *
 * Role     argv -> command and options, with a sentence for what is wrong
 * Shape    one struct, one call
 * Units    seconds
 * Threads  start of main
 * Memory   points into argv and the environment
 * Limits   none
 * Errors   printed; -EINVAL
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_OPTIONS_H
#define LB_BALLASTCTL_OPTIONS_H

#include <stdbool.h>

#define LB_CTL_DEFAULT_SOCKET "/run/ballast/api.sock"
#define LB_CTL_DEFAULT_TIMEOUT_S 30
#define LB_CTL_TIMEOUT_MAX_S 3600

enum lb_ctl_command {
	LB_CTL_SHOW_STATUS,
	LB_CTL_SHOW_SERVICES,
	LB_CTL_SHOW_SERVERS,
	LB_CTL_SHOW_CONNECTIONS,
	LB_CTL_SHOW_PERSISTENCE,
	LB_CTL_SHOW_PROMISES,
	LB_CTL_SHOW_COUNTERS,
	LB_CTL_SHOW_WORKERS,
	LB_CTL_SHOW_INTERFACES,
	LB_CTL_SHOW_STATS,
	LB_CTL_SHOW_CONFIG,
	LB_CTL_APPLY,
	LB_CTL_ENABLE,
	LB_CTL_DRAIN,
	LB_CTL_DISABLE,
	LB_CTL_CLEAR_PERSISTENCE,
	LB_CTL_EXPLAIN,
	LB_CTL_TRACE,
	LB_CTL_COMMAND_N,
};

/* Which packets, connections or records, as it was written; NULL: not said. */
struct lb_ctl_filter {
	const char *protocol;
	const char *source;
	const char *source_port;
	const char *destination;
	const char *destination_port;
	const char *service;
	const char *group;
	const char *server;
	const char *count;
	const char *seconds;
	bool only_drops;
	bool has_frames;
};

struct lb_ctl_options {
	const char *socket;
	long timeout_s;
	bool is_json;
	bool is_all;             /* show counters: those at zero too */
	bool is_dry_run;         /* apply */
	bool is_pending_restart; /* apply: keys that need a restart may change */
	enum lb_ctl_command command;
	const char *argument; /* FILE, SERVER, or the first of several */
	const char *source;   /* explain */
	const char *destination;
	const char *tcp_flags; /* explain; NULL: not said */
	const char *bytes;
	const char *interface;
	struct lb_ctl_filter filter;
	const char *names; /* no command: print names of this kind; NULL: not said */
	bool is_done;      /* --help, --version or --completion was answered */
};

int lb_ctl_options_parse(int argc, char **argv, struct lb_ctl_options *out);

#endif
