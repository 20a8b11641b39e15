#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lb/maglev.h"
#include "random.h"
#include "steer/conn.h"
#include "steer/maglev_table.h"
#include "steer/schedule.h"
#include "steer/stable_hash.h"

#define SERVERS 1000 /* room for */
#define FEW 16

static struct lb_service_server servers[SERVERS];
static struct lb_port_range port = {80, 80};
static uint8_t bits[SERVERS / 2];
static uint8_t down_bits[SERVERS / 4];
static struct lb_target_map targets = {bits, down_bits, 0};
static struct lb_real_line lines[SERVERS];
static struct lb_key flow;

static struct lb_addr address_of(uint32_t server)
{
	return lb_addr_from_v4(rte_cpu_to_be_32(0x0a010000 + server));
}

static struct lb_maglev *make_table(uint32_t n, uint32_t size)
{
	static struct lb_maglev_server list[SERVERS];
	struct lb_maglev *table;

	for (uint32_t i = 0; i < n; i++)
		list[i] = (struct lb_maglev_server){address_of(i), servers[i].weight};
	cr_assert_eq(lb_maglev_build(list, n, size, &table), 0);
	return table;
}

static struct lb_service *make_service(size_t n, uint8_t scheduler, const uint32_t *weights)
{
	struct lb_service_params p = {.protocol = IPPROTO_TCP,
				      .scheduler = scheduler,
				      .ports = &port,
				      .n_ports = 1,
				      .servers = servers,
				      .n_servers = n};
	struct lb_service *svc;

	for (uint32_t i = 0; i < n; i++) {
		servers[i] = (struct lb_service_server){.real_id = i,
							.target_id = i,
							.group_target_id = SERVERS + i,
							.weight = weights == NULL ? 1 : weights[i]};
		lb_target_set(&targets, i, LB_TARGET_NEW | LB_TARGET_KEEP);
		lb_target_set(&targets, SERVERS + i, LB_TARGET_NEW);
	}
	if (lb_sched_has_table(scheduler))
		p.maglev = make_table((uint32_t)n, 10007);
	cr_assert_eq(lb_service_build(&p, &svc, NULL), 0);
	lb_maglev_unref(p.maglev);
	return svc;
}

static uint32_t pick_one(const struct lb_service *svc, struct lb_schedule_state *st, bool for_group)
{
	struct lb_schedule_request rq = {&flow, &targets, lines, for_group};

	return lb_schedule_pick(svc, st, &rq);
}

static struct lb_key random_flow(struct test_random *r)
{
	struct lb_tuple t = {.sport_be = (rte_be16_t)test_random(r), .dport_be = RTE_BE16(80)};
	struct lb_key key;

	t.src = lb_addr_from_v4((uint32_t)test_random(r));
	t.dst = lb_addr_from_v4(RTE_BE32(0xc0000201));
	if (test_random_below(r, 2) == 0) {
		t.src.word_be[0] = RTE_BE32(0x20010db8);
		t.dst.word_be[0] = RTE_BE32(0x20010db8);
	}
	lb_key_make(&t, IPPROTO_TCP, &key);
	return key;
}

Test(schedule, round_robin_counts_differ_by_at_most_one_at_every_moment)
{
	for (size_t n = 1; n <= FEW; n++) {
		struct lb_service *svc = make_service(n, LB_SCHED_ROUND_ROBIN, NULL);
		struct lb_schedule_state st;
		uint32_t count[FEW] = {0};

		lb_schedule_init(&st, svc, 1, 3, n);
		for (int i = 0; i < 500; i++) {
			uint32_t low = UINT32_MAX, high = 0, pick;

			pick = pick_one(svc, &st, false);
			cr_assert_lt(pick, n);
			count[pick]++;
			for (size_t s = 0; s < n; s++) {
				low = count[s] < low ? count[s] : low;
				high = count[s] > high ? count[s] : high;
			}
			cr_assert_leq(high - low, 1u, "%zu servers", n);
		}
		lb_service_free(svc);
	}
}

Test(schedule, weighted_equals_the_weights_over_each_cycle_also_without_a_server)
{
	static const uint32_t weights[] = {5, 1, 3, 0, 2};
	struct lb_service *svc = make_service(5, LB_SCHED_WEIGHTED_ROUND_ROBIN, weights);
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 9);
	for (int down = -1; down < 5; down++) {
		uint32_t count[5] = {0}, cycle = 11;

		if (down >= 0) {
			lb_target_set(&targets, (uint32_t)down, LB_TARGET_KEEP);
			cycle -= weights[down];
		}
		for (uint32_t i = 0; i < cycle; i++)
			count[pick_one(svc, &st, false)]++;
		for (int s = 0; s < 5; s++)
			cr_expect_eq(count[s], s == down ? 0 : weights[s], "down %d server %d",
				     down, s);
		if (down >= 0)
			lb_target_set(&targets, (uint32_t)down, LB_TARGET_NEW);
	}
	lb_service_free(svc);
}

Test(schedule, picks_only_the_eligible_and_says_when_there_is_none)
{
	struct lb_service *svc = make_service(6, LB_SCHED_ROUND_ROBIN, NULL);
	struct lb_schedule_state st;
	unsigned int seed = 4711;

	srand(seed);
	lb_schedule_init(&st, svc, 0, 1, 1);
	for (int i = 0; i < 5000; i++) {
		bool for_group = rand() % 2, any = false;
		uint32_t base = for_group ? SERVERS : 0, pick;

		for (uint32_t s = 0; s < 6; s++) {
			if (rand() % 3 == 0)
				lb_target_set(&targets, base + s, (uint32_t)rand() % 4);
			any |= lb_target_get(&targets, base + s) & LB_TARGET_NEW;
		}
		pick = pick_one(svc, &st, for_group);
		cr_assert_eq(pick != UINT32_MAX, any, "seed %u step %d", seed, i);
		if (any)
			cr_assert(lb_target_get(&targets, base + pick) & LB_TARGET_NEW);
	}
	lb_service_free(svc);
}

Test(schedule, workers_start_apart_and_a_new_object_keeps_the_place)
{
	struct lb_service *svc = make_service(8, LB_SCHED_ROUND_ROBIN, NULL), *fewer;
	struct lb_schedule_state st[4];

	for (uint32_t w = 0; w < 4; w++)
		lb_schedule_init(&st[w], svc, w, 4, 5);
	for (uint32_t w = 1; w < 4; w++)
		cr_expect_eq((st[w].next + 8 - st[0].next) % 8, 2 * w);
	st[0].next = 5;
	lb_schedule_replace(&st[0], svc);
	cr_expect_eq(st[0].next, 5u);
	fewer = make_service(3, LB_SCHED_ROUND_ROBIN, NULL);
	lb_schedule_replace(&st[0], fewer);
	cr_expect_lt(pick_one(fewer, &st[0], false), 3u);
	lb_service_free(svc);
	lb_service_free(fewer);
}

Test(schedule, a_service_without_servers_picks_none)
{
	struct lb_service *svc = make_service(0, LB_SCHED_ROUND_ROBIN, NULL);
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 1);
	cr_expect_eq(pick_one(svc, &st, false), UINT32_MAX);
	lb_service_free(svc);
}

Test(schedule, every_scheduler_picks_only_the_eligible)
{
	struct test_random r = {test_seed("schedule eligible")};

	for (uint32_t scheduler = 0; scheduler < LB_SCHED_N; scheduler++) {
		uint32_t weights[FEW], n = 1 + test_random_below(&r, FEW);
		struct lb_schedule_state st;
		struct lb_service *svc;

		for (uint32_t i = 0; i < n; i++)
			weights[i] = test_random_below(&r, 4);
		weights[0] = 1;
		svc = make_service(n, (uint8_t)scheduler, weights);
		lb_schedule_init(&st, svc, 0, 1, 1);
		for (int i = 0; i < 3000; i++) {
			bool for_group = test_random_below(&r, 2), any = false;
			uint32_t base = for_group ? SERVERS : 0, one;

			for (uint32_t s = 0; s < n; s++) {
				if (test_random_below(&r, 3) == 0)
					lb_target_set(&targets, base + s, test_random_below(&r, 4));
				any |= weights[s] != 0 &&
				       (lb_target_get(&targets, base + s) & LB_TARGET_NEW) != 0;
			}
			flow = random_flow(&r);
			one = pick_one(svc, &st, for_group);
			cr_assert_eq(one != UINT32_MAX, any, "scheduler %u step %d", scheduler, i);
			if (!any)
				continue;
			cr_assert_neq(weights[one], 0u);
			cr_assert(lb_target_get(&targets, base + one) & LB_TARGET_NEW);
		}
		lb_service_free(svc);
	}
}

Test(schedule, hash_schedulers_pick_the_same_whatever_the_seed_the_worker_and_the_past)
{
	struct test_random r = {test_seed("schedule agree")};

	for (int which = 0; which < 2; which++) {
		bool by_source = which == 1;
		struct lb_service *svc = make_service(
			10, by_source ? LB_SCHED_SOURCE_HASH : LB_SCHED_MAGLEV, NULL);
		struct lb_schedule_state a, b;
		uint32_t same = 0, count[10] = {0};

		lb_schedule_init(&a, svc, 0, 1, 1);
		lb_schedule_init(&b, svc, 3, 4, 77);
		for (int i = 0; i < 20000; i++) {
			uint32_t first, other;

			flow = random_flow(&r);
			first = pick_one(svc, &a, false);
			cr_assert_eq(pick_one(svc, &b, false), first);
			count[first]++;
			/* The next connection of the same client. */
			if (flow.is_v6)
				flow.v6.ports_be ^= RTE_BE32(0x10000);
			else
				flow.v4.ports_be ^= RTE_BE32(0x10000);
			other = pick_one(svc, &b, false);
			same += other == first;
		}
		if (by_source)
			cr_expect_eq(same, 20000u);
		else
			cr_expect(same > 1600 && same < 2400, "%u of 20000", same);
		for (int s = 0; s < 10; s++)
			cr_expect(count[s] > 1700 && count[s] < 2300, "server %d: %u", s, count[s]);
		lb_service_free(svc);
	}
}

/* Clients, ports or addresses in a row: what traffic looks like. */
static struct lb_key regular_key(uint32_t shape, uint32_t run, uint32_t i)
{
	static const uint32_t steps[] = {0, 1, 256, 65536};
	uint32_t client = 0x0a000000u + run * 2034553 + (shape < 4 ? i * steps[shape] : i >> 8);
	struct lb_tuple t = {.src = lb_addr_from_v4(rte_cpu_to_be_32(client)),
			     .dst = lb_addr_from_v4(rte_cpu_to_be_32(0xc0a80000u + run)),
			     .sport_be = RTE_BE16(1024),
			     .dport_be = RTE_BE16(443)};
	struct lb_key key;

	if (shape % 4 == 0)
		t.sport_be = rte_cpu_to_be_16((uint16_t)(shape == 0 ? i : 1024 + (i & 255)));
	lb_key_make(&t, IPPROTO_TCP, &key);
	return key;
}

/* The same numbers in the addresses of IPv6. */
static struct lb_key as_v6(const struct lb_key *key)
{
	struct lb_key v6 = {.is_v6 = true};

	v6.v6.src_be[0] = v6.v6.dst_be[0] = RTE_BE32(0x20010db8);
	v6.v6.src_be[3] = key->v4.src_be;
	v6.v6.dst_be[3] = key->v4.dst_be;
	v6.v6.ports_be = key->v4.ports_be;
	v6.v6.proto = key->v4.proto;
	return v6;
}

/* Within six standard deviations of what random places give, in either direction. */
static bool is_like_random(const uint32_t *count, uint32_t n_slots, uint32_t n)
{
	double mean = (double)n / n_slots, excess = 1.0 - n_slots;

	for (uint32_t i = 0; i < n_slots; i++)
		excess += (count[i] - mean) * (count[i] - mean) / mean;
	return excess * excess < 36 * 2.0 * (n_slots - 1);
}

Test(schedule, regular_flows_spread_as_random_ones)
{
	static const uint32_t sizes[] = {101, 1009, 65537};
	static uint32_t first[65537], step[65537];

	for (uint32_t shape = 0; shape < 10; shape++) {
		for (uint32_t run = 0; run < 8; run++) {
			uint32_t size = sizes[run % 3];

			memset(first, 0, sizeof(first));
			memset(step, 0, sizeof(step));
			for (uint32_t i = 0; i < 65536; i++) {
				struct lb_key key = regular_key(shape % 5, run, i);
				struct lb_key v6 = as_v6(&key);
				uint64_t hash = lb_stable_hash_key(shape < 5 ? &key : &v6);

				first[lb_hash_reduce((uint32_t)(hash >> 32), size)]++;
				step[lb_hash_reduce((uint32_t)hash, size - 1)]++;
			}
			cr_expect(is_like_random(first, size, 65536), "shape %u", shape);
			cr_expect(is_like_random(step, size - 1, 65536), "shape %u", shape);
		}
	}
}

Test(schedule, golden_hashes_do_not_change)
{
	struct lb_tuple v4 = {lb_addr_from_v4(RTE_BE32(0xc6336407)),
			      lb_addr_from_v4(RTE_BE32(0xc000020a)), RTE_BE16(40000),
			      RTE_BE16(443)};
	struct lb_tuple v6 = {{{RTE_BE32(0x20010db8), 0, 0, RTE_BE32(7)}},
			      {{RTE_BE32(0x20010db8), 0, 0, RTE_BE32(10)}},
			      RTE_BE16(40000),
			      RTE_BE16(443)};
	struct lb_key key;

	/* Nodes of different releases serve side by side during an upgrade. */
	lb_key_make(&v4, IPPROTO_TCP, &key);
	cr_expect_eq(lb_stable_hash_key(&key), UINT64_C(0xe153d2709cbb1144), "%#lx",
		     lb_stable_hash_key(&key));
	cr_expect_eq(lb_stable_hash_addr(&v4.src), UINT64_C(0x9bb7c95aef476b9e), "%#lx",
		     lb_stable_hash_addr(&v4.src));
	lb_key_make(&v6, IPPROTO_TCP, &key);
	cr_expect_eq(lb_stable_hash_key(&key), UINT64_C(0xdea8d4dd26b7524e), "%#lx",
		     lb_stable_hash_key(&key));
}

Test(schedule, only_clients_of_a_server_that_is_away_go_elsewhere)
{
	struct test_random r = {test_seed("schedule away")};
	struct lb_service *svc = make_service(100, LB_SCHED_MAGLEV, NULL);
	uint32_t count[100] = {0}, n_away = 0;
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 1);
	/* First one server is away, later all but two: past the probes as well. */
	for (uint32_t away = 1; away < 99; away += 97)
		for (int i = 0; i < 20000; i++) {
			uint32_t before, after;

			flow = random_flow(&r);
			for (uint32_t s = 0; s < away; s++)
				lb_target_set(&targets, s, LB_TARGET_NEW);
			before = pick_one(svc, &st, false);
			for (uint32_t s = 0; s < away; s++)
				lb_target_set(&targets, s, LB_TARGET_KEEP);
			after = pick_one(svc, &st, false);
			cr_assert_geq(after, away);
			if (before >= away)
				cr_assert_eq(after, before);
			else if (away > 1)
				count[after]++, n_away++;
		}
	cr_expect(count[98] > n_away * 0.45 && count[98] < n_away * 0.55, "%u of %u", count[98],
		  n_away);
	lb_service_free(svc);
}

Test(schedule, hash_schedulers_need_the_table_of_their_servers)
{
	struct lb_service_params p = {.protocol = IPPROTO_TCP,
				      .scheduler = LB_SCHED_MAGLEV,
				      .ports = &port,
				      .n_ports = 1,
				      .servers = servers,
				      .n_servers = 2};
	struct lb_service *svc;

	servers[0].weight = servers[1].weight = 1;
	cr_expect_eq(lb_service_build(&p, &svc, NULL), -EINVAL, "no table");
	p.maglev = make_table(1, 101);
	cr_expect_eq(lb_service_build(&p, &svc, NULL), -EINVAL, "another list's");
	cr_expect_eq(p.maglev->n_refs, 1u);
	p.n_servers = 1;
	cr_expect_eq(lb_service_build(&p, &svc, NULL), 0);
	cr_expect_eq(p.maglev->n_refs, 2u);
	lb_service_free(svc);
	cr_expect_eq(p.maglev->n_refs, 1u);
	lb_maglev_unref(p.maglev);
}

/* log2(log2(n)) + 4, rounded up: what schedule.h states. */
static uint32_t least_bound(uint32_t n)
{
	uint32_t log = 0, log_log = 0;

	while (1u << log < n)
		log++;
	while (1u << log_log < log)
		log_log++;
	return log_log + 4;
}

/* Connections come and, with `churn`, a random one goes for each that comes. */
static void check_least(struct test_random *r, uint32_t n, bool churn)
{
	enum { LIVE = 20000, ALL = 100000 };
	static uint16_t server_of[ALL];
	struct lb_service *svc = make_service(n, LB_SCHED_LEAST_CONNECTIONS, NULL);
	uint32_t n_live = 0, worst = 0;
	struct lb_schedule_state st;

	memset(lines, 0, sizeof(lines));
	lb_schedule_init(&st, svc, 0, 1, 1);
	for (uint32_t i = 0; i < ALL; i++) {
		uint32_t one, mean;

		if (churn && n_live == LIVE) {
			uint32_t gone = test_random_below(r, n_live);

			lines[server_of[gone]].traffic.conns_live--;
			server_of[gone] = server_of[--n_live];
		}
		flow = random_flow(r);
		one = pick_one(svc, &st, false);
		lines[one].traffic.conns_live++;
		server_of[n_live++] = (uint16_t)one;
		mean = n_live / n;
		if (lines[one].traffic.conns_live > mean + worst)
			worst = (uint32_t)lines[one].traffic.conns_live - mean;
	}
	cr_expect_leq(worst, least_bound(n) + (churn ? least_bound(n) : 0),
		      "%u servers%s: %u above", n, churn ? " with churn" : "", worst);
	fprintf(stderr, "least connections, %u servers%s: at most %u above the mean\n", n,
		churn ? " with churn" : "", worst);
	lb_service_free(svc);
}

Test(schedule, least_connections_keeps_its_bound)
{
	static const uint32_t n_servers[] = {1, 2, 3, 16, 100, SERVERS};
	struct test_random r = {test_seed("schedule least")};

	for (size_t i = 0; i < sizeof(n_servers) / sizeof(n_servers[0]); i++)
		for (int churn = 0; churn < 2; churn++)
			check_least(&r, n_servers[i], churn);
}

Test(schedule, weighted_least_connections_follows_the_weights)
{
	static const uint32_t weights[] = {1, 2, 3, 4, 10, 0, 20, 40};
	struct test_random r = {test_seed("schedule weighted least")};
	struct lb_service *svc = make_service(8, LB_SCHED_WEIGHTED_LEAST_CONNECTIONS, weights);
	struct lb_schedule_state st;

	memset(lines, 0, sizeof(lines));
	lb_schedule_init(&st, svc, 0, 1, 1);
	for (int i = 0; i < 80000; i++) {
		flow = random_flow(&r);
		lines[pick_one(svc, &st, false)].traffic.conns_live++;
	}
	for (int s = 0; s < 8; s++) {
		double share = 1000.0 * weights[s];
		double off = (double)lines[s].traffic.conns_live - share;

		cr_expect_leq(off < 0 ? -off : off, 0.02 * share, "server %d: %lu of %.0f", s,
			      (unsigned long)lines[s].traffic.conns_live, share);
	}
	lb_service_free(svc);
}

/* One that comes back with few connections is filled up before the others get more, but never
 * gets more than two draws in n give it. */
Test(schedule, least_connections_lets_an_emptier_server_catch_up)
{
	struct test_random r = {test_seed("schedule catch up")};
	struct lb_service *svc = make_service(10, LB_SCHED_LEAST_CONNECTIONS, NULL);
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 1);
	memset(lines, 0, sizeof(lines));
	for (int s = 1; s < 10; s++)
		lines[s].traffic.conns_live = 5000;
	for (int i = 0; i < 10000; i++) {
		flow = random_flow(&r);
		lines[pick_one(svc, &st, false)].traffic.conns_live++;
	}
	cr_expect(lines[0].traffic.conns_live > 1800 && lines[0].traffic.conns_live < 2200, "%lu",
		  (unsigned long)lines[0].traffic.conns_live);
	lb_service_free(svc);
}

static struct lb_service *make_ranked(const uint32_t *priorities, const uint32_t *weights, size_t n)
{
	struct lb_service_params p = {.protocol = IPPROTO_TCP,
				      .scheduler = LB_SCHED_PRIORITY,
				      .ports = &port,
				      .n_ports = 1,
				      .servers = servers,
				      .n_servers = n};
	struct lb_service *svc;

	for (uint32_t i = 0; i < n; i++) {
		servers[i] = (struct lb_service_server){
			.target_id = i, .weight = weights[i], .priority = priorities[i]};
		lb_target_set(&targets, i, LB_TARGET_NEW);
	}
	cr_assert_eq(lb_service_build(&p, &svc, NULL), 0);
	return svc;
}

Test(schedule, priority_takes_the_best_that_are_left_by_their_weights)
{
	static const uint32_t priorities[] = {20, 10, 30, 10, 20, 5};
	static const uint32_t weights[] = {1, 4, 2, 2, 3, 0};
	/* Who gets how many of 12 when those of `away` are away, one bit each. */
	static const struct {
		uint32_t away, count[6];
	} cases[] = {
		{0, {0, 8, 0, 4, 0, 0}},       {1 << 1, {0, 0, 0, 12, 0, 0}},
		{1 << 3, {0, 12, 0, 0, 0, 0}}, {1 << 1 | 1 << 3, {3, 0, 0, 0, 9, 0}},
		{033, {0, 0, 12, 0, 0, 0}},    {1 << 2, {0, 8, 0, 4, 0, 0}},
		{037, {0, 0, 0, 0, 0, 0}},     {0, {0, 8, 0, 4, 0, 0}},
	};
	struct lb_service *svc = make_ranked(priorities, weights, 6);
	struct lb_schedule_state st;

	for (uint32_t start = 0; start < svc->n_sequence; start++) {
		lb_schedule_init(&st, svc, 0, 1, 1);
		st.next = start;
		for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
			uint32_t count[6] = {0};

			for (uint32_t s = 0; s < 6; s++)
				lb_target_set(&targets, s,
					      cases[c].away >> s & 1 ? 0 : LB_TARGET_NEW);
			for (int i = 0; i < 12; i++) {
				uint32_t one = pick_one(svc, &st, false);

				if (one != UINT32_MAX)
					count[one]++;
			}
			cr_expect_arr_eq(count, cases[c].count, sizeof(count), "start %u case %zu",
					 start, c);
		}
	}
	lb_service_free(svc);
}
