/* error_list.h - all complaints about one document, up to a bound.
 *
 * Role     collects errors (or warnings) so that a person sees all of them at once
 * Shape    an array in the order of discovery and a count of those that found no room
 * Units    as in lb/error.h
 * Threads  a value; belongs to whoever holds it
 * Memory   no heap; about 51 kB, so not for a deep stack
 * Limits   LB_ERRORS_MAX are kept, the rest is counted in n_more
 * Errors   none of its own
 * Tests    tests/unit/test_json.c
 */
#ifndef LB_ERROR_LIST_H
#define LB_ERROR_LIST_H

#include <stdint.h>

#include "lb/error.h"

#define LB_ERRORS_MAX 100u
#define LB_ERROR_LINE_MAX (LB_ERROR_WHERE_MAX + LB_ERROR_WHAT_MAX + 2)

struct lb_error_list {
	uint32_t n;
	uint32_t n_more; /* found after the list was full */
	struct lb_error item[LB_ERRORS_MAX];
};

void lb_error_list_init(struct lb_error_list *list);

/* NULL list: nobody wants to know. */
__attribute__((format(printf, 3, 4))) void
lb_error_list_add(struct lb_error_list *list, const char *where, const char *fmt, ...);

/* `WHERE: what`, or only `what` where the place is the whole document. Returns `line`. */
const char *lb_error_format(const struct lb_error *err, char line[LB_ERROR_LINE_MAX]);

#endif
