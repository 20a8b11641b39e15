#include "health/tcp_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	int error;
	enum lb_probe_outcome outcome;
	const char *reason;
} outcomes[] = {
	{ECONNREFUSED, LB_PROBE_DOWN, "connection refused"},
	{ECONNRESET, LB_PROBE_DOWN, "connection reset"},
	{ETIMEDOUT, LB_PROBE_DOWN, "no answer in time"},
	{EHOSTUNREACH, LB_PROBE_DOWN, "host unreachable"},
	{EHOSTDOWN, LB_PROBE_DOWN, "host unreachable"},
	{ENETUNREACH, LB_PROBE_DOWN, "network unreachable"},
	{ENETDOWN, LB_PROBE_DOWN, "network is down"},
	{EMFILE, LB_PROBE_UNABLE, "cannot probe: too many open files in this process"},
	{ENFILE, LB_PROBE_UNABLE, "cannot probe: too many open files on this host"},
	{ENOBUFS, LB_PROBE_UNABLE, "cannot probe: no socket buffers on this host"},
	{EAGAIN, LB_PROBE_UNABLE, "cannot probe: no room to send on this host"},
	{ENOMEM, LB_PROBE_UNABLE, "cannot probe: out of memory"},
	{EADDRNOTAVAIL, LB_PROBE_UNABLE, "cannot probe: no free local address or port"},
	{EACCES, LB_PROBE_UNABLE, "cannot probe: not permitted on this host"},
	{EPERM, LB_PROBE_UNABLE, "cannot probe: not permitted on this host"},
	{EAFNOSUPPORT, LB_PROBE_UNABLE, "cannot probe: address family not supported on this host"},
};

enum lb_probe_outcome lb_probe_outcome_of(int error, const char **reason)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].error == error) {
			*reason = outcomes[i].reason;
			return outcomes[i].outcome;
		}
	*reason = "connection failed";
	return LB_PROBE_DOWN;
}

/* The connection is reset rather than closed, so that neither side keeps anything of it, and the
 * handshake's last acknowledgement is held back, so that the reset comes instead of it: the server
 * drops its half-open connection and its program is never woken for a probe. */
static int set_options(int fd)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	const int off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0)
		return -errno;
	/* Where the kernel does not hold it back the server sees a connection that is reset. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	return 0;
}

static socklen_t make_sockaddr(const struct lb_addr *addr, uint16_t port,
			       struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (lb_addr_is_v4(addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = rte_cpu_to_be_16(port);
		v4->sin_addr.s_addr = lb_addr_v4(addr);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = rte_cpu_to_be_16(port);
	memcpy(&v6->sin6_addr, addr, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

enum lb_probe_outcome lb_tcp_probe_start(const struct lb_addr *addr, uint16_t port, int *fd,
					 const char **reason)
{
	struct sockaddr_storage to;
	socklen_t len = make_sockaddr(addr, port, &to);
	int error;

	*fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (*fd < 0) {
		*fd = -1;
		return lb_probe_outcome_of(errno, reason);
	}
	error = -set_options(*fd);
	if (error == 0 && connect(*fd, (const struct sockaddr *)&to, len) != 0)
		error = errno;
	/* Connected at once, or under way: in both cases writable tells. */
	if (error == 0 || error == EINPROGRESS)
		return LB_PROBE_PENDING;
	close(*fd);
	*fd = -1;
	/* connect() says EAGAIN when it finds no free local port. */
	return lb_probe_outcome_of(error == EAGAIN ? EADDRNOTAVAIL : error, reason);
}

enum lb_probe_outcome lb_tcp_probe_finish(int fd, const char **reason)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	close(fd);
	if (error != 0)
		return lb_probe_outcome_of(error, reason);
	*reason = "";
	return LB_PROBE_UP;
}
