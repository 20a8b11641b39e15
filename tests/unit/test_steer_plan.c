#include "steer_plan.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "random.h"

#define N_ADDRS 6u

static struct lb_addr addr_of(uint32_t i)
{
	struct lb_addr a = lb_addr_from_v4(RTE_BE32(0xc0000200) + (i << 24));

	if (i % 2 == 1)
		a = (struct lb_addr){{RTE_BE32(0x20010db8), 0, 0, i << 24}};
	return a;
}

static struct lb_steer_rule rule(uint8_t kind, uint32_t addr, uint8_t proto, uint16_t first,
				 uint16_t last)
{
	return (struct lb_steer_rule){
		.addr = addr_of(addr), .kind = kind, .protocol = proto, .ports = {first, last}};
}

/* Asks the plan as the program in the kernel does: the address, then each size that it names. */
static bool plan_matches(const struct lb_steer_plan *plan, const struct lb_addr *addr,
			 uint32_t side, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < plan->n_addrs; i++) {
		const struct lb_steer_plan_addr *a = &plan->addrs[i];

		if (memcmp(&a->key, addr, sizeof(*addr)) != 0)
			continue;
		for (uint32_t bits = 0; bits <= 16; bits++) {
			struct lb_steer_block_key key = {
				.port = (uint16_t)(port & (0xffff0000u >> bits)),
				.bits = (uint8_t)bits,
				.proto = proto,
				.side = side,
			};

			if ((a->value.sizes[side][proto] & 1u << bits) == 0)
				continue;
			memcpy(key.addr_be, addr, sizeof(*addr));
			for (size_t b = 0; b < plan->n_blocks; b++)
				if (memcmp(&plan->blocks[b], &key, sizeof(key)) == 0)
					return true;
		}
	}
	return false;
}

static bool rules_match(const struct lb_steer_rule *rules, size_t n, const struct lb_addr *addr,
			uint32_t side, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		const struct lb_steer_rule *r = &rules[i];
		uint8_t want = proto == LB_STEER_TCP ? IPPROTO_TCP : IPPROTO_UDP;

		if (r->kind == LB_STEER_LOCAL || !lb_addr_equal(&r->addr, addr))
			continue;
		if ((r->kind == LB_STEER_REPLY) != (side == LB_STEER_FROM))
			continue;
		if (r->kind != LB_STEER_NAT_SOURCE && r->protocol != want)
			continue;
		if (port >= r->ports.first && port <= r->ports.last)
			return true;
	}
	return false;
}

Test(steer_plan, ranges_become_the_fewest_aligned_blocks)
{
	static const struct {
		const char *name;
		uint16_t first, last;
		size_t n_blocks;
	} cases[] = {
		{"one port", 135, 135, 1},
		{"any", 0, 65535, 1},
		{"aligned half", 32768, 65535, 1},
		{"two neighbours across a boundary", 135, 136, 2},
		{"an aligned pair", 136, 137, 1},
		{"the most blocks there can be", 1, 65534, 30},
		{"lowest port", 0, 0, 1},
		{"highest port", 65535, 65535, 1},
		{"RPC's dynamic range", 6005, 59530, 14},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_steer_rule r = rule(LB_STEER_SERVICE, 0, IPPROTO_TCP, cases[i].first,
					      cases[i].last);
		struct lb_steer_plan plan;

		cr_assert_eq(lb_steer_plan_init(&plan, &r, 1, NULL), 0);
		cr_expect_eq(plan.n_blocks, cases[i].n_blocks, "case %s: %zu blocks", cases[i].name,
			     plan.n_blocks);
		cr_expect_eq(plan.n_addrs, 1u, "case %s", cases[i].name);
		for (uint32_t port = 0; port <= 65535; port++) {
			bool want = port >= cases[i].first && port <= cases[i].last;

			cr_assert_eq(plan_matches(&plan, &r.addr, LB_STEER_TO, LB_STEER_TCP,
						  (uint16_t)port),
				     want, "case %s: port %u", cases[i].name, port);
		}
		lb_steer_plan_fini(&plan);
	}
}

static size_t random_rules(struct lb_steer_rule *rules, size_t max)
{
	size_t n = (size_t)random() % (max + 1);

	for (size_t i = 0; i < n; i++) {
		uint16_t a = (uint16_t)(random() % 300), b = (uint16_t)(random() % 300);

		rules[i] = rule((uint8_t)(random() % 4), (uint32_t)(random() % N_ADDRS),
				random() % 2 ? IPPROTO_TCP : IPPROTO_UDP, a < b ? a : b,
				a < b ? b : a);
	}
	return n;
}

static bool has_local(const struct lb_steer_rule *rules, size_t n, const struct lb_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].kind == LB_STEER_LOCAL && lb_addr_equal(&rules[i].addr, addr))
			return true;
	return false;
}

static bool plan_is_local(const struct lb_steer_plan *plan, const struct lb_addr *addr)
{
	for (size_t i = 0; i < plan->n_addrs; i++)
		if (memcmp(&plan->addrs[i].key, addr, sizeof(*addr)) == 0)
			return plan->addrs[i].value.is_local != 0;
	return false;
}

static void expect_sorted(const struct lb_steer_plan *plan)
{
	for (size_t i = 1; i < plan->n_blocks; i++)
		cr_assert_lt(memcmp(&plan->blocks[i - 1], &plan->blocks[i], sizeof(*plan->blocks)),
			     0);
	for (size_t i = 1; i < plan->n_addrs; i++)
		cr_assert_lt(memcmp(&plan->addrs[i - 1].key, &plan->addrs[i].key,
				    sizeof(plan->addrs->key)),
			     0);
}

Test(steer_plan, random_rules_match_what_a_list_of_rules_matches)
{
	unsigned int seed = (unsigned int)test_seed("steer_plan");
	struct lb_steer_rule rules[24];

	srandom(seed);
	for (int round = 0; round < 60; round++) {
		struct lb_steer_plan plan;
		size_t n = random_rules(rules, 24);

		cr_assert_eq(lb_steer_plan_init(&plan, rules, n, NULL), 0);
		expect_sorted(&plan);
		for (uint32_t i = 0; i < N_ADDRS * 4 * 64; i++) {
			struct lb_addr addr = addr_of(i % N_ADDRS);
			uint32_t side = i / N_ADDRS % 2;
			uint8_t proto = (uint8_t)(i / N_ADDRS / 2 % 2);
			uint16_t port = (uint16_t)(random() % 310);

			cr_assert_eq(plan_matches(&plan, &addr, side, proto, port),
				     rules_match(rules, n, &addr, side, proto, port),
				     "seed %u round %d addr %u side %u proto %u port %u", seed,
				     round, i % N_ADDRS, side, proto, port);
			cr_assert_eq(plan_is_local(&plan, &addr), has_local(rules, n, &addr));
		}
		lb_steer_plan_fini(&plan);
	}
}

static bool has_block(const struct lb_steer_plan *plan, const struct lb_steer_block_key *key)
{
	for (size_t i = 0; i < plan->n_blocks; i++)
		if (memcmp(&plan->blocks[i], key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* Both ways: every block of the outcome belongs there, and none that belongs is missing. */
static void expect_combined(const struct lb_steer_plan *out, const struct lb_steer_plan *a,
			    const struct lb_steer_plan *b, bool either)
{
	expect_sorted(out);
	for (size_t i = 0; i < out->n_blocks; i++) {
		bool in_a = has_block(a, &out->blocks[i]), in_b = has_block(b, &out->blocks[i]);

		cr_assert(either ? in_a || in_b : in_a && in_b);
	}
	for (size_t i = 0; i < a->n_blocks; i++)
		cr_assert_eq(has_block(out, &a->blocks[i]), either || has_block(b, &a->blocks[i]));
	for (size_t i = 0; i < b->n_blocks; i++)
		cr_assert_eq(has_block(out, &b->blocks[i]), either || has_block(a, &b->blocks[i]));
	for (uint32_t i = 0; i < N_ADDRS; i++) {
		struct lb_addr addr = addr_of(i);
		bool in_a = plan_is_local(a, &addr), in_b = plan_is_local(b, &addr);

		cr_assert_eq(plan_is_local(out, &addr), either ? in_a || in_b : in_a && in_b);
	}
}

Test(steer_plan, common_and_union_hold_exactly_what_both_or_either_hold)
{
	unsigned int seed = (unsigned int)test_seed("steer_plan");
	struct lb_steer_rule rules[24];

	srandom(seed);
	for (int round = 0; round < 60; round++) {
		struct lb_steer_plan a, b, common, either;

		cr_assert_eq(lb_steer_plan_init(&a, rules, random_rules(rules, 24), NULL), 0);
		cr_assert_eq(lb_steer_plan_init(&b, rules, random_rules(rules, 24), NULL), 0);
		cr_assert_eq(lb_steer_plan_common(&common, &a, &b), 0);
		cr_assert_eq(lb_steer_plan_union(&either, &a, &b, NULL), 0);
		expect_combined(&common, &a, &b, false);
		expect_combined(&either, &a, &b, true);
		lb_steer_plan_fini(&a);
		lb_steer_plan_fini(&b);
		lb_steer_plan_fini(&common);
		lb_steer_plan_fini(&either);
	}
}

Test(steer_plan, too_many_blocks_are_refused_with_both_numbers)
{
	size_t n = LB_STEER_BLOCKS_MAX / 30 + 1;
	struct lb_steer_rule *rules = calloc(n, sizeof(*rules));
	struct lb_steer_plan plan;
	struct lb_error err = {0};

	for (size_t i = 0; i < n; i++) {
		rules[i] = rule(LB_STEER_SERVICE, 0, IPPROTO_TCP, 1, 65534);
		rules[i].addr.word_be[3] = (uint32_t)i;
	}
	cr_expect_eq(lb_steer_plan_init(&plan, rules, n, &err), -E2BIG);
	cr_expect(strstr(err.what, "1048576") != NULL, "%s", err.what);
	cr_expect_null(plan.blocks);
	cr_expect_eq(lb_steer_plan_init(&plan, rules, n - 1, &err), 0);
	lb_steer_plan_fini(&plan);
	free(rules);
}
