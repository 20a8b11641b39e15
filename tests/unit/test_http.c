/* The server is driven from the test's own thread: the client's socket is non-blocking and the
 * loop runs until what the test waits for is there. */
#include "api/http.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

Test(http, heads_are_parsed_or_refused)
{
	static const struct {
		const char *name, *head;
		int rc;
	} cases[] = {
		{"plain", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		{"query", "GET /a?b=c HTTP/1.1\r\n\r\n", 0},
		{"no version", "GET /\r\n\r\n", -400},
		{"version 2", "GET / HTTP/2.0\r\n\r\n", -505},
		{"absolute form", "GET http://x/ HTTP/1.1\r\n\r\n", -400},
		{"space in target", "GET /a b HTTP/1.1\r\n\r\n", -400},
		{"no method", " / HTTP/1.1\r\n\r\n", -400},
		{"folded header", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", -400},
		{"space before colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", -400},
		{"two lengths", "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		 -400},
		{"length and chunked",
		 "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", -400},
		{"negative length", "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -400},
		{"length too long", "PUT / HTTP/1.1\r\nContent-Length: 1234567890123456789\r\n\r\n",
		 -400},
		{"other coding", "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", -501},
		{"other expectation", "PUT / HTTP/1.1\r\nExpect: tea\r\n\r\n", -417},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", -400},
		{"control character", "GET / HTTP/1.1\r\nA: b\001\r\n\r\n", -400},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_http_head h;
		int rc = lb_http_head_parse(cases[i].head, strlen(cases[i].head), &h);

		cr_expect(rc == cases[i].rc, "case %s: %d", cases[i].name, rc);
	}
}

Test(http, head_keeps_what_the_api_reads)
{
	static const char text[] = "PATCH /api/v1/x?dry_run=true HTTP/1.1\r\nhost: h\r\n"
				   "CONTENT-type:  application/json \r\nIf-Match: \"a-b\"\r\n"
				   "Content-Length: 12\r\nConnection: foo, close\r\n\r\n";
	struct lb_http_head h;
	char value[8];

	cr_assert(lb_http_head_parse(text, strlen(text), &h) == 0);
	cr_expect(h.method == LB_HTTP_PATCH);
	cr_expect(strcmp(h.path, "/api/v1/x") == 0);
	cr_expect(lb_http_query_get(h.query, "dry_run", value, sizeof(value)));
	cr_expect(strcmp(value, "true") == 0);
	cr_expect(!lb_http_query_get(h.query, "dry", value, sizeof(value)));
	cr_expect(strcmp(h.content_type, "application/json") == 0);
	cr_expect(strcmp(h.if_match, "\"a-b\"") == 0);
	cr_expect(h.content_length == 12);
	cr_expect(!h.keep_alive);
}

Test(http, chunked_bodies_come_in_any_pieces)
{
	static const char wire[] = "5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nT: v\r\n\r\nGET";

	for (size_t step = 1; step <= sizeof(wire); step++) {
		struct lb_http_chunked c = {0};
		char got[64];
		size_t n_got = 0, at = 0;

		while (!c.is_done && at < sizeof(wire) - 1) {
			size_t n = sizeof(wire) - 1 - at < step ? sizeof(wire) - 1 - at : step;
			size_t n_data;
			ssize_t used;

			memcpy(got + n_got, wire + at, n);
			used = lb_http_chunked_decode(&c, got + n_got, n, &n_data);
			cr_assert(used > 0);
			n_got += n_data;
			at += (size_t)used;
		}
		cr_expect(c.is_done && n_got == 11 && memcmp(got, "hello world", 11) == 0,
			  "step %zu", step);
		cr_expect(strcmp(wire + at, "GET") == 0, "step %zu", step);
	}
}

Test(http, malformed_chunks_are_refused)
{
	static const char *const cases[] = {
		"\r\n", "x\r\n", "5\nhello", "2\r\nabc", "fffffffffffffffff\r\n", "1\r\na\rb"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_http_chunked c = {0};
		char text[64];
		size_t n_data;

		snprintf(text, sizeof(text), "%s", cases[i]);
		cr_expect(lb_http_chunked_decode(&c, text, strlen(text), &n_data) == -400,
			  "case %s", cases[i]);
	}
}

Test(http, escapes_are_taken_away)
{
	char out[8];

	cr_expect(lb_http_unescape("a%2Fb", 5, out, sizeof(out)) == 0);
	cr_expect(strcmp(out, "a/b") == 0);
	cr_expect(lb_http_unescape("%00", 3, out, sizeof(out)) == -400);
	cr_expect(lb_http_unescape("%4", 2, out, sizeof(out)) == -400);
	cr_expect(lb_http_unescape("12345678", 8, out, sizeof(out)) == -400);
}

struct fixture {
	struct event_base *base;
	struct lb_http *http;
	char folder[64];
	char path[96];
	uint32_t n_handled;
	struct lb_http_exchange *held; /* the handler keeps exchanges of /hold */
	uint32_t n_released;
};

static void on_release(void *ctx)
{
	struct fixture *f = ctx;

	f->n_released++;
}

static void reply_text(struct fixture *f, struct lb_http_exchange *x, const char *text, size_t n)
{
	struct lb_http_response r = {.status = 200,
				     .content_type = "text/plain",
				     .body = text,
				     .n_body = n,
				     .release = on_release,
				     .body_ctx = f};

	lb_http_reply(x, &r);
}

static void handler(void *ctx, struct lb_http_exchange *x)
{
	static char large[1 << 20];
	struct fixture *f = ctx;
	const struct lb_http_head *head = lb_http_exchange_head(x);

	f->n_handled++;
	if (strcmp(head->path, "/hold") == 0) {
		f->held = x;
	} else if (strcmp(head->path, "/echo") == 0) {
		static char copy[1 << 16];
		size_t n;
		const char *body = lb_http_exchange_body(x, &n);

		cr_assert(n < sizeof(copy));
		if (n > 0)
			memcpy(copy, body, n);
		reply_text(f, x, copy, n);
	} else if (strcmp(head->path, "/large") == 0) {
		memset(large, 'x', sizeof(large));
		reply_text(f, x, large, sizeof(large));
	} else {
		reply_text(f, x, "hello", 5);
	}
}

static void start(struct fixture *f, const struct lb_http_limits *limits)
{
	struct lb_error err;

	memset(f, 0, sizeof(*f));
	snprintf(f->folder, sizeof(f->folder), "/tmp/ballast-http-XXXXXX");
	cr_assert(mkdtemp(f->folder) != NULL);
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	f->base = event_base_new();
	cr_assert(lb_http_create(f->base, limits, handler, f, &f->http) == 0);
	cr_assert(lb_http_listen_unix(f->http, f->path, &err) == 0, "%s", err.what);
}

static void stop(struct fixture *f)
{
	lb_http_destroy(f->http);
	cr_expect(access(f->path, F_OK) < 0, "the socket is taken away");
	event_base_free(f->base);
	rmdir(f->folder);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	cr_assert(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

static void say(int fd, const char *text)
{
	cr_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Runs the loop until `what` has come `times` times, or the server closed. */
static bool hear(struct fixture *f, int fd, const char *what, int times, char *got, size_t size)
{
	size_t n = 0;

	got[0] = '\0';
	for (;;) {
		ssize_t len;
		int found = 0;

		event_base_loop(f->base, EVLOOP_NONBLOCK);
		len = recv(fd, got + n, size - 1 - n, 0);
		if (len == 0 || (len < 0 && errno != EAGAIN))
			return false;
		if (len > 0)
			n += (size_t)len;
		got[n] = '\0';
		for (const char *p = got; (p = strstr(p, what)) != NULL; p++)
			found++;
		if (found >= times)
			return true;
	}
}

static bool hear_end(struct fixture *f, int fd, char *got, size_t size)
{
	return !hear(f, fd, "never said", 1, got, size);
}

Test(http, requests_share_a_connection)
{
	struct fixture f;
	char got[4096];
	int fd;

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	fd = dial(&f);
	say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	cr_expect(hear(&f, fd, "hello", 1, got, sizeof(got)));
	cr_expect(strstr(got, "HTTP/1.1 200 OK\r\n") == got);
	cr_expect(strstr(got, "Content-Length: 5\r\n") != NULL);
	say(fd, "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n");
	cr_expect(hear(&f, fd, "hello", 2, got, sizeof(got)), "pipelined requests in order");
	cr_expect(hear_end(&f, fd, got, sizeof(got)), "closed as asked");
	cr_expect(f.n_released == 3);
	close(fd);
	stop(&f);
}

Test(http, head_has_the_length_and_no_body)
{
	struct fixture f;
	char got[4096];
	int fd;

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	fd = dial(&f);
	say(fd, "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
	cr_expect(hear_end(&f, fd, got, sizeof(got)));
	cr_expect(strstr(got, "Content-Length: 5\r\n") != NULL);
	cr_expect(strstr(got, "hello") == NULL);
	cr_expect(f.n_released == 1);
	close(fd);
	stop(&f);
}

Test(http, bodies_arrive_whole)
{
	static const struct {
		const char *name, *request;
	} cases[] = {
		{"length", "PUT /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nsome-text"},
		{"chunked", "PUT /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "4\r\nsome\r\n5\r\n-text\r\n0\r\n\r\n"},
		{"expect", "PUT /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
			   "some-text"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		char got[4096], one[2] = "";
		int fd;

		start(&f, &LB_HTTP_LIMITS_DEFAULT);
		fd = dial(&f);
		for (const char *p = cases[i].request; *p != '\0'; p++) {
			one[0] = *p;
			say(fd, one);
			event_base_loop(f.base, EVLOOP_NONBLOCK);
		}
		cr_expect(hear(&f, fd, "some-text", 1, got, sizeof(got)), "case %s", cases[i].name);
		cr_expect(f.n_handled == 1, "case %s", cases[i].name);
		close(fd);
		stop(&f);
	}
}

Test(http, limits_are_answered_and_end_the_connection)
{
	struct lb_http_limits limits = LB_HTTP_LIMITS_DEFAULT;
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{"PUT / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 "},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "HTTP/1.1 413 "},
		{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
		{"nonsense\r\n\r\n", "HTTP/1.1 400 "},
		{"GET / HTTP/3\r\n\r\n", "HTTP/1.1 400 "},
	};
	static char filler[2000];

	limits.max_body = 1000;
	memset(filler, 'x', sizeof(filler) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		char got[4096];
		int fd;

		start(&f, &limits);
		fd = dial(&f);
		say(fd, cases[i].request);
		if (strstr(cases[i].request, "3e9") != NULL)
			say(fd, filler);
		cr_expect(hear_end(&f, fd, got, sizeof(got)), "case %zu", i);
		cr_expect(strstr(got, cases[i].answer) == got, "case %zu: %s", i, got);
		cr_expect(strstr(got, "application/problem+json") != NULL, "case %zu", i);
		cr_expect(f.n_handled == 0, "case %zu", i);
		close(fd);
		stop(&f);
	}
}

Test(http, a_head_without_end_is_refused_at_its_limit)
{
	struct fixture f;
	char got[4096], line[102];
	int fd;

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	fd = dial(&f);
	say(fd, "GET / HTTP/1.1\r\n");
	snprintf(line, sizeof(line), "A: %096d\r\n", 0);
	for (size_t sent = 0; sent <= LB_HTTP_HEAD_MAX; sent += strlen(line)) {
		say(fd, line);
		event_base_loop(f.base, EVLOOP_NONBLOCK);
	}
	cr_expect(hear_end(&f, fd, got, sizeof(got)));
	cr_expect(strstr(got, "HTTP/1.1 431 ") == got, "%s", got);
	close(fd);
	stop(&f);
}

Test(http, connections_past_the_limit_are_closed)
{
	struct lb_http_limits limits = LB_HTTP_LIMITS_DEFAULT;
	struct fixture f;
	char got[4096];
	int first, second;

	limits.max_connections = 1;
	start(&f, &limits);
	first = dial(&f);
	say(first, "GET / HTTP/1.1\r\n\r\n");
	cr_expect(hear(&f, first, "hello", 1, got, sizeof(got)));
	second = dial(&f);
	cr_expect(hear_end(&f, second, got, sizeof(got)));
	cr_expect(got[0] == '\0');
	close(first);
	while (lb_http_n_connections(f.http) > 0)
		event_base_loop(f.base, EVLOOP_ONCE);
	close(second);
	second = dial(&f);
	say(second, "GET / HTTP/1.1\r\n\r\n");
	cr_expect(hear(&f, second, "hello", 1, got, sizeof(got)), "its place is free again");
	close(second);
	stop(&f);
}

Test(http, slow_clients_are_dropped)
{
	struct lb_http_limits limits = LB_HTTP_LIMITS_DEFAULT;
	struct fixture f;
	char got[4096];
	int dripping, silent, deaf;

	limits.request_ms = 20;
	limits.idle_ms = 20;
	start(&f, &limits);
	dripping = dial(&f);
	silent = dial(&f);
	deaf = dial(&f);
	say(dripping, "GET / HT");
	say(deaf, "GET /large HTTP/1.1\r\n\r\n");
	while (f.n_handled == 0 || lb_http_n_connections(f.http) > 0)
		event_base_loop(f.base, EVLOOP_ONCE);
	cr_expect(hear_end(&f, silent, got, sizeof(got)));
	cr_expect(hear_end(&f, dripping, got, sizeof(got)));
	cr_expect(f.n_released == 1, "the reply's body is let go");
	close(dripping);
	close(silent);
	close(deaf);
	stop(&f);
}

Test(http, large_replies_arrive_whole)
{
	struct fixture f;
	size_t n = 0, size = (1 << 20) + 4096;
	char *got = malloc(size);
	int fd;

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	fd = dial(&f);
	say(fd, "GET /large HTTP/1.0\r\n\r\n");
	cr_expect(hear_end(&f, fd, got, size));
	for (const char *p = strstr(got, "\r\n\r\n") + 4; *p == 'x'; p++)
		n++;
	cr_expect(n == 1 << 20, "%zu", n);
	free(got);
	close(fd);
	stop(&f);
}

Test(http, an_exchange_outlives_its_client_and_the_server)
{
	for (int server_first = 0; server_first < 2; server_first++) {
		struct fixture f;
		int fd;

		start(&f, &LB_HTTP_LIMITS_DEFAULT);
		fd = dial(&f);
		say(fd, "PUT /hold HTTP/1.1\r\nContent-Length: 2\r\n\r\nab");
		while (f.held == NULL)
			event_base_loop(f.base, EVLOOP_ONCE);
		close(fd);
		if (server_first) {
			stop(&f);
			reply_text(&f, f.held, "late", 4);
		} else {
			reply_text(&f, f.held, "late", 4);
			while (lb_http_n_connections(f.http) > 0)
				event_base_loop(f.base, EVLOOP_ONCE);
			stop(&f);
		}
		cr_expect(f.n_released == 1, "server first %d", server_first);
	}
}

Test(http, a_socket_that_nobody_serves_is_replaced)
{
	struct fixture f;
	struct lb_http *second;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct lb_error err;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	cr_assert(lb_http_create(f.base, &LB_HTTP_LIMITS_DEFAULT, handler, &f, &second) == 0);
	cr_expect(lb_http_listen_unix(second, f.path, &err) == -EADDRINUSE);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/left", f.folder);
	cr_assert(bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	close(fd);
	cr_expect(lb_http_listen_unix(second, sun.sun_path, &err) == 0, "%s", err.what);
	lb_http_destroy(second);
	fd = open(sun.sun_path, O_CREAT | O_WRONLY, 0600);
	cr_assert(lb_http_create(f.base, &LB_HTTP_LIMITS_DEFAULT, handler, &f, &second) == 0);
	cr_expect(lb_http_listen_unix(second, sun.sun_path, &err) == -EEXIST,
		  "a file is nobody's socket");
	lb_http_destroy(second);
	cr_expect(unlink(sun.sun_path) == 0, "the file is still there");
	close(fd);
	stop(&f);
}

Test(http, the_tcp_port_is_served_too)
{
	struct fixture f;
	struct lb_addr loopback = lb_addr_from_v4(RTE_BE32(0x7f000001));
	struct sockaddr_storage ss = {0};
	struct lb_error err;
	uint16_t port;
	char got[4096];
	int fd;

	start(&f, &LB_HTTP_LIMITS_DEFAULT);
	cr_assert(lb_http_listen_tcp(f.http, &loopback, 0, &port, &err) == 0, "%s", err.what);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ss.ss_family = AF_INET;
	memcpy((char *)&ss + 2, &(uint16_t){(uint16_t)(port << 8 | port >> 8)}, 2);
	memcpy((char *)&ss + 4, &loopback.word_be[3], 4);
	cr_assert(connect(fd, (struct sockaddr *)&ss, 16) == 0);
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	say(fd, "GET / HTTP/1.1\r\n\r\n");
	cr_expect(hear(&f, fd, "hello", 1, got, sizeof(got)));
	close(fd);
	stop(&f);
}
