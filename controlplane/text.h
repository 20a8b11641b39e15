/* text.h - text that grows while it is written: JSON answers, metrics, reports.
 *
 * Role     appends strings, numbers and JSON values to one block
 * Shape    pointer, length, room; a failed allocation is remembered and asked for once at the end
 * Units    bytes
 * Threads  a value; belongs to whoever holds it
 * Memory   one heap block, doubled as it grows; lb_text_free, or lb_text_take to hand it on
 * Limits   what memory allows
 * Errors   has_failed; appending to a failed text does nothing
 * Tests    tests/unit/test_text.c
 */
#ifndef LB_TEXT_H
#define LB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lb_text {
	char *data; /* NUL behind `n` bytes; NULL while nothing was written */
	size_t n;
	size_t room;
	bool has_failed;
	bool needs_comma; /* JSON: the next value or key is not the first of its container */
};

void lb_text_free(struct lb_text *t);

/* The block for free(), or NULL when an allocation failed; `t` is empty afterwards. */
char *lb_text_take(struct lb_text *t, size_t *n);

void lb_text_add(struct lb_text *t, const char *bytes, size_t n);
void lb_text_str(struct lb_text *t, const char *str);
__attribute__((format(printf, 2, 3))) void lb_text_fmt(struct lb_text *t, const char *fmt, ...);

/* JSON, one call per token; commas come by themselves. The caller balances the brackets. A NULL key
 * is for values of arrays (and the outermost one). */
void lb_text_json_open(struct lb_text *t, const char *key, char bracket);
void lb_text_json_close(struct lb_text *t, char bracket);
void lb_text_json_str(struct lb_text *t, const char *key, const char *value);
void lb_text_json_u64(struct lb_text *t, const char *key, uint64_t value);
void lb_text_json_i64(struct lb_text *t, const char *key, int64_t value);
void lb_text_json_bool(struct lb_text *t, const char *key, bool value);
/* Seconds with three places, from ms. */
void lb_text_json_seconds(struct lb_text *t, const char *key, uint64_t ms);
/* `value` is JSON already. */
void lb_text_json_raw(struct lb_text *t, const char *key, const char *value, size_t n);

#endif
