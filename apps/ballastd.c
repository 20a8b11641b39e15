/* ballastd - the load balancer's daemon: both planes in one process. */
#include "ballastd_options.h"

#include "api/api.h"
#include "check_config.h"
#include "control.h"
#include "log.h"
#include "privileges.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#define EXIT_BAD_CONFIG 2

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

static void on_ready(void *ctx)
{
	(void)ctx;
	notify("READY=1");
}

static void print_errors(const char *file, const struct lb_error_list *errors)
{
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t i = 0; i < errors->n; i++)
		fprintf(stderr, "%s%s%s\n", file != NULL ? file : "", file != NULL ? ": " : "",
			lb_error_format(&errors->item[i], line));
	if (errors->n_more > 0)
		fprintf(stderr, "and %u more errors\n", errors->n_more);
}

/* A path that a person asked for must work; the one that nobody asked for need not. */
static int listen_unix(struct lb_control *ctl, struct lb_http *http,
		       const struct ballastd_options *options, struct lb_text *report)
{
	const struct lb_cfg_node *node = &lb_control_config(ctl)->node;
	const char *path = options->socket;
	struct lb_error err;
	int rc;

	if (path == NULL && node->has_api && node->api_socket[0] != '\0')
		path = node->api_socket;
	if (path == NULL)
		path = BALLASTD_DEFAULT_SOCKET;
	if (strcmp(path, BALLASTD_DEFAULT_SOCKET) == 0)
		mkdir("/run/ballast", 0755);
	rc = lb_http_listen_unix(http, path, &err);
	if (rc == 0) {
		lb_text_fmt(report, "  REST: unix socket %s\n", path);
		return 0;
	}
	if (options->socket == NULL && strcmp(path, BALLASTD_DEFAULT_SOCKET) == 0) {
		lb_text_fmt(report, "  REST: unix socket %s off because: %s\n", path, err.what);
		return 0;
	}
	fprintf(stderr, "ballastd: %s: %s\n", err.where, err.what);
	return rc;
}

static int listen_tcp(struct lb_control *ctl, struct lb_http *http, struct lb_text *report)
{
	const struct lb_cfg_node *node = &lb_control_config(ctl)->node;
	char text[LB_ADDR_TEXT_MAX];
	struct lb_error err;
	int rc;

	if (!node->has_api || node->api_listen_port == 0) {
		lb_text_str(report, "  REST: no TCP port, node.api.listen is not set\n");
		return 0;
	}
	rc = lb_http_listen_tcp(http, &node->api_listen_addr, node->api_listen_port, NULL, &err);
	if (rc < 0) {
		fprintf(stderr, "ballastd: /node/api/listen: %s\n", err.what);
		return rc;
	}
	lb_text_fmt(report, "  REST: TCP %s port %u\n",
		    lb_addr_format(&node->api_listen_addr, text), node->api_listen_port);
	return 0;
}

/* Start to end; the API answers while the loop runs. */
static int serve(struct lb_control *ctl, const struct ballastd_options *options,
		 struct lb_text *counters)
{
	struct lb_text report = {0};
	struct lb_api *api = NULL;
	struct lb_error err = {0};
	int rc = lb_control_start(ctl, &err);

	if (rc < 0) {
		fprintf(stderr, "ballastd: %s%s%s\n", err.where, err.where[0] != '\0' ? ": " : "",
			err.what);
		return rc;
	}
	lb_control_report(ctl, &report);
	rc = lb_api_create(ctl, &api);
	if (rc == 0)
		rc = listen_unix(ctl, lb_api_http(api), options, &report);
	if (rc == 0)
		rc = listen_tcp(ctl, lb_api_http(api), &report);
	if (rc == 0) {
		if (report.data != NULL)
			fputs(report.data, stderr);
		lb_control_drop_privileges(ctl);
		lb_control_run(ctl);
		notify("STOPPING=1");
		lb_control_stop(ctl, counters);
	}
	lb_text_free(&report);
	lb_api_destroy(api);
	return rc;
}

static struct lb_control_params params_of(char **argv, const struct ballastd_options *o)
{
	return (struct lb_control_params){
		.program = argv[0],
		.config_path = o->config,
		.is_read_only_config = o->is_read_only_config,
		.state_dir = o->state_dir,
		.has_seed = o->has_seed,
		.seed = o->seed,
		.eal_args = (const char *const *)o->eal_args,
		.n_eal_args = o->n_eal_args,
		.on_ready = on_ready,
	};
}

int main(int argc, char **argv)
{
	static struct lb_error_list errors;
	struct ballastd_options options;
	struct lb_control_params params;
	struct lb_text counters = {0};
	struct lb_control *ctl;
	int rc;

	if (ballastd_options_parse(argc, argv, &options) < 0)
		return EXIT_BAD_CONFIG;
	if (options.is_done)
		return EXIT_SUCCESS;
	if (options.is_check_only)
		return lb_config_check_file(options.config, stdout);
	if (lb_privileges_for_start() < 0)
		lb_log(LB_LOG_WARNING, "control", "capabilities could not be dropped");
	params = params_of(argv, &options);
	if (lb_control_create(&params, &ctl, &errors) < 0) {
		print_errors(options.config, &errors);
		return EXIT_BAD_CONFIG;
	}
	rc = serve(ctl, &options, &counters);
	lb_control_destroy(ctl);
	if (counters.data != NULL)
		fputs(counters.data, stdout);
	lb_text_free(&counters);
	return rc == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
