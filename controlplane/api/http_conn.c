#include "http_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define BODY_FIRST_BYTES 4096u

static void conn_advance(struct lb_http_conn *c);

static void arm(struct lb_http_conn *c, uint32_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(c->deadline, &tv);
}

static void exchange_free(struct lb_http_exchange *x)
{
	if (x == NULL)
		return;
	if (x->http != NULL)
		x->http->bodies_bytes -= x->body_room;
	free(x->body);
	free(x);
}

void lb_http_conn_free(struct lb_http_conn *c)
{
	LIST_REMOVE(c, link);
	c->http->n_conns--;
	if (c->x != NULL && c->state == LB_HTTP_CONN_HANDLING)
		c->x->conn = NULL;
	else
		exchange_free(c->x);
	event_free(c->deadline);
	bufferevent_free(c->bev);
	free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_http_conn *c = ctx;

	(void)fd;
	(void)what;
	if (c->state == LB_HTTP_CONN_HANDLING) {
		/* The delay is ours; the reply will come. */
		arm(c, c->http->limits.request_ms);
		return;
	}
	lb_http_conn_free(c);
}

static void add_head(struct evbuffer *out, const struct lb_http_response *r, bool keep_alive)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status,
			    lb_http_reason(r->status), date);
	if (r->content_type != NULL)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", r->content_type);
	if (r->status != 204 && r->status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", r->n_body);
	if (r->etag[0] != '\0')
		evbuffer_add_printf(out, "ETag: %s\r\n", r->etag);
	if (r->allow[0] != '\0')
		evbuffer_add_printf(out, "Allow: %s\r\n", r->allow);
	if (r->location[0] != '\0')
		evbuffer_add_printf(out, "Location: %s\r\n", r->location);
	evbuffer_add_printf(out,
			    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n",
			    keep_alive ? "" : "Connection: close\r\n");
}

static void release_body(const void *data, size_t n, void *ctx)
{
	struct lb_http_response *r = ctx;

	(void)data;
	(void)n;
	if (r->release != NULL)
		r->release(r->body_ctx);
	free(r);
}

static int add_body(struct evbuffer *out, const struct lb_http_response *r)
{
	struct lb_http_response *held;

	if (r->release == NULL)
		return evbuffer_add(out, r->body, r->n_body);
	held = malloc(sizeof(*held));
	if (held == NULL)
		return -1;
	*held = *r;
	if (evbuffer_add_reference(out, r->body, r->n_body, release_body, held) == 0)
		return 0;
	free(held);
	return -1;
}

static void conn_write(struct lb_http_conn *c, const struct lb_http_response *r, bool keep_alive,
		       bool with_body)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool is_taken = false;

	add_head(out, r, keep_alive);
	if (with_body && r->n_body > 0)
		is_taken = add_body(out, r) == 0;
	if (!is_taken && r->release != NULL)
		r->release(r->body_ctx);
	if (with_body && r->n_body > 0 && !is_taken) {
		/* Half a message cannot be mended: the client sees the connection end. */
		lb_http_conn_free(c);
		return;
	}
	c->state = keep_alive ? LB_HTTP_CONN_WRITING : LB_HTTP_CONN_CLOSING;
	arm(c, c->http->limits.request_ms);
	bufferevent_enable(c->bev, EV_WRITE);
	if (!keep_alive)
		bufferevent_enable(c->bev, EV_READ);
}

/* The server's own answer to a request that never reaches the handler. */
static void conn_refuse(struct lb_http_conn *c, int status, const char *detail)
{
	char body[512];
	int n = snprintf(
		body, sizeof(body),
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\","
		"\"errors\":[]}\n",
		lb_http_reason(status), status, detail);
	struct lb_http_response r = {.status = status,
				     .content_type = "application/problem+json",
				     .body = body,
				     .n_body = (size_t)n};

	exchange_free(c->x);
	c->x = NULL;
	conn_write(c, &r, false, true);
}

static const char *refusal_of(int status)
{
	switch (status) {
	case 414:
		return "the path or query is too long";
	case 417:
		return "only the expectation 100-continue is known";
	case 431:
		return "the request's head is too large";
	case 501:
		return "of the transfer codings only chunked is known";
	case 505:
		return "HTTP/1.1 and HTTP/1.0 are spoken here";
	default:
		return "the request is not well-formed HTTP/1.1";
	}
}

static void conn_handle(struct lb_http_conn *c)
{
	c->state = LB_HTTP_CONN_HANDLING;
	/* What is pipelined waits in the socket, bounded by the kernel. */
	bufferevent_disable(c->bev, EV_READ);
	arm(c, c->http->limits.request_ms);
	c->http->handler(c->http->ctx, c->x);
}

static bool grow_body(struct lb_http_conn *c, size_t n_more)
{
	struct lb_http_exchange *x = c->x;
	size_t room = x->body_room;
	char *body;

	if (x->n_body + n_more > c->http->limits.max_body) {
		conn_refuse(c, 413, "the body is larger than this server takes");
		return false;
	}
	if (x->n_body + n_more <= room)
		return true;
	if (room == 0)
		room = BODY_FIRST_BYTES;
	while (room < x->n_body + n_more)
		room *= 2;
	if (c->http->bodies_bytes + room - x->body_room > c->http->limits.max_bodies) {
		conn_refuse(c, 503, "too many large requests at a time");
		return false;
	}
	body = realloc(x->body, room);
	if (body == NULL) {
		conn_refuse(c, 503, "out of memory");
		return false;
	}
	c->http->bodies_bytes += room - x->body_room;
	x->body = body;
	x->body_room = room;
	return true;
}

/* True: went on; false: more bytes are needed or the connection took another way. */
static bool conn_body(struct lb_http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct lb_http_exchange *x = c->x;
	size_t n = evbuffer_get_contiguous_space(in);
	size_t n_data = 0;
	ssize_t used;

	if (!x->head.is_chunked && x->n_body == x->head.content_length) {
		conn_handle(c);
		return false;
	}
	if (n == 0)
		return false;
	if (!x->head.is_chunked && n > x->head.content_length - x->n_body)
		n = (size_t)(x->head.content_length - x->n_body);
	if (!grow_body(c, n))
		return false;
	if (!x->head.is_chunked) {
		evbuffer_remove(in, x->body + x->n_body, n);
		x->n_body += n;
		return true;
	}
	evbuffer_copyout(in, x->body + x->n_body, n);
	used = lb_http_chunked_decode(&c->chunked, x->body + x->n_body, n, &n_data);
	if (used < 0) {
		conn_refuse(c, 400, "the chunked body is malformed");
		return false;
	}
	evbuffer_drain(in, (size_t)used);
	x->n_body += n_data;
	if (!c->chunked.is_done)
		return true;
	conn_handle(c);
	return false;
}

static bool conn_start_body(struct lb_http_conn *c)
{
	const struct lb_http_head *head = &c->x->head;

	if (head->content_length > c->http->limits.max_body) {
		conn_refuse(c, 413, "the body is larger than this server takes");
		return false;
	}
	memset(&c->chunked, 0, sizeof(c->chunked));
	c->state = LB_HTTP_CONN_BODY;
	if (head->expect_continue && (head->is_chunked || head->content_length > 0))
		evbuffer_add_printf(bufferevent_get_output(c->bev),
				    "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

static bool conn_head(struct lb_http_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr end;
	size_t n;
	int rc;

	/* Empty lines before a request are forgiven (RFC 9112 2.2). */
	while (evbuffer_get_length(in) >= 2 && memcmp(evbuffer_pullup(in, 2), "\r\n", 2) == 0)
		evbuffer_drain(in, 2);
	if (evbuffer_get_length(in) == 0)
		return false;
	if (!c->has_begun) {
		c->has_begun = true;
		arm(c, c->http->limits.request_ms);
	}
	end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	n = end.pos < 0 ? evbuffer_get_length(in) : (size_t)end.pos + 4;
	if (n > LB_HTTP_HEAD_MAX) {
		conn_refuse(c, 431, refusal_of(431));
		return false;
	}
	if (end.pos < 0)
		return false;
	c->x = calloc(1, sizeof(*c->x));
	if (c->x == NULL) {
		conn_refuse(c, 503, "out of memory");
		return false;
	}
	c->x->conn = c;
	c->x->http = c->http;
	c->x->is_tcp = c->is_tcp;
	rc = lb_http_head_parse((const char *)evbuffer_pullup(in, (ev_ssize_t)n), n, &c->x->head);
	evbuffer_drain(in, n);
	if (rc < 0) {
		conn_refuse(c, -rc, refusal_of(-rc));
		return false;
	}
	return conn_start_body(c);
}

static void conn_advance(struct lb_http_conn *c)
{
	bool goes_on = true;

	while (goes_on) {
		switch (c->state) {
		case LB_HTTP_CONN_HEAD:
			goes_on = conn_head(c);
			break;
		case LB_HTTP_CONN_BODY:
			goes_on = conn_body(c);
			break;
		case LB_HTTP_CONN_CLOSING: {
			struct evbuffer *in = bufferevent_get_input(c->bev);

			/* Reading on keeps a reset from overtaking our last words. */
			evbuffer_drain(in, evbuffer_get_length(in));
			return;
		}
		default:
			return;
		}
	}
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	(void)bev;
	conn_advance(ctx);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct lb_http_conn *c = ctx;

	if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	if (c->state == LB_HTTP_CONN_CLOSING) {
		if (c->is_peer_done)
			lb_http_conn_free(c);
		else
			shutdown(bufferevent_getfd(bev), SHUT_WR);
		return; /* the client closes, or the deadline does */
	}
	if (c->state != LB_HTTP_CONN_WRITING)
		return;
	c->state = LB_HTTP_CONN_HEAD;
	c->has_begun = false;
	arm(c, c->http->limits.idle_ms);
	bufferevent_enable(bev, EV_READ);
	conn_advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct lb_http_conn *c = ctx;

	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	/* A client that has said all may still be listening: let the reply go out. */
	if ((what & BEV_EVENT_EOF) != 0 && c->state == LB_HTTP_CONN_CLOSING &&
	    evbuffer_get_length(bufferevent_get_output(bev)) > 0) {
		c->is_peer_done = true;
		bufferevent_disable(bev, EV_READ);
		return;
	}
	lb_http_conn_free(c);
}

void lb_http_conn_accept(struct lb_http *http, int fd, bool is_tcp)
{
	struct lb_http_conn *c;

	if (http->n_conns >= http->limits.max_connections) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		goto refuse;
	c->http = http;
	c->is_tcp = is_tcp;
	c->deadline = evtimer_new(http->base, on_deadline, c);
	if (c->deadline == NULL)
		goto refuse_deadline;
	c->bev = bufferevent_socket_new(http->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		goto refuse_bev;
	LIST_INSERT_HEAD(&http->conns, c, link);
	http->n_conns++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm(c, http->limits.idle_ms);
	return;
refuse_bev:
	event_free(c->deadline);
refuse_deadline:
	free(c);
refuse:
	close(fd);
}

const struct lb_http_head *lb_http_exchange_head(const struct lb_http_exchange *x)
{
	return &x->head;
}

const char *lb_http_exchange_body(const struct lb_http_exchange *x, size_t *n)
{
	*n = x->n_body;
	return x->body;
}

char *lb_http_exchange_take_body(struct lb_http_exchange *x, size_t *n)
{
	char *body = x->body;

	*n = x->n_body;
	if (x->http != NULL)
		x->http->bodies_bytes -= x->body_room;
	x->body = NULL;
	x->n_body = 0;
	x->body_room = 0;
	return body;
}

bool lb_http_exchange_is_abandoned(const struct lb_http_exchange *x)
{
	struct pollfd fd = {.events = POLLRDHUP};

	if (x->conn == NULL)
		return true;
	/* While the handler has the exchange nothing is read from the connection. */
	fd.fd = bufferevent_getfd(x->conn->bev);
	return poll(&fd, 1, 0) > 0;
}

bool lb_http_exchange_is_tcp(const struct lb_http_exchange *x)
{
	return x->is_tcp;
}

void lb_http_reply(struct lb_http_exchange *x, const struct lb_http_response *r)
{
	struct lb_http_conn *c = x->conn;
	bool keep_alive = x->head.keep_alive && !r->close;
	bool with_body = x->head.method != LB_HTTP_HEAD;

	if (c != NULL) {
		c->x = NULL;
		c->state = LB_HTTP_CONN_WRITING;
	}
	exchange_free(x);
	if (c != NULL)
		conn_write(c, r, keep_alive, with_body);
	else if (r->release != NULL)
		r->release(r->body_ctx);
}
