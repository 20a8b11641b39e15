/* ballastctl_client.h - one request to the daemon over its unix socket, and its answer.
 *
 * Role     HTTP by libcurl; tells a person why the daemon could not be asked or has refused
 * Shape    a client, requests, answers
 * Units    seconds, bytes
 * Threads  one
 * Memory   an answer's body and tree are heap; lb_ctl_answer_free
 * Limits   LB_CTL_ANSWER_MAX_BYTES an answer, LB_CTL_BODY_MAX_BYTES a body, the client's timeout a
 *          request; proxies, redirections and other protocols are off
 * Errors   exit codes of the program; what was wrong is on standard error by then
 * Source   RFC 9110 (If-Match, ETag), RFC 9457 (problems)
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_CLIENT_H
#define LB_BALLASTCTL_CLIENT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>

/* 65 536 services with 16 servers each make a status of some 170 MB. */
#define LB_CTL_ANSWER_MAX_BYTES ((size_t)512 << 20)
#define LB_CTL_BODY_MAX_BYTES ((size_t)128 << 20) /* what the daemon takes */

/* What the program ends with. */
enum lb_ctl_exit {
	LB_CTL_OK = 0,
	LB_CTL_REFUSED = 1,
	LB_CTL_USAGE = 2, /* or a file that cannot be read, or output that cannot be written */
	LB_CTL_UNREACHABLE = 3, /* or an answer that is none of ballastd's */
};

struct lb_ctl_request {
	const char *method;
	const char *path;  /* below /api/v1/ */
	const char *name;  /* of an object, appended to the path and escaped; NULL: none */
	const char *query; /* NULL: none */
	const char *body;  /* NULL: none */
	size_t n_body;
	const char *content_type;
	const char *if_match; /* NULL: none */
};

struct lb_ctl_answer {
	long status;
	char *body; /* NUL behind `n` bytes */
	size_t n;
	char etag[64]; /* as sent, with its quotes; empty: none */
	cJSON *json;   /* NULL: the body is no JSON */
};

struct lb_ctl_client;

/* NULL: out of memory. `socket` must stay. */
struct lb_ctl_client *lb_ctl_client_create(const char *socket, long timeout_s);
void lb_ctl_client_destroy(struct lb_ctl_client *client);

/* LB_CTL_OK: the daemon did it, and the answer is JSON. Otherwise the reason was printed. The
 * answer is to be freed either way. */
int lb_ctl_call(struct lb_ctl_client *client, const struct lb_ctl_request *request,
		struct lb_ctl_answer *answer);
void lb_ctl_answer_free(struct lb_ctl_answer *answer);

/* One line each of a list of {pointer, detail}: `before`, `POINTER: sentence`. */
void lb_ctl_put_complaints(FILE *out, const char *before, const cJSON *list);

#endif
