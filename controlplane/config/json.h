/* json.h - JSON text <-> cJSON, strictly.
 *
 * Role     the only way in which text becomes a tree, and a tree text or a hash
 * Shape    RFC 8259 checked by our own scan first (json_scan.c), then built by cJSON
 * Units    bytes; text need not end in a NUL
 * Threads  any; no state of ours. cJSON writes its own global error position, which nobody reads
 * Memory   trees by cJSON_Delete, text by free; owned by the caller
 * Limits   LB_JSON_BYTES_MAX of text, LB_JSON_DEPTH_MAX levels, numbers of LB_JSON_NUMBER_MAX
 *          characters; what is larger is refused with the place
 * Errors   -EINVAL not JSON (line and column), -E2BIG, -ENOMEM
 * Source   RFC 8259, RFC 6901 (pointers), RFC 3629 (UTF-8)
 * Tests    tests/unit/test_json.c, tests/fuzz/fuzz_config.c
 */
#ifndef LB_JSON_H
#define LB_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "error_list.h"

#define LB_JSON_BYTES_MAX ((size_t)256 << 20)
#define LB_JSON_DEPTH_MAX 32
#define LB_JSON_NUMBER_MAX 32

/* A place in a tree, built on the way down; text is made of it only for a complaint. */
struct lb_json_path {
	const struct lb_json_path *parent; /* NULL: the root, which has no step of its own */
	const char *key;                   /* NULL: an array's entry */
	uint32_t idx;
};

/* The JSON Pointer; longer ones are cut. Returns `text`. */
const char *lb_json_pointer(const struct lb_json_path *path, char text[LB_ERROR_WHERE_MAX]);

/* Refuses text that is not one JSON value, trailing bytes, duplicate keys, invalid UTF-8 and
 * escapes of NUL and of halves of surrogate pairs. */
int lb_json_parse(const char *text, size_t len, cJSON **out, struct lb_error_list *errors);

/* Only the grammar: 0, or -EINVAL with the place. */
int lb_json_scan(const char *text, size_t len, struct lb_error *err);

/* The same for equal values, whatever the order of keys, spaces and ways to write a number;
 * a key of the outermost object named `without` (may be NULL) does not count. */
uint64_t lb_json_hash(const cJSON *value, const char *without);

/* Indented by two spaces, keys in the tree's order, lists of plain values on one line, a newline
 * at the end. */
int lb_json_print(const cJSON *value, char **text, size_t *len);

#endif
