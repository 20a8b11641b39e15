#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "flood.h"
#include "pipeline_state.h"
#include "random.h"
#include "steer/conn_room.h"
#include "steer/promises.h"
#include "world.h"

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK

static void send_syn(struct world *w, uint32_t n, enum lb_verdict *verdict)
{
	char client[LB_ADDR_TEXT_MAX];
	struct frame f;

	snprintf(client, sizeof(client), "10.%u.%u.%u", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
	world_tcp(&f, client, 1024, WORLD_VIP, 80, SYN);
	*verdict = world_send(w, &f);
}

static bool opens(struct world *w, uint32_t n)
{
	enum lb_verdict verdict;

	send_syn(w, n, &verdict);
	return verdict == LB_VERDICT_TX;
}

static void open_world(struct world *w, uint32_t n_connections, uint32_t starts_per_s_max,
		       uint32_t conns_max)
{
	world_open(w, &(struct world_options){.n_connections = n_connections, .seed = 5});
	for (uint32_t slot = 0; slot < 2; slot++)
		world_service(w,
			      &(struct world_service){
				      .slot = slot,
				      .first_port = (uint16_t)(80 + slot),
				      .starts_per_s_max = slot == 0 ? starts_per_s_max : 0,
				      .conns_max = slot == 0 ? conns_max : 0,
				      .n_servers = 4});
}

Test(conn_room, of_half_open_connections_the_oldest_goes)
{
	enum { MAX = 640 };
	uint32_t n_kept = 0;
	struct world w;

	open_world(&w, MAX, 0, 0);
	for (uint32_t n = 0; n < MAX * 3; n++) {
		cr_assert(opens(&w, n), "connection %u", n);
		world_pass_time(&w, 10, 10);
	}
	cr_expect_gt(world_count(&w, LB_COUNT_conn_evicted_embryonic), MAX);
	/* What lives is what came last, without a gap. */
	for (uint32_t n = MAX * 3; n-- > 0;) {
		uint64_t created = world_count(&w, LB_COUNT_conn_created);

		if (n_kept == lb_pipeline_conns(w.pl))
			break;
		cr_assert(opens(&w, n));
		cr_assert_eq(world_count(&w, LB_COUNT_conn_created), created, "%u is gone", n);
		n_kept++;
	}
	cr_expect_geq(n_kept, MAX / 2);
	world_close(&w);
}

Test(conn_room, a_strangers_first_attempt_is_refused_under_a_flood_and_the_second_served)
{
	uint32_t n = 0, n_refused = 0;
	struct world w;

	open_world(&w, 640, 0, 0);
	while (opens(&w, n)) /* all in one millisecond */
		n++;
	cr_expect_geq(n, 400);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_unproven);
	for (uint32_t i = 0; i < 1000; i++)
		n_refused += !opens(&w, 10000 + i);
	cr_expect_geq(n_refused, 998, "but for strangers that look known");
	world_pass_time(&w, 500, 10);
	for (uint32_t i = 0; i < 50; i++)
		cr_expect(opens(&w, 10000 + i), "client %u comes again", i);
	world_pass_time(&w, LB_EMBRYO_KEEP_MS, 10);
	cr_expect(opens(&w, 20000), "the flood is over");
	cr_expect_eq(world_count(&w, LB_COUNT_drop_unproven), n_refused + 1);
	world_close(&w);
}

Test(conn_room, closed_connections_go_before_all_others)
{
	struct frame f, r;
	struct world w;

	open_world(&w, 640, 0, 0);
	for (uint32_t n = 0; n < 100; n++) {
		char client[LB_ADDR_TEXT_MAX];

		snprintf(client, sizeof(client), "203.0.113.%u", n);
		world_tcp(&f, client, 1024, WORLD_VIP, 80, SYN);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		world_tcp_answer(&r, &f, SYN | ACK);
		world_send(&w, &r);
		world_tcp(&f, client, 1024, WORLD_VIP, 80, LB_TCP_FIN | ACK);
		world_send(&w, &f);
		world_tcp_answer(&r, &f, LB_TCP_FIN | ACK);
		world_send(&w, &r);
	}
	for (uint32_t n = 0; world_count(&w, LB_COUNT_conn_evicted_closed) < 100; n++)
		cr_assert(opens(&w, n), "connection %u", n);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_evicted_embryonic), 0);
	cr_expect_eq(w.pl->steer.promises[0].evicted_closed, 100, "and are counted by service");
	world_close(&w);
}

static uint64_t n_changed(const struct world *w, uint32_t slot)
{
	struct lb_traffic traffic = {0};

	lb_pipeline_service_traffic(w->pl, slot, &traffic);
	return traffic.server_changed;
}

Test(conn_room, who_changes_its_server_in_mid_flow_is_counted_for_its_service)
{
	struct lb_real gone = {0};
	uint32_t first, second;
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	for (uint32_t slot = 0; slot < 2; slot++)
		world_service(&w, &(struct world_service){.slot = slot,
							  .protocol = IPPROTO_UDP,
							  .first_port = (uint16_t)(53 + slot),
							  .n_servers = 2});
	world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 54);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	first = world_server_of(&f);
	world_server_state(&w, first, LB_TARGET_KEEP);
	world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 54);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), first, "it is drained: who is there stays");
	cr_expect_eq(n_changed(&w, 1), 0);
	world_command(&w, LB_CMD_REAL, first, &gone, 0);
	world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 54);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	second = world_server_of(&f);
	cr_expect_neq(second, first);
	cr_expect_eq(n_changed(&w, 1), 1);
	cr_expect_eq(n_changed(&w, 0), 0, "the other service kept its promise");
	cr_expect_eq(world_count(&w, LB_COUNT_conn_server_changed), 1);
	world_close(&w);
}

Test(conn_room, one_datagram_is_a_try_and_a_second_one_a_connection)
{
	struct frame f, r;
	struct world w;

	world_open(&w, &(struct world_options){.n_connections = 100});
	world_service(&w, &(struct world_service){
				  .protocol = IPPROTO_UDP, .first_port = 53, .n_servers = 4});
	world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 53);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect(lb_conn_is_embryonic(w.last.conn));
	cr_expect_eq(w.pl->steer.n_embryonic, 1);
	world_udp_answer(&r, &f);
	cr_assert_eq(world_send(&w, &r), LB_VERDICT_TX);
	cr_expect(lb_conn_is_embryonic(w.last.conn), "a server answers whoever asks");
	world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 53);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_not(lb_conn_is_embryonic(w.last.conn));
	cr_expect_eq(w.pl->steer.n_embryonic, 0);
	/* Never answered, but used again: the client means it. */
	world_udp(&f, "198.51.100.2", 5000, WORLD_VIP, 53);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_pass_time(&w, 5000, 100);
	world_udp(&f, "198.51.100.2", 5000, WORLD_VIP, 53);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_not(lb_conn_is_embryonic(w.last.conn));
	world_close(&w);
}

Test(conn_room, where_no_answer_passes_a_second_datagram_is_enough)
{
	struct world w;
	struct frame f;

	world_open(&w, &(struct world_options){.n_connections = 100});
	world_service(&w, &(struct world_service){.protocol = IPPROTO_UDP,
						  .first_port = 53,
						  .n_servers = 4,
						  .forwarding = LB_FORWARD_DSR});
	for (uint32_t i = 0; i < 2; i++) {
		world_udp(&f, "198.51.100.1", 5000, WORLD_VIP, 53);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		cr_expect_eq(lb_conn_is_embryonic(w.last.conn), i == 0);
		cr_expect_eq(w.pl->steer.n_embryonic, 1 - i);
	}
	world_close(&w);
}

Test(conn_room, an_exhausted_nat_source_recovers_and_never_doubles_a_live_tuple)
{
	uint32_t n = 0, n_ports = WORLD_NAT_LAST - WORLD_NAT_FIRST + 1;
	struct world w;

	world_open(&w, &(struct world_options){.n_connections = 10000, .seed = 5});
	world_service(&w, &(struct world_service){.first_port = 80, .n_servers = 1});
	for (; n < n_ports; n++)
		cr_assert(opens(&w, n), "port %u", n);
	/* Each port is taken by a handshake that began just now: not for strangers. */
	cr_expect_not(opens(&w, n));
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_unproven);
	cr_expect(opens(&w, n), "who comes again gets the oldest one's");
	world_pass_time(&w, 3 * 2048, 100);
	for (uint32_t i = 0; i < n_ports; i++)
		cr_expect(opens(&w, 2000 + i), "no port is lost: %u", i);
	/* All live connections leave by their own port: there are not more of them than ports. */
	cr_expect_eq(lb_pipeline_conns(w.pl), n_ports);
	cr_expect_eq(lb_conn_count(w.pl->steer.conn_table, false), 2 * n_ports);
	world_close(&w);
}

Test(conn_room, a_service_has_its_rate_and_clients_that_come_again_go_first)
{
	uint32_t n_open = 0, n_again = 0;
	struct world w;

	open_world(&w, 10000, 100, 0);
	for (uint32_t n = 0; n < 1000; n++)
		n_open += opens(&w, n);
	cr_expect_eq(n_open, 50, "half of the bucket");
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_service_rate);
	for (uint32_t n = 900; n < 1000; n++)
		n_again += opens(&w, n);
	cr_expect_eq(n_again, 50, "the other half");
	/* Ten seconds of a flood: the rate is kept, and good clients get all that they ask for. */
	n_open = n_again = 0;
	for (uint32_t ms = 0; ms < 10000; ms++) {
		for (uint32_t i = 0; i < 10; i++)
			n_open += opens(&w, 2000 + ms * 10 + i);
		if (ms % 100 == 0) {
			opens(&w, 200000 + ms);
			n_again += opens(&w, 200000 + ms);
		}
		world_pass_time(&w, 1, 1);
	}
	cr_expect_leq(n_open + n_again, 1002);
	cr_expect_geq(n_again, 99, "all but the one that found the bucket empty");
	world_close(&w);
}

Test(conn_room, a_service_keeps_to_its_share_and_leaves_the_others_alone)
{
	struct world w;
	struct frame f;

	open_world(&w, 10000, 0, 200);
	for (uint32_t n = 0; n < 1000; n++)
		opens(&w, n);
	cr_expect_eq(lb_pipeline_conns(w.pl), 200);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_service_full);
	cr_expect(opens(&w, 999), "who comes again takes the place of an own half-open one");
	cr_expect_eq(lb_pipeline_conns(w.pl), 200);
	world_tcp(&f, "198.51.100.1", 1024, WORLD_VIP, 81, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX, "another service has no limit");
	world_pass_time(&w, LB_EMBRYO_KEEP_MS + 10, 10);
	cr_expect(opens(&w, 5000), "old half-open ones give way to anybody");
	cr_expect_eq(lb_pipeline_conns(w.pl), 201);
	world_close(&w);
}

#define FULLNAT_PORT 80
#define DSR_PORT 81

static void open_mixed_world(struct world *w)
{
	world_open(w, &(struct world_options){.n_connections = 1000, .seed = 7});
	world_service(w, &(struct world_service){.slot = 0,
						 .first_port = FULLNAT_PORT,
						 .forwarding = LB_FORWARD_FULLNAT,
						 .n_servers = 4});
	world_service(w, &(struct world_service){.slot = 1,
						 .first_port = DSR_PORT,
						 .forwarding = LB_FORWARD_DSR,
						 .n_servers = 4});
}

static void client_frame(struct frame *f, uint16_t port, uint32_t n, uint8_t flags)
{
	char client[LB_ADDR_TEXT_MAX];

	snprintf(client, sizeof(client), "10.0.%u.%u", n >> 8, n & 0xff);
	world_tcp(f, client, 1024, WORLD_VIP, port, flags);
}

/* Establishes connections of clients `first`.. until one is refused or there are `max`; returns how
 * many there were. */
static uint32_t establish(struct world *w, uint16_t port, uint32_t first, uint32_t max)
{
	struct frame f, r;

	for (uint32_t n = 0; n < max; n++) {
		client_frame(&f, port, first + n, SYN);
		if (world_send(w, &f) != LB_VERDICT_TX)
			return n;
		if (port == FULLNAT_PORT) {
			world_tcp_answer(&r, &f, SYN | ACK);
			cr_assert_eq(world_send(w, &r), LB_VERDICT_TX);
		}
		client_frame(&f, port, first + n, ACK);
		cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	}
	return max;
}

Test(conn_room, room_is_counted_in_entries)
{
	static const struct {
		uint32_t n_fullnat;
		uint32_t n_dsr; /* that then find room */
	} cases[] = {{0, 2000}, {1000, 0}, {500, 1000}, {999, 2}, {1, 1998}};
	struct world w;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t n_fullnat = cases[i].n_fullnat, n_dsr = cases[i].n_dsr;

		open_mixed_world(&w);
		cr_expect_eq(establish(&w, FULLNAT_PORT, 0, n_fullnat), n_fullnat);
		cr_expect_eq(establish(&w, DSR_PORT, 10000, 9999), n_dsr, "%u", n_fullnat);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_table_full);
		cr_expect_eq(establish(&w, FULLNAT_PORT, 30000, 1), 0);
		cr_expect_eq(lb_pipeline_entries(w.pl), 2000);
		cr_expect_eq(lb_pipeline_entries_max(w.pl), 2000);
		cr_expect_eq(lb_pipeline_conns(w.pl), n_fullnat + n_dsr);
		world_close(&w);
	}
}

Test(conn_room, a_nat_connection_takes_the_room_of_two_one_way_ones)
{
	struct world w;

	open_mixed_world(&w);
	cr_assert_eq(establish(&w, DSR_PORT, 0, 2000), 2000);
	world_pass_time(&w, LB_EVICT_IDLE_S * 1000 + 5000, 1000);
	for (uint32_t n = 0; n < 500; n++) {
		cr_assert_eq(establish(&w, FULLNAT_PORT, 10000 + n, 1), 1, "%u", n);
		cr_expect_eq(world_count(&w, LB_COUNT_conn_evicted_idle), 2 * (n + 1));
		cr_expect_eq(lb_pipeline_entries(w.pl), 2000);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), 1500);
	/* And the other way round: one that leaves makes room for two. */
	world_pass_time(&w, LB_EVICT_IDLE_S * 1000 + 5000, 1000);
	cr_assert_eq(establish(&w, DSR_PORT, 20000, 1000), 1000);
	cr_expect_leq(lb_pipeline_entries(w.pl), 2000);
	cr_expect_geq(lb_pipeline_entries(w.pl), 1999);
	world_close(&w);
}

/* Of 2000 entries: more than one in 128. */
Test(conn_room, one_handshake_to_128_entries_is_a_flood)
{
	struct frame f;
	struct world w;
	uint32_t n = 0;

	open_mixed_world(&w);
	cr_assert_eq(establish(&w, FULLNAT_PORT, 0, 950), 950, "room is short from here on");
	for (;; n++) {
		client_frame(&f, FULLNAT_PORT, 20000 + n, SYN);
		if (n == 100 || world_send(&w, &f) != LB_VERDICT_TX)
			break;
	}
	cr_expect_eq(n, 16, "%u strangers came in", n);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_unproven);
	world_close(&w);
}

/* The same as tests/bench/flood_bench, a twentieth of it. */
Test(conn_room, a_flood_on_a_full_table_takes_nothing_and_good_clients_are_served)
{
	static const struct flood_plan plans[] = {
		{"fullnat tcp", LB_FORWARD_FULLNAT, IPPROTO_TCP, 10000, 5000, 50000, 100,
		 .rtt_ms = 100},
		{"fullnat tcp, 80 %", LB_FORWARD_FULLNAT, IPPROTO_TCP, 10000, 8000, 50000, 100,
		 .rtt_ms = 100},
		{"nat tcp", LB_FORWARD_NAT, IPPROTO_TCP, 10000, 5000, 50000, 100, .rtt_ms = 300},
		{"dsr tcp", LB_FORWARD_DSR, IPPROTO_TCP, 5000, 8000, 50000, 100, .rtt_ms = 100},
		{"fullnat udp", LB_FORWARD_FULLNAT, IPPROTO_UDP, 10000, 5000, 50000, 100,
		 .rtt_ms = 100},
		{"dsr udp", LB_FORWARD_DSR, IPPROTO_UDP, 5000, 8000, 50000, 100, .rtt_ms = 100},
		{"ports full", LB_FORWARD_FULLNAT, IPPROTO_TCP, 40000, 5000, 50000, 100,
		 .rtt_ms = 100, .last_nat_port = 21249},
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct flood_plan plan = plans[i];
		struct flood_result r;

		plan.seconds = 2;
		plan.is_answered = i % 2 == 0;
		plan.seed = test_seed(plan.name);
		plan.first_nat_port = 20000;
		if (plan.last_nat_port == 0)
			plan.last_nat_port = 29999;
		flood_run(&plan, &r);
		cr_expect_eq(r.n_lost, 0, "%s: %llu lost", plan.name,
			     (unsigned long long)r.n_lost);
		cr_expect_leq(r.n_conns_most, flood_capacity(&plan), "%s", plan.name);
		/* 200 clients cannot show 99.9 %: flood_bench does, with thousands. */
		cr_expect_geq(r.n_good_served * 100, r.n_good * 98, "%s: %llu of %llu served",
			      plan.name, (unsigned long long)r.n_good_served,
			      (unsigned long long)r.n_good);
		cr_expect_gt(r.n_unproven, 0, "%s: there was no flood", plan.name);
	}
}
