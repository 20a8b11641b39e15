#include "http_conn.h"

#include "../log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/listener.h>

#define ACCEPT_RETRY_MS 200

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int n_addr, void *ctx)
{
	struct lb_http_listener *l = ctx;

	(void)listener;
	(void)addr;
	(void)n_addr;
	lb_http_conn_accept(l->http, fd, l->is_tcp);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_http_listener *l = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(l->listener);
}

/* Out of descriptors: the connection stays in the backlog, so the loop would spin on it. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	struct lb_http_listener *l = ctx;
	const struct timeval later = {.tv_usec = ACCEPT_RETRY_MS * 1000};

	lb_log(LB_LOG_WARNING, "http", "accept failed error=\"%s\"",
	       evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
	evtimer_add(l->retry, &later);
}

int lb_http_create(struct event_base *base, const struct lb_http_limits *limits,
		   lb_http_handler handler, void *ctx, struct lb_http **out)
{
	struct lb_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->base = base;
	http->limits = *limits;
	http->handler = handler;
	http->ctx = ctx;
	LIST_INIT(&http->conns);
	/* A client that left early is an error of a write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	*out = http;
	return 0;
}

void lb_http_destroy(struct lb_http *http)
{
	if (http == NULL)
		return;
	for (uint32_t i = 0; i < http->n_listeners; i++) {
		struct lb_http_listener *l = &http->listeners[i];
		struct stat st;

		close(evconnlistener_get_fd(l->listener));
		evconnlistener_free(l->listener);
		event_free(l->retry);
		/* Another instance may have put its own socket there meanwhile. */
		if (l->path[0] != '\0' && lstat(l->path, &st) == 0 && st.st_dev == l->dev &&
		    st.st_ino == l->ino)
			unlink(l->path);
	}
	while (!LIST_EMPTY(&http->conns)) {
		struct lb_http_conn *c = LIST_FIRST(&http->conns);

		if (c->state == LB_HTTP_CONN_HANDLING) {
			http->bodies_bytes -= c->x->body_room;
			c->x->http = NULL;
		}
		lb_http_conn_free(c);
	}
	free(http);
}

static int add_listener(struct lb_http *http, int fd, struct lb_http_listener **out)
{
	struct lb_http_listener *l = &http->listeners[http->n_listeners];

	if (evutil_make_socket_nonblocking(fd) < 0)
		return -errno;
	l->listener = evconnlistener_new(http->base, on_accept, l, LEV_OPT_CLOSE_ON_EXEC, 64, fd);
	if (l->listener == NULL)
		return -ENOMEM;
	l->http = http;
	l->retry = evtimer_new(http->base, on_retry, l);
	if (l->retry == NULL) {
		/* The caller closes the socket in every failure. */
		evconnlistener_free(l->listener);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(l->listener, on_accept_error);
	http->n_listeners++;
	*out = l;
	return 0;
}

/* 0 when the path is free, after taking a socket away that nobody listens on. */
static int free_unix_path(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, rc;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? errno : 0;
	close(fd);
	if (rc != ECONNREFUSED)
		return rc == EACCES ? -EACCES : -EADDRINUSE;
	return unlink(sun->sun_path) < 0 ? -errno : 0;
}

int lb_http_listen_unix(struct lb_http *http, const char *path, struct lb_error *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct lb_http_listener *l;
	struct stat st;
	int fd, rc;

	if (http->n_listeners == LB_HTTP_LISTENERS_MAX)
		return lb_error_set(err, -E2BIG, path, "no more than %u sockets",
				    LB_HTTP_LISTENERS_MAX);
	if (strlen(path) >= sizeof(sun.sun_path))
		return lb_error_set(err, -ENAMETOOLONG, path, "a path here has at most %zu bytes",
				    sizeof(sun.sun_path) - 1);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	rc = free_unix_path(&sun);
	if (rc < 0)
		return lb_error_set(err, rc, path, "%s",
				    rc == -EADDRINUSE ? "another instance serves this socket"
						      : strerror(-rc));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return lb_error_set(err, -errno, path, "%s", strerror(errno));
	/* Before listen nobody can connect, so there is no moment with looser rights. */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0660) < 0 ||
	    lstat(path, &st) < 0) {
		rc = lb_error_set(err, -errno, path, "%s", strerror(errno));
		close(fd);
		return rc;
	}
	rc = add_listener(http, fd, &l);
	if (rc < 0) {
		close(fd);
		unlink(path);
		return lb_error_set(err, rc, path, "%s", strerror(-rc));
	}
	snprintf(l->path, sizeof(l->path), "%s", path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

static socklen_t tcp_address(const struct lb_addr *addr, uint16_t port,
			     struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)out;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (lb_addr_is_v4(addr)) {
		sin->sin_family = AF_INET;
		sin->sin_addr.s_addr = lb_addr_v4(addr);
		sin->sin_port = htons(port);
		return sizeof(*sin);
	}
	sin6->sin6_family = AF_INET6;
	memcpy(&sin6->sin6_addr, addr, sizeof(sin6->sin6_addr));
	sin6->sin6_port = htons(port);
	return sizeof(*sin6);
}

int lb_http_listen_tcp(struct lb_http *http, const struct lb_addr *addr, uint16_t port,
		       uint16_t *bound_port, struct lb_error *err)
{
	struct sockaddr_storage ss;
	socklen_t n = tcp_address(addr, port, &ss);
	struct lb_http_listener *l;
	const int on = 1;
	int fd, rc;

	if (http->n_listeners == LB_HTTP_LISTENERS_MAX)
		return lb_error_set(err, -E2BIG, "listen", "no more than %u sockets",
				    LB_HTTP_LISTENERS_MAX);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return lb_error_set(err, -errno, "listen", "%s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it: replies leave at once. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &n) < 0) {
		rc = -errno;
		goto fail;
	}
	if (bound_port != NULL)
		*bound_port = ntohs(ss.ss_family == AF_INET
					    ? ((struct sockaddr_in *)&ss)->sin_port
					    : ((struct sockaddr_in6 *)&ss)->sin6_port);
	rc = add_listener(http, fd, &l);
	if (rc < 0)
		goto fail;
	l->is_tcp = true;
	return 0;
fail:
	close(fd);
	return lb_error_set(err, rc, "listen", "port %u: %s", port, strerror(-rc));
}

uint32_t lb_http_n_connections(const struct lb_http *http)
{
	return http->n_conns;
}
