/* Several pipelines as the workers of one process, and one pipeline alone beside them: whichever
 * worker a packet arrives at, what becomes of it is what would become of it with one worker. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "parts.h"
#include "random.h"
#include "team.h"

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK
#define FIN LB_TCP_FIN
#define RST LB_TCP_RST

/* --- the same story for one worker and for several --- */

#define CLIENTS 3u
#define PORTS_PER_CLIENT 2u
#define SLOTS 8u /* of each family */
#define ALONE 3u /* the server that nobody but single-server services uses */
#define PHASES 10u
#define STEPS 400u /* connections of a phase take no NAT port twice */

static const struct {
	uint8_t protocol;
	uint16_t port;
	enum lb_forwarding forwarding;
	uint16_t group;
	uint32_t first_server, n_servers;
} SERVICES[SLOTS] = {
	{IPPROTO_TCP, 80, LB_FORWARD_FULLNAT, 0, 0, 3},
	{IPPROTO_TCP, 135, LB_FORWARD_FULLNAT, 1, 0, 3},
	{IPPROTO_TCP, 55000, LB_FORWARD_FULLNAT, 1, 0, 3},
	{IPPROTO_TCP, 443, LB_FORWARD_FULLNAT, 0, ALONE, 1},
	{IPPROTO_TCP, 8080, LB_FORWARD_NAT, 0, 0, 3},
	{IPPROTO_UDP, 53, LB_FORWARD_NAT, 1, 0, 3},
	{IPPROTO_TCP, 8081, LB_FORWARD_NAT, 0, ALONE, 1},
	{IPPROTO_UDP, 5000, LB_FORWARD_FULLNAT, 0, ALONE, 1},
};

/* What one installation has done with a flow. */
struct side {
	struct frame to_server; /* the last; len 0: none */
	struct frame to_client;
};

struct flow {
	struct side side[2]; /* one worker, several workers */
};

struct story {
	struct test_random r;
	struct world one;
	struct team team;
	uint8_t epoch[2][SLOTS];
	bool is_gone[2][SLOTS];
	uint32_t n_handed, n_sent, n_translated, n_joined, n_held;
	struct flow flows[2][SLOTS][CLIENTS][PORTS_PER_CLIENT];
	uint32_t id; /* of the last packet in parts */
	uint32_t server_of[2][2][CLIENTS]; /* by side and family: the group's, plus 1 */
};

static uint32_t below(struct story *s, uint32_t n)
{
	return test_random_below(&s->r, n);
}

static void install(struct story *s, bool is_v6, uint32_t slot)
{
	struct world_service service = {.slot = slot + (is_v6 ? SLOTS : 0),
					.vip = is_v6 ? WORLD_VIP6 : WORLD_VIP,
					.protocol = SERVICES[slot].protocol,
					.first_port = SERVICES[slot].port,
					.epoch = s->epoch[is_v6][slot],
					.forwarding = SERVICES[slot].forwarding,
					.group_id = SERVICES[slot].group,
					.n_servers = SERVICES[slot].n_servers,
					.first_server = SERVICES[slot].first_server};

	s->is_gone[is_v6][slot] = false;
	world_service(&s->one, &service);
	for (uint32_t i = 0; i < s->team.n; i++)
		world_service(&s->team.w[i], &service);
}

static void uninstall(struct story *s, bool is_v6, uint32_t slot)
{
	s->is_gone[is_v6][slot] = true;
	s->epoch[is_v6][slot]++;
	world_no_service(&s->one, slot + (is_v6 ? SLOTS : 0));
	for (uint32_t i = 0; i < s->team.n; i++)
		world_no_service(&s->team.w[i], slot + (is_v6 ? SLOTS : 0));
}

static void let_time_pass(struct story *s, uint64_t ms)
{
	world_pass_time(&s->one, ms, 2000);
	for (uint32_t i = 0; i < s->team.n; i++)
		world_pass_time(&s->team.w[i], ms, 2000);
}

static bool is_same(const struct frame *a, const struct frame *b)
{
	return a->len == b->len && memcmp(frame_at((struct frame *)(uintptr_t)a, 0),
					  frame_at((struct frame *)(uintptr_t)b, 0), a->len) == 0;
}

/* Sends to both; their verdicts and reasons have to be equal. Returns the verdict. */
static enum lb_verdict send_both(struct story *s, struct frame *one, struct frame *several,
				 const char *what)
{
	uint64_t before = team_count(&s->team, LB_COUNT_handed_in);
	const struct lb_pkt *a = &s->one.last, *b;

	let_time_pass(s, 2); /* so that no reply is held back by its rate */
	world_send(&s->one, one);
	b = &team_send(&s->team, below(s, s->team.n), several)->last;
	cr_assert_eq(a->verdict, b->verdict, "%s: %u and %u, %s and %s", what, a->verdict,
		     b->verdict, lb_counter_info[a->drop_reason].name,
		     lb_counter_info[b->drop_reason].name);
	cr_assert_eq(a->drop_reason, b->drop_reason, "%s: %s and %s", what,
		     lb_counter_info[a->drop_reason].name, lb_counter_info[b->drop_reason].name);
	cr_assert_eq(a->is_originated, b->is_originated, "%s", what);
	cr_assert_eq(world_count(&s->one, LB_COUNT_conn_created),
		     team_count(&s->team, LB_COUNT_conn_created), "%s", what);
	s->n_handed += team_count(&s->team, LB_COUNT_handed_in) != before;
	if (a->is_originated)
		return LB_VERDICT_DROP;
	s->n_sent += a->verdict == LB_VERDICT_TX;
	return (enum lb_verdict)a->verdict;
}

/* A connection that was there (`before`, NULL for a new one) keeps its server and its port; a
 * client keeps its group's server. */
static void check_choice(struct story *s, uint32_t side, uint32_t slot, uint32_t who,
			 const struct frame *before, const struct frame *f)
{
	struct world_fields now = world_fields(f), then;
	uint32_t *of_group = &s->server_of[side][f->is_v6][who];

	if (before != NULL) {
		cr_assert_neq(before->len, 0);
		then = world_fields(before);
		cr_assert(strcmp(now.dst, then.dst) == 0 && strcmp(now.src, then.src) == 0 &&
				  now.sport == then.sport && now.dport == then.dport,
			  "side %u: a connection has moved", side);
	}
	if (SERVICES[slot].group == 0)
		return;
	cr_assert(*of_group == 0 || *of_group == 1 + world_server_of(f),
		  "side %u: the client has lost its server", side);
	*of_group = 1 + world_server_of(f);
}

static struct flow *any_flow(struct story *s, bool *is_v6, uint32_t *slot, uint32_t *who,
			     uint32_t *port)
{
	*is_v6 = below(s, 2);
	*slot = below(s, SLOTS);
	*who = below(s, CLIENTS);
	*port = below(s, PORTS_PER_CLIENT);
	return &s->flows[*is_v6][*slot][*who][*port];
}

static void client_sends(struct story *s)
{
	static const uint8_t flags[] = {SYN, SYN, ACK, ACK, ACK, FIN | ACK, RST};
	uint8_t flag = flags[below(s, sizeof(flags))];
	uint64_t n_conns = world_count(&s->one, LB_COUNT_conn_created);
	struct frame f[2], *before[2];
	uint32_t slot, who, port;
	char client[LB_ADDR_TEXT_MAX];
	struct world_fields out[2];
	struct flow *flow;
	bool is_v6, is_new;

	flow = any_flow(s, &is_v6, &slot, &who, &port);
	snprintf(client, sizeof(client), is_v6 ? "2001:db8:1::%u" : "198.51.100.%u", 1 + who);
	if (SERVICES[slot].protocol == IPPROTO_TCP)
		world_tcp(&f[0], client, (uint16_t)(40000 + port), is_v6 ? WORLD_VIP6 : WORLD_VIP,
			  SERVICES[slot].port, flag);
	else
		world_udp(&f[0], client, (uint16_t)(40000 + port), is_v6 ? WORLD_VIP6 : WORLD_VIP,
			  SERVICES[slot].port);
	*frame_at(&f[0], 11) = (uint8_t)(2 + who); /* each client has its MAC */
	f[1] = f[0];
	if (send_both(s, &f[0], &f[1], "client") != LB_VERDICT_TX)
		return;
	is_new = world_count(&s->one, LB_COUNT_conn_created) != n_conns;
	for (uint32_t side = 0; side < 2; side++) {
		before[side] = &flow->side[side].to_server;
		check_choice(s, side, slot, who, is_new ? NULL : before[side], &f[side]);
		*before[side] = f[side];
		out[side] = world_fields(&f[side]);
	}
	cr_assert(strcmp(out[0].src, out[1].src) == 0 && out[0].dport == out[1].dport);
	if (SERVICES[slot].forwarding == LB_FORWARD_NAT)
		cr_assert_eq(out[0].sport, out[1].sport);
	if (SERVICES[slot].n_servers == 1)
		cr_assert_str_eq(out[0].dst, out[1].dst);
}

static void server_answers(struct story *s)
{
	static const uint8_t flags[] = {SYN | ACK, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST};
	uint8_t flag = flags[below(s, sizeof(flags))];
	uint32_t slot, who, port;
	struct frame f[2];
	struct flow *flow;
	bool is_v6;

	flow = any_flow(s, &is_v6, &slot, &who, &port);
	if (flow->side[0].to_server.len == 0)
		return;
	for (uint32_t side = 0; side < 2; side++)
		if (SERVICES[slot].protocol == IPPROTO_TCP)
			world_tcp_answer(&f[side], &flow->side[side].to_server, flag);
		else
			world_udp_answer(&f[side], &flow->side[side].to_server);
	if (send_both(s, &f[0], &f[1], "server") != LB_VERDICT_TX)
		return;
	cr_assert(is_same(&f[0], &f[1]), "the client sees no difference");
	flow->side[0].to_client = f[0];
	flow->side[1].to_client = f[1];
}

/* Parts in any order, each at any worker; sometimes without the first. What leaves of both sides,
 * put together. False: not all of it has left. */
static bool send_parts(struct story *s, const struct frame whole[2], struct frame joined[2])
{
	uint32_t id = ++s->id, size = 64 + 8 * below(s, 10), n = 0, n_sent[2] = {0}, n_lost;
	struct frame parts[2][PARTS_MAX], sent[2][PARTS_MAX];

	for (uint32_t side = 0; side < 2; side++)
		n = parts_cut(&whole[side], id, size, parts[side]);
	n_lost = below(s, 10) == 0;
	for (uint32_t left = n; left > n_lost; left--) {
		uint32_t i = n_lost + below(s, left - n_lost);
		enum lb_verdict verdict = send_both(s, &parts[0][i], &parts[1][i], "part");

		s->n_held += verdict == LB_VERDICT_HOLD;
		for (uint32_t side = 0; side < 2; side++) {
			if (verdict == LB_VERDICT_TX)
				sent[side][n_sent[side]++] = parts[side][i];
			parts[side][i] = parts[side][left - 1];
		}
		n_sent[0] += world_settle(&s->one, &sent[0][n_sent[0]], PARTS_MAX - n_sent[0]);
		n_sent[1] += team_settle(&s->team, &sent[1][n_sent[1]], PARTS_MAX - n_sent[1]);
		cr_assert_eq(n_sent[0], n_sent[1], "parts sent");
	}
	if (n_sent[0] != n)
		return false;
	for (uint32_t side = 0; side < 2; side++) {
		const char *complaint = parts_join(sent[side], n, &joined[side]);

		cr_assert_null(complaint, "%s", complaint);
		if (!joined[side].is_v6) {
			/* Each side gives names of its own. */
			frame_put16(&joined[side], joined[side].l3_off + 4, 0);
			frame_finish(&joined[side]);
		}
	}
	s->n_joined++;
	return true;
}

static void fill_whole(struct story *s, struct frame *f, uint32_t slot,
		       const struct world_fields *ends)
{
	frame_eth(f);
	if (strchr(ends->src, ':') != NULL)
		frame_ipv6(f, ends->src, ends->dst);
	else
		frame_ipv4(f, ends->src, ends->dst);
	if (SERVICES[slot].protocol == IPPROTO_TCP)
		frame_tcp(f, ends->sport, ends->dport, ACK);
	else
		frame_udp(f, ends->sport, ends->dport);
	frame_fill(f, 150 + below(s, 300));
	frame_finish(f);
}

static void client_sends_parts(struct story *s)
{
	uint64_t n_conns = world_count(&s->one, LB_COUNT_conn_created);
	struct world_fields ends = {0};
	struct frame whole[2], joined[2];
	uint32_t slot, who, port;
	struct flow *flow;
	bool is_v6, is_new;

	flow = any_flow(s, &is_v6, &slot, &who, &port);
	snprintf(ends.src, sizeof(ends.src), is_v6 ? "2001:db8:1::%u" : "198.51.100.%u", 1 + who);
	snprintf(ends.dst, sizeof(ends.dst), "%s", is_v6 ? WORLD_VIP6 : WORLD_VIP);
	ends.sport = (uint16_t)(40000 + port);
	ends.dport = SERVICES[slot].port;
	fill_whole(s, &whole[0], slot, &ends);
	*frame_at(&whole[0], 11) = (uint8_t)(2 + who);
	whole[1] = whole[0];
	if (!send_parts(s, whole, joined))
		return;
	is_new = world_count(&s->one, LB_COUNT_conn_created) != n_conns;
	for (uint32_t side = 0; side < 2; side++) {
		struct frame *before = &flow->side[side].to_server;

		check_choice(s, side, slot, who, is_new ? NULL : before, &joined[side]);
		*before = joined[side];
	}
}

static void server_sends_parts(struct story *s)
{
	struct frame whole[2], joined[2];
	uint32_t slot, who, port;
	struct flow *flow;
	bool is_v6;

	flow = any_flow(s, &is_v6, &slot, &who, &port);
	if (flow->side[0].to_server.len == 0)
		return;
	for (uint32_t side = 0; side < 2; side++) {
		struct world_fields in = world_fields(&flow->side[side].to_server), out = in;
		uint64_t state = s->r.state; /* the same bytes */

		memcpy(out.src, in.dst, sizeof(out.src));
		memcpy(out.dst, in.src, sizeof(out.dst));
		out.sport = in.dport;
		out.dport = in.sport;
		fill_whole(s, &whole[side], slot, &out);
		if (side == 0)
			s->r.state = state;
	}
	if (send_parts(s, whole, joined))
		cr_assert(is_same(&joined[0], &joined[1]), "the client sees no difference");
}

/* About what was sent to the server, or to the client; from a router on the way. */
static void router_complains(struct story *s)
{
	bool is_about_reply = below(s, 2), is_v6;
	uint32_t slot, who, port;
	struct frame f[2];
	struct flow *flow;

	flow = any_flow(s, &is_v6, &slot, &who, &port);
	for (uint32_t side = 0; side < 2; side++) {
		const struct frame *quoted = is_about_reply ? &flow->side[side].to_client
							    : &flow->side[side].to_server;
		struct world_fields q;

		if (quoted->len == 0)
			return;
		q = world_fields(quoted);
		frame_eth(&f[side]);
		if (is_v6) {
			frame_ipv6(&f[side], "2001:db8:2::1", q.src);
			frame_icmp(&f[side], FRAME_ICMP6_TOO_BIG, 0, 1280);
		} else {
			frame_ipv4(&f[side], "203.0.113.1", q.src);
			frame_icmp(&f[side], FRAME_ICMP4_UNREACHABLE, 4, 1400);
		}
		frame_quote(&f[side], quoted, FRAME_BYTES_MAX);
		frame_finish(&f[side]);
	}
	if (send_both(s, &f[0], &f[1], "router") != LB_VERDICT_TX)
		return;
	s->n_translated++;
	if (!is_about_reply)
		cr_assert(is_same(&f[0], &f[1]), "the client sees no difference");
}

/* A service that is gone comes back soon; another goes. */
static void change_a_service(struct story *s)
{
	for (uint32_t i = 0; i < 2 * SLOTS; i++)
		if (s->is_gone[i / SLOTS][i % SLOTS]) {
			install(s, i / SLOTS, i % SLOTS);
			return;
		}
	if (s->one.n_services < WORLD_SERVICES_MAX)
		uninstall(s, below(s, 2), below(s, SLOTS));
}

static void operator_acts(struct story *s)
{
	uint32_t bits = below(s, 4) != 0 ? LB_TARGET_NEW | LB_TARGET_KEEP : 0;

	if (below(s, 2)) {
		change_a_service(s);
		return;
	}
	world_server_state(&s->one, ALONE, bits);
	for (uint32_t i = 0; i < s->team.n; i++)
		world_server_state(&s->team.w[i], ALONE, bits);
}

static void tell_phase(struct story *s)
{
	memset(s->flows, 0, sizeof(s->flows));
	memset(s->server_of, 0, sizeof(s->server_of));
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t what = below(s, 100);

		if (what < 40)
			client_sends(s);
		else if (what < 50)
			client_sends_parts(s);
		else if (what < 75)
			server_answers(s);
		else if (what < 85)
			server_sends_parts(s);
		else if (what < 98)
			router_complains(s);
		else
			operator_acts(s);
	}
}

static void compare(const struct story *s, const enum lb_counter *counters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cr_expect_eq(world_count(&s->one, counters[i]), team_count(&s->team, counters[i]),
			     "%s", lb_counter_info[counters[i]].name);
}

static void compare_totals(const struct story *s)
{
	static const enum lb_counter same[] = {LB_COUNT_rx,           LB_COUNT_tx,
					       LB_COUNT_originated,   LB_COUNT_punted,
					       LB_COUNT_conn_created, LB_COUNT_record_created,
					       LB_COUNT_record_hit,   LB_COUNT_rst_sent,
					       LB_COUNT_icmp_sent,    LB_COUNT_icmp_translated};

	compare(s, same, sizeof(same) / sizeof(same[0]));
	cr_expect_eq(team_count(&s->team, LB_COUNT_handed_in),
		     team_count(&s->team, LB_COUNT_handed_out));
	cr_expect_eq(team_count(&s->team, LB_COUNT_drop_hand_over_again), 0);
}

/* Ageing finds what has ended at different times in different tables; in the end it has all. */
static void end_phase(struct story *s)
{
	static const enum lb_counter same[] = {LB_COUNT_conn_closed, LB_COUNT_conn_expired,
					       LB_COUNT_conn_orphaned, LB_COUNT_held,
					       LB_COUNT_drop_fragment_timeout,
					       LB_COUNT_drop_fragment_overlap};

	let_time_pass(s, 4000000);
	cr_assert_eq(lb_pipeline_conns(s->one.pl), 0);
	for (uint32_t i = 0; i < s->team.n; i++)
		cr_assert_eq(lb_pipeline_conns(s->team.w[i].pl), 0);
	compare(s, same, sizeof(same) / sizeof(same[0]));
	cr_expect_eq(world_count(&s->one, LB_COUNT_held), 0);
}

static void tell(uint32_t n_workers, uint64_t seed)
{
	static struct story s;

	memset(&s, 0, sizeof(s));
	s.r.state = seed;
	world_open(&s.one, &(struct world_options){.seed = seed});
	team_open(&s.team, n_workers, seed);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		install(&s, false, slot);
		install(&s, true, slot);
	}
	for (uint32_t phase = 0; phase < PHASES; phase++) {
		tell_phase(&s);
		compare_totals(&s);
		end_phase(&s);
	}
	cr_log_info("%u workers: %u sent, %u handed over, %u errors translated", n_workers,
		    s.n_sent, s.n_handed, s.n_translated);
	cr_expect_gt(s.n_sent, 500, "the story is worth telling");
	cr_expect_gt(s.n_handed, 500);
	cr_expect_gt(s.n_translated, 20);
	cr_expect_gt(s.n_held, 200);
	cr_expect_gt(s.n_joined, 50);
	team_close(&s.team);
	world_close(&s.one);
}

Test(pipeline_workers, any_packet_may_arrive_at_any_of_two_workers)
{
	tell(2, test_seed("two_workers"));
}

Test(pipeline_workers, any_packet_may_arrive_at_any_of_three_workers)
{
	tell(3, test_seed("three_workers"));
}
