#include "problem.h"

#include <errno.h>
#include <stdlib.h>

void lb_answer_text(struct lb_http_exchange *x, int status, const char *type, struct lb_text *body,
		    const struct lb_http_response *r)
{
	struct lb_http_response answer = r != NULL ? *r : (struct lb_http_response){0};

	answer.status = status;
	answer.content_type = type;
	answer.body_ctx = lb_text_take(body, &answer.n_body);
	answer.body = answer.body_ctx;
	answer.release = free;
	if (answer.body == NULL)
		answer = (struct lb_http_response){.status = 503};
	lb_http_reply(x, &answer);
}

void lb_complaints_json(struct lb_text *out, const char *key, const struct lb_error_list *list)
{
	lb_text_json_open(out, key, '[');
	for (uint32_t i = 0; list != NULL && i < list->n; i++) {
		lb_text_json_open(out, NULL, '{');
		lb_text_json_str(out, "pointer", list->item[i].where);
		lb_text_json_str(out, "detail", list->item[i].what);
		lb_text_json_close(out, '}');
	}
	lb_text_json_close(out, ']');
}

void lb_answer_problem(struct lb_http_exchange *x, int status, const char *detail,
		       const struct lb_error_list *errors, const struct lb_http_response *r)
{
	struct lb_text body = {0};

	lb_text_json_open(&body, NULL, '{');
	lb_text_json_str(&body, "type", "about:blank");
	lb_text_json_str(&body, "title", lb_http_reason(status));
	lb_text_json_u64(&body, "status", (uint64_t)status);
	lb_text_json_str(&body, "detail", detail);
	lb_complaints_json(&body, "errors", errors);
	if (errors != NULL && errors->n_more > 0)
		lb_text_json_u64(&body, "n_more_errors", errors->n_more);
	lb_text_json_close(&body, '}');
	lb_text_str(&body, "\n");
	lb_answer_text(x, status, LB_TYPE_PROBLEM, &body, r);
}

int lb_problem_status(int rc, const char **detail)
{
	static const struct {
		int rc;
		int status;
		const char *detail;
	} known[] = {
		{-EBADMSG, 400, "the body is not JSON"},
		{-EROFS, 403, "the configuration is read-only"},
		{-ENOENT, 404, "there is no such object"},
		{-EOPNOTSUPP, 405, "the resource does not take this"},
		{-EEXIST, 409, "an object of this name is there already"},
		{-ESTALE, 409, "the configuration file was edited on disk"},
		{-EBUSY, 409, "keys would change that take effect at the next start only"},
		{-EILSEQ, 412, "the configuration is not the one that If-Match names"},
		{-EINVAL, 422, "the configuration would not be valid"},
		{-E2BIG, 422, "the configuration would exceed a limit"},
		{-ENOMEM, 503, "out of memory"},
		{-EAGAIN, 503, "too many writes are waiting"},
		{-ECANCELED, 503, "the daemon is ending"},
		{-ENOSPC, 507, "the configuration file could not be written"},
		{-EIO, 500, "the configuration file could not be read or written"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].rc == rc) {
			*detail = known[i].detail;
			return known[i].status;
		}
	*detail = "an error inside the daemon";
	return 500;
}
