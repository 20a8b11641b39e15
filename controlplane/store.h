/* store.h - the configuration file: read whole, replaced whole, never half.
 *
 * Role     keeps the document on disk so that what was accepted survives any kind of death
 * Shape    a path and the fingerprint of what was last adopted from or written to it
 * Threads  one call at a time; save and load run on the helper thread
 * Memory   one text at a time, the caller's
 * Limits   LB_STORE_BYTES_MAX, larger files are refused by name
 * Errors   -errno with lb_error; -ESTALE: edited on disk since it was read; -EROFS: read only.
 *          After a failed save the file is the old one
 * Source   DESIGN 4.5
 * Tests    tests/unit/test_store.c (kills a writer at random moments)
 */
#ifndef LB_STORE_H
#define LB_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "lb/error.h"

#define LB_STORE_BYTES_MAX (512u << 20)

struct lb_store;

/* Nothing is read yet. A `path` that is a symbolic link is followed once, here. */
int lb_store_open(const char *path, bool is_read_only, struct lb_store **out, struct lb_error *err);

/* NULL is allowed. */
void lb_store_close(struct lb_store *store);

/* The whole file in a block for free(), with a NUL behind `*n` bytes. -ENOENT: no such file; once
 * adopted, the next save makes it. */
int lb_store_load(struct lb_store *store, char **text, size_t *n, struct lb_error *err);

/* What was loaded last is in force: saving may replace it. A broken edit is never adopted, so no
 * save destroys it. */
void lb_store_adopt(struct lb_store *store);

/* The file is `text` when this returns 0, and stays so after a power cut. */
int lb_store_save(struct lb_store *store, const char *text, size_t n, struct lb_error *err);

/* -ESTALE: the file is not what was last adopted or written; -EROFS: it may not be written. */
int lb_store_check(struct lb_store *store, struct lb_error *err);

const char *lb_store_path(const struct lb_store *store);

#endif
