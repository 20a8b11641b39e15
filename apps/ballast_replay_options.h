/* ballast_replay_options.h - what ballast_replay was told to do.
 *
 * Role     its command line
 * Shape    a struct of words; paths belong to argv
 * Units    milliseconds of the capture's clock
 * Threads  one
 * Memory   no heap
 * Errors   parse: -EINVAL, for which the caller prints the usage
 * Tests    tests/golden/test_runner.py, tests/style/test_man_pages.py
 */
#ifndef LB_BALLAST_REPLAY_OPTIONS_H
#define LB_BALLAST_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lb/addr.h"

struct lb_replay_options {
	const char *config;
	const char *in;
	const char *out;
	const char *counters;
	const char *iface;
	uint64_t seed;
	struct lb_addr down; /* a monitored server's address, all 0: none goes down ... */
	uint64_t down_ms;    /* ... at this time of the capture */
	bool is_explained;
	bool is_help;
};

void lb_replay_usage(FILE *to);

int lb_replay_options_parse(int argc, char **argv, struct lb_replay_options *o);

#endif
