/* ballastctl_text.h - numbers, times and foreign strings for a person's eyes.
 *
 * Role     what the tables are made of
 * Shape    formatters into the caller's buffer; writers to a stream
 * Units    counts, bytes, seconds
 * Threads  any
 * Memory   the caller's
 * Limits   LB_CTL_TEXT_MAX holds every number and time
 * Errors   none; what may not reach a terminal is written as an escape
 * Tests    tests/unit/test_ballastctl_text.c
 */
#ifndef LB_BALLASTCTL_TEXT_H
#define LB_BALLASTCTL_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LB_CTL_TEXT_MAX 32

/* 1,234,567 */
const char *lb_ctl_count(uint64_t n, char text[LB_CTL_TEXT_MAX]);

/* Three digits and a decimal unit: 999, 1.23 k, 45.6 M. `unit` follows the letter: "B". */
const char *lb_ctl_human(uint64_t n, const char *unit, char text[LB_CTL_TEXT_MAX]);

/* The two largest units: 45s, 3m 12s, 2h 5m, 4d 3h. */
const char *lb_ctl_duration(double seconds, char text[LB_CTL_TEXT_MAX]);

/* A string that somebody else wrote, in one line: control characters, what turns the direction of
 * writing, what cannot be seen and bytes that are no UTF-8 come out as \x1b or \u202e. */
void lb_ctl_put_text(FILE *out, const char *text);

/* A JSON text: the same, as JSON's own escapes; line ends and tabs stay. */
void lb_ctl_put_json(FILE *out, const char *text, size_t n);

/* Columns that a text takes after lb_ctl_put_text(): a code point counts as one. */
size_t lb_ctl_columns(const char *text);

#endif
