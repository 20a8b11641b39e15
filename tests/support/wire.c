#include "wire.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

int wire_open(const char *netdev)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(netdev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	cr_assert_geq(fd, 0);
	cr_assert_neq(at.sll_ifindex, 0, "no netdev %s", netdev);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void wire_send(int wire, const uint8_t *frame, size_t len)
{
	cr_assert_eq(send(wire, frame, len, 0), (ssize_t)len);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool wire_expect(int wire, bool (*wanted)(const uint8_t *frame, size_t len, const void *arg),
		 const void *arg, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	uint8_t frame[9216];

	for (;;) {
		struct pollfd fd = {.fd = wire, .events = POLLIN};
		struct sockaddr_ll from = {0};
		socklen_t from_len = sizeof(from);
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&fd, 1, (int)left) <= 0)
			return false;
		n = recvfrom(wire, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);
		if (n > 0 && from.sll_pkttype != PACKET_OUTGOING && wanted(frame, (size_t)n, arg))
			return true;
	}
}
