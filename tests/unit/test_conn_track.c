/* Resets and FINs that fit where their connection has got to, and those that do not. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "pipeline_state.h"
#include "random.h"
#include "steer/tcp_window.h"
#include "world.h"

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK
#define RST LB_TCP_RST
#define FIN (LB_TCP_FIN | LB_TCP_ACK)
#define MIB (INT64_C(1) << 20)

static const uint8_t MODES[] = {LB_FORWARD_FULLNAT, LB_FORWARD_NAT, LB_FORWARD_DSR};

/* A connection with numbers that do not wrap: the twin counts plainly. */
struct talk {
	struct world w;
	const char *client;
	const char *vip;
	bool is_one_way;
	struct frame at_server; /* a client's packet as its server got it */
	int64_t seq;            /* of the client's next byte */
	int64_t ack;            /* of the server's */
};

static void open_talk(struct talk *t, uint32_t i)
{
	bool is_v6 = i % 2 != 0;

	t->client = is_v6 ? "2001:db8:1::7" : "198.51.100.7";
	t->vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
	t->is_one_way = lb_forwarding_is_one_way(MODES[i / 2 % 3]);
	world_open(&t->w, NULL);
	world_service(&t->w, &(struct world_service){.vip = t->vip,
						     .first_port = 80,
						     .forwarding = MODES[i / 2 % 3],
						     .idle_timeout_ms = 600000,
						     .n_servers = 2});
}

static void from_client(struct talk *t, uint8_t flags, int64_t seq, int64_t ack)
{
	struct frame f;

	world_tcp(&f, t->client, 40000, t->vip, 80, flags);
	frame_tcp_numbers(&f, (uint32_t)seq, (flags & ACK) != 0 ? (uint32_t)ack : 0);
	frame_checksums(&f);
	cr_assert_eq(world_send(&t->w, &f), LB_VERDICT_TX);
	cr_assert_not(t->w.last.is_originated);
	t->at_server = f;
}

static void from_server(struct talk *t, uint8_t flags, int64_t seq, int64_t ack)
{
	struct frame f;

	world_tcp_answer(&f, &t->at_server, flags);
	frame_tcp_numbers(&f, (uint32_t)seq, (flags & ACK) != 0 ? (uint32_t)ack : 0);
	frame_checksums(&f);
	cr_assert_eq(world_send(&t->w, &f), LB_VERDICT_TX);
	cr_assert_not(t->w.last.is_originated);
}

static enum lb_tcp_state state_of(const struct talk *t)
{
	const struct lb_conn_table *table = t->w.pl->steer.conn_table;
	struct frame f;
	struct lb_pkt p;

	world_tcp(&f, t->client, 40000, t->vip, 80, ACK);
	p = frame_parse_exact(&f, f.len);
	const struct lb_conn *conn = lb_conn_lookup(table, &p.key, lb_conn_hash(table, &p.key));

	return conn != NULL ? (enum lb_tcp_state)conn->state : LB_TCP_NONE;
}

static void establish(struct talk *t, int64_t seq, int64_t ack)
{
	from_client(t, SYN, seq, 0);
	if (!t->is_one_way)
		from_server(t, SYN | ACK, ack, seq + 1);
	t->seq = seq + 1;
	t->ack = ack + 1;
	from_client(t, ACK, t->seq, t->ack);
	cr_assert_eq(state_of(t), LB_TCP_ESTABLISHED);
}

static void open_established(struct talk *t, uint32_t i)
{
	open_talk(t, i);
	establish(t, 1000, 5000);
}

/* The twin: pages of numbers that do not wrap. */
static bool is_near(int64_t number, int64_t place)
{
	int64_t pages = (number >> 16) - (place >> 16);

	return pages >= -1 && pages <= 64;
}

/* Both sides send up to 4 MiB at a time, the connection goes around the sequence space several
 * times; every now and then somebody guesses. */
Test(conn_track, only_what_fits_ends_a_connection)
{
	struct test_random r = {test_seed("conn_track")};

	for (uint32_t i = 0; i < 12; i++) {
		uint64_t n_outside = 0;
		struct talk t;

		open_talk(&t, i);
		establish(&t, (INT64_C(1) << 40) + (int64_t)(test_random(&r) >> 32),
			  (INT64_C(1) << 41) + (int64_t)(test_random(&r) >> 32));
		for (uint32_t n = 0; n < 4000; n++) {
			bool by_server = !t.is_one_way && n % 2 != 0, is_fin = n % 4 >= 2;
			uint8_t flags = is_fin ? FIN : RST;
			int64_t off = n % 3 == 0
					      ? (int64_t)test_random_below(&r, 10 << 20) - 5 * MIB
					      : (int32_t)test_random(&r);
			bool fits = is_near((by_server ? t.ack : t.seq) + off,
					    by_server ? t.ack : t.seq);

			from_client(&t, ACK, t.seq, t.ack);
			if (by_server)
				from_server(&t, flags, t.ack + off, t.seq);
			else
				from_client(&t, flags, t.seq + off, t.ack);
			cr_assert_eq(state_of(&t) != LB_TCP_ESTABLISHED, fits,
				     "case %u, step %u, off by %lld: state %s", i, n,
				     (long long)off, lb_tcp_state_name[state_of(&t)]);
			n_outside += !fits;
			cr_assert_eq(world_count(&t.w, LB_COUNT_tcp_outside_window), n_outside);
			if (fits) {
				from_client(&t, RST, t.seq, 0);
				world_pass_time(&t.w, 60000, 4000);
				cr_assert_eq(lb_pipeline_conns(t.w.pl), 0);
				establish(&t, t.seq, t.ack);
			}
			t.seq += test_random_below(&r, 4 << 20);
			t.ack += test_random_below(&r, 4 << 20);
		}
		cr_expect_gt(n_outside, 2000);
		world_close(&t.w);
	}
}

Test(conn_track, a_fin_has_to_fit_both_ways)
{
	for (uint32_t i = 0; i < 6; i++) {
		struct talk t;

		open_established(&t, i);
		from_client(&t, FIN, t.seq, t.ack + 100 * MIB);
		cr_expect_eq(state_of(&t), LB_TCP_ESTABLISHED);
		if (!t.is_one_way) {
			from_server(&t, FIN, t.ack, t.seq - 100 * MIB);
			cr_expect_eq(state_of(&t), LB_TCP_ESTABLISHED);
			/* What the client has sent is on its way to the server still. */
			t.seq += 3 * MIB;
			from_client(&t, ACK, t.seq, t.ack);
			from_server(&t, FIN, t.ack, t.seq - 3 * MIB);
			cr_expect_eq(state_of(&t), LB_TCP_FIN_WAIT);
		}
		from_client(&t, FIN, t.seq, t.ack);
		cr_expect_eq(state_of(&t), t.is_one_way ? LB_TCP_CLOSE_WAIT : LB_TCP_TIME_WAIT);
		cr_expect_eq(world_count(&t.w, LB_COUNT_tcp_outside_window), t.is_one_way ? 1 : 2);
		world_close(&t.w);
	}
}

/* Somebody who sends packets with any numbers does not take the window with him. */
Test(conn_track, who_guesses_one_number_moves_nothing)
{
	for (uint32_t i = 0; i < 6; i++) {
		struct talk t;

		open_established(&t, i);
		for (int64_t at = 0; at < 1 << 30; at += 3 * MIB) {
			from_client(&t, ACK, at, t.ack + (1u << 31));
			from_client(&t, ACK, t.seq + (1u << 31), at);
		}
		from_client(&t, RST, t.seq, 0);
		cr_expect_eq(state_of(&t), LB_TCP_CLOSE);
		world_close(&t.w);
	}
}

Test(conn_track, before_the_handshake_is_over_the_acknowledgement_has_to_fit)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct talk t;

		open_talk(&t, i);
		from_client(&t, SYN, 7 << 20, 0);
		from_server(&t, RST, 7 << 20, 0);
		from_server(&t, RST | ACK, 0, 90 << 20);
		from_client(&t, RST, 90 << 20, 0);
		cr_expect_eq(state_of(&t), LB_TCP_SYN_SENT);
		cr_expect_eq(world_count(&t.w, LB_COUNT_tcp_outside_window), 3);
		from_server(&t, RST | ACK, 0, (7 << 20) + 1);
		cr_expect_eq(state_of(&t), LB_TCP_CLOSE);
		/* It was not the server's. */
		from_server(&t, SYN | ACK, 5000, (7 << 20) + 1);
		cr_expect_eq(state_of(&t), LB_TCP_SYN_RECV);
		from_client(&t, ACK, (7 << 20) + 1, 5001);
		cr_expect_eq(state_of(&t), LB_TCP_ESTABLISHED);
		world_close(&t.w);
	}
}

/* A reset that fitted by chance was refused by its receiver, and both go on. */
Test(conn_track, a_connection_that_goes_on_is_taken_back)
{
	for (uint32_t i = 0; i < 6; i++) {
		struct talk t;

		open_established(&t, i);
		from_client(&t, RST, t.seq + MIB, 0);
		cr_expect_eq(state_of(&t), LB_TCP_CLOSE);
		from_client(&t, ACK, t.seq + 100 * MIB, t.ack);
		from_client(&t, ACK, t.seq, t.ack + 100 * MIB);
		cr_expect_eq(state_of(&t), LB_TCP_CLOSE, "somebody else's");
		from_client(&t, ACK, t.seq, t.ack);
		cr_expect_eq(state_of(&t), LB_TCP_ESTABLISHED);
		if (!t.is_one_way) {
			from_client(&t, RST, t.seq, 0);
			from_server(&t, ACK, t.ack, t.seq);
			cr_expect_eq(state_of(&t), LB_TCP_CLOSE, "it was under way");
			world_pass_time(&t.w, 6000, 1000);
			from_server(&t, ACK, t.ack + 100 * MIB, t.seq);
			cr_expect_eq(state_of(&t), LB_TCP_CLOSE, "somebody else's");
			from_server(&t, ACK, t.ack, t.seq);
			cr_expect_eq(state_of(&t), LB_TCP_ESTABLISHED, "the client is silent");
		}
		world_close(&t.w);
	}
}
