#include "health/vip_probe.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lb/service.h"
#include "lb/vlan.h"
#include "namespace.h"

/* The kernel itself answers here: what is sent to lo's own link-layer address arrives there. The
 * VIP is one of its addresses, as at a server. */
struct rig {
	struct event_base *base;
	struct lb_vip_probes *vips;
	uint16_t number; /* under way */
	uint32_t n;
	uint32_t probe;
	enum lb_probe_outcome outcome;
	const char *reason;
};

static void on_answer(void *ctx, uint32_t probe, enum lb_probe_outcome outcome, const char *reason)
{
	struct rig *g = ctx;

	g->n++;
	g->probe = probe;
	g->outcome = outcome;
	g->reason = reason;
	lb_vip_probe_end(g->vips, g->number);
}

static void init_rig(struct rig *g)
{
	*g = (struct rig){.base = event_base_new()};
	namespace_enter();
	/* What another machine sends from its own address comes from one of ours here. */
	namespace_run("sysctl -qw net.ipv4.conf.all.route_localnet=1 "
		      "net.ipv4.conf.all.accept_local=1");
	cr_assert_eq(lb_vip_probes_create(g->base, 1, on_answer, g, &g->vips), 0);
}

static void fini_rig(struct rig *g)
{
	lb_vip_probes_destroy(g->vips);
	event_base_free(g->base);
}

static struct lb_vip_question ask(bool is_v4, uint16_t port)
{
	const struct lb_addr six = {{0, 0, 0, RTE_BE32(1)}};
	struct lb_addr vip = is_v4 ? lb_addr_from_v4(RTE_BE32(0x7f00004d)) : six;

	return (struct lb_vip_question){
		.way = {.packet = {.vip = vip,
				   .source = is_v4 ? lb_addr_from_v4(RTE_BE32(0x7f000001)) : six,
				   .server = vip,
				   .forwarding = LB_FORWARD_DSR},
			.ifindex = if_nametoindex("lo")},
		.probe = 42,
		.port = port};
}

/* Listens at every address; *port is chosen by the kernel. */
static int listen_anywhere(bool is_v4, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr *sa = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(bind(fd, sa, len), 0, "%s", strerror(errno));
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, sa, &len), 0);
	*port = rte_be_to_cpu_16(is_v4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

static void probe(struct rig *g, struct lb_vip_question q)
{
	uint32_t n = g->n;

	cr_assert_eq(lb_vip_probe_start(g->vips, &q, &g->number, &g->reason), LB_PROBE_PENDING,
		     "%s", g->reason);
	while (g->n == n)
		event_base_loop(g->base, EVLOOP_ONCE);
	cr_assert_eq(g->probe, 42);
}

Test(vip_answer, tells_what_the_vip_says)
{
	struct rig g;

	init_rig(&g);
	for (int v = 0; v < 2; v++) {
		bool is_v4 = v == 0;
		uint16_t port;
		int server = listen_anywhere(is_v4, &port);

		probe(&g, ask(is_v4, port));
		cr_expect_eq(g.outcome, LB_PROBE_UP);
		/* The reset came in place of the last acknowledgement: nothing to accept. */
		probe(&g, ask(is_v4, port));
		cr_expect_lt(accept(server, NULL, NULL), 0, "the program was woken");
		close(server);
		probe(&g, ask(is_v4, port));
		cr_expect_eq(g.outcome, LB_PROBE_DOWN);
		cr_expect_str_eq(g.reason, "connection refused");
		probe(&g, ask(is_v4, 0));
		cr_expect_eq(g.outcome, LB_PROBE_UP, "echo");
	}
	fini_rig(&g);
}

Test(vip_answer, an_interface_that_has_gone_is_down)
{
	struct lb_vip_question q = ask(true, 80);
	uint16_t number = 7;
	const char *reason;
	struct rig g;

	init_rig(&g);
	q.way.ifindex = 0x7fffffff;
	cr_expect_eq(lb_vip_probe_start(g.vips, &q, &number, &reason), LB_PROBE_DOWN);
	cr_expect_str_eq(reason, "network is down");
	cr_expect_eq(number, 0);
	fini_rig(&g);
}

/* The frame of an answer made of the question's: who asked becomes who is told. */
static void turn(uint8_t *frame)
{
	uint8_t *ip = frame + 18, *tcp = ip + 20, kept[6];
	uint32_t ack;

	memcpy(kept, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, kept, 6);
	memcpy(kept, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, kept, 4);
	memcpy(kept, tcp, 2);
	memcpy(tcp, tcp + 2, 2);
	memcpy(tcp + 2, kept, 2);
	memcpy(&ack, tcp + 4, 4);
	ack = rte_cpu_to_be_32(rte_be_to_cpu_32(ack) + 1);
	memcpy(tcp + 8, &ack, 4);
	tcp[13] = 0x12;
}

static int open_raw(const char *netdev)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = RTE_BE16(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(netdev)};
	int fd = socket(AF_PACKET, SOCK_RAW, RTE_BE16(ETH_P_ALL));

	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0, "%s", strerror(errno));
	return fd;
}

/* The next frame that left with a tag: where it arrives the kernel takes the tag off. */
static void next_tagged(int fd, uint8_t frame[256])
{
	static const uint8_t behind_macs[] = {0x81, 0x00, 0x00, 0x64, 0x08, 0x00, 0x45};

	do
		cr_assert_geq(recv(fd, frame, 256, 0), 0);
	while (memcmp(frame + 12, behind_macs, 2) != 0);
	cr_expect_arr_eq(frame + 12, behind_macs, sizeof(behind_macs));
}

/* This kernel may know nothing of VLANs: the server is the test itself. */
Test(vip_answer, asks_and_hears_in_a_vlan)
{
	struct lb_vip_question q = ask(true, 80);
	int here, peer, left, server;
	uint8_t frame[256];
	struct rig g;

	init_rig(&g);
	here = namespace_here();
	peer = namespace_peer("here", "there");
	namespace_set(peer);
	server = open_raw("there");
	namespace_set(here);
	left = open_raw("here");
	q.way.packet.vip = lb_addr_from_v4(RTE_BE32(0xc000020a));
	q.way.packet.source = lb_addr_from_v4(RTE_BE32(0xc0000202));
	q.way.ifindex = if_nametoindex("here");
	q.way.tag = lb_vlan_tag(LB_VLAN_8100, 100);
	memset(q.way.mac, 0x02, sizeof(q.way.mac));
	cr_assert_eq(lb_vip_probe_start(g.vips, &q, &g.number, &g.reason), LB_PROBE_PENDING, "%s",
		     g.reason);
	next_tagged(left, frame);
	cr_expect_arr_eq(frame, q.way.mac, 6);
	turn(frame);
	cr_assert_eq(send(server, frame, 18 + 40, 0), 18 + 40);
	while (g.n == 0)
		event_base_loop(g.base, EVLOOP_ONCE);
	cr_expect_eq(g.outcome, LB_PROBE_UP);
	/* The reset has the tag, too. */
	next_tagged(left, frame);
	cr_expect_eq(frame[18 + 20 + 13], 0x04);
	fini_rig(&g);
}

Test(vip_answer, without_the_right_it_says_so)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	struct lb_vip_question q = ask(true, 80);
	const char *reason;
	uint16_t number;
	struct rig g;

	g = (struct rig){.base = event_base_new()};
	cr_assert_eq(syscall(SYS_capset, &head, none), 0);
	cr_assert_eq(lb_vip_probes_create(g.base, 1, on_answer, &g, &g.vips), 0);
	cr_expect_eq(lb_vip_probe_start(g.vips, &q, &number, &reason), LB_PROBE_UNABLE);
	cr_expect_str_eq(reason, "cannot probe: packets to a VIP need CAP_NET_RAW");
	fini_rig(&g);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "vip_answer");
}
