#include "health/icmp_probe.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_REQUEST_V4 8u
#define ECHO_REPLY_V4 0u
#define ECHO_REQUEST_V6 128u
#define ECHO_REPLY_V6 129u

struct echo {
	uint8_t type;
	uint8_t code;
	rte_be16_t checksum_be;
	rte_be16_t id_be;
	rte_be16_t seq_be;
	struct lb_icmp_token token;
};

_Static_assert(sizeof(struct echo) == 24, "no padding on the wire");

static void set_filters(const struct lb_icmp_socket *sock)
{
	struct icmp6_filter only_v6;
	struct icmp_filter only_v4 = {.data = ~(1u << ECHO_REPLY_V4)};

	/* Only saves wake-ups: what comes through is checked in any case. */
	ICMP6_FILTER_SETBLOCKALL(&only_v6);
	ICMP6_FILTER_SETPASS(ECHO_REPLY_V6, &only_v6);
	if (sock->is_v4)
		(void)setsockopt(sock->fd, SOL_RAW, ICMP_FILTER, &only_v4, sizeof(only_v4));
	else
		(void)setsockopt(sock->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only_v6, sizeof(only_v6));
}

void lb_icmp_open(struct lb_icmp_socket *sock, bool is_v4, uint16_t id_be)
{
	int family = is_v4 ? AF_INET : AF_INET6;
	int proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	*sock = (struct lb_icmp_socket){.is_v4 = is_v4, .id_be = id_be};
	sock->fd = socket(family, SOCK_DGRAM | flags, proto);
	if (sock->fd >= 0)
		return;
	sock->is_raw = true;
	sock->fd = socket(family, SOCK_RAW | flags, proto);
	if (sock->fd >= 0) {
		set_filters(sock);
		return;
	}
	sock->fd = -1;
	if (errno == EPERM || errno == EACCES)
		sock->error = "cannot probe: ICMP needs CAP_NET_RAW or net.ipv4.ping_group_range";
	else
		lb_probe_outcome_of(errno, &sock->error);
}

void lb_icmp_close(struct lb_icmp_socket *sock)
{
	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
}

static uint16_t checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / 2];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

enum lb_probe_outcome lb_icmp_send(const struct lb_icmp_socket *sock, const struct lb_addr *to,
				   const struct lb_icmp_token *token, const char **reason)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct echo echo = {.id_be = sock->id_be, .token = *token};
	ssize_t n;

	if (sock->fd < 0) {
		*reason = sock->error;
		return LB_PROBE_UNABLE;
	}
	echo.type = sock->is_v4 ? ECHO_REQUEST_V4 : ECHO_REQUEST_V6;
	echo.seq_be = rte_cpu_to_be_16((uint16_t)(token->serial & 0xffff));
	if (sock->is_v4) {
		/* The kernel fills in what differs for its own kind, and the whole for IPv6. */
		echo.checksum_be = checksum(&echo);
		v4.sin_addr.s_addr = lb_addr_v4(to);
		n = sendto(sock->fd, &echo, sizeof(echo), 0, (struct sockaddr *)&v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, to, sizeof(v6.sin6_addr));
		n = sendto(sock->fd, &echo, sizeof(echo), 0, (struct sockaddr *)&v6, sizeof(v6));
	}
	if (n >= 0)
		return LB_PROBE_PENDING;
	/* No port can be missing here: no interface leads there any more. */
	return lb_probe_outcome_of(errno == EADDRNOTAVAIL ? ENETUNREACH : errno, reason);
}

/* The echo behind the IP header that raw IPv4 sockets deliver; NULL: too short. */
static const uint8_t *find_echo(const struct lb_icmp_socket *sock, const uint8_t *packet, size_t n)
{
	size_t skip = 0;

	if (sock->is_raw && sock->is_v4) {
		if (n == 0)
			return NULL;
		skip = (packet[0] & 0xfu) * 4u;
	}
	return n < skip + sizeof(struct echo) ? NULL : packet + skip;
}

bool lb_icmp_receive(const struct lb_icmp_socket *sock, struct lb_addr *from,
		     struct lb_icmp_token *token, bool *is_echo)
{
	struct sockaddr_storage source;
	socklen_t len = sizeof(source);
	const uint8_t *at;
	uint8_t packet[256];
	struct echo echo;
	ssize_t n;

	*is_echo = false;
	n = recvfrom(sock->fd, packet, sizeof(packet), 0, (struct sockaddr *)&source, &len);
	if (n < 0)
		return errno == EINTR;
	if (sock->is_v4)
		*from = lb_addr_from_v4(((struct sockaddr_in *)&source)->sin_addr.s_addr);
	else
		memcpy(from, &((struct sockaddr_in6 *)&source)->sin6_addr, sizeof(*from));
	at = find_echo(sock, packet, (size_t)n);
	if (at == NULL)
		return true;
	memcpy(&echo, at, sizeof(echo));
	*token = echo.token;
	*is_echo = echo.type == (sock->is_v4 ? ECHO_REPLY_V4 : ECHO_REPLY_V6) &&
		   (!sock->is_raw || echo.id_be == sock->id_be) &&
		   echo.seq_be == rte_cpu_to_be_16((uint16_t)(echo.token.serial & 0xffff));
	return true;
}
