/* Frames that a worker gives back reach the kernel as if received on the netdev. */
#include "punt.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "namespace.h"
#include "steering.h"
#include "wire.h"

#define WAIT_MS 10000

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 2};
static int peer = -1;

static void setup(void)
{
	lb_log_set_level(NULL, LB_LOG_ERROR);
	namespace_enter();
	peer = namespace_peer("eth1", "peer1");
	namespace_run("ip link set eth1 address 02:00:00:00:00:01 && "
		      "ip addr add 192.0.2.2/24 dev eth1 && ip addr add 2001:db8::2/64 dev eth1 && "
		      "ip neigh add 192.0.2.11 lladdr 02:00:00:00:00:02 dev eth1 && "
		      "ip neigh add 2001:db8::11 lladdr 02:00:00:00:00:02 dev eth1");
}

static struct lb_punt *open_punt(const char *netdev)
{
	struct lb_punt *punt;
	struct lb_error err = {0};

	cr_assert_eq(lb_punt_open(netdev, &punt, &err), 0, "%s", err.what);
	return punt;
}

static int wire_in(int ns, const char *netdev)
{
	int here = namespace_here(), wire;

	namespace_set(ns);
	wire = wire_open(netdev);
	namespace_set(here);
	close(here);
	return wire;
}

static void ping(struct frame *f, bool is_v6)
{
	frame_eth_macs(f, own_mac, peer_mac);
	if (is_v6)
		frame_ipv6(f, "2001:db8::11", "2001:db8::2");
	else
		frame_ipv4(f, "192.0.2.11", "192.0.2.2");
	frame_icmp(f, is_v6 ? 128 : 8, 0, 0x12340001);
	frame_text(f, "through the TAP");
	frame_finish(f);
}

static bool is_pong(const uint8_t *frame, size_t len, const void *arg)
{
	const bool *is_v6 = arg;
	size_t l4 = *is_v6 ? 54 : 34;

	return len > l4 + 8 && frame[l4] == (*is_v6 ? 129 : 0) &&
	       frame[*is_v6 ? 20 : 23] == (*is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) &&
	       memmem(frame, len, "through the TAP", 15) != NULL;
}

Test(punt, the_kernel_answers_a_ping_that_was_given_back, .init = setup)
{
	int wire = wire_in(peer, "peer1");
	struct lb_punt *punt = open_punt("eth1");

	for (int i = 0; i < 2; i++) {
		bool is_v6 = i == 1;
		struct frame f;

		ping(&f, is_v6);
		cr_assert_eq(lb_punt_write(punt, frame_view(&f).data, f.len), 0);
		cr_expect(wire_expect(wire, is_pong, &is_v6, WAIT_MS), "IPv%d", is_v6 ? 6 : 4);
	}
	cr_expect_eq(lb_punt_counts(punt).written, 2u);
	lb_punt_close(punt);
	close(wire);
}

static bool is_same(const uint8_t *frame, size_t len, const void *arg)
{
	const struct lb_pkt *p = arg;

	return len == p->len && memcmp(frame, p->data, len) == 0;
}

Test(punt, a_frame_is_seen_as_received_on_the_netdev_unchanged, .init = setup)
{
	int wire = wire_open("eth1");
	struct lb_punt *punt = open_punt("eth1");
	struct frame f;
	struct lb_pkt p;

	frame_eth_macs(&f, own_mac, peer_mac);
	frame_ethertype(&f, 0x88b5); /* for experiments */
	frame_fill(&f, 1400);
	p = frame_view(&f);
	cr_assert_eq(lb_punt_write(punt, p.data, p.len), 0);
	cr_expect(wire_expect(wire, is_same, &p, WAIT_MS));
	lb_punt_close(punt);
	close(wire);
}

/* Given back means that steering had its turn: in generic mode the program must not see the frame
 * again and take it for the workers'. */
Test(punt, a_frame_given_back_is_not_steered_again, .init = setup)
{
	struct lb_steer_rule rule = {
		.kind = LB_STEER_SERVICE, .protocol = IPPROTO_UDP, .ports = {5000, 5000}};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(5000)};
	struct lb_steering *st;
	struct lb_punt *punt;
	struct pollfd udp = {.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
	struct frame f;
	char text[64];

	namespace_run("ip link add br1 type bridge && ip link set br1 address 02:00:00:00:00:01 && "
		      "ip addr add 198.51.100.2/24 dev br1 && ip link set br1 up");
	cr_assert_eq(bind(udp.fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(lb_addr_parse("198.51.100.2", &rule.addr), 0);
	cr_assert_eq(lb_steering_open(&st, NULL), 0);
	cr_assert_eq(lb_steering_attach(st, 0, "br1", NULL), 0);
	cr_assert_eq(lb_steering_extend(st, &rule, 1, NULL), 0);
	punt = open_punt("br1");
	frame_eth_macs(&f, own_mac, peer_mac);
	frame_ipv4(&f, "198.51.100.11", "198.51.100.2");
	frame_udp(&f, 40000, 5000);
	frame_text(&f, "not steered");
	frame_finish(&f);
	cr_assert_eq(lb_punt_write(punt, frame_view(&f).data, f.len), 0);
	cr_assert_eq(poll(&udp, 1, WAIT_MS), 1, "the kernel's socket did not get it");
	cr_expect_eq(recv(udp.fd, text, sizeof(text), 0), 11);
	lb_punt_close(punt);
	lb_steering_close(st);
	close(udp.fd);
}

Test(punt, oversized_and_useless_frames_are_refused_and_counted, .init = setup)
{
	static const uint8_t frame[LB_PUNT_FRAME_MAX + 1];
	struct lb_punt *punt = open_punt("eth1");

	cr_expect_eq(lb_punt_write(punt, frame, sizeof(frame)), -EMSGSIZE);
	cr_expect_lt(lb_punt_write(punt, frame, 5), 0, "shorter than an Ethernet header");
	cr_expect_eq(lb_punt_write(punt, frame, LB_PUNT_FRAME_MAX), 0);
	cr_expect_eq(lb_punt_counts(punt).refused, 2u);
	cr_expect_eq(lb_punt_counts(punt).written, 1u);
	lb_punt_close(punt);
}

Test(punt, the_tap_vanishes_with_its_process, .init = setup)
{
	struct lb_punt *punt = open_punt("eth1");
	char name[IF_NAMESIZE];
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s", lb_punt_name(punt));
	cr_expect_neq(if_nametoindex(name), 0u);
	lb_punt_close(punt);
	cr_expect_eq(if_nametoindex(name), 0u);
	pid = fork();
	if (pid == 0) {
		if (lb_punt_open("eth1", &punt, NULL) != 0)
			_exit(1);
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "status %x", status);
	cr_expect_neq(namespace_try("ip -o link show | grep -q ' bal[0-9]'"), 0);
}

Test(punt, a_missing_netdev_and_missing_rights_are_told, .init = setup)
{
	struct lb_punt *punt = NULL;
	struct lb_error err = {0};

	cr_expect_eq(lb_punt_open("eth7", &punt, &err), -ENODEV);
	cr_expect(strstr(err.what, "eth7") != NULL, "%s", err.what);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_lt(lb_punt_open("eth1", &punt, &err), 0);
	cr_expect(strstr(err.what, "TAP") != NULL, "%s", err.what);
	cr_expect_null(punt);
	cr_assert_eq(seteuid(0), 0);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "punt");
}
