/* document_edit.h - REST's resources inside the document, and changes of one of them.
 *
 * Role     what GET, POST, PUT, PATCH and DELETE on a path mean for the document
 * Shape    paths as below /api/v1 (`server-pools/cas/real-servers/cas1`); an edit works on a copy
 * Units    none
 * Threads  any; the document edited is only read
 * Memory   the new document belongs to the caller
 * Limits   paths of LB_RESOURCE_MAX bytes; longer ones name nothing
 * Errors   -ENOENT no such list or object, -EEXIST, -EINVAL the body does not fit the resource,
 *          -EOPNOTSUPP not on this resource, -ENOMEM; each with a complaint. The new document is
 *          not validated: lb_config_build does that, and only then is it used
 * Source   DESIGN 4.4; RFC 7396 (merge patch)
 * Tests    tests/unit/test_document.c (random edits against the original)
 */
#ifndef LB_DOCUMENT_EDIT_H
#define LB_DOCUMENT_EDIT_H

#include "config/document.h"

#define LB_RESOURCE_MAX 192

enum lb_edit {
	LB_EDIT_POST,  /* on a list: adds an object; -EEXIST when its name is taken */
	LB_EDIT_PUT,   /* on an object: replaces or adds it; on a list: replaces it */
	LB_EDIT_PATCH, /* on an object: merge patch; on real-servers/NAME: admin_state everywhere */
	LB_EDIT_DELETE, /* on an object */
};

/* The object, or the list, which is NULL when the document has none (it is then empty). The
 * result belongs to the document. real-servers/NAME gives the first place that lists it. */
int lb_document_find(const struct lb_document *doc, const char *path, const cJSON **out);

/* `body` is NULL for DELETE. 0, or 1 when an object was added, or -errno; on error *out is NULL. */
int lb_document_edit(const struct lb_document *doc, enum lb_edit op, const char *path,
		     const cJSON *body, struct lb_document **out, struct lb_error_list *errors);

/* Adds one entry for each boot key whose value is not the same in both; returns how many. */
uint32_t lb_document_boot_changes(const struct lb_document *running,
				  const struct lb_document *wanted, struct lb_error_list *changes);

#endif
