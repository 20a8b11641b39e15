/* ballastd_options.h - the daemon's command line.
 *
 * Role     argv -> options, with a sentence for what is wrong
 * Shape    one struct, one call
 * Threads  start of main
 * Memory   points into argv
 * Limits   none
 * Errors   printed; -EINVAL
 * Tests    tests/eal/test_ballastd.py
 */
#ifndef BALLASTD_OPTIONS_H
#define BALLASTD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BALLASTD_DEFAULT_SOCKET "/run/ballast/api.sock"

struct ballastd_options {
	const char *config;
	const char *socket; /* NULL: as configured, or the default */
	const char *state_dir;
	bool is_read_only_config;
	bool is_check_only;
	bool has_seed;
	uint64_t seed;
	char **eal_args;
	size_t n_eal_args;
	bool is_done; /* --help or --version was answered */
};

int ballastd_options_parse(int argc, char **argv, struct ballastd_options *out);

#endif
