/* Attaching, leftovers, other people's programs, and frames from a wire into a socket. */
#include "steering.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "namespace.h"
#include "random.h"
#include "wire.h"
#include "xsk.h"

static int peer = -1;
static struct lb_steering *st;

static void setup(void)
{
	struct lb_error err = {0};

	lb_log_set_level(NULL, LB_LOG_ERROR);
	namespace_enter();
	peer = namespace_peer("eth1", "peer1");
	namespace_run("ip link set eth1 address 02:00:00:00:00:01");
	cr_assert_eq(lb_steering_open(&st, &err), 0, "%s", err.what);
}

static void teardown(void)
{
	lb_steering_close(st);
}

static struct lb_steer_rule service(const char *vip, uint16_t port)
{
	struct lb_steer_rule r = {
		.kind = LB_STEER_SERVICE, .protocol = IPPROTO_UDP, .ports = {port, port}};

	cr_assert_eq(lb_addr_parse(vip, &r.addr), 0);
	return r;
}

static uint32_t attached_id(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	cr_assert_eq(bpf_xdp_query((int)if_nametoindex("eth1"), 0, &query), 0);
	return query.prog_id;
}

static void attach(void)
{
	struct lb_error err = {0};

	cr_assert_eq(lb_steering_attach(st, 0, "eth1", &err), 0, "%s", err.what);
}

static void udp_frame(struct frame *f, const char *dst, uint16_t port)
{
	frame_eth(f);
	frame_ipv4(f, "192.0.2.11", dst);
	frame_udp(f, 40000, port);
	frame_text(f, "hello");
	frame_finish(f);
}

/* In this namespace the frame builder's source MAC is the peer's. */
static int open_peer_wire(void)
{
	int here = namespace_here(), wire;

	namespace_set(peer);
	wire = wire_open("peer1");
	namespace_set(here);
	close(here);
	return wire;
}

Test(steering, attaches_natively_and_leaves_nothing, .init = setup, .fini = teardown)
{
	char text[160];

	cr_expect_str_eq(lb_steering_describe(st, 0, text, sizeof(text)), "not attached");
	attach();
	cr_expect_neq(attached_id(), 0u);
	cr_expect(strncmp(lb_steering_describe(st, 0, text, sizeof(text)), "native XDP on eth1",
			  18) == 0,
		  "%s", text);
	cr_expect_eq(lb_steering_attach(st, 0, "eth1", NULL), -EALREADY);
	lb_steering_detach(st, 0);
	cr_expect_eq(attached_id(), 0u);
	attach();
	lb_steering_close(st);
	st = NULL;
	cr_expect_eq(attached_id(), 0u);
}

Test(steering, falls_back_to_generic_mode_and_says_so, .init = setup, .fini = teardown)
{
	char text[160];

	namespace_run("ip link add br1 type bridge");
	cr_assert_eq(lb_steering_attach(st, 1, "br1", NULL), 0);
	cr_expect(strstr(lb_steering_describe(st, 1, text, sizeof(text)), "generic XDP on br1"),
		  "%s", text);
}

Test(steering, frames_of_services_reach_the_socket_that_libxdp_opened, .init = setup,
     .fini = teardown)
{
	struct lb_steer_rule rule = service("192.0.2.10", 5000);
	uint64_t stats[LB_STEER_STAT_N];
	uint8_t bytes[2048];
	struct frame f;
	struct xsk *xsk;
	int wire;

	attach();
	cr_assert_eq(lb_steering_extend(st, &rule, 1, NULL), 0);
	xsk = xsk_open("eth1", 0);
	cr_expect_neq(attached_id(), 0u);
	wire = open_peer_wire();
	udp_frame(&f, "192.0.2.10", 5001);
	wire_send(wire, frame_view(&f).data, f.len);
	udp_frame(&f, "192.0.2.10", 5000);
	wire_send(wire, frame_view(&f).data, f.len);
	cr_assert_eq(xsk_receive(xsk, bytes, sizeof(bytes), 10000), f.len);
	cr_expect_arr_eq(bytes, frame_view(&f).data, f.len);
	cr_assert_eq(lb_steering_stats(st, 0, stats), 0);
	cr_expect_eq(stats[LB_STEER_REDIRECTED], 1u);
	cr_expect_geq(stats[LB_STEER_PASSED], 1u);
	xsk_close(xsk);
	close(wire);
}

Test(steering, both_netdevs_share_the_rules, .init = setup, .fini = teardown)
{
	struct lb_steer_rule rule = service("192.0.2.10", 5000);
	uint64_t stats[LB_STEER_STAT_N];
	struct frame f;
	uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	int wire;

	attach();
	cr_assert_eq(lb_steering_attach(st, 1, "lo", NULL), 0);
	cr_assert_eq(lb_steering_set_mac(st, 1, mac), 0);
	cr_assert_eq(lb_steering_extend(st, &rule, 1, NULL), 0);
	udp_frame(&f, "192.0.2.10", 5000);
	wire = wire_open("lo");
	wire_send(wire, frame_view(&f).data, f.len);
	close(wire);
	for (stats[LB_STEER_NO_SOCKET] = 0; stats[LB_STEER_NO_SOCKET] == 0;)
		cr_assert_eq(lb_steering_stats(st, 1, stats), 0);
	cr_expect_eq(stats[LB_STEER_NO_SOCKET], 1u);
	cr_assert_eq(lb_steering_stats(st, 0, stats), 0);
	cr_expect_eq(stats[LB_STEER_NO_SOCKET], 0u, "each netdev counts for itself");
	cr_expect_eq(lb_steering_stats(st, 2, stats), -ENOENT);
}

#define N_PORTS 3u
#define FIRST_PORT 5000u /* is in every list, so that something always comes through */

static void send_to_port(int wire, uint16_t port)
{
	struct frame f;

	udp_frame(&f, "192.0.2.10", port);
	wire_send(wire, frame_view(&f).data, f.len);
}

/* Frames to all ports that are out, then one to a port that is in: exactly that is steered. */
static void check_steered(int wire, uint32_t ports)
{
	uint64_t before[LB_STEER_STAT_N], stats[LB_STEER_STAT_N];

	for (uint32_t in = 0; in < N_PORTS; in++) {
		if ((ports & 1u << in) == 0)
			continue;
		cr_assert_eq(lb_steering_stats(st, 1, before), 0);
		for (uint32_t out = 0; out < N_PORTS; out++)
			if ((ports & 1u << out) == 0)
				send_to_port(wire, (uint16_t)(FIRST_PORT + out));
		send_to_port(wire, (uint16_t)(FIRST_PORT + in));
		do
			cr_assert_eq(lb_steering_stats(st, 1, stats), 0);
		while (stats[LB_STEER_NO_SOCKET] == before[LB_STEER_NO_SOCKET]);
		cr_expect_eq(stats[LB_STEER_NO_SOCKET], before[LB_STEER_NO_SOCKET] + 1);
	}
}

Test(steering, lists_that_come_again_or_out_of_turn_mean_what_they_say, .init = setup,
     .fini = teardown)
{
	struct test_random r = {test_seed("steering lists")};
	struct lb_steer_rule rules[N_PORTS];
	uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	uint32_t now = 0, list = 1;
	int wire;

	cr_assert_eq(lb_steering_attach(st, 1, "lo", NULL), 0);
	cr_assert_eq(lb_steering_set_mac(st, 1, mac), 0);
	wire = wire_open("lo");
	for (uint32_t step = 0; step < 60; step++) {
		bool is_extending = test_random_below(&r, 2) == 0;
		size_t n = 0;

		if (test_random_below(&r, 2) == 0)
			list = 1 | test_random_below(&r, 1u << N_PORTS);
		for (uint32_t i = 0; i < N_PORTS; i++)
			if ((list & 1u << i) != 0)
				rules[n++] = service("192.0.2.10", (uint16_t)(FIRST_PORT + i));
		if (is_extending)
			cr_assert_eq(lb_steering_extend(st, rules, n, NULL), 0);
		else
			cr_assert_eq(lb_steering_restrict(st, rules, n, NULL), 0);
		now = is_extending ? now | list : now & list;
		check_steered(wire, now);
	}
	close(wire);
}

static int bind_udp(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void run_and_die(void)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct lb_steering *own;
		struct lb_steer_rule rule = service("192.0.2.10", 5000);

		if (lb_steering_open(&own, NULL) != 0 ||
		    lb_steering_attach(own, 0, "eth1", NULL) != 0 ||
		    lb_steering_extend(own, &rule, 1, NULL) != 0)
			_exit(1);
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "status %x", status);
}

Test(steering, what_a_killed_run_left_drops_ours_and_is_replaced, .init = setup, .fini = teardown)
{
	int ours = bind_udp(5000), kernels = bind_udp(5001), wire = open_peer_wire();
	struct pollfd fd = {.fd = kernels, .events = POLLIN};
	struct frame f;
	uint32_t left;

	namespace_run("ip addr add 192.0.2.10/24 dev eth1");
	run_and_die();
	left = attached_id();
	cr_assert_neq(left, 0u);
	udp_frame(&f, "192.0.2.10", 5000);
	wire_send(wire, frame_view(&f).data, f.len);
	udp_frame(&f, "192.0.2.10", 5001);
	wire_send(wire, frame_view(&f).data, f.len);
	cr_assert_eq(poll(&fd, 1, 10000), 1, "the kernel's own traffic goes on");
	fd.fd = ours;
	cr_expect_eq(poll(&fd, 1, 0), 0, "the kernel must not answer for the workers");
	close(ours);
	close(kernels);
	close(wire);
	attach();
	cr_expect_neq(attached_id(), left);
	lb_steering_detach(st, 0);
	cr_expect_eq(attached_id(), 0u);
}

Test(steering, a_living_ballast_on_the_netdev_is_left_alone, .init = setup, .fini = teardown)
{
	struct lb_steering *other;
	struct lb_error err = {0};
	uint32_t id;

	attach();
	id = attached_id();
	cr_assert_eq(lb_steering_open(&other, NULL), 0);
	cr_expect_eq(lb_steering_attach(other, 0, "eth1", &err), -EBUSY);
	cr_expect(strstr(err.what, "another Ballast") != NULL, "%s", err.what);
	lb_steering_close(other);
	cr_expect_eq(attached_id(), id);
}

/* A program of the name that libxdp gives to every AF_XDP program: not ours. */
static int attach_foreign(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, LB_STEER_PROGRAM, "GPL", pass, 2, NULL);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_xdp_attach((int)if_nametoindex("eth1"), fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	return fd;
}

Test(steering, somebody_elses_program_is_refused_by_name, .init = setup, .fini = teardown)
{
	struct lb_error err = {0};
	uint32_t id;

	close(attach_foreign());
	id = attached_id();
	cr_expect_eq(lb_steering_attach(st, 0, "eth1", &err), -EBUSY);
	cr_expect(strstr(err.what, "xsk_def_prog") != NULL && strstr(err.what, "eth1") != NULL,
		  "%s", err.what);
	cr_expect_eq(attached_id(), id);
}

Test(steering, a_missing_netdev_and_missing_rights_are_told, .init = setup, .fini = teardown)
{
	struct lb_steering *other = NULL;
	struct lb_error err = {0};

	cr_expect_eq(lb_steering_attach(st, 0, "eth7", &err), -ENODEV);
	cr_expect(strstr(err.what, "eth7") != NULL, "%s", err.what);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(lb_steering_open(&other, &err), -EPERM);
	cr_expect(strstr(err.what, "CAP_BPF") != NULL, "%s", err.what);
	cr_expect_null(other);
	cr_assert_eq(seteuid(0), 0);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "steering");
}
