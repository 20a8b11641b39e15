/* The generator's words, clock and books. */
#include "histogram.h"
#include "ledger.h"
#include "pace.h"
#include "random.h"
#include "template.h"
#include "trial.h"

#include <criterion/criterion.h>
#include <errno.h>

static int parse(const char *text, struct gen_trial *out, char complaint[GEN_COMPLAINT_MAX])
{
	char line[256];

	snprintf(line, sizeof(line), "%s", text);
	return gen_trial_parse(line, out, complaint);
}

Test(generator_trial, an_empty_line_has_the_defaults)
{
	char complaint[GEN_COMPLAINT_MAX];
	struct gen_trial t;

	cr_assert_eq(parse("\n", &t, complaint), 0);
	cr_expect_eq(t.plan.forwarding, GEN_DSR);
	cr_expect_eq(t.plan.n_clients, 1024);
	cr_expect_eq(t.size, 64);
	cr_expect_eq(t.largest, 1518);
	cr_expect_eq(t.window, 256);
	cr_expect_eq(t.count, 0);
}

Test(generator_trial, every_word_is_taken)
{
	char complaint[GEN_COMPLAINT_MAX];
	struct gen_trial t;

	cr_assert_eq(
		parse("forwarding=fullnat family=6 protocol=tcp clients=7 services=8 servers=9 "
		      "side=3 flows=10 first=11 size=512 largest=600 order=linear flags=syn "
		      "replies=1 flood=12 forget=1 check=13 window=0 rate=14 "
		      "count=5000000000 ms=15 quiet=16\n",
		      &t, complaint),
		0, "%s", complaint);
	cr_expect_eq(t.plan.forwarding, GEN_FULLNAT);
	cr_expect(t.plan.is_v6 && t.plan.is_tcp);
	cr_expect_eq(t.plan.n_clients, 7);
	cr_expect_eq(t.plan.n_services, 8);
	cr_expect_eq(t.plan.n_servers, 9);
	cr_expect_eq(t.side, 3);
	cr_expect_eq(t.n_flows, 10);
	cr_expect_eq(t.first_flow, 11);
	cr_expect_eq(t.size, 512);
	cr_expect_eq(t.largest, 600);
	cr_expect_eq(t.is_linear, 1);
	cr_expect_eq(t.is_syn, 1);
	cr_expect_eq(t.replies, 1);
	cr_expect_eq(t.flood_percent, 12);
	cr_expect_eq(t.is_forgetting, 1);
	cr_expect_eq(t.check_every, 13);
	cr_expect_eq(t.window, 0);
	cr_expect_eq(t.rate_pps, 14);
	cr_expect_eq(t.count, 5000000000u);
	cr_expect_eq(t.ms, 15);
	cr_expect_eq(t.quiet_ms, 16);
}

Test(generator_trial, what_is_wrong_is_named)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"nonsense=1", "nonsense=1: no such word"},
		{"flows", "flows: no such word"},
		{"flows=0", "flows=0: a number from 1 to 16777216"},
		{"flows=-1", "flows=-1: a number"},
		{"flows=1x", "flows=1x: a number"},
		{"flows=", "flows=: a number"},
		{"flows=99999999999999999999", "a number"},
		{"forwarding=bridge", "forwarding=bridge: what lies between"},
		{"family=5", "family=5: 4 or 6"},
		{"size=63", "size: 0 or 64"},
		{"flows=16777216 first=1", "past the last flow"},
		{"replies=1", "replies: with nat and fullnat only"},
		{"flood=10", "flood: with protocol=tcp only"},
		{"window=0", "rate: needed"},
	};
	char complaint[GEN_COMPLAINT_MAX];
	struct gen_trial t;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(parse(cases[i].line, &t, complaint), -EINVAL, "%s", cases[i].line);
		cr_expect_not_null(strstr(complaint, cases[i].said), "%s: %s", cases[i].line,
				   complaint);
	}
}

Test(generator_trial, imix_has_its_shares)
{
	struct gen_trial t = {.size = 0, .largest = 1478};
	int seen[GEN_SIZES] = {0};

	for (uint64_t n = 0; n < 1200; n++)
		seen[gen_trial_size_idx(n)]++;
	cr_expect_eq(seen[0], 700);
	cr_expect_eq(seen[1], 400);
	cr_expect_eq(seen[2], 100);
	cr_expect_eq(gen_trial_size(&t, 0), 64);
	cr_expect_eq(gen_trial_size(&t, 2), 1478);
	t.size = 256;
	cr_expect_eq(gen_trial_size(&t, 2), 256);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

Test(generator_histogram, quantiles_are_those_of_a_sorted_list)
{
	static const double shares[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 1};
	struct test_random r = {test_seed("quantiles")};
	static struct gen_histogram h;
	static uint64_t values[3000];

	for (int round = 0; round < 50; round++) {
		uint32_t n = 1 + test_random_below(&r, 3000);

		memset(&h, 0, sizeof(h));
		for (uint32_t i = 0; i < n; i++) {
			values[i] = test_random(&r) >> test_random_below(&r, 64);
			gen_histogram_add(&h, values[i]);
		}
		qsort(values, n, sizeof(values[0]), compare);
		cr_assert_eq(h.n, n);
		cr_assert_eq(h.min, values[0]);
		cr_assert_eq(h.max, values[n - 1]);
		for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
			double place = shares[i] * n;
			uint32_t rank = (uint32_t)place + ((uint32_t)place < place);
			uint64_t exact = values[rank == 0 ? 0 : rank - 1];
			uint64_t seen = gen_histogram_quantile(&h, shares[i]);

			cr_assert(seen >= exact && seen - exact <= exact / 64,
				  "share %g of %u: %llu, exact %llu", shares[i], n,
				  (unsigned long long)seen, (unsigned long long)exact);
		}
	}
}

Test(generator_histogram, nothing_has_no_quantile)
{
	static struct gen_histogram h;

	cr_expect_eq(gen_histogram_quantile(&h, 0.5), 0);
	gen_histogram_add(&h, UINT64_MAX);
	gen_histogram_add(&h, 0);
	cr_expect_eq(gen_histogram_quantile(&h, 1), UINT64_MAX);
	cr_expect_eq(gen_histogram_quantile(&h, 0.5), 0);
}

Test(generator_pace, the_rate_is_kept_however_often_it_is_asked)
{
	struct test_random r = {test_seed("the_rate")};
	struct gen_pace p;
	uint64_t now = 1000, n = 0;

	gen_pace_start(&p, 1000000, 50000, now);
	while (now < 1000 + 2000000) {
		now += test_random_below(&r, 4000);
		n += gen_pace_due(&p, now, 32);
	}
	/* 4000 cycles are 200 packets, more than 32: they stay due and are never left out. */
	cr_expect_leq(n, (now - 1000) / 20);
	for (uint32_t due = 1; due != 0; n += due)
		due = gen_pace_due(&p, now, 32);
	cr_expect_eq(n + p.late, (now - 1000) / 20);
}

Test(generator_pace, what_came_too_late_is_left_out_and_counted)
{
	struct gen_pace p;
	uint32_t n = 0, due;

	gen_pace_start(&p, 1000, 1000, 0);
	while ((due = gen_pace_due(&p, 10000, 32)) != 0)
		n += due;
	cr_expect_eq(n, GEN_PACE_BEHIND_MAX);
	cr_expect_eq(p.late, 10000 - GEN_PACE_BEHIND_MAX);
}

static struct gen_seen at_server(uint32_t flow, uint32_t server)
{
	return (struct gen_seen){.place = GEN_AT_SERVER, .flow = flow, .server = server};
}

Test(generator_ledger, a_flow_that_changes_its_server_has_moved)
{
	struct gen_trial t = {.n_flows = 10,
			      .plan = {.forwarding = GEN_DSR, .n_servers = 5, .n_clients = 1}};
	struct gen_ledger *l = calloc(1, sizeof(*l));
	struct gen_seen seen;

	cr_assert_eq(gen_ledger_begin(l, &t), 0);
	for (uint32_t flow = 0; flow < 10; flow++) {
		seen = at_server(flow, 1 + flow % 5);
		gen_ledger_book(l, &t, &seen, NULL);
		gen_ledger_book(l, &t, &seen, NULL);
	}
	cr_expect_eq(l->moved, 0);
	/* The next trial remembers. */
	cr_assert_eq(gen_ledger_begin(l, &t), 0);
	seen = at_server(7, 1);
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(l->moved, 1);
	cr_expect_eq(l->moved_from[3], 1);
	/* A frame with a fault is bad, and no witness. */
	seen = at_server(8, 1);
	gen_ledger_book(l, &t, &seen, "a fault");
	cr_expect_eq(l->moved, 1);
	cr_expect_eq(l->bad, 1);
	cr_expect_str_eq(l->complaint, "a fault");
	seen = at_server(10, 1);
	gen_ledger_book(l, &t, &seen, NULL);
	seen = at_server(1, 6);
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(l->bad, 3);
	/* Other flows have other servers. */
	t.plan.is_tcp = true;
	cr_assert_eq(gen_ledger_begin(l, &t), 0);
	seen = at_server(7, 2);
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(l->moved, 0);
	gen_ledger_free(l);
	free(l);
}

Test(generator_ledger, what_is_lost_is_what_did_not_come_back)
{
	struct gen_trial t = {.n_flows = 4,
			      .replies = 1,
			      .plan = {.forwarding = GEN_NAT, .n_servers = 2, .n_clients = 1}};
	struct gen_ledger *l = calloc(1, sizeof(*l));
	struct gen_seen seen = at_server(0, 1);
	char text[2048] = "";
	FILE *out;

	cr_assert_eq(gen_ledger_begin(l, &t), 0);
	l->sent = 3;
	l->refused = 1;
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(gen_ledger_lost(l, &t), 4, "at a server is not back");
	seen.place = GEN_AT_CLIENT;
	seen.server = 0;
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(gen_ledger_lost(l, &t), 3);
	seen.flow = GEN_FLOOD | 5;
	gen_ledger_book(l, &t, &seen, NULL);
	seen.place = GEN_NOWHERE;
	gen_ledger_book(l, &t, &seen, NULL);
	cr_expect_eq(gen_ledger_lost(l, &t), 3);
	out = fmemopen(text, sizeof(text) - 1, "w");
	gen_ledger_print(l, &t, 0.5, out);
	fclose(out);
	cr_expect_not_null(strstr(text, "\"sent\": 3, \"refused\": 1"), "%s", text);
	cr_expect_not_null(strstr(text, "\"lost\": 3"), "%s", text);
	cr_expect_not_null(strstr(text, "\"flood_received\": 1"), "%s", text);
	cr_expect_not_null(strstr(text, "\"nowhere\": 1"), "%s", text);
	cr_expect_not_null(strstr(text, "\"received_pps\": 2,"), "%s", text);
	gen_ledger_free(l);
	free(l);
}
