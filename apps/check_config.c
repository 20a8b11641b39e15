#include "check_config.h"

#include <stdlib.h>

#include "config/config_load.h"
#include "health/monitor.h"
#include "store.h"

static void print_list(const struct lb_error_list *list, const char *word, FILE *out)
{
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t i = 0; i < list->n; i++)
		fprintf(out, "%s%s\n", word, lb_error_format(&list->item[i], line));
	if (list->n_more > 0)
		fprintf(out, "%sand %u more\n", word, list->n_more);
}

static void print_summary(const char *path, const struct lb_config *cfg, FILE *out)
{
	fprintf(out, "%s is valid, virtual services: %u, server pools: %u, interfaces: %u\n", path,
		cfg->n_services, cfg->n_pools, cfg->node.n_interfaces);
	for (uint32_t i = 0; i < cfg->n_monitors; i++) {
		const struct lb_monitor m = {
			.interval_ms = cfg->monitors[i].interval_ms,
			.timeout_ms = cfg->monitors[i].timeout_ms,
			.fall = cfg->monitors[i].fall,
		};

		fprintf(out, "monitor %s: a server that stops answering is down within %llu ms\n",
			cfg->monitors[i].name, (unsigned long long)lb_monitor_detection_ms(&m));
	}
}

static int check_text(const char *path, const char *text, size_t len, FILE *out)
{
	struct lb_error_list *lists = calloc(2, sizeof(*lists));
	struct lb_config *cfg = NULL;
	int status;

	if (lists == NULL) {
		fprintf(out, "%s: out of memory\n", path);
		return 2;
	}
	lb_config_load(text, len, NULL, &cfg, &lists[0], &lists[1]);
	print_list(&lists[0], "", out);
	print_list(&lists[1], "warning: ", out);
	if (cfg != NULL)
		print_summary(path, cfg, out);
	status = cfg != NULL ? 0 : 2;
	free(lists);
	lb_config_free(cfg);
	return status;
}

int lb_config_check_file(const char *path, FILE *out)
{
	struct lb_error err = {.what = "cannot be read"};
	char line[LB_ERROR_LINE_MAX], *text = NULL;
	struct lb_store *store = NULL;
	size_t len = 0;
	int rc;

	rc = lb_store_open(path, true, &store, &err);
	if (rc == 0)
		rc = lb_store_load(store, &text, &len, &err);
	if (rc < 0)
		fprintf(out, "%s\n", lb_error_format(&err, line));
	lb_store_close(store);
	rc = rc < 0 ? 2 : check_text(path, text, len, out);
	free(text);
	return rc;
}
