#include "api_write.h"

#include "config/document_edit.h"
#include "config/json.h"
#include "problem.h"
#include "query.h"
#include "route.h"
#include "write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct api_write {
	struct lb_http_exchange *x;
	struct lb_control *ctl;
	enum lb_edit op;
	char resource[LB_ROUTE_RESOURCE_MAX];
	char location[LB_ROUTE_RESOURCE_MAX + LB_NAME_MAX + 2]; /* of what was created */
};

/* ---- on the helper ---- */

static int replace_document(struct lb_write *w, const struct lb_document *before,
			    struct lb_document **after)
{
	int rc = lb_document_parse(w->body != NULL ? w->body : "", w->n_body, after, &w->errors);

	(void)before;
	if (rc < 0)
		return rc == -EINVAL ? -EBADMSG : rc;
	/* The file gets what the writer wrote, in the writer's order and layout. */
	w->text = w->body;
	w->n_text = w->n_body;
	w->body = NULL;
	return 0;
}

static void note_location(struct api_write *a, const cJSON *body)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(body, "name");

	if (a->op == LB_EDIT_POST && cJSON_IsString(name))
		snprintf(a->location, sizeof(a->location), "%s/%.*s", a->resource, (int)LB_NAME_MAX,
			 name->valuestring);
	else
		snprintf(a->location, sizeof(a->location), "%s", a->resource);
}

static int edit_resource(struct lb_write *w, const struct lb_document *before,
			 struct lb_document **after)
{
	struct api_write *a = w->ctx;
	cJSON *body = NULL;
	int rc = 0;

	if (a->op != LB_EDIT_DELETE)
		rc = lb_json_parse(w->body != NULL ? w->body : "", w->n_body, &body, &w->errors);
	if (rc < 0)
		return rc == -EINVAL ? -EBADMSG : rc;
	rc = lb_document_edit(before, a->op, a->resource, body, after, &w->errors);
	if (rc > 0) {
		w->is_created = true;
		note_location(a, body);
	}
	cJSON_Delete(body);
	return rc < 0 ? rc : 0;
}

/* ---- on the loop ---- */

static void add_result(struct lb_write *w, struct lb_text *out)
{
	lb_text_json_open(out, NULL, '{');
	if (w->is_dry_run)
		lb_text_json_bool(out, "dry_run", true);
	lb_text_json_bool(out, "active", w->is_active);
	if (!w->is_active && !w->is_dry_run) {
		lb_text_json_open(out, "waiting_for", '[');
		lb_text_json_u64(out, NULL, w->laggard);
		lb_text_json_close(out, ']');
	}
	lb_text_json_open(out, "pending_restart", '[');
	for (uint32_t i = 0; i < w->pending_restart.n; i++)
		lb_text_json_str(out, NULL, w->pending_restart.item[i].where);
	lb_text_json_close(out, ']');
	lb_complaints_json(out, "warnings", &w->warnings);
	if (w->is_dry_run)
		lb_text_json_raw(out, "changes", w->changes.data, w->changes.n);
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
}

static void on_end(struct lb_write *w)
{
	struct api_write *a = w->ctx;
	struct lb_http_response r = {0};
	struct lb_text body = {0};
	const char *detail;
	int status = 200;

	if (w->etag[0] != '\0')
		snprintf(r.etag, sizeof(r.etag), "\"%s\"", w->etag);
	if (w->rc < 0) {
		status = lb_problem_status(w->rc, &detail);
		lb_answer_problem(a->x, status, detail, &w->errors, &r);
	} else {
		if (!w->is_dry_run && !w->is_active)
			status = 202;
		else if (!w->is_dry_run && w->is_created)
			status = 201;
		if (w->is_created && !w->is_dry_run)
			snprintf(r.location, sizeof(r.location), "%s%.*s", LB_ROUTE_PREFIX,
				 (int)(sizeof(r.location) - sizeof(LB_ROUTE_PREFIX)), a->location);
		add_result(w, &body);
		lb_answer_text(a->x, status, LB_TYPE_JSON, &body, &r);
	}
	lb_write_free(w);
	free(a);
}

static bool is_type(const char *header, const char *type)
{
	size_t n = strcspn(header, "; \t");

	return strlen(type) == n && strncasecmp(header, type, n) == 0;
}

static bool has_right_type(const struct lb_http_head *head)
{
	if (head->method == LB_HTTP_DELETE || is_type(head->content_type, LB_TYPE_JSON))
		return true;
	return head->method == LB_HTTP_PATCH &&
	       is_type(head->content_type, "application/merge-patch+json");
}

static enum lb_edit op_of(enum lb_http_method method)
{
	switch (method) {
	case LB_HTTP_POST:
		return LB_EDIT_POST;
	case LB_HTTP_PUT:
		return LB_EDIT_PUT;
	case LB_HTTP_PATCH:
		return LB_EDIT_PATCH;
	default:
		return LB_EDIT_DELETE;
	}
}

static struct lb_write *make_write(struct lb_http_exchange *x, struct api_write *a,
				   struct lb_error_list *errors)
{
	static const char *const known[] = {"dry_run", "pending_restart", NULL};
	const struct lb_http_head *head = lb_http_exchange_head(x);
	struct lb_write *w = lb_write_create();

	if (w == NULL)
		return NULL;
	lb_query_check(head->query, known, errors);
	w->is_dry_run = lb_query_flag(head->query, "dry_run", errors);
	w->accepts_restart = lb_query_flag(head->query, "pending_restart", errors);
	w->body = lb_http_exchange_take_body(x, &w->n_body);
	w->edit = strcmp(a->resource, "config") == 0 ? replace_document : edit_resource;
	w->on_end = on_end;
	w->ctx = a;
	memcpy(w->if_match, head->if_match, sizeof(w->if_match));
	return w;
}

void lb_api_write(struct lb_control *ctl, struct lb_http_exchange *x, const char *resource)
{
	const struct lb_http_head *head = lb_http_exchange_head(x);
	struct lb_error_list errors;
	struct api_write *a;
	struct lb_write *w;

	if (!has_right_type(head)) {
		lb_answer_problem(x, 415,
				  "send application/json (PATCH also: "
				  "application/merge-patch+json)",
				  NULL, NULL);
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
		return;
	}
	*a = (struct api_write){.x = x, .ctl = ctl, .op = op_of(head->method)};
	snprintf(a->resource, sizeof(a->resource), "%s", resource);
	lb_error_list_init(&errors);
	w = make_write(x, a, &errors);
	if (w == NULL)
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
	else if (errors.n != 0)
		lb_answer_problem(x, 400, "the query is not understood", &errors, NULL);
	else if (lb_write_submit(ctl, w) == 0)
		return;
	else
		lb_answer_problem(x, 503, "too many writes are waiting", NULL, NULL);
	lb_write_free(w);
	free(a);
}
