#include "ballastctl_words.h"

#include <string.h>

#define WITH(what) LB_CTL_WITH_##what

const struct lb_ctl_command_words lb_ctl_commands[LB_CTL_COMMAND_N] = {
	[LB_CTL_SHOW_STATUS] =
		{"show", "status", NULL, NULL, 0,
		 "is it well? Ports, services, servers, the sum of packets, warnings"},
	[LB_CTL_SHOW_SERVICES] = {"show", "services", NULL, NULL, 0,
				  "virtual services: address, servers, connections, traffic"},
	[LB_CTL_SHOW_SERVERS] = {"show", "servers", NULL, NULL, 0,
				 "real servers: state, since when and why, traffic"},
	[LB_CTL_SHOW_CONNECTIONS] = {"show", "connections", NULL, NULL, WITH(FILTER) | WITH(COUNT),
				     "live connections: client, service, server, state"},
	[LB_CTL_SHOW_PERSISTENCE] = {"show", "persistence", NULL, NULL,
				     WITH(FILTER) | WITH(COUNT) | WITH(RECORDS),
				     "persistence records: client, group, server, for how long"},
	[LB_CTL_SHOW_PROMISES] = {"show", "promises", NULL, NULL, 0,
				  "changed servers, spread, evictions; room in the tables"},
	[LB_CTL_SHOW_COUNTERS] = {"show", "counters", NULL, NULL, WITH(ALL),
				  "packets by what became of them, and whether the sum is right"},
	[LB_CTL_SHOW_WORKERS] = {"show", "workers", NULL, NULL, 0,
				 "cores: load, packets, connection table"},
	[LB_CTL_SHOW_INTERFACES] = {"show", "interfaces", NULL, NULL, 0,
				    "devices: link, queues, how replies find their worker, twins"},
	[LB_CTL_SHOW_STATS] = {"show", "stats", NULL, NULL, 0,
			       "exact traffic of services and servers"},
	[LB_CTL_SHOW_CONFIG] = {"show", "config", NULL, NULL, 0, "the configuration document"},
	[LB_CTL_APPLY] = {"apply", NULL, "FILE", LB_CTL_FILES, WITH(APPLY),
			  "put a configuration document in force (- is standard input)"},
	[LB_CTL_ENABLE] = {"enable", NULL, "SERVER", LB_CTL_SERVERS, 0,
			   "give a real server new clients"},
	[LB_CTL_DRAIN] = {"drain", NULL, "SERVER", LB_CTL_SERVERS, 0,
			  "keep its connections and known clients, give it no new ones"},
	[LB_CTL_DISABLE] = {"disable", NULL, "SERVER", LB_CTL_SERVERS, 0,
			    "keep its connections only"},
	[LB_CTL_CLEAR_PERSISTENCE] = {"clear", "persistence", NULL, NULL,
				      WITH(FILTER) | WITH(RECORDS),
				      "remove the records that match: these clients choose anew"},
	[LB_CTL_EXPLAIN] = {"explain", NULL, "PACKET", "tcp udp", WITH(PACKET),
			    "what would happen to a packet now, and why; a packet is\n"
			    "`tcp|udp SOURCE DESTINATION`, each ADDRESS:PORT, or [IPV6]:PORT"},
	[LB_CTL_TRACE] = {"trace", NULL, NULL, NULL, WITH(TRACE) | WITH(FILTER) | WITH(COUNT),
			  "the next packets that match, each on its way through the passes"},
};

const struct lb_ctl_command_words lb_ctl_decap_words = {
	"decap",
	NULL,
	"ACTION",
	"attach detach",
	WITH(DECAP),
	"at a real server: `attach IFNAME SOURCE...` unwraps what ipip and\n"
	"gue services send from these tunnel sources;\n"
	"`detach IFNAME` ends that"};

const struct lb_ctl_option_words lb_ctl_option_words[LB_CTL_OPTION_N] = {
	[LB_CTL_OPTION_SOCKET] = {"socket", 0, "PATH", LB_CTL_FILES, 0,
				  "unix socket of ballastd (" LB_CTL_DEFAULT_SOCKET ");\n"
				  "BALLAST_SOCKET in the environment says the same"},
	[LB_CTL_OPTION_OUTPUT] = {"output", 'o', "FORMAT", "table json", 0, "table or json"},
	[LB_CTL_OPTION_TIMEOUT] = {"timeout", 0, "SECONDS", NULL, 0,
				   "how long to wait for an answer (30)"},
	[LB_CTL_OPTION_ALL] = {"all", 0, NULL, NULL, WITH(ALL), "those that are zero too"},
	[LB_CTL_OPTION_SERVICE] = {"service", 0, "NAME", LB_CTL_SERVICES, WITH(FILTER),
				   "only of this virtual service"},
	[LB_CTL_OPTION_SOURCE] = {"source", 0, "PREFIX", NULL, WITH(FILTER),
				  "only of these clients: 192.0.2.0/24, 2001:db8::7"},
	[LB_CTL_OPTION_GROUP] = {"group", 0, "NAME", LB_CTL_GROUPS, WITH(RECORDS),
				 "only of this persistence group"},
	[LB_CTL_OPTION_SERVER] = {"server", 0, "NAME", LB_CTL_SERVERS, WITH(RECORDS),
				  "only those that lead to this real server (or address)"},
	[LB_CTL_OPTION_COUNT] = {"count", 0, "N", NULL, WITH(COUNT),
				 "at most so many (100); trace: ends after so many (10)"},
	[LB_CTL_OPTION_TCP_FLAGS] = {"tcp-flags", 0, "FLAGS", "syn ack fin rst", WITH(PACKET),
				     "syn, ack, fin or rst (syn)"},
	[LB_CTL_OPTION_BYTES] = {"bytes", 0, "N", NULL, WITH(PACKET),
				 "length of the IP packet (headers alone)"},
	[LB_CTL_OPTION_INTERFACE] = {"interface", 0, "NAME", NULL, WITH(PACKET),
				     "where the packet comes in (the first)"},
	[LB_CTL_OPTION_PROTOCOL] = {"protocol", 0, "PROTOCOL", "tcp udp", WITH(TRACE),
				    "only tcp or only udp"},
	[LB_CTL_OPTION_SOURCE_PORT] = {"source-port", 0, "N", NULL, WITH(TRACE),
				       "only from this port"},
	[LB_CTL_OPTION_DESTINATION] = {"destination", 0, "PREFIX", NULL, WITH(TRACE),
				       "only to these addresses"},
	[LB_CTL_OPTION_DESTINATION_PORT] = {"destination-port", 0, "N", NULL, WITH(TRACE),
					    "only to this port"},
	[LB_CTL_OPTION_DROPS] = {"drops", 0, NULL, NULL, WITH(TRACE), "only what is dropped"},
	[LB_CTL_OPTION_FOR] = {"for", 0, "SECONDS", NULL, WITH(TRACE), "ends after that time (10)"},
	[LB_CTL_OPTION_FRAMES] = {"frames", 0, NULL, NULL, WITH(TRACE),
				  "also the first 128 bytes of each frame"},
	[LB_CTL_OPTION_DRY_RUN] = {"dry-run", 0, NULL, NULL, WITH(APPLY),
				   "say what would change, and change nothing"},
	[LB_CTL_OPTION_PENDING_RESTART] = {"pending-restart", 0, NULL, NULL, WITH(APPLY),
					   "also store keys that take effect at the next start"},
	[LB_CTL_OPTION_GUE_PORT] = {"gue-port", 0, "PORT", NULL, WITH(DECAP),
				    "of gue services (9886)"},
	[LB_CTL_OPTION_COMPLETION] = {"completion", 0, "SHELL", "bash zsh fish", 0,
				      "print what bash, zsh or fish need to complete all this"},
	[LB_CTL_OPTION_NAMES] = {"names", 0, "KIND", "servers services groups", 0,
				 "print the names of all servers, services or groups, a line each"},
	[LB_CTL_OPTION_HELP] = {"help", 0, NULL, NULL, 0, "this"},
	[LB_CTL_OPTION_VERSION] = {"version", 0, NULL, NULL, 0, "which version this is"},
};

const char *lb_ctl_takers(unsigned with, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (int c = 0; c <= LB_CTL_COMMAND_N && n < size; c++) {
		const struct lb_ctl_command_words *w = c < LB_CTL_COMMAND_N ? &lb_ctl_commands[c]
									    : &lb_ctl_decap_words;

		if ((w->takes & with) != 0)
			n += (size_t)snprintf(text + n, size - n, "%s%s%s%s", n > 0 ? ", " : "",
					      w->verb, w->noun != NULL ? " " : "",
					      w->noun != NULL ? w->noun : "");
	}
	return text;
}

/* The word, then the text, its further lines below the first. */
static void put_entry(FILE *out, int width, const char *word, const char *help)
{
	fprintf(out, "  %-*s ", width, word);
	for (; *help != '\0'; help++) {
		fputc(*help, out);
		if (*help == '\n')
			fprintf(out, "%*s", width + 3, "");
	}
	fputc('\n', out);
}

static void put_command(FILE *out, const struct lb_ctl_command_words *w)
{
	char word[64];

	snprintf(word, sizeof(word), "%s%s%s%s%s", w->verb, w->noun != NULL ? " " : "",
		 w->noun != NULL ? w->noun : "", w->argument != NULL ? " " : "",
		 w->argument != NULL ? w->argument : "");
	put_entry(out, 19, word, w->help);
}

static void put_option(FILE *out, const struct lb_ctl_option_words *w)
{
	char word[64], letter[8] = "";

	if (w->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", w->letter);
	snprintf(word, sizeof(word), "%s--%s%s%s", letter, w->name, w->argument != NULL ? " " : "",
		 w->argument != NULL ? w->argument : "");
	put_entry(out, 21, word, w->help);
}

void lb_ctl_put_help(FILE *out)
{
	unsigned with = 0;
	char takers[256];

	fputs("Usage: ballastctl [OPTION]... COMMAND\n"
	      "Shows and changes a running ballastd.\n\n",
	      out);
	for (int c = 0; c < LB_CTL_COMMAND_N; c++)
		put_command(out, &lb_ctl_commands[c]);
	put_command(out, &lb_ctl_decap_words);
	fputc('\n', out);
	for (int o = 0; o < LB_CTL_OPTION_N; o++) {
		const struct lb_ctl_option_words *w = &lb_ctl_option_words[o];

		if (w->with != with && w->with != 0)
			fprintf(out, "%s:\n", lb_ctl_takers(w->with, takers, sizeof(takers)));
		else if (w->with != with)
			fputs("With every command:\n", out);
		with = w->with;
		put_option(out, w);
	}
	fputs("\nExit status: 0 done, 1 refused by ballastd, 2 wrong use, "
	      "3 ballastd cannot be reached.\n",
	      out);
}
