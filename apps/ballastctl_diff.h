/* ballastctl_diff.h - what one configuration document has and another has not.
 *
 * Role     lines for a person: + added, - removed, ~ changed from -> to
 * Shape    a walk over both trees; objects by key, lists of named objects by name, other lists and
 *          values as a whole
 * Threads  any
 * Memory   an index per list while it is walked
 * Limits   a value is cut at LB_CTL_DIFF_VALUE_MAX bytes; nesting as the trees have it
 * Errors   -ENOMEM
 * Tests    tests/unit/test_ballastctl_diff.c
 */
#ifndef LB_BALLASTCTL_DIFF_H
#define LB_BALLASTCTL_DIFF_H

#include <cjson/cJSON.h>
#include <stdio.h>

#define LB_CTL_DIFF_VALUE_MAX 60

/* The number of lines written. The order of named objects does not count as a change. */
int lb_ctl_diff(FILE *out, const cJSON *before, const cJSON *after);

#endif
