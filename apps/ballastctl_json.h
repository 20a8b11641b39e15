/* ballastctl_json.h - the daemon's answers as cJSON trees with exact 64-bit counters.
 *
 * Role     text -> tree, and questions to a tree that need no checking of their own
 * Shape    cJSON; a number of 16 digits is kept as it was written (cJSON_Raw)
 * Threads  any
 * Memory   the tree is the caller's (cJSON_Delete)
 * Limits   nesting as cJSON has it (1000)
 * Errors   NULL: no JSON, or out of memory. A member that is missing or of another type reads as
 *          0, "-" or an empty list: an older or newer daemon still gets its table
 * Tests    tests/unit/test_ballastctl_json.c
 */
#ifndef LB_BALLASTCTL_JSON_H
#define LB_BALLASTCTL_JSON_H

#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

cJSON *lb_ctl_json_parse(const char *text, size_t n);

const cJSON *lb_ctl_json_get(const cJSON *object, const char *key);
const char *lb_ctl_json_str(const cJSON *object, const char *key);
double lb_ctl_json_double(const cJSON *object, const char *key);
bool lb_ctl_json_bool(const cJSON *object, const char *key);
uint64_t lb_ctl_json_u64(const cJSON *object, const char *key);
/* A number itself; negative ones and what is none read as 0. */
uint64_t lb_ctl_json_value(const cJSON *number);

/* The tree with two blanks a level; what may not reach a terminal is escaped. */
void lb_ctl_json_put(FILE *out, const cJSON *tree);

/* Members of a list by their name (and port), found in O(log n). Lists without names have none. */
struct lb_ctl_index {
	const cJSON **item;
	size_t n;
};
/* -ENOMEM. The list must stay. */
int lb_ctl_index_init(struct lb_ctl_index *index, const cJSON *list);
void lb_ctl_index_fini(struct lb_ctl_index *index);
/* The member with the name and the port of `like`; NULL: none. */
const cJSON *lb_ctl_index_find(const struct lb_ctl_index *index, const cJSON *like);

#endif
