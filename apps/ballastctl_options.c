#include "ballastctl_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: ballastctl [OPTION]... COMMAND\n"
	"Shows and changes a running ballastd.\n"
	"\n"
	"  show services      virtual services: address, servers, connections, traffic\n"
	"  show servers       real servers: state, since when and why, traffic\n"
	"  show workers       cores: load, packets, connection table\n"
	"  show interfaces    devices: link, queues, how replies find their worker, twins\n"
	"  show counters      packets by what became of them, and whether the sum is right\n"
	"  show connections   live connections: client, service, server, state\n"
	"  show status        the daemon, its interfaces and warnings\n"
	"  show promises      changed servers, spread, evictions; room in the tables\n"
	"  show stats         exact traffic of services and servers\n"
	"  show config        the configuration document\n"
	"  apply FILE         put a configuration document in force (- is standard input)\n"
	"  enable SERVER      give a real server new clients\n"
	"  drain SERVER       keep its connections and known clients, give it no new ones\n"
	"  disable SERVER     keep its connections only\n"
	"  explain PACKET     what would happen to a packet now, and why; a packet is\n"
	"                     `tcp|udp SOURCE DESTINATION`, each ADDRESS:PORT, or [IPV6]:PORT\n"
	"  trace              the next packets that match, each on its way through the passes\n"
	"  decap ACTION       at a real server: `attach IFNAME SOURCE...` unwraps what ipip and\n"
	"                     gue services send from these tunnel sources;\n"
	"                     `detach IFNAME` ends that\n"
	"\n"
	"  --socket PATH          unix socket of ballastd (" LB_CTL_DEFAULT_SOCKET ");\n"
	"                         BALLAST_SOCKET in the environment says the same\n"
	"  -o, --output FORMAT    table or json\n"
	"  --timeout SECONDS      how long to wait for an answer (30)\n"
	"  --all                  show counters: those that are zero too\n"
	"  --tcp-flags FLAGS      explain: syn, ack, fin or rst (syn)\n"
	"  --bytes N              explain: length of the IP packet (headers alone)\n"
	"  --interface NAME       explain: where the packet comes in (the first)\n"
	"  --protocol tcp|udp, --source PREFIX, --source-port N, --destination PREFIX,\n"
	"  --destination-port N, --service NAME, --drops\n"
	"                         trace: only such packets; --drops: only what is dropped.\n"
	"                         show connections: --source (of the client) and --service\n"
	"  --count N              trace: ends after so many packets (10);\n"
	"                         show connections: at most so many (100)\n"
	"  --for SECONDS          trace: ends after that time (10)\n"
	"  --frames               trace: also the first 128 bytes of each frame\n"
	"  --dry-run              apply: say what would change, and change nothing\n"
	"  --gue-port PORT        decap attach: of gue services (9886)\n"
	"  --pending-restart      apply: also store keys that take effect at the next start\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 done, 1 refused by ballastd, 2 wrong use, 3 ballastd cannot be reached.\n";

/* Bits of the options that only some commands take. */
enum {
	TAKES_ALL = 1,
	TAKES_DRY_RUN = 2,
	TAKES_PENDING_RESTART = 4,
	TAKES_PACKET = 8,
	TAKES_FILTER = 16,
};

static const struct {
	const char *verb;
	const char *noun;     /* NULL: none */
	const char *argument; /* NULL: none */
	unsigned takes;
} commands[LB_CTL_COMMAND_N] = {
	[LB_CTL_SHOW_SERVICES] = {"show", "services", NULL, 0},
	[LB_CTL_SHOW_SERVERS] = {"show", "servers", NULL, 0},
	[LB_CTL_SHOW_WORKERS] = {"show", "workers", NULL, 0},
	[LB_CTL_SHOW_INTERFACES] = {"show", "interfaces", NULL, 0},
	[LB_CTL_SHOW_COUNTERS] = {"show", "counters", NULL, TAKES_ALL},
	[LB_CTL_SHOW_CONNECTIONS] = {"show", "connections", NULL, TAKES_FILTER},
	[LB_CTL_SHOW_STATUS] = {"show", "status", NULL, 0},
	[LB_CTL_SHOW_PROMISES] = {"show", "promises", NULL, 0},
	[LB_CTL_SHOW_STATS] = {"show", "stats", NULL, 0},
	[LB_CTL_SHOW_CONFIG] = {"show", "config", NULL, 0},
	[LB_CTL_APPLY] = {"apply", NULL, "FILE", TAKES_DRY_RUN | TAKES_PENDING_RESTART},
	[LB_CTL_ENABLE] = {"enable", NULL, "SERVER", 0},
	[LB_CTL_DRAIN] = {"drain", NULL, "SERVER", 0},
	[LB_CTL_DISABLE] = {"disable", NULL, "SERVER", 0},
	[LB_CTL_EXPLAIN] = {"explain", NULL, "PROTOCOL", TAKES_PACKET},
	[LB_CTL_TRACE] = {"trace", NULL, NULL, TAKES_FILTER},
};

static int wrong(const char *what, const char *why)
{
	fprintf(stderr, "ballastctl: %s: %s; --help lists commands and options\n", what, why);
	return -EINVAL;
}

static int parse_timeout(const char *text, struct lb_ctl_options *out)
{
	char *end;

	errno = 0;
	out->timeout_s = strtol(text, &end, 10);
	if (errno == 0 && *text != '\0' && *end == '\0' && out->timeout_s >= 1 &&
	    out->timeout_s <= LB_CTL_TIMEOUT_MAX_S)
		return 0;
	return wrong("--timeout", "1 to 3600 seconds are possible");
}

static int parse_output(const char *text, struct lb_ctl_options *out)
{
	out->is_json = strcmp(text, "json") == 0;
	if (out->is_json || strcmp(text, "table") == 0)
		return 0;
	return wrong("--output", "table and json are known");
}

/* PROTOCOL SOURCE DESTINATION */
static int parse_packet(int n, char **words, struct lb_ctl_options *out)
{
	if (n < 4)
		return wrong(n < 3 ? "SOURCE" : "DESTINATION", "missing");
	if (n > 4)
		return wrong(words[n - 1], "one word too many");
	out->argument = words[1];
	out->source = words[2];
	out->destination = words[3];
	return 0;
}

static int parse_words(int n, char **words, struct lb_ctl_options *out)
{
	int c = 0;

	if (n == 0)
		return wrong("command", "there is none");
	for (; c < LB_CTL_COMMAND_N; c++)
		if (strcmp(commands[c].verb, words[0]) == 0 &&
		    (commands[c].noun == NULL ||
		     (n > 1 && strcmp(commands[c].noun, words[1]) == 0)))
			break;
	if (c == LB_CTL_COMMAND_N)
		return wrong(words[n > 1 && strcmp(words[0], "show") == 0 ? 1 : 0],
			     "no such command");
	out->command = (enum lb_ctl_command)c;
	if (commands[c].argument != NULL && n == 1)
		return wrong(commands[c].argument, "missing");
	if (c == LB_CTL_EXPLAIN)
		return parse_packet(n, words, out);
	if (n > 2 || (n == 2 && commands[c].noun == NULL && commands[c].argument == NULL))
		return wrong(words[n - 1], "one word too many");
	out->argument = commands[c].argument != NULL ? words[1] : NULL;
	if (out->argument != NULL && out->argument[0] == '\0')
		return wrong(commands[c].argument, "empty");
	return 0;
}

enum option_id {
	OPTION_SOCKET = 256,
	OPTION_TIMEOUT,
	OPTION_ALL,
	OPTION_DRY_RUN,
	OPTION_PENDING_RESTART,
	OPTION_TCP_FLAGS,
	OPTION_BYTES,
	OPTION_INTERFACE,
	OPTION_PROTOCOL,
	OPTION_SOURCE,
	OPTION_SOURCE_PORT,
	OPTION_DESTINATION,
	OPTION_DESTINATION_PORT,
	OPTION_SERVICE,
	OPTION_DROPS,
	OPTION_COUNT,
	OPTION_FOR,
	OPTION_FRAMES,
	OPTION_HELP,
	OPTION_VERSION,
};

/* False: not one of a trace's. */
static bool take_trace_option(int id, struct lb_ctl_trace_options *out)
{
	const char **const texts[] = {&out->protocol,	 &out->source,
				      &out->source_port, &out->destination,
				      &out->destination_port, &out->service};

	if (id >= OPTION_PROTOCOL && id <= OPTION_SERVICE)
		*texts[id - OPTION_PROTOCOL] = optarg;
	else if (id == OPTION_COUNT)
		out->count = optarg;
	else if (id == OPTION_FOR)
		out->seconds = optarg;
	else if (id == OPTION_DROPS)
		out->only_drops = true;
	else if (id == OPTION_FRAMES)
		out->has_frames = true;
	else
		return false;
	return true;
}

static int take_option(int id, struct lb_ctl_options *out)
{
	if (take_trace_option(id, &out->trace)) {
		out->has_trace_option = true;
		return 0;
	}
	switch (id) {
	case OPTION_SOCKET:
		out->socket = optarg;
		return 0;
	case 'o':
		return parse_output(optarg, out);
	case OPTION_TIMEOUT:
		return parse_timeout(optarg, out);
	case OPTION_ALL:
		out->is_all = true;
		return 0;
	case OPTION_DRY_RUN:
		out->is_dry_run = true;
		return 0;
	case OPTION_PENDING_RESTART:
		out->is_pending_restart = true;
		return 0;
	case OPTION_TCP_FLAGS:
		out->tcp_flags = optarg;
		return 0;
	case OPTION_BYTES:
		out->bytes = optarg;
		return 0;
	case OPTION_INTERFACE:
		out->interface = optarg;
		return 0;
	case OPTION_HELP:
		fputs(usage, stdout);
		out->is_done = true;
		return 0;
	case OPTION_VERSION:
		printf("ballastctl %s\n", LB_VERSION);
		out->is_done = true;
		return 0;
	default:
		fputs("ballastctl: --help lists commands and options\n", stderr);
		return -EINVAL;
	}
}

/* The answer comes when the trace ends. */
static void wait_for_trace(struct lb_ctl_options *out)
{
	long seconds = out->trace.seconds != NULL ? strtol(out->trace.seconds, NULL, 10) : 0;

	if (seconds > 0 && seconds <= LB_CTL_TIMEOUT_MAX_S)
		out->timeout_s += seconds;
}

static int check_takes(const struct lb_ctl_options *options)
{
	unsigned takes = commands[options->command].takes;

	if (options->is_all && (takes & TAKES_ALL) == 0)
		return wrong("--all", "goes with show counters");
	if (options->is_dry_run && (takes & TAKES_DRY_RUN) == 0)
		return wrong("--dry-run", "goes with apply");
	if (options->is_pending_restart && (takes & TAKES_PENDING_RESTART) == 0)
		return wrong("--pending-restart", "goes with apply");
	if ((options->tcp_flags != NULL || options->bytes != NULL || options->interface != NULL) &&
	    (takes & TAKES_PACKET) == 0)
		return wrong("--tcp-flags, --bytes, --interface", "go with explain");
	if (options->has_trace_option && (takes & TAKES_FILTER) == 0)
		return wrong("filters and limits of packets", "go with trace");
	return 0;
}

int lb_ctl_options_parse(int argc, char **argv, struct lb_ctl_options *out)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, OPTION_SOCKET},
		{"output", required_argument, NULL, 'o'},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{"all", no_argument, NULL, OPTION_ALL},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
		{"pending-restart", no_argument, NULL, OPTION_PENDING_RESTART},
		{"tcp-flags", required_argument, NULL, OPTION_TCP_FLAGS},
		{"bytes", required_argument, NULL, OPTION_BYTES},
		{"interface", required_argument, NULL, OPTION_INTERFACE},
		{"protocol", required_argument, NULL, OPTION_PROTOCOL},
		{"source", required_argument, NULL, OPTION_SOURCE},
		{"source-port", required_argument, NULL, OPTION_SOURCE_PORT},
		{"destination", required_argument, NULL, OPTION_DESTINATION},
		{"destination-port", required_argument, NULL, OPTION_DESTINATION_PORT},
		{"service", required_argument, NULL, OPTION_SERVICE},
		{"drops", no_argument, NULL, OPTION_DROPS},
		{"count", required_argument, NULL, OPTION_COUNT},
		{"for", required_argument, NULL, OPTION_FOR},
		{"frames", no_argument, NULL, OPTION_FRAMES},
		{"help", no_argument, NULL, OPTION_HELP},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	const char *env = getenv("BALLAST_SOCKET");
	int id, rc;

	*out = (struct lb_ctl_options){
		.socket = env != NULL && env[0] != '\0' ? env : LB_CTL_DEFAULT_SOCKET,
		.timeout_s = LB_CTL_DEFAULT_TIMEOUT_S,
	};
	while (!out->is_done && (id = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		rc = take_option(id, out);
		if (rc < 0)
			return rc;
	}
	if (out->is_done)
		return 0;
	rc = parse_words(argc - optind, argv + optind, out);
	if (rc == 0 && out->command == LB_CTL_TRACE)
		wait_for_trace(out);
	return rc < 0 ? rc : check_takes(out);
}
