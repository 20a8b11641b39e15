/* ballastctl - shows and changes a running ballastd. */
#include "ballastctl_change.h"
#include "ballastctl_client.h"
#include "ballastctl_completion.h"
#include "ballastctl_decap.h"
#include "ballastctl_explain.h"
#include "ballastctl_options.h"
#include "ballastctl_records.h"
#include "ballastctl_show.h"
#include "ballastctl_trace.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_color(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == '\0') &&
	       term != NULL && strcmp(term, "dumb") != 0;
}

static int run(const struct lb_ctl_view *view)
{
	if (view->options->names != NULL)
		return lb_ctl_put_names(view, view->options->names);
	switch (view->options->command) {
	case LB_CTL_APPLY:
		return lb_ctl_apply(view);
	case LB_CTL_ENABLE:
		return lb_ctl_set_admin_state(view, "enabled");
	case LB_CTL_DRAIN:
		return lb_ctl_set_admin_state(view, "drain");
	case LB_CTL_DISABLE:
		return lb_ctl_set_admin_state(view, "disabled");
	case LB_CTL_CLEAR_PERSISTENCE:
		return lb_ctl_clear_persistence(view);
	case LB_CTL_EXPLAIN:
		return lb_ctl_explain(view);
	case LB_CTL_TRACE:
		return lb_ctl_trace(view);
	default:
		return lb_ctl_show(view);
	}
}

int main(int argc, char **argv)
{
	struct lb_ctl_options options;
	struct lb_ctl_view view = {.options = &options, .out = stdout};
	int rc;

	if (argc > 1 && strcmp(argv[1], "decap") == 0)
		return lb_ctl_decap(argc - 1, argv + 1);
	if (lb_ctl_options_parse(argc, argv, &options) < 0)
		return LB_CTL_USAGE;
	signal(SIGPIPE, SIG_IGN);
	rc = LB_CTL_OK;
	if (!options.is_done) {
		curl_global_init(CURL_GLOBAL_NOTHING);
		view.client = lb_ctl_client_create(options.socket, options.timeout_s);
		view.use_color = wants_color();
		if (view.client == NULL)
			fputs("ballastctl: out of memory\n", stderr);
		rc = view.client != NULL ? run(&view) : LB_CTL_USAGE;
		lb_ctl_client_destroy(view.client);
		curl_global_cleanup();
	}
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return rc;
	/* Who reads a table with head does not want to be told. */
	if (errno != EPIPE)
		fprintf(stderr, "ballastctl: standard output: %s\n", strerror(errno));
	return rc == LB_CTL_OK ? LB_CTL_USAGE : rc;
}
