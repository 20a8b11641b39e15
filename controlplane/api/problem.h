/* problem.h - answers of the API: problems, write results, plain texts.
 *
 * Role     status and body from what happened
 * Shape    functions that end an exchange
 * Threads  the loop's thread
 * Memory   bodies are handed to the HTTP server
 * Limits   a problem lists the complaints that the list holds and counts the others
 * Errors   out of memory is answered 503 without a body
 * Source   RFC 9457, openapi.yaml (Problem, WriteResult)
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_PROBLEM_H
#define LB_PROBLEM_H

#include "config/error_list.h"
#include "http.h"
#include "text.h"

#define LB_TYPE_JSON "application/json"
#define LB_TYPE_PROBLEM "application/problem+json"
#define LB_TYPE_TEXT "text/plain; charset=utf-8"

/* Ends the exchange with `body`, which is taken over. `r` (NULL is allowed) brings headers. */
void lb_answer_text(struct lb_http_exchange *x, int status, const char *type, struct lb_text *body,
		    const struct lb_http_response *r);

/* `errors` and `r` may be NULL. */
void lb_answer_problem(struct lb_http_exchange *x, int status, const char *detail,
		       const struct lb_error_list *errors, const struct lb_http_response *r);

/* An array of {pointer, detail}. */
void lb_complaints_json(struct lb_text *out, const char *key, const struct lb_error_list *list);

/* The status for what a write came to, and a sentence. */
int lb_problem_status(int rc, const char **detail);

#endif
