/* write.h - one change of the configuration on its way: from a request to every worker.
 *
 * Role     what a writer asks for and what became of it
 * Shape    a job with steps: make the new document, check it and plan the change (helper), store it
 *          (helper), put it in force (loop), wait for the workers
 * Units    none
 * Threads  filled and read on the loop; `edit` runs on the helper
 * Memory   made by lb_write_create, freed by lb_write_free
 * Limits   LB_WRITES_MAX waiting writes, then -EAGAIN
 * Errors   `rc`, see below, with every complaint in `errors`
 * Source   DESIGN 4.3, 4.4, 4.5
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_WRITE_H
#define LB_WRITE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "config/config_load.h"
#include "courier.h"
#include "helper.h"
#include "reconcile.h"
#include "text.h"

#define LB_WRITES_MAX 256u

struct lb_control;
struct lb_write;

/* From the document in force and the request's body to the new document. 0, or -EBADMSG (the body
 * is no JSON), -ENOENT (no such object), -EEXIST, -EINVAL. Runs on the helper thread. */
typedef int (*lb_write_edit)(struct lb_write *w, const struct lb_document *before,
			     struct lb_document **after);

struct lb_write {
	/* ---- asked for ---- */
	lb_write_edit edit; /* NULL: the file is read again (reload) */
	void *edit_ctx;
	char *body; /* owned; NULL: none */
	size_t n_body;
	char if_match[256]; /* as in the header; empty: unguarded */
	bool is_dry_run;
	bool accepts_restart; /* keys that need a restart may change, for later */
	void (*on_end)(struct lb_write *w);
	void *ctx;

	/* ---- became of it ----
	 * 0; -EBADMSG, -ENOENT, -EEXIST, -EINVAL (not valid), -EILSEQ (If-Match), -ESTALE
	 * (edited on disk), -EROFS, -EBUSY (boot keys), -ENOMEM, -ENOSPC, -EIO (the disk) */
	int rc;
	bool is_active;
	bool is_created;  /* set by `edit` */
	uint32_t laggard; /* !is_active: a worker that has not acknowledged */
	char etag[LB_ETAG_MAX];
	struct lb_error_list errors;
	struct lb_error_list warnings;
	struct lb_error_list pending_restart; /* keys that take effect at the next start */
	struct lb_text changes;               /* dry run: a JSON array */
	struct lb_change_summary summary;

	/* ---- private to write.c ---- */
	struct lb_helper_job job;
	struct lb_ack_waiter waiter;
	struct lb_control *ctl;
	const struct lb_document *before;
	const struct lb_document *booted;
	const struct lb_config *running;
	struct lb_document *after;
	struct lb_config *cfg;
	struct lb_plan *plan; /* from what is in force to cfg */
	char *text;
	size_t n_text;
	TAILQ_ENTRY(lb_write) link;
};

struct lb_write *lb_write_create(void);
void lb_write_free(struct lb_write *w);

/* Writes are taken one after another. `on_end` is called once, from the loop, and frees `w`.
 * -EAGAIN: too many are waiting; on_end is not called. */
int lb_write_submit(struct lb_control *ctl, struct lb_write *w);

/* `S-N` against a header like "S-N", "S-*", "*-N", * or a list of those. */
bool lb_write_etag_matches(const char *header, const char *etag);

#endif
