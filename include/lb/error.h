/* error.h - what a person is told when their input is refused.
 *
 * Role     carries one complaint: the place (JSON Pointer, option, file) and a sentence
 * Shape    two bounded strings; longer text is cut, never overrun
 * Units    NUL-terminated UTF-8
 * Threads  a value; belongs to whoever holds it
 * Memory   no heap
 * Limits   LB_ERROR_WHERE_MAX and LB_ERROR_WHAT_MAX bytes with the NUL
 * Errors   none of its own
 * Tests    tests/unit/test_addr.c
 */
#ifndef LB_ERROR_H
#define LB_ERROR_H

#include <stdarg.h>
#include <stdio.h>

#define LB_ERROR_WHERE_MAX 192
#define LB_ERROR_WHAT_MAX 320

struct lb_error {
	char where[LB_ERROR_WHERE_MAX]; /* JSON Pointer, option or file; may be empty */
	char what[LB_ERROR_WHAT_MAX];	/* a sentence that says what is allowed or what to do */
};

/* Fills `err` (NULL is allowed: the complaint is then only in the return value) and returns
 * `code` unchanged, so that a caller can write `return lb_error_set(err, -EINVAL, ...)`. */
__attribute__((format(printf, 4, 5))) static inline int
lb_error_set(struct lb_error *err, int code, const char *where, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	snprintf(err->where, sizeof(err->where), "%s", where);
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	return code;
}

#endif
