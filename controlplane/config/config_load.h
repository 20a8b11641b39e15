/* config_load.h - text or document -> validated configuration.
 *
 * Role     the way into struct lb_config: parse, check against the contract, build, cross check
 * Shape    one call; every error of the document is reported together
 * Units    bytes
 * Threads  any thread, no state; a large document takes about a second and belongs on the helper
 *          thread
 * Memory   results belong to the caller: lb_config_free, lb_document_free
 * Limits   LB_JSON_BYTES_MAX of text, include/lb/limits.h for the rest; refused with the place
 * Errors   -EINVAL, -E2BIG, -ENOMEM, and the complaints in the list
 * Source   DESIGN 4.2, 5
 * Tests    tests/unit/test_config.c, configs/, configs/bad/
 */
#ifndef LB_CONFIG_LOAD_H
#define LB_CONFIG_LOAD_H

#include <stddef.h>

#include "config/document.h"
#include "config/error_list.h"
#include "lb/config.h"

/* `doc` may be NULL. On error *cfg and *doc are NULL and `errors` is not empty. `warnings` (may be
 * NULL) gets what is allowed and probably not meant. Both lists are emptied first. */
int lb_config_load(const char *text, size_t len, struct lb_document **doc, struct lb_config **cfg,
		   struct lb_error_list *errors, struct lb_error_list *warnings);

/* The same from a document that exists already. */
int lb_config_build(const struct lb_document *doc, struct lb_config **cfg,
		    struct lb_error_list *errors, struct lb_error_list *warnings);

/* The same, in place of `now`: what costs much and is equal is taken from there, and nobody frees
 * it meanwhile. NULL: there is none. */
int lb_config_build_next(const struct lb_document *doc, const struct lb_config *now,
			 struct lb_config **cfg, struct lb_error_list *errors,
			 struct lb_error_list *warnings);

#endif
