/* document.h - the configuration document as a person wrote it, and edits of it.
 *
 * Role     what REST reads from and writes to; lb_config is built from it
 * Shape    a cJSON tree and the two hashes of its ETag; an edit makes a new document
 * Units    none
 * Threads  immutable after it was made: may be read from any thread; free it where it is owned
 * Memory   one owner, lb_document_free
 * Limits   those of json.h
 * Errors   0 or -errno, with complaints in the list
 * Source   DESIGN 4.4; RFC 7396 (merge patch)
 * Tests    tests/unit/test_document.c
 */
#ifndef LB_DOCUMENT_H
#define LB_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "config/error_list.h"

#define LB_ETAG_MAX 36 /* "S-N" in hexadecimal with the NUL, without quotes */

struct lb_document {
	cJSON *root;          /* an object */
	uint64_t hash_shared; /* of everything but `node` */
	uint64_t hash_node;
};

/* Only JSON is checked, and that it is an object; lb_config_build checks the rest. */
int lb_document_parse(const char *text, size_t len, struct lb_document **out,
		      struct lb_error_list *errors);

/* `{"version": 1}`, what a daemon without a file starts with. NULL: out of memory. */
struct lb_document *lb_document_create_empty(void);

/* Takes `root` over, also on failure; NULL: out of memory. */
struct lb_document *lb_document_of(cJSON *root);

/* NULL is allowed. */
void lb_document_free(struct lb_document *doc);

/* The text as it goes into the file; freed by the caller. */
int lb_document_print(const struct lb_document *doc, char **text, size_t *len);

/* `S-N`, both in 16 hexadecimal digits. Returns `text`. */
const char *lb_document_etag(const struct lb_document *doc, char text[LB_ETAG_MAX]);

#endif
