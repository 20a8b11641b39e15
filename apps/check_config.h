/* check_config.h - what --check-config prints.
 *
 * Role     reads a configuration file and tells a person everything that is wrong with it
 * Shape    one function; one line per complaint, `POINTER: sentence`
 * Threads  any
 * Memory   freed before it returns
 * Limits   LB_ERRORS_MAX lines, then how many more there are
 * Errors   the exit status says it
 * Tests    tests/unit/test_check_config.c
 */
#ifndef LB_CHECK_CONFIG_H
#define LB_CHECK_CONFIG_H

#include <stdio.h>

/* 0: valid (warnings and a summary are printed), 2: not valid or not readable, each error is
 * printed. */
int lb_config_check_file(const char *path, FILE *out);

#endif
