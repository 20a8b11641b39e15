#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "pipeline_state.h"
#include "random.h"
#include "steer/conn_source.h"
#include "steer/tcp_track.h"
#include "world.h"

#define SYN LB_TCP_SYN
#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)
#define ACK LB_TCP_ACK
#define RST LB_TCP_RST

static void open_world_of(struct world *w, uint32_t n_connections, enum lb_forwarding forwarding)
{
	world_open(w, &(struct world_options){.n_connections = n_connections, .seed = 3});
	for (uint32_t i = 0; i < 4; i++)
		world_service(w,
			      &(struct world_service){.slot = i,
						      .vip = i % 2 ? WORLD_VIP6 : WORLD_VIP,
						      .protocol = i < 2 ? IPPROTO_TCP : IPPROTO_UDP,
						      .first_port = 80,
						      .idle_timeout_ms = 600000,
						      .forwarding = forwarding,
						      .n_servers = 4});
}

static void open_world(struct world *w, uint32_t n_connections)
{
	open_world_of(w, n_connections, LB_FORWARD_FULLNAT);
}

/* Client `n` sends; its address and port follow from the number. */
static void from_client(struct frame *f, uint32_t n, bool is_v6, bool is_tcp, uint8_t flags)
{
	char client[LB_ADDR_TEXT_MAX];
	uint16_t sport = (uint16_t)(1024 + n % 50000);

	snprintf(client, sizeof(client), is_v6 ? "2001:db8:1::%x" : "198.51.%u.9",
		 is_v6 ? 1 + n / 50000 : n / 50000);
	if (is_tcp)
		world_tcp(f, client, sport, is_v6 ? WORLD_VIP6 : WORLD_VIP, 80, flags);
	else
		world_udp(f, client, sport, is_v6 ? WORLD_VIP6 : WORLD_VIP, 80);
}

static bool establish(struct world *w, uint32_t n, bool is_v6)
{
	struct frame f, r;

	from_client(&f, n, is_v6, true, SYN);
	if (world_send(w, &f) != LB_VERDICT_TX)
		return false;
	world_tcp_answer(&r, &f, SYN_ACK);
	cr_assert_eq(world_send(w, &r), LB_VERDICT_TX);
	from_client(&f, n, is_v6, true, ACK);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	return true;
}

static bool is_alive(struct world *w, uint32_t n, bool is_v6)
{
	struct frame f;

	from_client(&f, n, is_v6, true, ACK);
	return world_send(w, &f) == LB_VERDICT_TX && !w->last.is_originated;
}

static uint32_t n_entries(const struct world *w)
{
	return lb_conn_count(w->pl->steer.conn_table, false) +
	       lb_conn_count(w->pl->steer.conn_table, true);
}

static uint64_t n_evicted(const struct world *w)
{
	return world_count(w, LB_COUNT_conn_evicted_closed) +
	       world_count(w, LB_COUNT_conn_evicted_embryonic) +
	       world_count(w, LB_COUNT_conn_evicted_idle);
}

Test(conn, keys_turn_round_and_are_made_from_their_parts)
{
	struct test_random r = {test_seed("conn_key")};

	for (uint32_t i = 0; i < 1000; i++) {
		struct lb_tuple t = {.sport_be = (rte_be16_t)test_random(&r),
				     .dport_be = (rte_be16_t)test_random(&r)};
		struct lb_key key, back, twice;
		struct lb_addr src, dst;

		for (int j = 0; j < 4; j++) {
			t.src.word_be[j] = (rte_be32_t)test_random(&r);
			t.dst.word_be[j] = (rte_be32_t)test_random(&r);
		}
		if (i % 2 == 0) {
			t.src = lb_addr_from_v4(t.src.word_be[3]);
			t.dst = lb_addr_from_v4(t.dst.word_be[3]);
		}
		lb_key_make(&t, IPPROTO_UDP, &key);
		back = lb_key_reversed(&key);
		twice = lb_key_reversed(&back);
		src = lb_key_src(&back);
		dst = lb_key_dst(&back);
		cr_expect_eq(key.is_v6, i % 2 != 0);
		cr_expect_eq(memcmp(&twice, &key, sizeof(key)), 0);
		cr_expect(lb_addr_equal(&src, &t.dst) && lb_addr_equal(&dst, &t.src));
		cr_expect_eq(lb_key_sport(&back), t.dport_be);
		cr_expect_eq(lb_key_dport(&back), t.sport_be);
		cr_expect_eq(lb_key_proto(&back), IPPROTO_UDP);
	}
}

Test(conn, both_entries_find_each_other_and_share_their_state)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct lb_conn *fwd, *rev;
		struct lb_key key, peer_key;
		struct world w;

		open_world(&w, 100);
		establish(&w, 1, is_v6);
		fwd = w.last.conn;
		rev = lb_conn_peer(&w.pl->steer, fwd, is_v6);
		cr_assert_neq(rev, NULL);
		cr_expect_eq(rev->kind, LB_CONN_TCP_REV);
		cr_expect_eq(lb_conn_peer(&w.pl->steer, rev, is_v6), fwd);
		cr_expect_eq(fwd->state, LB_TCP_ESTABLISHED);
		cr_expect_eq(rev->state, LB_TCP_ESTABLISHED);
		cr_assert(lb_conn_peer_key(&w.pl->steer, fwd, is_v6, &key));
		lb_conn_key(rev, is_v6, &peer_key);
		cr_expect_eq(memcmp(&key, &peer_key, sizeof(key)), 0);
		lb_conn_close(&w.pl->steer, rev, is_v6, LB_COUNT_conn_closed);
		cr_expect_eq(n_entries(&w), 0, "either entry closes both");
		cr_expect_eq(world_count(&w, LB_COUNT_conn_closed), 1);
		world_close(&w);
	}
}

/* What a burst fetches ahead of its new connections is what they then ask for. */
Test(conn, replies_are_foreseen_where_they_come_to_be)
{
	static const enum lb_forwarding modes[] = {LB_FORWARD_FULLNAT, LB_FORWARD_NAT};

	for (uint32_t i = 0; i < 200; i++) {
		bool is_v6 = i % 2 != 0, is_tcp = i / 2 % 2 != 0;
		struct lb_conn_request rq = {.slot = (is_tcp ? 0 : 2) + (is_v6 ? 1 : 0)};
		struct lb_key foreseen, replies;
		struct lb_nat_cursor cursor;
		struct frame f;
		struct world w;

		open_world_of(&w, 100, modes[i / 4 % 2]);
		for (uint32_t n = 0; n < i % 7; n++)
			establish(&w, 1000 + n, is_v6);
		from_client(&f, i, is_v6, is_tcp, SYN);
		rq.key = &w.last.key;
		w.last.key.is_v6 = is_v6;
		cursor = *lb_conn_cursor_of(&w.pl->steer, &rq);
		cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
		rq.real_id = w.last.conn->fwd.real_id;
		cr_assert(lb_conn_foresee_replies(&w.pl->steer, &rq, &cursor, &foreseen));
		cr_assert(lb_conn_peer_key(&w.pl->steer, w.last.conn, is_v6, &replies));
		cr_expect_eq(memcmp(&foreseen, &replies, sizeof(replies)), 0, "case %u", i);
		world_close(&w);
	}
}

Test(conn, connections_in_use_are_not_evicted_and_new_ones_are_refused_by_name)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint32_t n_open = 0, n;
		struct world w;

		open_world(&w, 200);
		for (n = 0; n < 300; n++) {
			bool is_open = establish(&w, n, is_v6);

			n_open += is_open;
			if (is_open)
				continue;
			cr_assert_eq(w.last.drop_reason, LB_COUNT_drop_table_full);
			cr_assert_geq(lb_pipeline_conns(w.pl), 160, "below 80 %% there is room");
		}
		cr_expect_geq(n_open, 160);
		cr_expect_leq(n_open, 200);
		cr_expect_eq(lb_pipeline_conns(w.pl), n_open);
		cr_expect_eq(n_entries(&w), 2 * n_open);
		cr_expect_eq(n_evicted(&w), 0);
		world_close(&w);
	}
}

Test(conn, both_families_together_keep_to_the_stated_capacity)
{
	struct world w;
	uint32_t n_open = 0;

	open_world(&w, 200);
	for (uint32_t n = 0; n < 150; n++) {
		n_open += establish(&w, n, false);
		n_open += establish(&w, n, true);
	}
	cr_expect_eq(n_open, 200, "room for all of them in one table or the other");
	cr_expect_eq(lb_pipeline_conns(w.pl), 200);
	cr_expect_eq(n_evicted(&w), 0);
	world_close(&w);

	/* A table full of the one family's idle connections is no reason to refuse the other. */
	open_world(&w, 100);
	for (uint32_t n = 0; n < 100; n++)
		establish(&w, n, false);
	world_pass_time(&w, (LB_EVICT_IDLE_S + 5) * 1000, 500);
	for (uint32_t n = 0; n < 50; n++) {
		cr_expect(establish(&w, n, true), "connection %u", n);
		cr_assert_leq(lb_pipeline_conns(w.pl), 100);
	}
	world_close(&w);
}

Test(conn, a_flood_of_half_open_connections_takes_nothing_from_those_in_use)
{
	enum { LIVE = 100 };
	struct frame f;
	struct world w;

	open_world(&w, 200);
	for (uint32_t n = 0; n < LIVE; n++)
		cr_assert(establish(&w, n, false));
	for (uint32_t n = 0; n < 20000; n++) {
		from_client(&f, 1000 + n, false, true, SYN);
		world_send(&w, &f);
		cr_assert_leq(lb_pipeline_conns(w.pl), 200);
		if (n % 1000 == 0) {
			world_pass_time(&w, 2000, 100);
			for (uint32_t i = 0; i < LIVE; i++)
				cr_assert(is_alive(&w, i, false), "connection %u after %u", i, n);
		}
	}
	cr_expect_gt(n_evicted(&w), 1000);
	cr_expect_eq(n_entries(&w), 2 * lb_pipeline_conns(w.pl));
	world_close(&w);
}

Test(conn, idle_connections_give_way_when_the_table_is_full)
{
	uint32_t n_before, n_new = 0;
	struct world w;

	open_world(&w, 200);
	for (uint32_t n = 0; n < 200; n++)
		establish(&w, n, false);
	n_before = lb_pipeline_conns(w.pl);
	world_pass_time(&w, (LB_EVICT_IDLE_S + 5) * 1000, 500);
	cr_assert_eq(lb_pipeline_conns(w.pl), n_before);
	for (uint32_t n = 1000; n < 1100; n++)
		n_new += establish(&w, n, false);
	cr_expect_gt(n_new, 80);
	cr_expect_geq(n_evicted(&w), n_new + n_before - 200);
	cr_expect_leq(lb_pipeline_conns(w.pl), 200);
	cr_expect_eq(n_entries(&w), 2 * lb_pipeline_conns(w.pl));
	world_close(&w);
}

Test(conn, time_of_the_sweep_does_not_depend_on_how_often_it_is_called)
{
	static const uint64_t steps[] = {1, 3, 7, 100, 1000};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t begin;
		struct world w;

		open_world(&w, 100);
		for (uint32_t n = 0; n < 50; n++)
			cr_assert(establish(&w, n, false));
		world_pass_time(&w, 10 * LB_AGE_SWEEP_MS, steps[i]);
		world_no_service(&w, 0);
		begin = w.now_ms;
		while (lb_pipeline_conns(w.pl) != 0 && w.now_ms - begin < 10 * LB_AGE_SWEEP_MS)
			world_pass_time(&w, steps[i], steps[i]);
		cr_expect_leq(w.now_ms - begin, LB_AGE_SWEEP_MS + 1000, "steps of %u ms",
			      (unsigned)steps[i]);
		cr_expect_geq(w.now_ms - begin, LB_AGE_SWEEP_MS / 3, "steps of %u ms",
			      (unsigned)steps[i]);
		world_close(&w);
	}
}

Test(conn, a_nat_client_that_meets_its_own_ports_again_is_refused_until_they_are_free)
{
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	/* Two services on one server: the client's address and port are all that tells replies
	 * apart, and the server keeps the port. */
	world_service(&w, &(struct world_service){
				  .first_port = 80, .forwarding = LB_FORWARD_NAT, .n_servers = 1});
	world_service(&w, &(struct world_service){.slot = 1,
						  .vip = "192.0.2.11",
						  .first_port = 80,
						  .forwarding = LB_FORWARD_NAT,
						  .n_servers = 1});
	world_tcp(&f, "198.51.100.7", 40000, WORLD_VIP, 80, SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp(&f, "198.51.100.7", 40000, "192.0.2.11", 80, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_DROP);
	cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_nat_exhausted);
	world_tcp(&f, "198.51.100.7", 40000, WORLD_VIP, 80, RST);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	world_tcp(&f, "198.51.100.7", 40000, "192.0.2.11", 80, SYN);
	cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1);
	world_close(&w);
}

/* --- random life beside a naive twin: when each connection was last used, and no more --- */

#define TWINS 300u

struct twin {
	bool is_open;
	uint32_t server;
	uint64_t last_ms;
	uint16_t nat_port;
};

static void use_twin(struct world *w, struct twin *t, uint32_t n)
{
	bool is_v6 = n % 2 != 0;
	struct world_fields out;
	struct frame f;

	from_client(&f, n, is_v6, false, 0);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX, "client %u", n);
	out = world_fields(&f);
	if (t->is_open) {
		cr_assert_eq(world_server_of(&f), t->server, "client %u moved", n);
		cr_assert_eq(out.sport, t->nat_port, "client %u has another port", n);
	}
	t->is_open = true;
	t->server = world_server_of(&f);
	t->nat_port = out.sport;
	t->last_ms = w->now_ms;
}

static void answer_twin(struct world *w, struct twin *t, uint32_t n)
{
	struct frame f;
	char server[LB_ADDR_TEXT_MAX];
	bool is_v6 = n % 2 != 0;

	snprintf(server, sizeof(server), is_v6 ? "2001:db8::%u" : "192.0.2.%u", 20 + t->server);
	world_udp(&f, server, 80, is_v6 ? WORLD_VIP6 : WORLD_VIP, t->nat_port);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX, "answer to client %u", n);
	cr_assert_eq(world_fields(&f).dport, 1024 + n, "answer to client %u", n);
	t->last_ms = w->now_ms;
}

/* Expiry may come late by two ticks and a sweep, and never early. */
static void expire_twins(struct world *w, struct twin twins[TWINS])
{
	uint32_t n_live = 0, n_unsure = 0;

	for (uint32_t i = 0; i < TWINS; i++) {
		uint64_t idle = w->now_ms - twins[i].last_ms;

		if (!twins[i].is_open)
			continue;
		if (idle <= 600000)
			n_live++;
		else if (idle <= 600000 + 2 * 2048 + LB_AGE_SWEEP_MS + 1000)
			n_unsure++;
		else
			twins[i].is_open = false;
	}
	cr_assert_geq(lb_pipeline_conns(w->pl), n_live);
	cr_assert_leq(lb_pipeline_conns(w->pl), n_live + n_unsure);
	cr_assert_eq(n_entries(w), 2 * lb_pipeline_conns(w->pl));
}

static bool is_sure(const struct world *w, const struct twin *t)
{
	return t->is_open && w->now_ms - t->last_ms <= 600000;
}

Test(conn, random_lives_agree_with_a_naive_twin)
{
	struct test_random r = {test_seed("conn")};
	struct twin twins[TWINS] = {0};
	struct world w;

	open_world(&w, 1000);
	for (uint32_t step = 0; step < 30000; step++) {
		uint32_t n = test_random_below(&r, TWINS);
		struct twin *t = &twins[n];

		switch (test_random_below(&r, 10)) {
		case 0:
			world_pass_time(&w, test_random_below(&r, 20000), 250);
			expire_twins(&w, twins);
			break;
		case 1:
		case 2:
		case 3:
			if (is_sure(&w, t))
				answer_twin(&w, t, n);
			break;
		default:
			/* Between the timeout and the sweep either is right: leave it alone. */
			if (!t->is_open || is_sure(&w, t))
				use_twin(&w, t, n);
		}
	}
	cr_expect_gt(world_count(&w, LB_COUNT_conn_expired), 0);
	world_close(&w);
}

/* The limit is a promise: that many connections of either family, each with both its entries, and
 * none refused or thrown out before. */
Test(conn, the_stated_capacity_is_held_by_either_family)
{
	enum { CAPACITY = 20000 };

	for (uint32_t v6 = 0; v6 < 2; v6++) {
		struct world w;

		open_world_of(&w, CAPACITY, LB_FORWARD_NAT);
		for (uint32_t n = 0; n < CAPACITY; n++)
			cr_assert(establish(&w, n, v6 != 0), "connection %u was refused", n);
		cr_expect_eq(n_evicted(&w), 0u);
		cr_expect_eq(n_entries(&w), 2u * CAPACITY);
		cr_expect(is_alive(&w, 0, v6 != 0) && is_alive(&w, CAPACITY - 1, v6 != 0));
		cr_expect_not(establish(&w, CAPACITY, v6 != 0));
		world_close(&w);
	}
}
