/* What a golden case cannot show of fragments: changes between two of them, and what a flood of
 * them does to others. */
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "parts.h"
#include "random.h"
#include "world.h"

#define CLIENT "198.51.100.1"
#define CLIENT6 "2001:db8:1::1"
#define VIP(is_v6) ((is_v6) ? WORLD_VIP6 : WORLD_VIP)

static void serve(struct world *w, uint8_t epoch)
{
	for (uint32_t is_v6 = 0; is_v6 < 2; is_v6++)
		world_service(w, &(struct world_service){.slot = is_v6,
							 .vip = VIP(is_v6),
							 .protocol = IPPROTO_UDP,
							 .first_port = 53,
							 .epoch = epoch,
							 .n_servers = 2});
}

static void open_served(struct world *w)
{
	world_open(w, &(struct world_options){.seed = 3});
	serve(w, 0);
}

/* A datagram of the client in three parts. */
static void question(struct frame parts[PARTS_MAX], bool is_v6, uint32_t id, uint16_t sport)
{
	struct frame whole;

	frame_eth(&whole);
	if (is_v6)
		frame_ipv6(&whole, CLIENT6, WORLD_VIP6);
	else
		frame_ipv4(&whole, CLIENT, WORLD_VIP);
	frame_udp(&whole, sport, 53);
	frame_fill(&whole, 200);
	frame_finish(&whole);
	cr_assert_eq(parts_cut(&whole, id, 80, parts), 3);
}

/* The server, or the service, that the first part chose is another one when the others come: they
 * are not sent to a stranger, they wait until it is too late. */
Test(pipeline_fragments, later_parts_do_not_follow_into_another_life)
{
	for (uint32_t is_v6 = 0; is_v6 < 2; is_v6++)
		for (uint32_t how = 0; how < 4; how++) {
			struct frame parts[PARTS_MAX];
			struct lb_real gone = {0}, other = {.in_use = 1, .epoch = 1};
			struct world w;
			uint32_t id;

			open_served(&w);
			question(parts, is_v6, 7, 40000);
			cr_assert_eq(world_send(&w, &parts[0]), LB_VERDICT_TX);
			id = world_server_of(&parts[0]) + (is_v6 ? WORLD_REALS : 0);
			lb_addr_parse(is_v6 ? "2001:db8::99" : "192.0.2.99", &other.addr);
			if (how == 0)
				world_no_service(&w, is_v6);
			else if (how == 1)
				serve(&w, 1);
			else
				world_command(&w, LB_CMD_REAL, id, how == 2 ? &gone : &other, 0);
			cr_expect_eq(world_send(&w, &parts[1]), LB_VERDICT_HOLD, "change %u", how);
			world_pass_time(&w, LB_FRAGMENT_LIFE_MS + 1, 10);
			cr_expect_eq(world_count(&w, LB_COUNT_held), 0);
			cr_expect_eq(world_count(&w, LB_COUNT_drop_fragment_timeout), 1);
			world_close(&w);
		}
}

Test(pipeline_fragments, a_later_part_goes_on_while_its_connection_moves_in_the_table)
{
	struct frame parts[PARTS_MAX], f;
	struct world w;

	open_served(&w);
	question(parts, false, 7, 40000);
	cr_assert_eq(world_send(&w, &parts[0]), LB_VERDICT_TX);
	for (uint16_t port = 41000; port < 41900; port++) {
		world_udp(&f, CLIENT, port, WORLD_VIP, 53);
		world_send(&w, &f);
	}
	cr_expect_gt(world_count(&w, LB_COUNT_conn_displaced), 0);
	cr_expect_eq(world_send(&w, &parts[2]), LB_VERDICT_TX);
	cr_expect_eq(world_send(&w, &parts[1]), LB_VERDICT_TX);
	cr_expect_eq(parts_join(parts, 3, &f), NULL);
	world_close(&w);
}

/* Ten thousand of each kind, of random packets: no more than the stated number waits, and a
 * connection beside them is served as if there were none. */
Test(pipeline_fragments, a_flood_of_parts_disturbs_nobody)
{
	struct test_random r = {test_seed("fragment_flood")};
	struct frame parts[PARTS_MAX], f, answer;
	struct world w;

	open_served(&w);
	world_udp(&f, CLIENT, 40000, WORLD_VIP, 53);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	for (uint32_t i = 0; i < 20000; i++) {
		question(parts, i % 4 < 2, (uint32_t)test_random(&r), 50000);
		world_send(&w, &parts[i % 2 == 0 ? 0 : 2]);
		cr_assert_leq(world_count(&w, LB_COUNT_held), LB_HELD_MAX);
		world_settle(&w, NULL, 0);
		cr_assert_leq(world_count(&w, LB_COUNT_held), LB_WAITING_MAX);
		if (i % 100 != 0)
			continue;
		world_udp(&f, CLIENT, 40000, WORLD_VIP, 53);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		world_udp_answer(&answer, &f);
		cr_assert_eq(world_send(&w, &answer), LB_VERDICT_TX);
		w.now_ms++;
	}
	cr_expect_gt(world_count(&w, LB_COUNT_drop_fragment_full), 9000);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 3, "one sender a family, and ours");
	world_pass_time(&w, LB_FRAGMENT_LIFE_MS + 100, 1);
	cr_expect_eq(world_count(&w, LB_COUNT_held), 0);
	world_close(&w);
}

/* A caller that does not take back keeps its packets: there are no more places than stated. */
Test(pipeline_fragments, places_that_are_not_taken_back_run_out)
{
	struct frame parts[PARTS_MAX];
	struct world w;

	open_served(&w);
	for (uint32_t id = 0; id < LB_HELD_MAX; id++) {
		question(parts, false, id, 40000);
		cr_assert_eq(world_send(&w, &parts[1]), LB_VERDICT_HOLD);
	}
	question(parts, false, LB_HELD_MAX, 40000);
	cr_expect_eq(world_send(&w, &parts[1]), LB_VERDICT_DROP);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_fragment_full);
	cr_expect_eq(world_count(&w, LB_COUNT_held), LB_HELD_MAX);
	cr_expect_eq(world_settle(&w, NULL, 0), 0);
	question(parts, false, LB_HELD_MAX + 1, 40000);
	cr_expect_eq(world_send(&w, &parts[1]), LB_VERDICT_HOLD);
	world_close(&w);
}

/* Any order, in one burst or in several: all parts leave, the first in front of who waited. */
Test(pipeline_fragments, any_order_within_and_across_bursts)
{
	static const uint32_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					      {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct world w;

	open_served(&w);
	for (uint32_t i = 0; i < 6 * 2 * 4; i++) {
		uint32_t n_first = i % 4, n_sent = 0, is_v6 = i / 4 % 2;
		struct frame parts[PARTS_MAX], burst[3], sent[4], whole;

		question(parts, is_v6, i, 40000);
		for (uint32_t j = 0; j < 3; j++)
			burst[j] = parts[orders[i / 8][j]];
		for (uint32_t begin = 0, n = n_first; begin < 3; begin += n, n = 3 - begin) {
			world_send_burst(&w, burst + begin, n);
			for (uint32_t j = 0; j < n; j++)
				if (w.burst.pkt[j].verdict == LB_VERDICT_TX)
					sent[n_sent++] = burst[begin + j];
			n_sent += world_settle(&w, sent + n_sent, 4 - n_sent);
		}
		cr_assert_eq(n_sent, 3, "round %u", i);
		cr_assert_null(parts_join(sent, 3, &whole), "round %u", i);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_held), 0);
	world_close(&w);
}
