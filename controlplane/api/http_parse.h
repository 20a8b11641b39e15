/* http_parse.h - the head of an HTTP/1.1 request and the framing of its body, as bytes.
 *
 * Role     bytes -> method, path, query and the few headers that the API looks at
 * Shape    a plain struct; a resumable decoder for chunked bodies
 * Units    lengths in bytes
 * Threads  pure; no shared state
 * Memory   no heap; texts are copied into the struct
 * Limits   LB_HTTP_HEAD_MAX for request line and headers together, LB_HTTP_PATH_MAX for the path,
 *          LB_HTTP_VALUE_MAX for a header that we read; what is longer is answered 414 or 431
 * Errors   the negative HTTP status to answer with
 * Source   RFC 9110, RFC 9112 (framing in 6.3; a request with two framings is refused)
 * Tests    tests/unit/test_http.c
 */
#ifndef LB_HTTP_PARSE_H
#define LB_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LB_HTTP_HEAD_MAX 16384u
#define LB_HTTP_PATH_MAX 1024u
#define LB_HTTP_VALUE_MAX 256u
#define LB_HTTP_HEADERS_MAX 100u

enum lb_http_method {
	LB_HTTP_GET,
	LB_HTTP_HEAD,
	LB_HTTP_POST,
	LB_HTTP_PUT,
	LB_HTTP_PATCH,
	LB_HTTP_DELETE,
	LB_HTTP_OPTIONS,
	LB_HTTP_OTHER,
	LB_HTTP_METHOD_N,
};

struct lb_http_head {
	enum lb_http_method method;
	char path[LB_HTTP_PATH_MAX];   /* as sent, percent-encoding kept, without the query */
	char query[LB_HTTP_VALUE_MAX]; /* as sent, without the question mark */
	uint64_t content_length;
	bool is_chunked;
	bool keep_alive;
	bool expect_continue;
	bool has_host;
	char host[LB_HTTP_VALUE_MAX];
	char content_type[LB_HTTP_VALUE_MAX]; /* empty: header absent */
	char if_match[LB_HTTP_VALUE_MAX];
	char if_none_match[LB_HTTP_VALUE_MAX];
};

/* `bytes` holds a whole head with its empty line. 0, or the negative status to answer. */
int lb_http_head_parse(const char *bytes, size_t n, struct lb_http_head *out);

/* "GET"; "OTHER" for what has no name here. */
const char *lb_http_method_name(enum lb_http_method method);

/* Takes the percent-encoding of one path segment or query value away; -400 on a bad escape, a NUL
 * or when `size` does not hold it. */
int lb_http_unescape(const char *text, size_t n, char *out, size_t size);

/* Value of `name` in a query, unescaped; false when it is not there. */
bool lb_http_query_get(const char *query, const char *name, char *out, size_t size);

/* A chunked body, decoded in place as it arrives. Zeroed is the start. */
struct lb_http_chunked {
	uint32_t state;
	uint64_t left;       /* bytes of the current chunk still to come */
	uint32_t line_bytes; /* of the size or trailer line so far */
	uint32_t n_trailers;
	bool is_done;
};

/* Decodes `bytes`, moving data to its front: *n_data bytes of body are left there. Returns how many
 * bytes were used up (fewer than n only when the body ended) or -400. */
ssize_t lb_http_chunked_decode(struct lb_http_chunked *c, char *bytes, size_t n, size_t *n_data);

#endif
