/* What becomes of connections whose server is down, by the service's server_down_action. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "pipeline_state.h"
#include "steer/service_object.h"
#include "world.h"

#define SYN LB_TCP_SYN
#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)
#define ACK LB_TCP_ACK
#define RST LB_TCP_RST
#define UP (LB_TARGET_NEW | LB_TARGET_KEEP)

struct family {
	const char *client;
	const char *vip;
};

static const struct family FAMILIES[] = {{"198.51.100.7", WORLD_VIP},
					 {"2001:db8:1::7", WORLD_VIP6}};

static struct world_service service_of(const struct family *family, uint8_t protocol,
				       enum lb_server_down_action action)
{
	return (struct world_service){.vip = family->vip,
				      .protocol = protocol,
				      .first_port = 80,
				      .server_down_action = action,
				      .n_servers = 2};
}

/* Leaves in `sent` the client's packet as its server got it. */
static uint32_t connect_client(struct world *w, const struct family *family, struct frame *sent)
{
	struct frame f;

	world_tcp(&f, family->client, 40000, family->vip, 80, SYN);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	if (!lb_forwarding_is_one_way(w->last.forwarding)) {
		world_tcp_answer(sent, &f, SYN_ACK);
		cr_assert_eq(world_send(w, sent), LB_VERDICT_TX);
	}
	world_tcp(sent, family->client, 40000, family->vip, 80, ACK);
	cr_assert_eq(world_send(w, sent), LB_VERDICT_TX);
	return w->last.real_id % WORLD_REALS;
}

/* A world with that service and a client's connection to the server that is returned. */
static uint32_t open_connected(struct world *w, const struct family *family,
			       const struct world_service *svc, struct frame *sent)
{
	world_open(w, NULL);
	world_service(w, svc);
	return connect_client(w, family, sent);
}

static void client_says(struct world *w, const struct family *family, uint8_t flags,
			struct frame *f)
{
	world_tcp(f, family->client, 40000, family->vip, 80, flags);
	world_send(w, f);
}

/* The reset goes from where the packet was sent to, to its sender. */
static void expect_reset(const struct world *w, const struct frame *f, const char *to,
			 const char *what)
{
	cr_assert_eq(w->last.verdict, LB_VERDICT_TX, "%s", what);
	cr_expect(w->last.is_originated, "%s", what);
	cr_expect_eq(w->last.drop_reason, LB_COUNT_drop_server_down, "%s", what);
	cr_expect_neq(world_fields(f).flags & RST, 0, "%s", what);
	cr_expect_str_eq(world_fields(f).dst, to, "%s", what);
}

static void expect_forwarded(const struct world *w, const char *what)
{
	cr_expect_eq(w->last.verdict, LB_VERDICT_TX, "%s", what);
	cr_expect_not(w->last.is_originated, "%s", what);
}

Test(server_down, reset_tells_both_sides_whoever_sends_first)
{
	static const enum lb_forwarding modes[] = {LB_FORWARD_FULLNAT, LB_FORWARD_NAT};

	for (uint32_t i = 0; i < 8; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		char server_addr[LB_ADDR_TEXT_MAX];
		struct frame sent, f;
		struct world w;
		uint32_t server;

		svc.forwarding = modes[i >> 1 & 1];
		server = open_connected(&w, family, &svc, &sent);
		snprintf(server_addr, sizeof(server_addr), "%s", world_fields(&sent).dst);
		world_server_state(&w, server, LB_TARGET_DOWN);
		for (uint32_t turn = 0; turn < 4; turn++) {
			bool is_reply = (turn + (i >> 2)) % 2 == 0;

			if (is_reply) {
				world_tcp_answer(&f, &sent, ACK);
				world_send(&w, &f);
			} else {
				client_says(&w, family, ACK, &f);
			}
			expect_reset(&w, &f, is_reply ? server_addr : family->client,
				     is_reply ? "the server" : "the client");
			cr_expect_eq(world_count(&w, LB_COUNT_drop_server_down), turn + 1);
			cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), turn + 1);
		}
		cr_expect_eq(lb_pipeline_conns(w.pl), 1, "the other side has yet to be told");
		client_says(&w, family, SYN, &f);
		expect_forwarded(&w, "a new connection from the same port");
		cr_expect_neq(w.last.real_id % WORLD_REALS, server);
		cr_expect_eq(lb_pipeline_conns(w.pl), 1);
		world_close(&w);
	}
}

Test(server_down, reset_tells_the_client_where_replies_do_not_pass)
{
	static const enum lb_forwarding modes[] = {LB_FORWARD_DSR, LB_FORWARD_IPIP, LB_FORWARD_GUE};

	for (uint32_t i = 0; i < 6; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		struct frame sent, f;
		struct world w;
		uint32_t server;

		svc.forwarding = modes[i >> 1];
		server = open_connected(&w, family, &svc, &sent);
		world_server_state(&w, server, LB_TARGET_DOWN);
		client_says(&w, family, ACK, &f);
		expect_reset(&w, &f, family->client, "the client");
		world_close(&w);
	}
}

static const uint8_t ALL_MODES[] = {LB_FORWARD_FULLNAT, LB_FORWARD_NAT, LB_FORWARD_DSR,
				    LB_FORWARD_IPIP, LB_FORWARD_GUE};

/* Both are asked from where they know the connection, by a number that fits nowhere; what they say
 * then is answered by a reset. */
Test(server_down, reset_asks_those_who_are_silent)
{
	for (uint32_t i = 0; i < 10; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		bool is_one_way = lb_forwarding_is_one_way(ALL_MODES[i / 2]);
		uint32_t n_sides = is_one_way ? 1 : 2, server;
		struct frame sent, f;
		struct world w;

		svc.forwarding = ALL_MODES[i / 2];
		server = open_connected(&w, family, &svc, &sent);
		world_pass_time(&w, 20000, 500);
		cr_expect_eq(world_count(&w, LB_COUNT_tcp_asked), 0);
		world_server_state(&w, server, LB_TARGET_DOWN);
		world_pass_time(&w, 4000, 500);
		cr_assert_eq(world_count(&w, LB_COUNT_tcp_asked), n_sides);
		cr_expect_eq(world_count(&w, LB_COUNT_originated), n_sides);
		cr_expect_str_eq(world_fields(&w.asked[0]).src, family->vip);
		cr_expect_str_eq(world_fields(&w.asked[0]).dst, family->client);
		cr_expect_eq(world_fields(&w.asked[0]).dport, 40000);
		cr_expect_eq(world_fields(&w.asked[0]).flags, ACK);
		world_tcp_answer(&f, &w.asked[0], ACK);
		world_send(&w, &f);
		expect_reset(&w, &f, family->client, "the client");
		if (!is_one_way) {
			cr_expect_str_eq(world_fields(&w.asked[1]).src, world_fields(&sent).src);
			cr_expect_str_eq(world_fields(&w.asked[1]).dst, world_fields(&sent).dst);
			cr_expect_eq(world_fields(&w.asked[1]).sport, world_fields(&sent).sport);
			cr_expect_eq(world_fields(&w.asked[1]).flags, ACK);
			world_tcp_answer(&f, &w.asked[1], ACK);
			world_send(&w, &f);
			expect_reset(&w, &f, world_fields(&sent).dst, "the server");
		}
		world_pass_time(&w, 20000, 500);
		cr_expect_eq(world_count(&w, LB_COUNT_tcp_asked), n_sides, "asked once");
		cr_expect_eq(lb_pipeline_conns(w.pl), 0);
		world_close(&w);
	}
}

Test(server_down, who_does_not_answer_is_asked_some_times_and_forgotten)
{
	for (uint32_t i = 0; i < 10; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		uint32_t n_sides = lb_forwarding_is_one_way(ALL_MODES[i / 2]) ? 1 : 2;
		struct frame sent;
		struct world w;
		uint32_t server;

		svc.forwarding = ALL_MODES[i / 2];
		server = open_connected(&w, family, &svc, &sent);
		world_server_state(&w, server, LB_TARGET_DOWN);
		world_pass_time(&w, 60000, 500);
		cr_expect_geq(world_count(&w, LB_COUNT_tcp_asked), 3 * n_sides);
		cr_expect_leq(world_count(&w, LB_COUNT_tcp_asked), 5 * n_sides);
		cr_expect_eq(lb_pipeline_conns(w.pl), 0);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_closed), 1);
		world_close(&w);
	}
}

Test(server_down, whoever_was_asked_goes_on_when_the_server_is_back)
{
	for (uint32_t i = 0; i < 4; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		struct frame sent, f;
		struct world w;
		uint32_t server;

		server = open_connected(&w, family, &svc, &sent);
		world_pass_time(&w, 20000, 500);
		world_server_state(&w, server, LB_TARGET_DOWN);
		world_pass_time(&w, 4000, 500);
		cr_assert_eq(world_count(&w, LB_COUNT_tcp_asked), 2);
		world_server_state(&w, server, UP);
		if (i < 2)
			client_says(&w, family, ACK, &f);
		else
			world_tcp_answer(&f, &sent, ACK), world_send(&w, &f);
		expect_forwarded(&w, "it is back");
		world_pass_time(&w, 120000, 1000);
		cr_expect_eq(lb_pipeline_conns(w.pl), 1);
		cr_expect_eq(world_count(&w, LB_COUNT_tcp_asked), 2);
		world_close(&w);
	}
}

/* A worker asks no faster than it could answer the answers, and all in the end. */
Test(server_down, many_are_asked_one_after_the_other)
{
	struct world_service svc = service_of(&FAMILIES[0], IPPROTO_TCP, LB_SERVER_DOWN_RESET);
	struct frame f, r;
	struct world w;
	uint64_t n;

	world_open(&w, &(struct world_options){.n_connections = 4000});
	svc.n_servers = 1;
	world_service(&w, &svc);
	for (uint32_t i = 0; i < 1000; i++) {
		world_tcp(&f, "198.51.100.7", (uint16_t)(2000 + i), WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		world_tcp_answer(&r, &f, SYN_ACK);
		world_send(&w, &r);
		world_tcp(&f, "198.51.100.7", (uint16_t)(2000 + i), WORLD_VIP, 80, ACK);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	}
	world_pass_time(&w, 100, 100);
	world_server_state(&w, 0, LB_TARGET_DOWN);
	for (uint32_t s = 1; s <= 100 && lb_pipeline_conns(w.pl) != 0; s++) {
		world_pass_time(&w, 1000, 10);
		n = world_count(&w, LB_COUNT_tcp_asked);
		cr_assert_leq(n, 64 + s * 400);
	}
	cr_expect_geq(n, 2000);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	world_close(&w);
}

Test(server_down, nothing_happens_before_the_drain_time_is_over)
{
	for (uint32_t i = 0; i < 10; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, LB_SERVER_DOWN_RESET);
		struct frame sent, f;
		struct world w;
		uint32_t server;

		svc.forwarding = ALL_MODES[i / 2];
		svc.server_down_drain_s = 60;
		server = open_connected(&w, family, &svc, &sent);
		world_pass_time(&w, 1000, 500);
		for (uint32_t turn = 0; turn < 2; turn++) {
			world_server_state(&w, server, LB_TARGET_DOWN);
			world_pass_time(&w, 30000, 500);
			world_server_state(&w, server, LB_TARGET_DOWN);
			world_pass_time(&w, 30000, 500);
			client_says(&w, family, ACK, &f);
			expect_forwarded(&w, "60 s are not over");
			cr_expect_eq(world_count(&w, LB_COUNT_tcp_asked), 0);
			if (turn == 0) /* and it begins anew */
				world_server_state(&w, server, UP);
		}
		world_pass_time(&w, 2000, 500);
		client_says(&w, family, ACK, &f);
		expect_reset(&w, &f, family->client, "60 s are over");
		world_close(&w);
	}
}

Test(server_down, datagrams_move_after_the_drain_time)
{
	struct world_service svc = service_of(&FAMILIES[0], IPPROTO_UDP, LB_SERVER_DOWN_MOVE);
	struct frame f;
	struct world w;
	uint32_t server;

	svc.server_down_drain_s = 20;
	world_open(&w, NULL);
	world_service(&w, &svc);
	world_pass_time(&w, 1000, 500);
	for (uint32_t s = 0; s < 30; s++) {
		world_udp(&f, FAMILIES[0].client, 40000, WORLD_VIP, 80);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		if (s == 0) {
			server = w.last.real_id;
			world_server_state(&w, server % WORLD_REALS, LB_TARGET_DOWN);
		}
		cr_expect_eq(w.last.real_id == server, s <= 20, "after %u s", s);
		world_pass_time(&w, 1000, 500);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_conn_server_changed), 1);
	cr_expect_eq(world_count(&w, LB_COUNT_tcp_asked), 0);
	world_close(&w);
}

Test(server_down, who_is_refused_does_not_keep_the_connection)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct world_service svc = service_of(&FAMILIES[i], IPPROTO_TCP,
						      LB_SERVER_DOWN_RESET);
		struct frame sent, f;
		struct world w;
		uint32_t server;

		server = open_connected(&w, &FAMILIES[i], &svc, &sent);
		world_server_state(&w, server, LB_TARGET_DOWN);
		for (uint32_t s = 0; s < 30; s++) {
			client_says(&w, &FAMILIES[i], ACK, &f);
			cr_expect_neq(world_fields(&f).flags & RST, 0);
			world_pass_time(&w, 1000, 500);
		}
		cr_expect_eq(lb_pipeline_conns(w.pl), 0);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_closed), 1);
		cr_expect_gt(world_count(&w, LB_COUNT_drop_server_down), 9);
		cr_expect_eq(world_count(&w, LB_COUNT_drop_server_down) +
				     world_count(&w, LB_COUNT_drop_no_connection),
			     30);
		world_close(&w);
	}
}

Test(server_down, the_other_side_is_told_however_long_all_had_been_silent)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct world_service svc = service_of(&FAMILIES[i], IPPROTO_TCP,
						      LB_SERVER_DOWN_RESET);
		char server_addr[LB_ADDR_TEXT_MAX];
		struct frame sent, f;
		struct world w;
		uint32_t server;

		server = open_connected(&w, &FAMILIES[i], &svc, &sent);
		snprintf(server_addr, sizeof(server_addr), "%s", world_fields(&sent).dst);
		world_pass_time(&w, 600000, 1000);
		world_server_state(&w, server, LB_TARGET_DOWN);
		client_says(&w, &FAMILIES[i], ACK, &f);
		expect_reset(&w, &f, FAMILIES[i].client, "the client");
		world_pass_time(&w, 8000, 500);
		world_tcp_answer(&f, &sent, ACK);
		world_send(&w, &f);
		expect_reset(&w, &f, server_addr, "the server");
		world_close(&w);
	}
}

Test(server_down, a_connection_lives_on_unless_its_server_is_down_and_it_is_to_be_reset)
{
	static const struct {
		const char *name;
		enum lb_server_down_action action;
		uint32_t bits;
	} cases[] = {
		{"reset, drains", LB_SERVER_DOWN_RESET, LB_TARGET_KEEP},
		{"reset, not known yet", LB_SERVER_DOWN_RESET, 0},
		{"reset, up", LB_SERVER_DOWN_RESET, UP},
		{"keep, down", LB_SERVER_DOWN_KEEP, LB_TARGET_DOWN},
	};

	for (uint32_t i = 0; i < 8; i++) {
		const struct family *family = &FAMILIES[i & 1];
		struct world_service svc = service_of(family, IPPROTO_TCP, cases[i / 2].action);
		struct frame sent, f;
		struct world w;
		uint32_t server;

		server = open_connected(&w, family, &svc, &sent);
		world_server_state(&w, server, cases[i / 2].bits);
		client_says(&w, family, ACK, &f);
		expect_forwarded(&w, cases[i / 2].name);
		world_tcp_answer(&f, &sent, ACK);
		world_send(&w, &f);
		expect_forwarded(&w, cases[i / 2].name);
		cr_expect_eq(world_count(&w, LB_COUNT_drop_server_down), 0);
		world_close(&w);
	}
}

Test(server_down, a_connection_that_was_silent_meanwhile_goes_on)
{
	struct world_service svc = service_of(&FAMILIES[0], IPPROTO_TCP, LB_SERVER_DOWN_RESET);
	struct frame sent, f;
	struct world w;
	uint32_t server;

	server = open_connected(&w, &FAMILIES[0], &svc, &sent);
	world_server_state(&w, server, LB_TARGET_DOWN);
	world_server_state(&w, server, UP);
	client_says(&w, &FAMILIES[0], ACK, &f);
	expect_forwarded(&w, "it is back");
	cr_expect_eq(w.last.real_id, server);
	world_close(&w);
}

Test(server_down, a_reset_passes_and_a_syn_opens_anew)
{
	struct world_service svc = service_of(&FAMILIES[0], IPPROTO_TCP, LB_SERVER_DOWN_RESET);
	struct frame sent, f;
	struct world w;
	uint32_t server;

	server = open_connected(&w, &FAMILIES[0], &svc, &sent);
	world_server_state(&w, server, LB_TARGET_DOWN);
	client_says(&w, &FAMILIES[0], SYN, &f);
	expect_forwarded(&w, "an established connection's port, used again");
	cr_expect_neq(w.last.real_id, server);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_orphaned), 1);
	world_server_state(&w, 1 - server, LB_TARGET_DOWN);
	client_says(&w, &FAMILIES[0], RST, &f);
	expect_forwarded(&w, "a reset");
	cr_expect_eq(w.last.real_id, 1 - server);
	cr_expect_eq(world_count(&w, LB_COUNT_rst_sent), 0);
	world_close(&w);
}

Test(server_down, one_that_is_no_longer_the_services_is_down)
{
	struct world_service svc = service_of(&FAMILIES[0], IPPROTO_TCP, LB_SERVER_DOWN_RESET);
	struct frame sent, f;
	struct world w;
	uint32_t server;

	server = open_connected(&w, &FAMILIES[0], &svc, &sent);
	svc.n_servers = 1;
	svc.first_server = 1 - server;
	world_service(&w, &svc);
	client_says(&w, &FAMILIES[0], ACK, &f);
	expect_reset(&w, &f, FAMILIES[0].client, "removed");
	world_close(&w);
}

Test(server_down, move_takes_the_clients_next_datagram_elsewhere)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct family *family = &FAMILIES[i];
		struct world_service svc = service_of(family, IPPROTO_UDP, LB_SERVER_DOWN_MOVE);
		struct lb_traffic traffic = {0};
		struct frame sent, f;
		struct world w;
		uint32_t server;

		world_open(&w, NULL);
		world_service(&w, &svc);
		world_udp(&sent, family->client, 40000, family->vip, 80);
		cr_assert_eq(world_send(&w, &sent), LB_VERDICT_TX);
		server = w.last.real_id;
		world_server_state(&w, server % WORLD_REALS, LB_TARGET_DOWN);
		world_udp_answer(&f, &sent);
		world_send(&w, &f);
		expect_forwarded(&w, "its last answer");
		for (uint32_t n = 0; n < 3; n++) {
			world_udp(&f, family->client, 40000, family->vip, 80);
			world_send(&w, &f);
			expect_forwarded(&w, "the next question");
			cr_expect_neq(w.last.real_id, server);
		}
		cr_expect_eq(world_count(&w, LB_COUNT_conn_server_changed), 1);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_orphaned), 1);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 2);
		cr_expect_eq(lb_pipeline_conns(w.pl), 1);
		lb_pipeline_real_traffic(w.pl, server, &traffic);
		cr_expect_eq(traffic.conns_live, 0);
		world_server_state(&w, 1 - server % WORLD_REALS, LB_TARGET_DOWN);
		world_udp(&f, family->client, 40000, family->vip, 80);
		world_send(&w, &f);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_no_server, "nobody is left");
		cr_expect_eq(world_count(&w, LB_COUNT_conn_server_changed), 1);
		world_close(&w);
	}
}

Test(server_down, of_two_servers_on_a_machine_the_right_one_is_found)
{
	struct lb_service_server servers[] = {{.real_id = 9, .machine_id = 5, .weight = 1},
					      {.real_id = 3, .machine_id = 4, .weight = 1},
					      {.real_id = 7, .machine_id = 5, .weight = 1}};
	struct lb_port_range ports = {80, 80};
	struct lb_service_params params = {.protocol = IPPROTO_TCP,
					   .ports = &ports,
					   .n_ports = 1,
					   .servers = servers,
					   .n_servers = 3};
	struct lb_error err = {0};
	struct lb_service *svc;

	cr_assert_eq(lb_service_build(&params, &svc, &err), 0);
	cr_expect_eq(lb_service_find_real(svc, 5, 9), 0);
	cr_expect_eq(lb_service_find_real(svc, 4, 3), 1);
	cr_expect_eq(lb_service_find_real(svc, 5, 7), 2);
	cr_expect_eq(lb_service_find_real(svc, 5, 3), UINT32_MAX);
	cr_expect_eq(lb_service_find_real(svc, 6, 9), UINT32_MAX);
	lb_service_free(svc);
	params.server_down_action = LB_SERVER_DOWN_MOVE;
	cr_expect_neq(lb_service_build(&params, &svc, &err), 0, "TCP does not move");
	params.protocol = IPPROTO_UDP;
	params.server_down_action = LB_SERVER_DOWN_RESET;
	cr_expect_neq(lb_service_build(&params, &svc, &err), 0, "UDP has no reset");
}

Test(server_down, targets_are_down_each_for_itself)
{
	uint8_t bits[4] = {0}, down[2] = {0};
	struct lb_target_map map = {.bits = bits, .down = down};

	for (uint32_t state = 0; state < 1u << 16; state++) {
		for (uint32_t i = 0; i < 16; i++)
			lb_target_set(&map, i, (state >> i & 1) != 0 ? LB_TARGET_DOWN : UP);
		for (uint32_t i = 0; i < 16; i++) {
			cr_assert_eq(lb_target_is_down(&map, i), state >> i & 1);
			cr_assert_eq(lb_target_get(&map, i), (state >> i & 1) != 0 ? 0 : UP);
		}
	}
}
