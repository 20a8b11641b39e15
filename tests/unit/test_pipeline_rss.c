/* A network card that hashes: with its key and table known no packet of a connection that ends at a
 * NAT source moves to another worker; with a card that lies all of them are served all the same. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "random.h"
#include "team.h"

#define CLIENTS 60u
#define TCP_PORT 80u
#define UDP_PORT 53u
#define NAT_MODE_PORT 8080u
#define DSR_PORT 81u

struct card {
	uint8_t key[LB_TOEPLITZ_KEY_BYTES];
	struct lb_rss_map map;
	struct test_random r;
	bool is_lying; /* brings packets to any queue */
};

static void make_card(struct card *c, uint32_t n_workers, uint64_t seed)
{
	memset(c, 0, sizeof(*c));
	c->r.state = seed;
	c->map.n_buckets = 16u << test_random_below(&c->r, 6);
	do {
		for (uint32_t i = 0; i < sizeof(c->key); i++)
			c->key[i] = (uint8_t)test_random_below(&c->r, 256);
		lb_toeplitz_init(&c->map.hash, c->key);
	} while (!lb_rss_shares_ports(&c->map.hash, 9));
	for (uint32_t i = 0; i < c->map.n_buckets; i++)
		c->map.worker[i] = (uint8_t)(i % n_workers);
	for (uint32_t i = c->map.n_buckets; i > 1; i--) {
		uint32_t other = test_random_below(&c->r, i);
		uint8_t worker = c->map.worker[other];

		c->map.worker[other] = c->map.worker[i - 1];
		c->map.worker[i - 1] = worker;
	}
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		c->map.has_tcp[is_v6] = c->map.has_udp[is_v6] = true;
}

/* The definition of the hash, over the frame's own bytes. */
static uint32_t hash_of(const struct card *c, struct frame *f)
{
	uint32_t n = f->is_v6 ? 32 : 8, at = f->is_v6 ? 14 + 8 : 14 + 12, hash = 0;
	uint8_t input[36];

	memcpy(input, frame_at(f, at), n);
	memcpy(input + n, frame_at(f, f->l4_off), 4);
	for (uint32_t bit = 0; bit < 8 * (n + 4); bit++) {
		if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0)
			continue;
		for (uint32_t i = 0; i < 32; i++) {
			uint32_t k = bit + i;

			hash ^= (uint32_t)(c->key[k / 8] >> (7 - k % 8) & 1) << (31 - i);
		}
	}
	return hash;
}

static uint32_t queue_of(struct card *c, uint32_t n_workers, struct frame *f)
{
	if (c->is_lying)
		return test_random_below(&c->r, n_workers);
	return c->map.worker[hash_of(c, f) % c->map.n_buckets];
}

static void install(struct team *t, uint32_t slot, bool is_v6, uint8_t protocol, uint16_t port,
		    enum lb_forwarding forwarding)
{
	for (uint32_t i = 0; i < t->n; i++)
		world_service(&t->w[i],
			      &(struct world_service){.slot = slot,
						      .vip = is_v6 ? WORLD_VIP6 : WORLD_VIP,
						      .protocol = protocol,
						      .first_port = port,
						      .forwarding = forwarding,
						      .n_servers = 4});
}

static void install_all(struct team *t)
{
	for (uint32_t is_v6 = 0; is_v6 < 2; is_v6++) {
		install(t, 10 * is_v6, is_v6, IPPROTO_TCP, TCP_PORT, LB_FORWARD_FULLNAT);
		install(t, 10 * is_v6 + 1, is_v6, IPPROTO_UDP, UDP_PORT, LB_FORWARD_FULLNAT);
		install(t, 10 * is_v6 + 2, is_v6, IPPROTO_TCP, NAT_MODE_PORT, LB_FORWARD_NAT);
		install(t, 10 * is_v6 + 3, is_v6, IPPROTO_TCP, DSR_PORT, LB_FORWARD_DSR);
	}
}

static void from_client(struct frame *f, bool is_v6, uint32_t who, uint16_t port, uint8_t flags)
{
	char client[LB_ADDR_TEXT_MAX];

	snprintf(client, sizeof(client), is_v6 ? "2001:db8:1::%x" : "198.51.100.%u", 1 + who);
	if (port == UDP_PORT)
		world_udp(f, client, (uint16_t)(30000 + who), is_v6 ? WORLD_VIP6 : WORLD_VIP, port);
	else
		world_tcp(f, client, (uint16_t)(30000 + who), is_v6 ? WORLD_VIP6 : WORLD_VIP, port,
			  flags);
}

/* One request and its answer, each where the card brings it; both have to be sent on, and by the
 * same worker. Returns whether both stayed where they came. */
static bool converse(struct team *t, struct card *c, bool is_v6, uint32_t who, uint16_t port,
		     uint8_t flags)
{
	struct world *there, *back;
	struct frame f, answer;
	uint32_t at;
	bool stayed;

	from_client(&f, is_v6, who, port, flags);
	at = queue_of(c, t->n, &f);
	there = team_send(t, at, &f);
	cr_assert_eq(there->last.verdict, LB_VERDICT_TX, "%s",
		     lb_counter_info[there->last.drop_reason].name);
	stayed = there == &t->w[at];
	if (port == DSR_PORT)
		return stayed;
	if (port == UDP_PORT)
		world_udp_answer(&answer, &f);
	else
		world_tcp_answer(&answer, &f,
				 flags == LB_TCP_SYN ? LB_TCP_SYN | LB_TCP_ACK : LB_TCP_ACK);
	at = queue_of(c, t->n, &answer);
	back = team_send(t, at, &answer);
	cr_assert_eq(back->last.verdict, LB_VERDICT_TX, "%s",
		     lb_counter_info[back->last.drop_reason].name);
	cr_assert_eq(back, there, "the connection is one worker's");
	return stayed && back == &t->w[at];
}

/* Every client opens a connection to the port and goes on with it; returns how many packets pairs
 * had to be handed over. */
static uint32_t hold_all(struct team *t, struct card *c, uint16_t port)
{
	uint32_t n_moved = 0;

	for (uint32_t who = 0; who < CLIENTS; who++)
		for (uint32_t is_v6 = 0; is_v6 < 2; is_v6++) {
			n_moved += !converse(t, c, is_v6, who, port, LB_TCP_SYN);
			n_moved += !converse(t, c, is_v6, who, port, LB_TCP_ACK);
		}
	return n_moved;
}

static void open_cards_team(struct team *t, struct card *c, uint32_t n, uint64_t seed)
{
	make_card(c, n, seed);
	team_open_with_rss(t, n, seed, &c->map);
	install_all(t);
}

Test(pipeline_rss, nothing_is_handed_over_behind_a_card_that_hashes)
{
	static struct team t;
	static struct card c;
	uint64_t seed = test_seed("card");

	for (uint32_t round = 0; round < 8; round++) {
		uint32_t n = 2 + round % (TEAM_MAX - 1), n_busy = 0;

		open_cards_team(&t, &c, n, seed + round);
		cr_expect_eq(hold_all(&t, &c, TCP_PORT), 0u);
		cr_expect_eq(hold_all(&t, &c, UDP_PORT), 0u);
		cr_expect_eq(hold_all(&t, &c, DSR_PORT), 0u);
		cr_expect_eq(team_count(&t, LB_COUNT_handed_out), 0u, "%u workers", n);
		for (uint32_t i = 0; i < n; i++)
			n_busy += world_count(&t.w[i], LB_COUNT_conn_created) > 0;
		cr_expect_eq(n_busy, n, "all have their share");
		team_close(&t);
	}
}

Test(pipeline_rss, a_card_that_lies_costs_hand_overs_and_nothing_else)
{
	static struct team t;
	static struct card c;
	uint64_t seed = test_seed("lying_card");

	for (uint32_t n = 2; n <= TEAM_MAX; n++) {
		open_cards_team(&t, &c, n, seed + n);
		c.is_lying = true;
		cr_expect_gt(hold_all(&t, &c, TCP_PORT), CLIENTS / 2);
		cr_expect_gt(hold_all(&t, &c, UDP_PORT), CLIENTS / 2);
		cr_expect_gt(hold_all(&t, &c, NAT_MODE_PORT), CLIENTS / 2);
		cr_expect_eq(team_count(&t, LB_COUNT_handed_in),
			     team_count(&t, LB_COUNT_handed_out));
		cr_expect_eq(team_count(&t, LB_COUNT_drop_hand_over_again), 0u);
		team_close(&t);
	}
}

/* `nat` goes by the client in both directions, whatever the card does. */
Test(pipeline_rss, nat_mode_is_handed_over_to_the_clients_owner)
{
	static struct team t;
	static struct card c;

	open_cards_team(&t, &c, 2, test_seed("nat_mode"));
	cr_expect_gt(hold_all(&t, &c, NAT_MODE_PORT), 0u);
	team_close(&t);
}

/* A card that hashes the ports of TCP alone: UDP goes by the shares of ports. */
Test(pipeline_rss, what_the_card_does_not_hash_goes_by_port_shares)
{
	static struct team t;
	static struct card c;

	open_cards_team(&t, &c, 3, test_seed("tcp_only"));
	c.map.has_udp[0] = c.map.has_udp[1] = false;
	cr_expect_eq(hold_all(&t, &c, TCP_PORT), 0u);
	c.is_lying = true;
	cr_expect_gt(hold_all(&t, &c, UDP_PORT), 0u);
	team_close(&t);
}

/* No 5-tuple towards a server is given out twice, by whichever workers, until none is left. */
Test(pipeline_rss, workers_never_take_the_same_source_and_use_all)
{
	enum { N_PORTS = WORLD_NAT_LAST - WORLD_NAT_FIRST + 1 };
	static struct team t;
	static struct card c;
	static uint8_t is_used[WORLD_REALS][N_PORTS];
	uint32_t n_sent = 0, n_refused = 0;

	make_card(&c, 2, test_seed("all_ports"));
	for (uint32_t i = 0; i < 2; i++)
		world_open(&t.w[i],
			   &(struct world_options){.n_workers = 2,
						   .worker = i,
						   .n_connections = 20000,
						   .seed = 1,
						   .rss = &c.map,
						   .persist = i == 0 ? NULL : t.w[0].persist});
	t.n = 2;
	install_all(&t);
	memset(is_used, 0, sizeof(is_used));
	for (uint32_t i = 0; i < 6 * N_PORTS; i++) {
		struct world_fields out;
		struct frame f, answer;
		char client[LB_ADDR_TEXT_MAX];
		struct world *w;

		snprintf(client, sizeof(client), "198.51.%u.%u", 100 + i / 200, 1 + i % 200);
		world_tcp(&f, client, 1234, WORLD_VIP, TCP_PORT, LB_TCP_SYN);
		w = team_send(&t, queue_of(&c, 2, &f), &f);
		if (w->last.verdict != LB_VERDICT_TX || w->last.is_originated) {
			n_refused++;
			continue;
		}
		out = world_fields(&f);
		cr_assert_lt(world_server_of(&f), WORLD_REALS);
		cr_assert_eq(is_used[world_server_of(&f)][out.sport - WORLD_NAT_FIRST]++, 0,
			     "port %u of server %u twice", out.sport, world_server_of(&f));
		n_sent++;
		/* Half-open ones would give way: every connection is to be in use. */
		world_tcp_answer(&answer, &f, LB_TCP_SYN | LB_TCP_ACK);
		cr_assert_eq(world_send(w, &answer), LB_VERDICT_TX);
		world_tcp(&f, client, 1234, WORLD_VIP, TCP_PORT, LB_TCP_ACK);
		cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	}
	/* The last few of a worker's are found by luck within the bound of the walk. */
	cr_expect_gt(n_sent, 4 * N_PORTS * 97 / 100, "%u of %u", n_sent, 4 * N_PORTS);
	cr_expect_gt(n_refused, 0u);
	team_close(&t);
}
