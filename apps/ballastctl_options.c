#include "ballastctl_options.h"

#include "ballastctl_completion.h"
#include "ballastctl_words.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_END 256

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

/* `show` alone is no command, but no wrong word either. */
static bool is_verb_of_many(const char *word)
{
	for (int c = 0; c < LB_CTL_COMMAND_N; c++)
		if (lb_ctl_commands[c].noun != NULL && strcmp(lb_ctl_commands[c].verb, word) == 0)
			return true;
	return false;
}

static int parse_words(int n, char **words, struct lb_ctl_options *out)
{
	int c = 0;

	if (n == 0)
		return wrong("command", "there is none");
	for (; c < LB_CTL_COMMAND_N; c++)
		if (strcmp(lb_ctl_commands[c].verb, words[0]) == 0 &&
		    (lb_ctl_commands[c].noun == NULL ||
		     (n > 1 && strcmp(lb_ctl_commands[c].noun, words[1]) == 0)))
			break;
	if (c == LB_CTL_COMMAND_N)
		return wrong(words[n > 1 && is_verb_of_many(words[0]) ? 1 : 0], "no such command");
	out->command = (enum lb_ctl_command)c;
	if (lb_ctl_commands[c].argument != NULL && n == 1)
		return wrong(lb_ctl_commands[c].argument, "missing");
	if (c == LB_CTL_EXPLAIN)
		return parse_packet(n, words, out);
	if (n > 2 ||
	    (n == 2 && lb_ctl_commands[c].noun == NULL && lb_ctl_commands[c].argument == NULL))
		return wrong(words[n - 1], "one word too many");
	out->argument = lb_ctl_commands[c].argument != NULL ? words[1] : NULL;
	if (out->argument != NULL && out->argument[0] == '\0')
		return wrong(lb_ctl_commands[c].argument, "empty");
	return 0;
}

/* Where the option's argument goes; NULL: it is no plain text. */
static const char **text_of(enum lb_ctl_option option, struct lb_ctl_options *out)
{
	switch (option) {
	case LB_CTL_OPTION_SOCKET:
		return &out->socket;
	case LB_CTL_OPTION_TCP_FLAGS:
		return &out->tcp_flags;
	case LB_CTL_OPTION_BYTES:
		return &out->bytes;
	case LB_CTL_OPTION_INTERFACE:
		return &out->interface;
	case LB_CTL_OPTION_PROTOCOL:
		return &out->filter.protocol;
	case LB_CTL_OPTION_SOURCE:
		return &out->filter.source;
	case LB_CTL_OPTION_SOURCE_PORT:
		return &out->filter.source_port;
	case LB_CTL_OPTION_DESTINATION:
		return &out->filter.destination;
	case LB_CTL_OPTION_DESTINATION_PORT:
		return &out->filter.destination_port;
	case LB_CTL_OPTION_SERVICE:
		return &out->filter.service;
	case LB_CTL_OPTION_GROUP:
		return &out->filter.group;
	case LB_CTL_OPTION_SERVER:
		return &out->filter.server;
	case LB_CTL_OPTION_COUNT:
		return &out->filter.count;
	case LB_CTL_OPTION_NAMES:
		return &out->names;
	case LB_CTL_OPTION_FOR:
		return &out->filter.seconds;
	default:
		return NULL;
	}
}

/* The flag that the option sets; NULL: it is none. */
static bool *flag_of(enum lb_ctl_option option, struct lb_ctl_options *out)
{
	switch (option) {
	case LB_CTL_OPTION_ALL:
		return &out->is_all;
	case LB_CTL_OPTION_DRY_RUN:
		return &out->is_dry_run;
	case LB_CTL_OPTION_PENDING_RESTART:
		return &out->is_pending_restart;
	case LB_CTL_OPTION_DROPS:
		return &out->filter.only_drops;
	case LB_CTL_OPTION_FRAMES:
		return &out->filter.has_frames;
	default:
		return NULL;
	}
}

static int take_option(enum lb_ctl_option option, struct lb_ctl_options *out)
{
	const char **text = text_of(option, out);
	bool *flag = flag_of(option, out);

	if (text != NULL) {
		*text = optarg;
	} else if (flag != NULL) {
		*flag = true;
	} else if (option == LB_CTL_OPTION_OUTPUT) {
		return parse_output(optarg, out);
	} else if (option == LB_CTL_OPTION_TIMEOUT) {
		return parse_timeout(optarg, out);
	} else if (option == LB_CTL_OPTION_HELP) {
		lb_ctl_put_help(stdout);
		out->is_done = true;
	} else if (option == LB_CTL_OPTION_VERSION) {
		printf("ballastctl %s\n", LB_VERSION);
		out->is_done = true;
	} else if (option == LB_CTL_OPTION_COMPLETION) {
		out->is_done = true;
		if (!lb_ctl_put_completion(stdout, optarg))
			return wrong("--completion", "bash, zsh and fish are known");
	}
	return 0;
}

/* The answer comes when the trace ends. */
static void wait_for_trace(struct lb_ctl_options *out)
{
	long seconds = out->filter.seconds != NULL ? strtol(out->filter.seconds, NULL, 10) : 0;

	if (seconds > 0 && seconds <= LB_CTL_TIMEOUT_MAX_S)
		out->timeout_s += seconds;
}

/* Every option that was said goes with the command. */
static int check_takes(const struct lb_ctl_options *options, const bool said[LB_CTL_OPTION_N])
{
	unsigned takes = lb_ctl_commands[options->command].takes;
	char takers[256], what[32], why[320];

	for (int o = 0; o < LB_CTL_OPTION_N; o++) {
		const struct lb_ctl_option_words *w = &lb_ctl_option_words[o];

		if (!said[o] || w->with == 0 || (w->with & takes) != 0)
			continue;
		snprintf(what, sizeof(what), "--%s", w->name);
		snprintf(why, sizeof(why), "goes with %s",
			 lb_ctl_takers(w->with, takers, sizeof(takers)));
		return wrong(what, why);
	}
	return 0;
}

static void fill_long_options(struct option out[LB_CTL_OPTION_N + 1])
{
	for (int o = 0; o < LB_CTL_OPTION_N; o++)
		out[o] = (struct option){.name = lb_ctl_option_words[o].name,
					 .has_arg = lb_ctl_option_words[o].argument != NULL
							    ? required_argument
							    : no_argument,
					 .val = LETTERS_END + o};
	out[LB_CTL_OPTION_N] = (struct option){0};
}

int lb_ctl_options_parse(int argc, char **argv, struct lb_ctl_options *out)
{
	const char *env = getenv("BALLAST_SOCKET");
	struct option options[LB_CTL_OPTION_N + 1];
	bool said[LB_CTL_OPTION_N] = {false};
	int id, rc;

	*out = (struct lb_ctl_options){
		.socket = env != NULL && env[0] != '\0' ? env : LB_CTL_DEFAULT_SOCKET,
		.timeout_s = LB_CTL_DEFAULT_TIMEOUT_S,
	};
	fill_long_options(options);
	while (!out->is_done && (id = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		enum lb_ctl_option option = id == 'o' ? LB_CTL_OPTION_OUTPUT
						      : (enum lb_ctl_option)(id - LETTERS_END);

		if (id == '?') {
			fputs("ballastctl: --help lists commands and options\n", stderr);
			return -EINVAL;
		}
		said[option] = true;
		rc = take_option(option, out);
		if (rc < 0)
			return rc;
	}
	if (out->is_done || (out->names != NULL && optind == argc))
		return 0;
	rc = parse_words(argc - optind, argv + optind, out);
	if (rc == 0 && out->command == LB_CTL_TRACE)
		wait_for_trace(out);
	return rc < 0 ? rc : check_takes(out, said);
}
