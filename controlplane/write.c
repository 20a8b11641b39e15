#include "control_state.h"

#include "boot_keys.h"
#include "config/document_edit.h"
#include "discard.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void start_next(struct lb_control *ctl);

struct lb_write *lb_write_create(void)
{
	struct lb_write *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	lb_error_list_init(&w->errors);
	lb_error_list_init(&w->warnings);
	lb_error_list_init(&w->pending_restart);
	return w;
}

void lb_write_free(struct lb_write *w)
{
	if (w == NULL)
		return;
	free(w->body);
	lb_discard(w->ctl != NULL ? w->ctl->helper : NULL, w->after, w->cfg, w->plan);
	free(w->text);
	lb_text_free(&w->changes);
	free(w);
}

/* One half of an ETag against its pattern. */
static bool half_matches(const char *pattern, size_t n, const char *half, size_t n_half)
{
	if (n == 1 && pattern[0] == '*')
		return true;
	return n == n_half && memcmp(pattern, half, n) == 0;
}

static bool tag_matches(const char *tag, size_t n, const char *etag)
{
	const char *dash = memchr(tag, '-', n);
	const char *own_dash = strchr(etag, '-');
	size_t n_first, own_first;

	if (n == 1 && tag[0] == '*')
		return true;
	if (n < 2 || tag[0] != '"' || tag[n - 1] != '"' || dash == NULL || own_dash == NULL)
		return false;
	n_first = (size_t)(dash - tag) - 1;
	own_first = (size_t)(own_dash - etag);
	return half_matches(tag + 1, n_first, etag, own_first) &&
	       half_matches(dash + 1, n - n_first - 3, own_dash + 1, strlen(own_dash + 1));
}

bool lb_write_etag_matches(const char *header, const char *etag)
{
	while (*header != '\0') {
		size_t n = strcspn(header, ",");
		size_t from = strspn(header, " \t");
		size_t to = n;

		while (to > from && (header[to - 1] == ' ' || header[to - 1] == '\t'))
			to--;
		if (from < to && tag_matches(header + from, to - from, etag))
			return true;
		header += n;
		if (*header == ',')
			header++;
	}
	return false;
}

static void complain(struct lb_write *w, const struct lb_error *err)
{
	lb_error_list_add(&w->errors, err->where, "%s", err->what);
}

/* ---- on the helper ---- */

/* What is wrong with the disk has no status of its own. */
static int store_error(struct lb_write *w, int rc, const struct lb_error *err)
{
	if (rc == 0)
		return 0;
	complain(w, err);
	return rc == -ESTALE || rc == -EROFS || rc == -ENOSPC ? rc : -EIO;
}

static int check_precondition(struct lb_write *w)
{
	char etag[LB_ETAG_MAX];

	if (w->if_match[0] == '\0')
		return 0;
	lb_document_etag(w->before, etag);
	if (lb_write_etag_matches(w->if_match, etag))
		return 0;
	lb_error_list_add(&w->errors, "", "the configuration is \"%s\" now", etag);
	return -EILSEQ;
}

static int make_document(struct lb_write *w)
{
	struct lb_error err;
	int rc;

	if (w->edit != NULL)
		return w->edit(w, w->before, &w->after);
	rc = store_error(w, lb_store_load(w->ctl->store, &w->text, &w->n_text, &err), &err);
	if (rc < 0)
		return rc;
	return lb_document_parse(w->text, w->n_text, &w->after, &w->errors);
}

static int check_boot_keys(struct lb_write *w)
{
	struct lb_error_list *pending = &w->pending_restart;

	if (lb_document_boot_changes(w->booted, w->after, pending) == 0 || w->accepts_restart) {
		lb_boot_keys_keep(w->running, w->cfg);
		return 0;
	}
	for (uint32_t i = 0; i < pending->n; i++)
		lb_error_list_add(&w->errors, pending->item[i].where,
				  "takes effect at the next start only; with "
				  "?pending_restart=true it is stored until then");
	return -EBUSY;
}

/* What is in force stays as it is meanwhile: see start_next(). */
static int plan_change(struct lb_write *w)
{
	struct lb_error err;
	int rc = lb_reconcile_plan(w->ctl->reconcile, w->cfg, lb_now_ms(), &w->plan, &err);

	if (rc < 0)
		complain(w, &err);
	/* Ids that run out are a limit; the disk that runs out is another matter. */
	return rc == -ENOSPC ? -E2BIG : rc;
}

static int prepare(struct lb_write *w)
{
	struct lb_error err;
	int rc = check_precondition(w);

	if (rc == 0 && w->edit != NULL && !w->is_dry_run && w->ctl->store != NULL)
		rc = store_error(w, lb_store_check(w->ctl->store, &err), &err);
	if (rc == 0)
		rc = make_document(w);
	if (rc == 0)
		rc = lb_config_build_next(w->after, w->running, &w->cfg, &w->errors, &w->warnings);
	if (rc == 0)
		rc = check_boot_keys(w);
	if (rc == 0)
		rc = plan_change(w);
	if (rc == 0 && w->text == NULL)
		rc = lb_document_print(w->after, &w->text, &w->n_text);
	return rc;
}

static void run_prepare(struct lb_helper_job *job)
{
	struct lb_write *w = (struct lb_write *)((char *)job - offsetof(struct lb_write, job));

	w->rc = prepare(w);
}

static void run_store(struct lb_helper_job *job)
{
	struct lb_write *w = (struct lb_write *)((char *)job - offsetof(struct lb_write, job));
	struct lb_error err;

	w->rc = store_error(w, lb_store_save(w->ctl->store, w->text, w->n_text, &err), &err);
}

/* ---- on the loop ---- */

/* The write leaves the queue and the next one may begin. */
static void leave(struct lb_write *w)
{
	struct lb_control *ctl = w->ctl;

	TAILQ_REMOVE(&ctl->writes, w, link);
	ctl->n_writes--;
	start_next(ctl);
}

static void finish(struct lb_write *w)
{
	struct lb_control *ctl = w->ctl;

	lb_document_etag(ctl->doc, w->etag);
	leave(w);
	w->on_end(w);
}

/* From here on `w` is the helper's, its result included. */
static void submit(struct lb_write *w, void (*run)(struct lb_helper_job *job),
		   void (*done)(struct lb_helper_job *job))
{
	int rc;

	w->job.run = run;
	w->job.done = done;
	rc = lb_helper_submit(w->ctl->helper, &w->job);
	if (rc == 0)
		return;
	w->rc = rc;
	finish(w);
}

static void on_ack(struct lb_ack_waiter *waiter, bool is_acked)
{
	struct lb_write *w = (struct lb_write *)((char *)waiter -
						 offsetof(struct lb_write, waiter));

	w->is_active = is_acked;
	if (!is_acked)
		lb_courier_laggard(w->ctl->courier, &w->laggard);
	w->on_end(w);
}

static void put_in_force(struct lb_write *w)
{
	struct lb_control *ctl = w->ctl;
	struct lb_candidate candidate = {w->after, w->cfg, w->plan, w->text, w->n_text};
	char *old_text = NULL;
	struct lb_error err;
	size_t n_old;

	w->rc = lb_control_apply(ctl, &candidate, &err);
	if (w->rc < 0) {
		/* Only a lack of memory leads here: the file goes back to what is in force. */
		complain(w, &err);
		if (w->edit != NULL && ctl->store != NULL &&
		    lb_document_print(ctl->doc, &old_text, &n_old) == 0 &&
		    lb_store_save(ctl->store, old_text, n_old, &err) < 0)
			lb_log(LB_LOG_ERROR, "store", "%s: %s", err.where, err.what);
		free(old_text);
		finish(w);
		return;
	}
	w->after = NULL;
	w->cfg = NULL;
	w->plan = NULL;
	w->text = NULL;
	if (w->edit == NULL)
		lb_store_adopt(ctl->store);
	ctl->warnings = w->warnings;
	ctl->pending_restart = w->pending_restart;
	lb_document_etag(ctl->doc, w->etag);
	lb_log(LB_LOG_INFO, "config", "in force etag=%s generation=%llu services=%u pools=%u",
	       w->etag, (unsigned long long)ctl->config_generation, ctl->cfg->n_services,
	       ctl->cfg->n_pools);
	w->waiter.on_end = on_ack;
	lb_courier_wait(ctl->courier, &w->waiter);
	leave(w);
}

static void on_stored(struct lb_helper_job *job)
{
	struct lb_write *w = (struct lb_write *)((char *)job - offsetof(struct lb_write, job));

	if (w->rc < 0 || w->ctl->is_stopping)
		finish(w);
	else
		put_in_force(w);
}

static void on_change(void *ctx, const struct lb_change *change)
{
	static const char *const words[LB_CHANGE_TYPE_N] = {
		[LB_CHANGE_SERVICE_ADDED] = "service_added",
		[LB_CHANGE_SERVICE_CHANGED] = "service_changed",
		[LB_CHANGE_SERVICE_REMOVED] = "service_removed",
		[LB_CHANGE_REAL_ADDED] = "real_server_added",
		[LB_CHANGE_REAL_REMOVED] = "real_server_removed",
	};
	struct lb_write *w = ctx;
	struct lb_traffic traffic;

	lb_text_json_open(&w->changes, NULL, '{');
	lb_text_json_str(&w->changes, "change", words[change->type]);
	lb_text_json_str(&w->changes, "name", change->name);
	if (change->type == LB_CHANGE_SERVICE_REMOVED) {
		lb_dataplane_service_traffic(w->ctl->dp, change->id, &traffic);
		lb_text_json_u64(&w->changes, "connections_ended", traffic.conns_live);
	} else if (change->type == LB_CHANGE_REAL_REMOVED) {
		lb_dataplane_real_traffic(w->ctl->dp, change->id, &traffic);
		lb_text_json_u64(&w->changes, "connections_ended", traffic.conns_live);
	}
	lb_text_json_close(&w->changes, '}');
}

static void on_prepared(struct lb_helper_job *job)
{
	struct lb_write *w = (struct lb_write *)((char *)job - offsetof(struct lb_write, job));
	struct lb_control *ctl = w->ctl;

	if (w->rc == 0 && ctl->is_stopping)
		w->rc = -ECANCELED;
	if (w->rc == 0 && w->is_dry_run) {
		lb_text_json_open(&w->changes, NULL, '[');
		lb_reconcile_tell(w->plan, on_change, w, &w->summary);
		lb_text_json_close(&w->changes, ']');
	}
	if (w->rc < 0 || w->is_dry_run) {
		finish(w);
		return;
	}
	if (w->edit == NULL || ctl->store == NULL) {
		put_in_force(w);
		return;
	}
	submit(w, run_store, on_stored);
}

/* The helper plans from what is in force, so until the write has left nothing but its own end
 * changes that: verdicts and the kernel's news do not (reconcile.h), slots settle before. */
static void start_next(struct lb_control *ctl)
{
	struct lb_write *w = TAILQ_FIRST(&ctl->writes);

	if (w == NULL)
		return;
	lb_control_settle(ctl);
	w->before = ctl->doc;
	w->booted = ctl->booted;
	w->running = ctl->cfg;
	submit(w, run_prepare, on_prepared);
}

int lb_write_submit(struct lb_control *ctl, struct lb_write *w)
{
	if (ctl->n_writes >= LB_WRITES_MAX || ctl->is_stopping)
		return -EAGAIN;
	w->ctl = ctl;
	TAILQ_INSERT_TAIL(&ctl->writes, w, link);
	ctl->n_writes++;
	if (ctl->n_writes == 1)
		start_next(ctl);
	return 0;
}

static void on_reloaded(struct lb_write *w)
{
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t i = 0; i < w->errors.n; i++)
		lb_log(LB_LOG_ERROR, "config", "%s", lb_error_format(&w->errors.item[i], line));
	for (uint32_t i = 0; i < w->warnings.n; i++)
		lb_log(LB_LOG_WARNING, "config", "%s", lb_error_format(&w->warnings.item[i], line));
	for (uint32_t i = 0; i < w->pending_restart.n; i++)
		lb_log(LB_LOG_WARNING, "config", "%s",
		       lb_error_format(&w->pending_restart.item[i], line));
	if (w->rc < 0)
		lb_log(LB_LOG_ERROR, "config", "reload refused, the last good one stays errors=%u",
		       w->errors.n + w->errors.n_more);
	else
		lb_log(LB_LOG_INFO, "config", "reloaded etag=%s active=%d", w->etag, w->is_active);
	lb_write_free(w);
}

void lb_control_reload(struct lb_control *ctl)
{
	struct lb_write *w;

	if (ctl->store == NULL) {
		lb_log(LB_LOG_WARNING, "config", "nothing to reload: started without --config");
		return;
	}
	w = lb_write_create();
	if (w == NULL) {
		lb_log(LB_LOG_ERROR, "config", "reload failed: out of memory");
		return;
	}
	w->accepts_restart = true;
	w->on_end = on_reloaded;
	if (lb_write_submit(ctl, w) < 0) {
		lb_log(LB_LOG_ERROR, "config", "reload failed: too many writes wait");
		lb_write_free(w);
	}
}
