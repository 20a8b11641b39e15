/* Forwarding modes in which the server answers the client itself. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "world.h"

static const char CLIENT[] = "198.51.100.7";
static const char CLIENT6[] = "2001:db8:1::7";
static const uint8_t OWN_MAC[6] = {2, 0, 0, 0, 0, 1};

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK
#define FIN_ACK (LB_TCP_FIN | LB_TCP_ACK)

static const struct {
	const char *name;
	bool is_v6;
	uint8_t protocol;
} shapes[] = {
	{"TCP over IPv4", false, IPPROTO_TCP},
	{"UDP over IPv4", false, IPPROTO_UDP},
	{"TCP over IPv6", true, IPPROTO_TCP},
	{"UDP over IPv6", true, IPPROTO_UDP},
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void open_dsr(struct world *w, bool is_v6, uint8_t protocol)
{
	world_open(w, NULL);
	world_service(w, &(struct world_service){.vip = is_v6 ? WORLD_VIP6 : WORLD_VIP,
						 .protocol = protocol,
						 .first_port = 80,
						 .forwarding = LB_FORWARD_DSR,
						 .n_servers = 2});
}

static void to_vip(struct frame *f, bool is_v6, uint8_t protocol, uint8_t flags)
{
	const char *client = is_v6 ? CLIENT6 : CLIENT, *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;

	if (protocol == IPPROTO_TCP)
		world_tcp(f, client, 40000, vip, 80, flags);
	else
		world_udp(f, client, 40000, vip, 80);
}

Test(pipeline_one_way, dsr_changes_nothing_but_link_layer_addresses)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		struct frame f, before;
		struct world w;

		open_dsr(&w, shapes[i].is_v6, shapes[i].protocol);
		to_vip(&f, shapes[i].is_v6, shapes[i].protocol, SYN);
		before = f;
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "%s", shapes[i].name);
		cr_assert_eq(f.len, before.len, "%s", shapes[i].name);
		cr_expect_eq(memcmp(frame_at(&f, 12), frame_at(&before, 12), f.len - 12), 0,
			     "%s: TTL and checksums too", shapes[i].name);
		cr_expect_eq(memcmp(frame_at(&f, 6), OWN_MAC, 6), 0, "%s", shapes[i].name);
		cr_expect_eq(*frame_at(&f, 4), 2, "%s: a server's MAC", shapes[i].name);
		cr_expect_eq(lb_pipeline_conns(w.pl), 1, "%s", shapes[i].name);
		world_close(&w);
	}
}

Test(pipeline_one_way, a_connection_lives_by_the_clients_packets_alone)
{
	struct frame f;
	struct world w;

	open_dsr(&w, false, IPPROTO_TCP);
	to_vip(&f, false, IPPROTO_TCP, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_pass_time(&w, 100000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1, "half open: 120 s");
	to_vip(&f, false, IPPROTO_TCP, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_pass_time(&w, 890000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1, "established: the service's 900 s");
	to_vip(&f, false, IPPROTO_TCP, FIN_ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_pass_time(&w, 30000, 500);
	to_vip(&f, false, IPPROTO_TCP, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "what the server still sends is answered");
	world_pass_time(&w, 90000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	to_vip(&f, false, IPPROTO_TCP, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_no_connection), 1, "answered with a reset");
	cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), 1);
	world_close(&w);
}

Test(pipeline_one_way, a_client_port_may_be_used_again_after_its_close)
{
	uint32_t first;
	struct frame f;
	struct world w;

	open_dsr(&w, false, IPPROTO_TCP);
	to_vip(&f, false, IPPROTO_TCP, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	first = *frame_at(&f, 5);
	to_vip(&f, false, IPPROTO_TCP, FIN_ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(*frame_at(&f, 5), first, "the same server");
	to_vip(&f, false, IPPROTO_TCP, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_neq(*frame_at(&f, 5), first, "round robin goes on: it was scheduled anew");
	cr_expect_eq(lb_pipeline_conns(w.pl), 1);
	world_close(&w);
}

/* The frame leaves as it came: a gateway would send it straight back to us. */
Test(pipeline_one_way, dsr_sends_nothing_to_a_gateway)
{
	struct lb_real real = {.in_use = 1, .next_hop = 1, .via_gateway = 1};
	struct frame f;
	struct world w;

	lb_addr_parse("192.0.2.20", &real.addr);
	open_dsr(&w, false, IPPROTO_TCP);
	world_service(&w, &(struct world_service){
				  .first_port = 80, .forwarding = LB_FORWARD_DSR, .n_servers = 1});
	to_vip(&f, false, IPPROTO_TCP, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_command(&w, LB_CMD_REAL, 0, &real, 0);
	to_vip(&f, false, IPPROTO_TCP, ACK);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP, "its route has changed");
	world_tcp(&f, CLIENT, 40001, WORLD_VIP, 80, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_not_on_link), 2);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1, "no new connection");
	world_close(&w);
}

Test(pipeline_one_way, connections_keep_their_mode_when_the_service_changes_its_own)
{
	static const enum lb_forwarding modes[] = {LB_FORWARD_FULLNAT, LB_FORWARD_NAT,
						   LB_FORWARD_DSR, LB_FORWARD_IPIP, LB_FORWARD_GUE};
	struct frame f, old[5], again;
	struct world w;

	world_open(&w, NULL);
	for (uint32_t i = 0; i < 5; i++) {
		world_service(&w, &(struct world_service){.first_port = 80,
							  .forwarding = modes[i],
							  .n_servers = 2});
		world_tcp(&f, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		old[i] = f;
	}
	for (uint32_t i = 0; i < 5; i++) {
		world_tcp(&again, CLIENT, (uint16_t)(40000 + i), WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &again), LB_VERDICT_TX);
		cr_expect_eq(again.len, old[i].len);
		cr_expect_eq(memcmp(frame_at(&again, 0), frame_at(&old[i], 0), again.len), 0,
			     "mode %u", modes[i]);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), 5);
	world_close(&w);
}

/* The interface has lost its address, or a frame has no room in front: neither goes out bare. */
Test(pipeline_one_way, a_tunnel_without_a_source_or_without_room_sends_nothing)
{
	struct lb_iface iface = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){
				  .first_port = 80, .forwarding = LB_FORWARD_GUE, .n_servers = 1});
	to_vip(&f, false, IPPROTO_TCP, SYN);
	w.burst.pkt[0] = frame_view(&f);
	w.burst.pkt[0].headroom = 27;
	w.burst.n = 1;
	lb_pipeline_run(w.pl, &w.burst, w.now_ms);
	cr_expect_eq(w.burst.pkt[0].verdict, LB_VERDICT_DROP);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_too_large), 1);
	world_command(&w, LB_CMD_IFACE, 0, &iface, 0);
	to_vip(&f, false, IPPROTO_TCP, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_no_tunnel_source), 1);
	world_close(&w);
}

/* A flood of packets that are too large is not a flood of answers. */
Test(pipeline_one_way, answers_about_the_size_are_limited)
{
	struct frame f;
	struct world w;

	open_dsr(&w, false, IPPROTO_UDP);
	for (uint32_t i = 0; i < 1000; i++) {
		frame_eth(&f);
		frame_ipv4(&f, CLIENT, WORLD_VIP);
		frame_udp(&f, 40000, 80);
		frame_fill(&f, 1473);
		frame_finish(&f);
		world_send(&w, &f);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_drop_too_big), 1000);
	cr_expect_eq(world_count(&w, LB_COUNT_icmp_sent), 100, "the burst of one worker");
	cr_expect_eq(world_count(&w, LB_COUNT_reply_suppressed), 900);
	world_close(&w);
}
