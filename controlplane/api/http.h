/* http.h - a small HTTP/1.1 server on the control loop.
 *
 * Role     sockets, connections and their limits; hands whole requests to one handler and takes
 *          whole replies back, now or later
 * Shape    one object per server, one per connection, one exchange per connection at a time
 * Units    times in ms, sizes in bytes
 * Threads  the loop's thread only
 * Memory   per connection: the head, and the body grown as it arrives (not as it is announced);
 *          a reply's body is sent from where it lies
 * Limits   struct lb_http_limits. A connection past max_connections is accepted and closed at
 *          once; a body past max_body is answered 413; bodies of all connections together past
 *          max_bodies 503; a request or reply that takes longer than request_ms ends the
 *          connection, so a slow client holds nothing for long
 * Errors   listen: -errno with lb_error. Problems of a request are answered by the server itself
 *          as application/problem+json
 * Source   RFC 9110, 9112, 9457; docs/decisions/0020-own-http-server.md says why not evhttp
 * Tests    tests/unit/test_http.c
 */
#ifndef LB_HTTP_H
#define LB_HTTP_H

#include <event2/event.h>

#include "http_parse.h"
#include "lb/addr.h"
#include "lb/error.h"

struct lb_http;
struct lb_http_exchange;

struct lb_http_limits {
	uint32_t max_connections;
	size_t max_body;
	size_t max_bodies;
	uint32_t request_ms;
	uint32_t idle_ms; /* between two requests of a connection */
};

#define LB_HTTP_LIMITS_DEFAULT                                                            \
	(struct lb_http_limits)                                                           \
	{                                                                                 \
		.max_connections = 128, .max_body = 128u << 20, .max_bodies = 256u << 20, \
		.request_ms = 30000, .idle_ms = 60000                                     \
	}

/* Called once per request; the exchange stays valid until lb_http_reply(), also when the client
 * has left by then. */
typedef void (*lb_http_handler)(void *ctx, struct lb_http_exchange *x);

/* Sets SIGPIPE to ignored for the process. */
int lb_http_create(struct event_base *base, const struct lb_http_limits *limits,
		   lb_http_handler handler, void *ctx, struct lb_http **out);

/* Closes the listeners and drops every connection; exchanges not replied to stay valid and their
 * replies go nowhere. NULL is allowed. */
void lb_http_destroy(struct lb_http *http);

/* A left-over socket that nobody serves is replaced; -EADDRINUSE when somebody does. */
int lb_http_listen_unix(struct lb_http *http, const char *path, struct lb_error *err);

/* `bound_port` (NULL is allowed) tells the port when `port` is 0. */
int lb_http_listen_tcp(struct lb_http *http, const struct lb_addr *addr, uint16_t port,
		       uint16_t *bound_port, struct lb_error *err);

uint32_t lb_http_n_connections(const struct lb_http *http);

/* The request. */
const struct lb_http_head *lb_http_exchange_head(const struct lb_http_exchange *x);
const char *lb_http_exchange_body(const struct lb_http_exchange *x, size_t *n);

/* The body in a block for free() that is the caller's from now on; NULL when there is none. */
char *lb_http_exchange_take_body(struct lb_http_exchange *x, size_t *n);
bool lb_http_exchange_is_tcp(const struct lb_http_exchange *x);

/* Has the client gone, or said that it sends no more, while its answer is awaited? */
bool lb_http_exchange_is_abandoned(const struct lb_http_exchange *x);

struct lb_http_response {
	int status;
	const char *content_type; /* a constant; NULL without body */
	const void *body;
	size_t n_body;
	/* Called with `body_ctx` when the body was sent or dropped; NULL: not needed. */
	void (*release)(void *body_ctx);
	void *body_ctx;
	char etag[48];      /* quotes included; empty: none */
	char allow[64];     /* empty: none */
	char location[256]; /* empty: none */
	bool close;
};

/* Ends the exchange: `x` is gone afterwards. */
void lb_http_reply(struct lb_http_exchange *x, const struct lb_http_response *r);

/* "Not Found" */
const char *lb_http_reason(int status);

#endif
