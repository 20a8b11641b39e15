#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "random.h"
#include "steer/conn.h"
#include "world.h"

static const char CLIENT[] = "198.51.100.7";
static const char CLIENT6[] = "2001:db8:1::7";
static const uint8_t CLIENT_MAC[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t OWN_MAC[6] = {2, 0, 0, 0, 0, 1};

#define SYN LB_TCP_SYN
#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)
#define ACK LB_TCP_ACK
#define FIN_ACK (LB_TCP_FIN | LB_TCP_ACK)
#define RST LB_TCP_RST

struct mode {
	const char *name;
	enum lb_forwarding forwarding;
	bool is_v6;
	uint8_t protocol;
};

static const struct mode MODES[] = {
	{"fullnat TCP over IPv4", LB_FORWARD_FULLNAT, false, IPPROTO_TCP},
	{"fullnat UDP over IPv4", LB_FORWARD_FULLNAT, false, IPPROTO_UDP},
	{"fullnat TCP over IPv6", LB_FORWARD_FULLNAT, true, IPPROTO_TCP},
	{"fullnat UDP over IPv6", LB_FORWARD_FULLNAT, true, IPPROTO_UDP},
	{"nat TCP over IPv4", LB_FORWARD_NAT, false, IPPROTO_TCP},
	{"nat UDP over IPv4", LB_FORWARD_NAT, false, IPPROTO_UDP},
	{"nat TCP over IPv6", LB_FORWARD_NAT, true, IPPROTO_TCP},
	{"nat UDP over IPv6", LB_FORWARD_NAT, true, IPPROTO_UDP},
};
#define N_MODES (sizeof(MODES) / sizeof(MODES[0]))

static const char *vip_of(const struct mode *m)
{
	return m->is_v6 ? WORLD_VIP6 : WORLD_VIP;
}

static const char *client_of(const struct mode *m)
{
	return m->is_v6 ? CLIENT6 : CLIENT;
}

static void open_mode(struct world *w, const struct mode *m)
{
	world_open(w, NULL);
	world_service(w, &(struct world_service){.vip = vip_of(m),
						 .protocol = m->protocol,
						 .first_port = 80,
						 .forwarding = m->forwarding,
						 .n_servers = 2});
}

static void first_packet(struct frame *f, const struct mode *m, uint16_t sport)
{
	if (m->protocol == IPPROTO_TCP)
		world_tcp(f, client_of(m), sport, vip_of(m), 80, SYN);
	else
		world_udp(f, client_of(m), sport, vip_of(m), 80);
}

static void answer(struct frame *f, const struct frame *in, const struct mode *m, uint8_t flags)
{
	if (m->protocol == IPPROTO_TCP)
		world_tcp_answer(f, in, flags);
	else
		world_udp_answer(f, in);
}

static void expect_to_server(const struct frame *f, const struct mode *m)
{
	struct world_fields out = world_fields(f);
	bool is_fullnat = m->forwarding == LB_FORWARD_FULLNAT;

	cr_expect_lt(world_server_of(f), 2, "%s: sent to %s", m->name, out.dst);
	cr_expect_eq(out.dport, 80, "%s: the port is kept", m->name);
	cr_expect_str_eq(out.src, is_fullnat ? vip_of(m) : client_of(m), "%s", m->name);
	if (is_fullnat)
		cr_expect(out.sport >= WORLD_NAT_FIRST && out.sport <= WORLD_NAT_LAST,
			  "%s: NAT source port %u", m->name, out.sport);
	else
		cr_expect_eq(out.sport, 40000, "%s", m->name);
	cr_expect_eq(out.ttl, 63, "%s: TTL", m->name);
	cr_expect_eq(memcmp(out.src_mac, OWN_MAC, 6), 0, "%s: source MAC", m->name);
	cr_expect_eq(out.dst_mac[4], 2, "%s: the server's MAC", m->name);
}

static void expect_to_client(const struct frame *f, const struct mode *m)
{
	struct world_fields out = world_fields(f);

	cr_expect_str_eq(out.src, vip_of(m), "%s", m->name);
	cr_expect_str_eq(out.dst, client_of(m), "%s", m->name);
	cr_expect_eq(out.sport, 80, "%s", m->name);
	cr_expect_eq(out.dport, 40000, "%s", m->name);
	cr_expect_eq(out.ttl, 63, "%s", m->name);
	cr_expect_eq(memcmp(out.dst_mac, CLIENT_MAC, 6), 0, "%s: learnt MAC", m->name);
}

Test(pipeline, both_directions_of_every_mode_are_translated)
{
	for (size_t i = 0; i < N_MODES; i++) {
		const struct mode *m = &MODES[i];
		struct lb_traffic traffic = {0}, real = {0};
		struct frame to_server, reply, again;
		struct world w;

		open_mode(&w, m);
		first_packet(&to_server, m, 40000);
		cr_assert_eq(world_send(&w, &to_server), LB_VERDICT_TX, "%s", m->name);
		expect_to_server(&to_server, m);
		answer(&reply, &to_server, m, SYN_ACK);
		cr_assert_eq(world_send(&w, &reply), LB_VERDICT_TX, "%s: reply", m->name);
		expect_to_client(&reply, m);
		answer(&again, &reply, m, ACK);
		cr_assert_eq(world_send(&w, &again), LB_VERDICT_TX, "%s: third", m->name);
		expect_to_server(&again, m);
		cr_expect_eq(world_fields(&again).sport, world_fields(&to_server).sport, "%s",
			     m->name);
		cr_expect_eq(lb_pipeline_conns(w.pl), 1, "%s", m->name);

		lb_pipeline_service_traffic(w.pl, 0, &traffic);
		cr_expect_eq(traffic.conns, 1, "%s", m->name);
		cr_expect_eq(traffic.conns_live, 1, "%s", m->name);
		cr_expect_eq(traffic.pkts_in, 2, "%s", m->name);
		cr_expect_eq(traffic.pkts_out, 1, "%s", m->name);
		cr_expect_eq(traffic.bytes_out, reply.len, "%s", m->name);
		lb_pipeline_real_traffic(
			w.pl, world_server_of(&again) + (m->is_v6 ? WORLD_REALS : 0), &real);
		cr_expect_eq(memcmp(&real, &traffic, sizeof(real)), 0,
			     "%s: one connection, so service and server saw the same", m->name);
		world_close(&w);
	}
}

Test(pipeline, the_payload_is_not_touched)
{
	struct frame f, before;
	struct world w;

	open_mode(&w, &MODES[1]);
	world_udp(&f, CLIENT, 40000, WORLD_VIP, 80);
	before = f;
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(f.len, before.len);
	cr_expect_eq(memcmp(frame_at(&f, f.len - 8), frame_at(&before, f.len - 8), 8), 0);
	world_close(&w);
}

Test(pipeline, a_whole_tcp_connection_is_opened_used_and_closed)
{
	struct frame f, r;
	struct world w;

	open_mode(&w, &MODES[0]);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp_answer(&r, &f, SYN_ACK);
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	/* Established: survives far beyond the time that a half-open one has. */
	world_pass_time(&w, 800000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, FIN_ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp_answer(&r, &f, FIN_ACK);
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1, "the last packets may be repeated");
	world_pass_time(&w, 180000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_closed), 1);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_expired), 0);
	world_close(&w);
}

Test(pipeline, hours_of_idleness_end_a_connection_at_its_timeout_and_not_before)
{
	static const uint64_t hour = 3600000;
	struct frame f, r;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){
				  .first_port = 135, .idle_timeout_ms = 14400000, .n_servers = 2});
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 135, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp_answer(&r, &f, SYN_ACK);
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	for (int i = 0; i < 12; i++) { /* two days, so that the ticks wrap */
		world_tcp(&f, CLIENT, 40000, WORLD_VIP, 135, ACK);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "after %d spells", i);
		world_pass_time(&w, 4 * hour - 10000, 2000);
		cr_assert_eq(lb_pipeline_conns(w.pl), 1, "after %d spells", i);
	}
	world_pass_time(&w, 20000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_expired), 1);
	world_close(&w);
}

Test(pipeline, either_direction_alone_keeps_a_connection)
{
	struct frame f, r, q;
	struct world w;

	open_mode(&w, &MODES[5]);
	world_udp(&f, CLIENT, 40000, WORLD_VIP, 80);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_udp_answer(&r, &f);
	for (int i = 0; i < 100; i++) { /* 50 hours: longer than a tick counter lasts */
		world_pass_time(&w, 890000, 2000);
		world_pass_time(&w, 5000, 500);
		q = r;
		cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX, "reply %d", i);
	}
	for (int i = 0; i < 200; i++) {
		world_pass_time(&w, 895000, 2000);
		world_udp(&f, CLIENT, 40000, WORLD_VIP, 80);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "packet %d", i);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 1);
	world_close(&w);
}

Test(pipeline, a_direction_silent_for_longer_than_ticks_last_does_not_look_busy)
{
	/* The tick counter has come round 815 s before the last look. */
	const uint64_t busy_ms = (UINT64_C(65536) << LB_TICK_SHIFT_MS) - 100000;

	for (int by_reply = 0; by_reply < 2; by_reply++) {
		struct frame f, r, q;
		struct world w;

		open_mode(&w, &MODES[1]);
		first_packet(&f, &MODES[1], 40000);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		world_udp_answer(&r, &f);
		for (uint64_t ms = 0; ms < busy_ms; ms += 100000) {
			world_pass_time(&w, busy_ms - ms < 100000 ? busy_ms - ms : 100000, 1000);
			first_packet(&q, &MODES[1], 40000);
			if (by_reply)
				q = r;
			cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX);
		}
		cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 1);
		world_pass_time(&w, 915000, 1000);
		cr_expect_eq(lb_pipeline_conns(w.pl), 0, "by_reply %d", by_reply);
		world_close(&w);
	}
}

Test(pipeline, a_closed_connections_ports_may_be_used_again_at_once)
{
	struct frame f, r;
	struct world w;
	uint16_t sport;

	open_mode(&w, &MODES[0]);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	sport = world_fields(&f).sport;
	world_tcp_answer(&r, &f, SYN_ACK);
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, RST);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_count(&w, LB_COUNT_tcp_rst_seen), 1);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 2);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_closed), 1);
	cr_expect_neq(world_fields(&f).sport, sport, "the server still remembers the old port");
	world_close(&w);
}

Test(pipeline, a_burst_of_one_new_flow_opens_one_connection)
{
	for (size_t i = 0; i < N_MODES; i++) {
		struct frame frames[LB_BURST_MAX];
		struct world w;

		open_mode(&w, &MODES[i]);
		for (uint32_t j = 0; j < LB_BURST_MAX; j++)
			first_packet(&frames[j], &MODES[i], 40000);
		world_send_burst(&w, frames, LB_BURST_MAX);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 1, "%s", MODES[i].name);
		cr_expect_eq(world_count(&w, LB_COUNT_tx), LB_BURST_MAX, "%s", MODES[i].name);
		for (uint32_t j = 1; j < LB_BURST_MAX; j++)
			cr_expect_eq(memcmp(frame_at(&frames[0], 0), frame_at(&frames[j], 0),
					    frames[0].len),
				     0, "%s: packet %u", MODES[i].name, j);
		world_close(&w);
	}
}

Test(pipeline, round_robin_spreads_exactly)
{
	uint32_t got[5] = {0};
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){.first_port = 80, .n_servers = 5});
	for (uint16_t i = 0; i < 503; i++) {
		world_tcp(&f, CLIENT, (uint16_t)(30000 + i), WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		got[world_server_of(&f)]++;
	}
	for (uint32_t i = 0; i < 5; i++)
		cr_expect(got[i] == 100 || got[i] == 101, "server %u got %u", i, got[i]);
	world_close(&w);
}

Test(pipeline, what_is_not_ours_goes_to_the_kernel)
{
	struct frame f;
	struct world w;

	open_mode(&w, &MODES[0]);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 81, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT, "another port of the VIP");
	world_udp(&f, CLIENT, 40000, WORLD_VIP, 80);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT, "another protocol");
	world_tcp(&f, CLIENT, 40000, "192.0.2.2", 22, ACK);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT, "another address");
	frame_eth(&f);
	frame_ethertype(&f, 0x0806);
	frame_fill(&f, 28);
	frame_finish(&f);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT, "ARP");
	frame_eth(&f);
	frame_ipv4(&f, CLIENT, WORLD_VIP);
	frame_icmp(&f, 8, 0, 1);
	frame_finish(&f);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_PUNT, "ping");
	cr_expect_eq(world_count(&w, LB_COUNT_punted), 5);
	world_close(&w);
}

Test(pipeline, replies_follow_a_client_that_moves_to_another_link_address)
{
	static const uint8_t moved[6] = {2, 0, 0, 0, 9, 9};
	struct frame f, r, q;
	struct world w;

	for (size_t i = 0; i < N_MODES; i++) {
		const struct mode *m = &MODES[i];

		open_mode(&w, m);
		first_packet(&f, m, 40000);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "%s", m->name);
		answer(&r, &f, m, SYN_ACK);
		first_packet(&f, m, 40000);
		memcpy(frame_at(&f, 6), moved, 6);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX, "%s", m->name);
		for (int sweep = 0; sweep < 3; sweep++) {
			q = r;
			cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX, "%s", m->name);
			cr_expect_eq(memcmp(world_fields(&q).dst_mac, moved, 6), 0, "%s", m->name);
			world_pass_time(&w, 5000, 100);
		}
		world_close(&w);
	}
}

static void set_route(struct world *w, const char *prefix, uint32_t next_hop)
{
	struct lb_route_table *old = w->routes;
	struct lb_route route = {.next_hop = next_hop};

	cr_assert_eq(lb_prefix_parse(prefix, &route.prefix), 0);
	cr_assert_eq(lb_route_table_build(&route, 1, &w->routes), 0);
	world_command(w, LB_CMD_ROUTES, 0, w->routes, 0);
	lb_route_table_free(old);
}

Test(pipeline, clients_behind_a_gateway_are_answered_through_it)
{
	static const uint8_t gateway[6] = {2, 0, 0, 0, 7, 1};
	struct lb_next_hop nh = {.resolved = 1};
	struct frame f, r, q;
	struct world w;
	uint32_t id;

	open_mode(&w, &MODES[0]);
	set_route(&w, "0.0.0.0/0", 200);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp_answer(&r, &f, SYN_ACK);
	q = r;
	cr_expect_eq(world_send(&w, &q), LB_VERDICT_DROP, "the gateway is not resolved");
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_next_hop_unresolved);
	q = r;
	world_send(&w, &q);
	cr_expect_eq(lb_pipeline_take_unresolved(w.pl, &id, 1), 1, "asked for once");
	cr_expect_eq(id, 200);
	cr_expect_eq(lb_pipeline_take_unresolved(w.pl, &id, 1), 0);
	memcpy(nh.mac, gateway, 6);
	world_command(&w, LB_CMD_NEXT_HOP, 200, &nh, 0);
	q = r;
	cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX);
	cr_expect_eq(memcmp(world_fields(&q).dst_mac, gateway, 6), 0);

	/* Another gateway: live connections move to it within a sweep. */
	nh.mac[5] = 2;
	world_command(&w, LB_CMD_NEXT_HOP, 201, &nh, 0);
	set_route(&w, "198.51.100.0/24", 201);
	world_pass_time(&w, 2 * LB_AGE_SWEEP_MS, 100);
	q = r;
	cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX);
	cr_expect_eq(world_fields(&q).dst_mac[5], 2);

	/* On the link now: known from the client's next packet on. */
	set_route(&w, "198.51.100.0/24", LB_NEXT_HOP_NONE);
	world_pass_time(&w, 2 * LB_AGE_SWEEP_MS, 100);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	q = r;
	cr_assert_eq(world_send(&w, &q), LB_VERDICT_TX);
	cr_expect_eq(memcmp(world_fields(&q).dst_mac, CLIENT_MAC, 6), 0);
	world_close(&w);
}

Test(pipeline, ports_can_be_exchanged_between_services_in_any_order)
{
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){.slot = 1, .first_port = 81, .n_servers = 1});
	world_service(&w, &(struct world_service){
				  .slot = 2, .first_port = 82, .n_servers = 1, .first_server = 1});
	world_service(&w, &(struct world_service){.slot = 1, .first_port = 82, .n_servers = 1});
	world_service(&w, &(struct world_service){
				  .slot = 2, .first_port = 81, .n_servers = 1, .first_server = 1});
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 82, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), 0);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 81, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), 1);
	world_close(&w);
}

Test(pipeline, live_connections_survive_a_new_object_of_their_service)
{
	struct frame f, r;
	struct world w;
	uint32_t server;

	open_mode(&w, &MODES[0]);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	server = world_server_of(&f);
	world_tcp_answer(&r, &f, SYN_ACK);
	world_service(&w, &(struct world_service){.first_port = 80, .n_servers = 6});
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), server);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 1);
	world_close(&w);
}

struct seen {
	uint32_t n[LB_PASS_N];
};

static void on_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *pkt)
{
	struct seen *seen = ctx;

	cr_expect_lt(idx, 2);
	cr_expect_neq(pkt->data, NULL);
	seen->n[pass]++;
}

Test(pipeline, an_observer_sees_each_packet_in_the_passes_that_work_on_it)
{
	struct frame frames[2];
	struct seen seen = {0};
	struct world w;

	open_mode(&w, &MODES[0]);
	lb_pipeline_observe(w.pl, on_pass, &seen);
	world_tcp(&frames[0], CLIENT, 40000, WORLD_VIP, 80, SYN);
	world_tcp(&frames[1], CLIENT, 40000, WORLD_VIP, 81, SYN);
	world_send_burst(&w, frames, 2);
	cr_expect_eq(seen.n[LB_PASS_ADMIT], 2);
	cr_expect_eq(seen.n[LB_PASS_CHOOSE], 2);
	cr_expect_eq(seen.n[LB_PASS_DELIVER], 1, "the other one was punted by choose");
	cr_expect_eq(seen.n[LB_PASS_ACCOUNT], 2);
	world_close(&w);
}

Test(pipeline, what_a_replaced_nat_service_left_behind_stands_in_nobodys_way)
{
	struct world_service service = {
		.first_port = 80, .n_servers = 1, .forwarding = LB_FORWARD_NAT};
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &service);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_no_service(&w, 0);
	service.epoch = 1;
	world_service(&w, &service);
	/* The client's packet finds its half of the orphan; the other half has the replies' key. */
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, ACK);
	world_send(&w, &f);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_connection);
	world_tcp(&f, CLIENT, 40000, WORLD_VIP, 80, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX, "%s",
		     lb_counter_info[w.last.drop_reason].name);
	world_close(&w);
}
