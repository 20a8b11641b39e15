/* http_conn.h - one connection of the HTTP server: request in, reply out. Private to api/http*.c.
 *
 * Role     the states of a connection and what the server shares with it
 * Shape    a list of connections in the server; each owns its exchange until the handler has it
 * Threads  the loop's thread only
 * Limits   as in http.h
 * Tests    tests/unit/test_http.c
 */
#ifndef LB_HTTP_CONN_H
#define LB_HTTP_CONN_H

#include "http.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct bufferevent;
struct evconnlistener;

#define LB_HTTP_LISTENERS_MAX 8u

struct lb_http_exchange {
	struct lb_http_conn *conn; /* NULL: the client has left */
	struct lb_http *http;
	struct lb_http_head head;
	char *body;
	size_t n_body;
	size_t body_room;
	bool is_tcp;
};

enum lb_http_conn_state {
	LB_HTTP_CONN_HEAD, /* between requests or within a head */
	LB_HTTP_CONN_BODY,
	LB_HTTP_CONN_HANDLING, /* the handler has the exchange */
	LB_HTTP_CONN_WRITING,
	LB_HTTP_CONN_CLOSING, /* last reply on its way; input is thrown away */
};

struct lb_http_conn {
	LIST_ENTRY(lb_http_conn) link;
	struct lb_http *http;
	struct bufferevent *bev;
	struct event *deadline;
	struct lb_http_exchange *x;
	struct lb_http_chunked chunked;
	enum lb_http_conn_state state;
	bool is_tcp;
	bool is_peer_done; /* the client sends no more */
	bool has_begun;    /* bytes of the next head have come: the request's time runs */
};

struct lb_http_listener {
	struct lb_http *http;
	struct evconnlistener *listener;
	struct event *retry; /* accepting again after the process ran out of descriptors */
	bool is_tcp;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
};

struct lb_http {
	struct event_base *base;
	struct lb_http_limits limits;
	lb_http_handler handler;
	void *ctx;
	LIST_HEAD(, lb_http_conn) conns;
	uint32_t n_conns;
	size_t bodies_bytes;
	struct lb_http_listener listeners[LB_HTTP_LISTENERS_MAX];
	uint32_t n_listeners;
};

/* Takes `fd` over, also on failure. */
void lb_http_conn_accept(struct lb_http *http, int fd, bool is_tcp);

/* An exchange that the handler has stays valid. */
void lb_http_conn_free(struct lb_http_conn *c);

#endif
