/* What explain tells is what then happens, and asking changes nothing: two teams of workers live
 * through the same random story, one of them is asked before every packet. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "packet/wire.h"
#include "random.h"
#include "steer/conn.h"
#include "team.h"

#define STORIES 60u
#define STEPS 400u
#define SLOTS 5u
#define UP (LB_TARGET_NEW | LB_TARGET_KEEP)

static const uint16_t PORTS[SLOTS + 2] = {80, 135, 443, 55000, 53, WORLD_NAT_FIRST + 1, 9};

/* How often each outcome was met, so that none is proven by never having come. */
static struct {
	uint32_t verdict[LB_VERDICT_N];
	uint32_t reason[LB_COUNTER_N];
	uint32_t answered;
	uint32_t conn[LB_EXPLAIN_CONN_REPLACED + 1];
	uint32_t way[LB_PICK_REPLACE + 1];
	uint32_t table[LB_STATELESS_REASON_N];
	uint32_t entries;
	uint32_t forwarding[LB_FORWARD_N];
	uint32_t scheduler[LB_SCHED_N];
	uint32_t replies;
} met;

struct story {
	struct test_random r;
	struct team asked;
	struct team quiet;
	struct frame last; /* the last one that a server got; len 0: none */
	uint8_t epochs[SLOTS];
	uint8_t schedulers[SLOTS];
	uint8_t real_epoch[2 * WORLD_REALS];
	bool is_of_other_family[2 * WORLD_REALS];
	uint32_t generation;
};

static void command(struct story *s, enum lb_cmd_type type, uint32_t idx, const void *object,
		    uint64_t value)
{
	for (uint32_t i = 0; i < s->asked.n; i++) {
		world_command(&s->asked.w[i], type, idx, object, value);
		world_command(&s->quiet.w[i], type, idx, object, value);
	}
}

static void act_service(struct story *s)
{
	static const uint32_t weights[] = {3, 0, 1, 2};
	uint32_t slot = test_random_below(&s->r, SLOTS), x = test_random_below(&s->r, 1u << 20);
	struct world_service svc = {.slot = slot,
				    .vip = slot == 3 ? WORLD_VIP6 : WORLD_VIP,
				    .protocol = slot == 4 ? IPPROTO_UDP : IPPROTO_TCP,
				    .first_port = PORTS[slot],
				    .forwarding = (enum lb_forwarding)(x % LB_FORWARD_N),
				    .scheduler = (enum lb_scheduler)(x / 8 % LB_SCHED_N),
				    .no_server_action = x >> 6 & 1,
				    .group_id = (x >> 7 & 3) != 0 ? 7 : 0,
				    .weights = (x >> 9 & 1) != 0 ? weights : NULL,
				    .n_servers = 1 + (x >> 10 & 3),
				    .first_server = x >> 12 & 1};

	s->epochs[slot] = (uint8_t)(s->epochs[slot] + ((x & 0xf000) == 0));
	svc.epoch = s->epochs[slot];
	if ((x >> 17 & 3) == 0) {
		svc.forwarding = (enum lb_forwarding)(LB_FORWARD_DSR + x % 3);
		svc.scheduler = (x >> 3 & 1) != 0 ? LB_SCHED_MAGLEV : LB_SCHED_SOURCE_HASH;
		svc.group_id = 0;
		svc.is_stateless = true;
	}
	if (!svc.is_stateless && (x >> 18 & 1) != 0)
		svc.server_down_action = slot == 4 ? LB_SERVER_DOWN_MOVE : LB_SERVER_DOWN_RESET;
	s->schedulers[slot] = (uint8_t)svc.scheduler;
	for (uint32_t i = 0; i < s->asked.n; i++) {
		world_service(&s->asked.w[i], &svc);
		world_service(&s->quiet.w[i], &svc);
	}
}

static void act_server(struct story *s)
{
	uint32_t i = test_random_below(&s->r, WORLD_REALS), kind = test_random_below(&s->r, 8);
	uint32_t bits = kind < 4 ? UP : kind == 4 ? LB_TARGET_KEEP : kind == 5 ? 0 : LB_TARGET_DOWN;

	for (uint32_t id = i; id < 2 * WORLD_REALS; id += WORLD_REALS) {
		command(s, LB_CMD_TARGET, id, NULL, bits);
		command(s, LB_CMD_TARGET, 100 + id, NULL, kind == 7 ? UP : bits);
		if (kind == 6)
			command(s, LB_CMD_MEMBER, 100 + id, NULL, ++s->generation);
	}
}

/* Another server under the same id, another place for it, or nowhere. */
static void act_real(struct story *s)
{
	uint32_t id = test_random_below(&s->r, 5) + (test_random_below(&s->r, 3) == 0 ? 8 : 0);
	uint32_t kind = test_random_below(&s->r, 12);
	char text[LB_ADDR_TEXT_MAX];
	struct lb_real real = {.in_use = kind != 0,
			       .machine_id = id,
			       .next_hop = kind == 1 ? LB_NEXT_HOP_NONE : id + 1,
			       .port_be = kind == 2 ? RTE_BE16(8080) : 0,
			       .via_gateway = kind == 3};

	/* Another address or port is another server; kind 4: one of the other family. */
	s->real_epoch[id] = (uint8_t)(s->real_epoch[id] +
				      (kind < 3 || s->is_of_other_family[id] != (kind == 4)));
	s->is_of_other_family[id] = kind == 4;
	real.epoch = s->real_epoch[id];
	snprintf(text, sizeof(text), (id >= 8) != (kind == 4) ? "2001:db8::%u" : "192.0.2.%u",
		 20 + id % 8);
	lb_addr_parse(text, &real.addr);
	command(s, LB_CMD_REAL, id, &real, 0);
}

static void act_hop(struct story *s)
{
	uint32_t id = 1 + test_random_below(&s->r, 13);
	struct lb_next_hop nh = {.mac = {2, 0, 0, 0, 2, (uint8_t)(id - 1)}, .resolved = 1};

	command(s, LB_CMD_NEXT_HOP, id, test_random_below(&s->r, 4) == 0 ? NULL : &nh, 0);
}

static void act_iface(struct story *s)
{
	static const uint16_t mtus[] = {1500, 1500, 0, 44, 90};
	struct lb_iface iface = {.mac = {2, 0, 0, 0, 0, 1},
				 .mtu = mtus[test_random_below(&s->r, 5)]};

	if (test_random_below(&s->r, 4) != 0) {
		lb_addr_parse("192.0.2.2", &iface.tunnel_source[0]);
		lb_addr_parse("2001:db8::2", &iface.tunnel_source[1]);
	}
	command(s, LB_CMD_IFACE, 0, &iface, 0);
}

static void act_time(struct story *s)
{
	uint64_t ms = test_random_below(&s->r, 8) == 0 ? 130000 : 3000;

	for (uint32_t i = 0; i < s->asked.n; i++) {
		world_pass_time(&s->asked.w[i], ms, 500);
		world_pass_time(&s->quiet.w[i], ms, 500);
	}
}

static struct lb_question question_of(const struct frame *f)
{
	struct world_fields in = world_fields(f);
	struct lb_question q = {.id = 77,
				.proto = f->proto,
				.sport_be = rte_cpu_to_be_16(in.sport),
				.dport_be = rte_cpu_to_be_16(in.dport),
				.tcp_flags = in.flags,
				.ip_bytes = (uint16_t)(f->len - LB_ETH_BYTES)};

	lb_addr_parse(in.src, &q.src);
	lb_addr_parse(in.dst, &q.dst);
	return q;
}

static void counters_of(const struct world *w, uint64_t out[LB_COUNTER_N])
{
	for (uint32_t c = 0; c < LB_COUNTER_N; c++)
		out[c] = world_count(w, (enum lb_counter)c);
}

static void ask(struct world *w, const struct lb_question *q, struct lb_answer *out)
{
	uint64_t before[LB_COUNTER_N], after[LB_COUNTER_N];
	struct lb_answer again;

	counters_of(w, before);
	lb_pipeline_explain(w->pl, q, w->now_ms, out);
	lb_pipeline_explain(w->pl, q, w->now_ms, &again);
	counters_of(w, after);
	cr_assert(memcmp(before, after, sizeof(before)) == 0, "asking was counted");
	cr_assert(memcmp(out, &again, sizeof(again)) == 0, "asked twice, answered otherwise");
	cr_assert_eq(out->id, 77);
}

/* The answer for a packet that comes to worker `at`: its own, or that of whom it names. One worker
 * at most does something else than to name the owner or to punt. */
static void ask_all(struct story *s, const struct lb_question *q, uint32_t at,
		    struct lb_answer *out)
{
	struct lb_answer a[TEAM_MAX];
	uint32_t n_deciders = 0;

	for (uint32_t i = 0; i < s->asked.n; i++) {
		ask(&s->asked.w[i], q, &a[i]);
		cr_assert_eq(a[i].worker, i);
		n_deciders += a[i].verdict != LB_VERDICT_HAND_OVER &&
			      a[i].verdict != LB_VERDICT_PUNT &&
			      a[i].drop_reason != LB_COUNT_drop_bad_address;
	}
	*out = a[at];
	if (out->verdict == LB_VERDICT_HAND_OVER)
		*out = a[out->owner];
	cr_assert(out->verdict != LB_VERDICT_HAND_OVER, "nobody decides");
	cr_assert(n_deciders <= 1, "%u workers decide", n_deciders);
}

static void compare_addr(const struct lb_addr *told, const uint8_t *ip, uint32_t v4_at,
			 uint32_t v6_at, const char *what)
{
	const uint8_t *seen = ip[0] >> 4 == 4 ? ip + v4_at : ip + v6_at;
	const void *said = ip[0] >> 4 == 4 ? (const void *)&told->word_be[3] : told;
	char text[LB_ADDR_TEXT_MAX];

	cr_assert(memcmp(said, seen, ip[0] >> 4 == 4 ? 4 : 16) == 0, "%s: told %s", what,
		  lb_addr_format(told, text));
}

static void compare_frame(const struct lb_answer *a, const struct lb_pkt *p, struct frame *f)
{
	bool is_tunnel = lb_forwarding_is_tunnel(a->forwarding);
	const uint8_t *ip = frame_at(f, LB_ETH_BYTES);
	const struct lb_key *leaves;

	cr_assert_eq(a->out_bytes, f->len - LB_ETH_BYTES);
	cr_assert_eq(a->is_reply, p->is_reply);
	cr_assert_eq(a->hop.iface, p->out_iface);
	/* A reply's way to a client on the link is the MAC that its last packet came from. */
	cr_assert(memcmp(a->hop.mac, frame_at(f, 0), 6) == 0, "the next hop is another one");
	compare_addr(is_tunnel ? &a->tunnel_src : &a->new_src, ip, LB_IPV4_SRC_OFF, LB_IPV6_SRC_OFF,
		     "source");
	compare_addr(is_tunnel ? &a->tunnel_dst : &a->new_dst, ip, LB_IPV4_DST_OFF, LB_IPV6_DST_OFF,
		     "destination");
	leaves = lb_forwarding_is_one_way(a->forwarding) ? &p->key : &p->to;
	cr_assert(a->new_sport_be == lb_key_sport(leaves));
	cr_assert(a->new_dport_be == lb_key_dport(leaves));
}

static void compare(const struct lb_answer *a, const struct world *w, struct frame *f)
{
	const struct lb_pkt *p = &w->last;

	cr_assert_eq(a->verdict, p->verdict, "told %u, did %u (%s, %s)", a->verdict, p->verdict,
		     lb_counter_info[a->drop_reason].name, lb_counter_info[p->drop_reason].name);
	cr_assert_eq(a->is_originated, p->is_originated);
	if (p->verdict == LB_VERDICT_DROP || p->is_originated)
		cr_assert_eq(a->drop_reason, p->drop_reason, "told %s, did %s",
			     lb_counter_info[a->drop_reason].name,
			     lb_counter_info[p->drop_reason].name);
	cr_assert_eq(a->slot, p->service);
	cr_assert_eq(a->real_id, p->real_id, "told server %u, did %u", a->real_id, p->real_id);
	if (p->verdict == LB_VERDICT_TX && !p->is_originated && a->is_chosen)
		cr_assert_eq(a->makes_entry, p->conn != NULL);
	if (p->verdict == LB_VERDICT_TX && !p->is_originated)
		compare_frame(a, p, f);
}

static void note(const struct story *s, const struct lb_answer *a)
{
	met.verdict[a->verdict]++;
	met.conn[a->conn]++;
	met.answered += a->is_originated;
	if (a->verdict == LB_VERDICT_DROP || a->is_originated)
		met.reason[a->drop_reason]++;
	met.entries += a->makes_entry;
	if (a->is_chosen && a->is_by_table)
		met.table[a->table_why]++;
	else if (a->is_chosen)
		met.way[a->way]++;
	if (a->is_chosen && a->real_id != UINT32_MAX && a->way != LB_PICK_FOLLOW)
		met.scheduler[s->schedulers[a->slot]]++;
	if (a->out_bytes != 0 && a->is_reply)
		met.replies++;
	if (a->out_bytes != 0 && !a->is_reply)
		met.forwarding[a->forwarding]++;
}

static bool is_excepted(const struct story *s, const struct lb_answer *a)
{
	return a->conn >= LB_EXPLAIN_CONN_GONE && a->slot != UINT32_MAX && a->is_chosen &&
	       (s->schedulers[a->slot] == LB_SCHED_LEAST_CONNECTIONS ||
		s->schedulers[a->slot] == LB_SCHED_WEIGHTED_LEAST_CONNECTIONS);
}

/* Next hops that were found wanting: a question must not ask for them. */
static void compare_unresolved(struct world *a, struct world *b)
{
	uint32_t ids[2][LB_BURST_MAX];
	uint32_t n = lb_pipeline_take_unresolved(a->pl, ids[0], LB_BURST_MAX);

	cr_assert_eq(n, lb_pipeline_take_unresolved(b->pl, ids[1], LB_BURST_MAX));
	cr_assert(memcmp(ids[0], ids[1], n * sizeof(ids[0][0])) == 0);
}

/* Asks one team, then sends the same packet through both: what was told must happen, and to the
 * team that was not asked exactly the same. */
static void send_both(struct story *s, struct frame *f)
{
	struct lb_question q = question_of(f);
	uint32_t at = test_random_below(&s->r, s->asked.n);
	struct frame twin = *f;
	struct world *done, *done_twin;
	struct lb_answer a;

	ask_all(s, &q, at, &a);
	done = team_send(&s->asked, at, f);
	done_twin = team_send(&s->quiet, at, &twin);
	cr_assert_eq(done - s->asked.w, done_twin - s->quiet.w);
	cr_assert(f->len == twin.len && memcmp(frame_at(f, 0), frame_at(&twin, 0), f->len) == 0,
		  "who was asked went another way");
	cr_assert_eq(done->last.verdict, done_twin->last.verdict);
	cr_assert_eq((uint32_t)(done - s->asked.w), a.worker, "another worker decided");
	compare_unresolved(done, done_twin);
	if (!is_excepted(s, &a))
		compare(&a, done, f);
	note(s, &a);
	if (done->last.verdict == LB_VERDICT_TX && !done->last.is_originated &&
	    !done->last.is_reply && !lb_forwarding_is_one_way(done->last.forwarding))
		s->last = *f;
}

static void act_client(struct story *s)
{
	static const uint8_t flags[] = {
		LB_TCP_SYN, LB_TCP_SYN, LB_TCP_SYN, LB_TCP_ACK, LB_TCP_FIN | LB_TCP_ACK,
		LB_TCP_RST};
	uint32_t at = test_random_below(&s->r, SLOTS + 2), who = test_random_below(&s->r, 12);
	uint16_t sport = (uint16_t)(40000 + test_random_below(&s->r, 3));
	bool is_v6 = at == 3, is_udp = at == 4;
	const char *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
	char client[LB_ADDR_TEXT_MAX];
	struct frame f;

	snprintf(client, sizeof(client), is_v6 ? "2001:db8:1::%u" : "198.51.100.%u", 1 + who);
	if (test_random_below(&s->r, 60) == 0)
		snprintf(client, sizeof(client), is_v6 ? "ff02::1" : "127.0.0.1");
	if (is_udp)
		world_udp(&f, client, sport, vip, PORTS[at]);
	else
		world_tcp(&f, client, sport, vip, PORTS[at],
			  flags[test_random_below(&s->r, sizeof(flags))]);
	send_both(s, &f);
}

static void act_reply(struct story *s)
{
	static const uint8_t flags[] = {LB_TCP_SYN | LB_TCP_ACK, LB_TCP_ACK,
					LB_TCP_FIN | LB_TCP_ACK, LB_TCP_RST};
	struct frame f;

	if (s->last.len == 0)
		return;
	if (s->last.proto == IPPROTO_UDP)
		world_udp_answer(&f, &s->last);
	else
		world_tcp_answer(&f, &s->last, flags[test_random_below(&s->r, 4)]);
	send_both(s, &f);
}

static void open_story(struct story *s, uint64_t seed)
{
	uint32_t n = 1 + (uint32_t)(seed % TEAM_MAX);

	memset(s, 0, sizeof(*s));
	s->r.state = seed;
	team_open(&s->asked, n, seed);
	team_open(&s->quiet, n, seed);
	for (uint32_t i = 0; i < 4 * SLOTS; i++)
		act_service(s);
}

/* Few ports and few places, so that both run out. */
static void make_narrow(struct story *s)
{
	for (uint32_t i = 0; i < s->asked.n; i++) {
		struct world *both[2] = {&s->asked.w[i], &s->quiet.w[i]};

		for (uint32_t k = 0; k < 2; k++) {
			world_command(both[k], LB_CMD_NAT_SOURCE, 0, NULL, 0);
			both[k]->nat_source.last_port = WORLD_NAT_FIRST + 3;
			world_command(both[k], LB_CMD_NAT_SOURCE, 0, &both[k]->nat_source, 0);
		}
	}
}

static void play_story(uint64_t seed)
{
	struct story s;

	open_story(&s, seed);
	if (seed % 5 == 0)
		make_narrow(&s);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t act = test_random_below(&s.r, 100);

		if (act < 55)
			act_client(&s);
		else if (act < 75)
			act_reply(&s);
		else if (act < 81)
			act_server(&s);
		else if (act < 84)
			act_real(&s);
		else if (act < 88)
			act_hop(&s);
		else if (act < 91)
			act_iface(&s);
		else if (act < 97)
			act_time(&s);
		else
			act_service(&s);
	}
	team_close(&s.asked);
	team_close(&s.quiet);
}

static void expect_met(uint32_t n, const char *what)
{
	cr_expect(n > 0, "no story came to %s", what);
}

Test(pipeline_explain, what_is_told_is_what_happens_and_asking_changes_nothing)
{
	static const enum lb_counter reasons[] = {
		LB_COUNT_drop_bad_address,     LB_COUNT_drop_no_server,
		LB_COUNT_drop_no_connection,   LB_COUNT_drop_unproven,
		LB_COUNT_drop_not_on_link,     LB_COUNT_drop_next_hop_unresolved,
		LB_COUNT_drop_too_big,         LB_COUNT_drop_family_mismatch,
		LB_COUNT_drop_no_tunnel_source, LB_COUNT_drop_server_down};
	uint64_t seed = test_seed("pipeline_explain");

	for (uint32_t i = 0; i < STORIES; i++)
		play_story(seed + i);
	for (uint32_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		expect_met(met.reason[reasons[i]], lb_counter_info[reasons[i]].name);
	for (uint32_t i = 0; i <= LB_EXPLAIN_CONN_REPLACED; i++)
		cr_expect(met.conn[i] > 0, "no connection of kind %u", i);
	for (uint32_t i = 0; i < LB_STATELESS_REASON_N; i++)
		expect_met(met.table[i], "one of the ways by the table");
	expect_met(met.entries, "an entry");
	for (uint32_t i = 0; i <= LB_PICK_REPLACE; i++)
		cr_expect(met.way[i] > 0, "no server was picked by way %u", i);
	for (uint32_t i = 0; i < LB_FORWARD_N; i++)
		cr_expect(met.forwarding[i] > 0, "nothing was forwarded by mode %u", i);
	for (uint32_t i = 0; i < LB_SCHED_N; i++)
		cr_expect(met.scheduler[i] > 0, "nothing was scheduled by %u", i);
	expect_met(met.verdict[LB_VERDICT_TX], "a packet sent");
	expect_met(met.verdict[LB_VERDICT_PUNT], "a packet punted");
	expect_met(met.answered, "an answer of our own");
	expect_met(met.replies, "a reply");
}

Test(pipeline_explain, a_full_table_is_foreseen)
{
	struct lb_answer a;
	struct lb_question q;
	struct frame f;
	struct world w;
	uint32_t n_refused = 0;

	world_open(&w, &(struct world_options){.n_connections = 100});
	world_service(&w, &(struct world_service){.slot = 0,
						  .protocol = IPPROTO_UDP,
						  .first_port = 53,
						  .forwarding = LB_FORWARD_DSR,
						  .n_servers = 3});
	for (uint16_t i = 0; i < 260; i++) {
		bool may_evict = i == 230;
		char client[LB_ADDR_TEXT_MAX];

		if (may_evict) /* those that have been idle for long enough give way */
			world_pass_time(&w, 65000, 500);
		snprintf(client, sizeof(client), "198.51.100.%u", i % 255 + 1u);
		world_udp(&f, client, (uint16_t)(40000 + i), WORLD_VIP, 53);
		q = question_of(&f);
		lb_pipeline_explain(w.pl, &q, w.now_ms, &a);
		world_send(&w, &f);
		compare(&a, &w, &f);
		n_refused += a.verdict == LB_VERDICT_DROP &&
			     a.drop_reason == LB_COUNT_drop_unproven;
		cr_expect(!may_evict || a.verdict == LB_VERDICT_TX);
	}
	cr_expect(n_refused > 10, "%u", n_refused);
	world_close(&w);
}

Test(pipeline_explain, a_connection_is_told_with_its_state_and_age)
{
	struct lb_answer a;
	struct lb_question q;
	struct frame f, r;
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){.slot = 2, .first_port = 80, .n_servers = 3});
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 80, LB_TCP_SYN);
	q = question_of(&f);
	world_send(&w, &f);
	world_tcp_answer(&r, &f, LB_TCP_SYN | LB_TCP_ACK);
	world_send(&w, &r);
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 80, LB_TCP_ACK);
	world_send(&w, &f);
	w.now_ms += 10240;
	lb_pipeline_explain(w.pl, &q, w.now_ms, &a);
	cr_expect(a.conn == LB_EXPLAIN_CONN_LIVE && !a.is_chosen);
	cr_expect_str_eq(lb_answer_tcp_state(a.tcp_state), "established");
	cr_expect_eq(a.idle_ms, 10240);
	cr_expect(a.timeout_ms >= 900000 && a.timeout_ms < 910000, "%u", a.timeout_ms);
	cr_expect_eq(a.real_live, 1);
	cr_expect_str_eq(lb_answer_tcp_state(0), "");
	cr_expect_str_eq(lb_answer_tcp_state(200), "");
	world_close(&w);
}
