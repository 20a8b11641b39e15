/* ballastctl_words.h - every command and option of ballastctl, with what it is for.
 *
 * Role     the one list that the parser, --help and the shells' completion read
 * Shape    constant tables
 * Threads  constants; any
 * Memory   none
 * Limits   an option that goes with some commands only shares a bit with each of them
 * Errors   none
 * Tests    tests/unit/test_ballastctl.py, tests/style/test_man_pages.py
 */
#ifndef LB_BALLASTCTL_WORDS_H
#define LB_BALLASTCTL_WORDS_H

#include <stdio.h>

#include "ballastctl_options.h"

/* What an option goes with. */
enum {
	LB_CTL_WITH_ALL = 1,
	LB_CTL_WITH_APPLY = 2,
	LB_CTL_WITH_PACKET = 4,
	LB_CTL_WITH_TRACE = 8,
	LB_CTL_WITH_FILTER = 16,
	LB_CTL_WITH_COUNT = 32,
	LB_CTL_WITH_RECORDS = 64,
	LB_CTL_WITH_DECAP = 128,
};

/* What may stand for an argument: a list of words, or one of these. */
#define LB_CTL_FILES "FILES"
#define LB_CTL_SERVERS "SERVERS"
#define LB_CTL_SERVICES "SERVICES"
#define LB_CTL_GROUPS "GROUPS"

struct lb_ctl_command_words {
	const char *verb;
	const char *noun;     /* NULL: none */
	const char *argument; /* as --help shows it; NULL: none */
	const char *values;   /* of the argument; NULL: anything */
	unsigned takes;       /* LB_CTL_WITH_ bits */
	const char *help;     /* lines; the first one stands for itself in a shell */
};

/* The commands of enum lb_ctl_command; lb_ctl_decap_words follow in --help. */
extern const struct lb_ctl_command_words lb_ctl_commands[LB_CTL_COMMAND_N];
extern const struct lb_ctl_command_words lb_ctl_decap_words;

struct lb_ctl_option_words {
	const char *name;     /* without dashes */
	char letter;          /* 0: none */
	const char *argument; /* NULL: none */
	const char *values;   /* of the argument; NULL: anything */
	unsigned with;        /* LB_CTL_WITH_ bits; 0: goes with every command */
	const char *help;
};

enum lb_ctl_option {
	LB_CTL_OPTION_SOCKET,
	LB_CTL_OPTION_OUTPUT,
	LB_CTL_OPTION_TIMEOUT,
	LB_CTL_OPTION_ALL,
	LB_CTL_OPTION_SERVICE,
	LB_CTL_OPTION_SOURCE,
	LB_CTL_OPTION_GROUP,
	LB_CTL_OPTION_SERVER,
	LB_CTL_OPTION_COUNT,
	LB_CTL_OPTION_TCP_FLAGS,
	LB_CTL_OPTION_BYTES,
	LB_CTL_OPTION_INTERFACE,
	LB_CTL_OPTION_PROTOCOL,
	LB_CTL_OPTION_SOURCE_PORT,
	LB_CTL_OPTION_DESTINATION,
	LB_CTL_OPTION_DESTINATION_PORT,
	LB_CTL_OPTION_DROPS,
	LB_CTL_OPTION_FOR,
	LB_CTL_OPTION_FRAMES,
	LB_CTL_OPTION_DRY_RUN,
	LB_CTL_OPTION_PENDING_RESTART,
	LB_CTL_OPTION_GUE_PORT,
	LB_CTL_OPTION_COMPLETION,
	LB_CTL_OPTION_NAMES,
	LB_CTL_OPTION_HELP,
	LB_CTL_OPTION_VERSION,
	LB_CTL_OPTION_N,
};

extern const struct lb_ctl_option_words lb_ctl_option_words[LB_CTL_OPTION_N];

/* --help */
void lb_ctl_put_help(FILE *out);

/* "show connections, show persistence": the commands that take such an option. */
const char *lb_ctl_takers(unsigned with, char *text, size_t size);

#endif
