/* api_inquiry.h - requests that wait for what the workers tell.
 *
 * Role     begins and ends a request whose answer is made of reports: out of memory, refused,
 *          too many questions, late, stopped, answered
 * Shape    the first member of the request's own struct; what ends the exchange frees that struct
 * Units    as in inquiry.h
 * Threads  the loop's thread
 * Memory   one heap block a request and its body, both gone when it ends
 * Limits   those of inquiry.h
 * Errors   each is the answer
 * Source   DESIGN 4.4
 * Tests    tests/unit/test_api_listing.c, test_api_records.c, test_api_explain.c, test_api_trace.c
 */
#ifndef LB_API_INQUIRY_H
#define LB_API_INQUIRY_H

#include "config/error_list.h"
#include "control.h"
#include "http.h"
#include "inquiry.h"
#include "names.h"
#include "text.h"

struct lb_api_inquiry {
	struct lb_inquiry inquiry; /* the asker sets its callbacks and the rest of its query */
	struct lb_control *ctl;
	struct lb_http_exchange *x;
	struct lb_text body; /* of the answer */
};

/* `size` bytes that begin with a struct lb_api_inquiry; the rest is zeroed. NULL: that was answered
 * 503. */
void *lb_api_inquiry_create(struct lb_control *ctl, struct lb_http_exchange *x, size_t size,
			    enum lb_query_type type);

/* To the workers. It is over at once, and answered, when they take no more questions. */
void lb_api_inquiry_start(struct lb_api_inquiry *a);

/* Over, with a problem for an answer. `errors` may be NULL. */
void lb_api_inquiry_give_up(struct lb_api_inquiry *a, int status, const char *detail,
			    const struct lb_error_list *errors);

/* False: a worker was late or the daemon ends, and it is over. */
bool lb_api_inquiry_is_answered(struct lb_api_inquiry *a, enum lb_inquiry_end why);

/* Over, with the body for an answer. */
void lb_api_inquiry_answer(struct lb_api_inquiry *a);

/* For the ids in reports. */
struct lb_names lb_api_inquiry_names(const struct lb_api_inquiry *a);

#endif
