#include "ballastd_options.h"

#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MODULE_MAX 24

static const char usage[] =
	"Usage: ballastd [OPTION]... [-- EAL ARGUMENT...]\n"
	"Layer-4 load balancer.\n"
	"\n"
	"  --config FILE          the configuration document; accepted changes are written to it\n"
	"  --read-only-config     never write to it: changes by REST are refused\n"
	"  --check-config         check FILE, print every error and end: 0 valid, 2 not\n"
	"  --socket PATH          unix socket of the REST API (" BALLASTD_DEFAULT_SOCKET ")\n"
	"  --state-dir DIR        state of this node; without --config the document is kept there\n"
	"  --seed N               fixed hashes and ports, for comparisons\n"
	"  --log-level [MODULE=]LEVEL\n"
	"                         error, warning, info or debug; may be repeated\n"
	"  --help, --version\n"
	"\n"
	"SIGHUP reads FILE again, SIGTERM ends and prints the counters, a second one ends at "
	"once.\n"
	"What follows -- goes to DPDK: -- --no-huge --no-pci\n";

static int parse_level(const char *text)
{
	static const struct {
		const char *word;
		enum lb_log_level level;
	} levels[] = {{"error", LB_LOG_ERROR},
		      {"warning", LB_LOG_WARNING},
		      {"info", LB_LOG_INFO},
		      {"debug", LB_LOG_DEBUG}};
	const char *equals = strchr(text, '=');
	const char *word = equals != NULL ? equals + 1 : text;
	char module[LOG_MODULE_MAX];

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].word, word) != 0)
			continue;
		if (equals != NULL)
			snprintf(module, sizeof(module), "%.*s", (int)(equals - text), text);
		lb_log_set_level(equals != NULL ? module : NULL, levels[i].level);
		return 0;
	}
	fprintf(stderr, "ballastd: --log-level %s: error, warning, info or debug are known\n",
		text);
	return -EINVAL;
}

static int parse_seed(const char *text, struct ballastd_options *out)
{
	char *end;

	errno = 0;
	out->seed = strtoull(text, &end, 0);
	out->has_seed = errno == 0 && *text != '\0' && *text != '-' && *end == '\0';
	if (out->has_seed)
		return 0;
	fprintf(stderr, "ballastd: --seed %s: a number from 0 to 2^64-1 is needed\n", text);
	return -EINVAL;
}

enum option_id {
	OPTION_CONFIG = 256,
	OPTION_READ_ONLY,
	OPTION_CHECK,
	OPTION_SOCKET,
	OPTION_STATE_DIR,
	OPTION_SEED,
	OPTION_LOG_LEVEL,
	OPTION_HELP,
	OPTION_VERSION,
};

static int take_option(int id, struct ballastd_options *out)
{
	switch (id) {
	case OPTION_CONFIG:
		out->config = optarg;
		return 0;
	case OPTION_READ_ONLY:
		out->is_read_only_config = true;
		return 0;
	case OPTION_CHECK:
		out->is_check_only = true;
		return 0;
	case OPTION_SOCKET:
		out->socket = optarg;
		return 0;
	case OPTION_STATE_DIR:
		out->state_dir = optarg;
		return 0;
	case OPTION_SEED:
		return parse_seed(optarg, out);
	case OPTION_LOG_LEVEL:
		return parse_level(optarg);
	case OPTION_HELP:
		fputs(usage, stdout);
		out->is_done = true;
		return 0;
	case OPTION_VERSION:
		printf("ballastd %s\n", LB_VERSION);
		out->is_done = true;
		return 0;
	default:
		fputs("ballastd: --help lists the options\n", stderr);
		return -EINVAL;
	}
}

int ballastd_options_parse(int argc, char **argv, struct ballastd_options *out)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, OPTION_CONFIG},
		{"read-only-config", no_argument, NULL, OPTION_READ_ONLY},
		{"check-config", no_argument, NULL, OPTION_CHECK},
		{"socket", required_argument, NULL, OPTION_SOCKET},
		{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
		{"seed", required_argument, NULL, OPTION_SEED},
		{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
		{"help", no_argument, NULL, OPTION_HELP},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	int id;

	memset(out, 0, sizeof(*out));
	while (!out->is_done && (id = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		int rc = take_option(id, out);

		if (rc < 0)
			return rc;
	}
	if (out->is_done)
		return 0;
	/* getopt has skipped a "--"; anything else that is left has no meaning. */
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr, "ballastd: %s: no such argument; --help lists the options\n",
			argv[optind]);
		return -EINVAL;
	}
	out->eal_args = argv + optind;
	out->n_eal_args = (size_t)(argc - optind);
	if (out->is_check_only && out->config == NULL) {
		fputs("ballastd: --check-config needs --config FILE\n", stderr);
		return -EINVAL;
	}
	return 0;
}
