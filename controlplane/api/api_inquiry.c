#include "api_inquiry.h"

#include "problem.h"

#include <errno.h>
#include <stdlib.h>

void *lb_api_inquiry_create(struct lb_control *ctl, struct lb_http_exchange *x, size_t size,
			    enum lb_query_type type)
{
	struct lb_api_inquiry *a = calloc(1, size);

	if (a == NULL) {
		lb_answer_problem(x, 503, "out of memory", NULL, NULL);
		return NULL;
	}
	a->ctl = ctl;
	a->x = x;
	a->inquiry.patience_ms = LB_INQUIRY_PATIENCE_MS;
	a->inquiry.query.type = type;
	return a;
}

void lb_api_inquiry_start(struct lb_api_inquiry *a)
{
	int rc = lb_inquiry_start(lb_control_inquiries(a->ctl), lb_control_dataplane(a->ctl),
				  &a->inquiry);

	if (rc < 0)
		lb_api_inquiry_give_up(a, 503,
				       rc == -EAGAIN ? "too many questions are unanswered"
						     : "out of memory",
				       NULL);
}

void lb_api_inquiry_give_up(struct lb_api_inquiry *a, int status, const char *detail,
			    const struct lb_error_list *errors)
{
	lb_answer_problem(a->x, status, detail, errors, NULL);
	lb_text_free(&a->body);
	free(a);
}

bool lb_api_inquiry_is_answered(struct lb_api_inquiry *a, enum lb_inquiry_end why)
{
	if (why == LB_INQUIRY_LATE)
		lb_api_inquiry_give_up(a, 504, "a worker has not answered in time", NULL);
	else if (why == LB_INQUIRY_STOPPED)
		lb_api_inquiry_give_up(a, 503, "the daemon is ending", NULL);
	return why == LB_INQUIRY_ANSWERED;
}

void lb_api_inquiry_answer(struct lb_api_inquiry *a)
{
	lb_answer_text(a->x, 200, LB_TYPE_JSON, &a->body, NULL);
	free(a);
}

struct lb_names lb_api_inquiry_names(const struct lb_api_inquiry *a)
{
	return (struct lb_names){lb_control_config(a->ctl), lb_control_reconcile(a->ctl)};
}
