/* The worker on AF_XDP: our program attached, DPDK's driver on top, real frames over a veth. */
#include "installation.h"
#include "steering.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "namespace.h"

#define N_CLIENTS 300u

static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};

static struct lb_steer_rule rule(uint8_t kind, uint16_t first, uint16_t last)
{
	struct lb_steer_rule r = {.kind = kind, .protocol = IPPROTO_TCP, .ports = {first, last}};

	cr_assert_eq(lb_addr_parse(INSTALLATION_VIP, &r.addr), 0);
	return r;
}

static struct lb_steering *attach(const char *netdev)
{
	struct lb_steer_rule rules[] = {
		rule(LB_STEER_SERVICE, INSTALLATION_PORT, INSTALLATION_PORT),
		rule(LB_STEER_NAT_SOURCE, 20000, 49999),
	};
	struct lb_steering *st;
	struct lb_error err;

	cr_assert_eq(lb_steering_open(&st, &err), 0, "%s", err.what);
	cr_assert_eq(lb_steering_attach(st, 0, netdev, &err), 0, "%s", err.what);
	cr_assert_eq(lb_steering_extend(st, rules, 2, &err), 0, "%s", err.what);
	return st;
}

/* A raw socket on the peer's end of the veth. */
static int open_peer(int peer, const char *netdev)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	int here = namespace_here(), one = 1, fd;

	namespace_set(peer);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));
	cr_assert_geq(fd, 0);
	addr.sll_ifindex = (int)if_nametoindex(netdev);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	namespace_set(here);
	close(here);
	return fd;
}

static void send_tcp(int fd, const uint8_t mac[6], uint32_t client, uint8_t flags, uint32_t bytes)
{
	char src[LB_ADDR_TEXT_MAX];
	struct frame f;

	snprintf(src, sizeof(src), "198.51.%u.%u", 100 + client / 200, 1 + client % 200);
	frame_eth_macs(&f, mac, peer_mac);
	frame_ipv4(&f, src, INSTALLATION_VIP);
	frame_tcp(&f, (uint16_t)(40000 + client), INSTALLATION_PORT, flags);
	frame_fill(&f, bytes);
	frame_finish(&f);
	cr_assert_eq(send(fd, frame_at(&f, 0), f.len, 0), (ssize_t)f.len);
}

/* The next frame from the VIP; waits for it. */
static uint32_t receive(int fd, uint8_t *bytes, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n;

		cr_assert_eq(poll(&p, 1, 20000), 1, "no frame came back");
		n = recv(fd, bytes, size, 0);
		if (n >= 34 && memcmp(bytes + 26, "\xc0\x00\x02\x0a", 4) == 0)
			return (uint32_t)n;
	}
}

Test(af_xdp_port, forwards_what_the_program_steers_to_it, .timeout = 120)
{
	struct lb_port_info info;
	struct lb_steering *st;
	struct installation in;
	uint8_t bytes[2048];
	int peer, fd;
	uint32_t len, to[INSTALLATION_REALS] = {0};

	namespace_enter();
	peer = namespace_peer("rt0", "rt1");
	st = attach("rt0");
	installation_start(&in, "af_xdp:rt0");
	cr_assert_eq(lb_dataplane_port_info(in.dp, 0, &info), 0);
	cr_expect_str_eq(info.driver, "net_af_xdp");
	cr_expect(info.mtu == 1500 && info.link_up && info.n_rx_queues == 1);
	installation_publish(&in);
	installation_await(&in, installation_is_acked, 1);

	fd = open_peer(peer, "rt1");
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		send_tcp(fd, info.mac, i, LB_TCP_SYN, 0);
		len = receive(fd, bytes, sizeof(bytes));
		cr_assert_null(frame_verify(bytes, len), "client %u: %s", i,
			       frame_verify(bytes, len));
		cr_assert(bytes[33] == 11 || bytes[33] == 12, "client %u", i);
		to[bytes[33] - 11]++;
	}
	cr_expect(to[0] == N_CLIENTS / 2 && to[1] == N_CLIENTS / 2, "round robin is exact");
	/* The largest frame of this MTU, on a connection that is there. */
	send_tcp(fd, info.mac, 0, LB_TCP_ACK, 1460);
	cr_assert_eq(receive(fd, bytes, sizeof(bytes)), 1514);
	cr_expect_null(frame_verify(bytes, 1514));
	installation_halt(&in);
	cr_expect_eq(installation_count(&in, LB_COUNT_rx), N_CLIENTS + 1);
	cr_expect_eq(installation_count(&in, LB_COUNT_tx), N_CLIENTS + 1);
	installation_stop(&in);
	lb_steering_close(st);
	close(fd);
	close(peer);
}

Test(af_xdp_port, an_mtu_that_does_not_fit_is_refused, .timeout = 60)
{
	struct installation_options options = {.device = "af_xdp:rt0"};
	struct installation in;
	struct lb_error err;
	int peer;

	namespace_enter();
	peer = namespace_peer("rt0", "rt1");
	namespace_run("ip link set rt0 mtu 4000");
	cr_expect_lt(installation_try(&in, &options, &err), 0);
	cr_expect_str_eq(err.where, "/node/interfaces/0/device");
	cr_expect(strstr(err.what, "MTU of 4000") != NULL, "%s", err.what);
	close(peer);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "af_xdp_port");
}
