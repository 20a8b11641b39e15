#include "spread.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

#define N_MAX 12u
#define ROUNDS 20000u

/* In whole numbers: |conns * all weights - all conns * weight| / (all conns * weight). */
static uint32_t naive(const struct lb_spread_share *shares, size_t n)
{
	uint64_t conns = 0, weights = 0, largest = 0;

	for (size_t i = 0; i < n; i++)
		if (shares[i].weight > 0) {
			conns += shares[i].conns;
			weights += shares[i].weight;
		}
	if (conns == 0)
		return LB_SPREAD_UNKNOWN;
	for (size_t i = 0; i < n; i++) {
		uint64_t has = shares[i].conns * weights, due = conns * shares[i].weight, off;

		if (shares[i].weight == 0)
			continue;
		off = has > due ? has - due : due - has;
		if ((1000 * off + due / 2) / due > largest)
			largest = (1000 * off + due / 2) / due;
	}
	return (uint32_t)largest;
}

Test(spread, known_spreads)
{
	static const struct {
		struct lb_spread_share shares[3];
		uint32_t permille;
	} cases[] = {
		{{{10, 1}, {10, 1}, {10, 1}}, 0},
		{{{30, 3}, {20, 2}, {10, 1}}, 0},
		{{{30, 1}, {0, 1}, {0, 1}}, 2000}, /* one has three shares */
		{{{15, 1}, {5, 1}, {0, 0}}, 500},
		{{{11, 1}, {9, 1}, {1000, 0}}, 100}, /* the third should have none */
		{{{0, 1}, {0, 1}, {0, 1}}, LB_SPREAD_UNKNOWN},
		{{{7, 0}, {7, 0}, {7, 0}}, LB_SPREAD_UNKNOWN},
		{{{UINT64_MAX, 1}, {UINT64_MAX, 1}, {UINT64_MAX, 1}}, 0},
		{{{1, 1}, {0, UINT32_MAX}, {0, 0}}, LB_SPREAD_PERMILLE_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(lb_spread_permille(cases[i].shares, 3), cases[i].permille, "case %zu",
			     i);
	cr_expect_eq(lb_spread_permille(NULL, 0), LB_SPREAD_UNKNOWN);
}

Test(spread, agrees_with_a_naive_twin)
{
	struct test_random random = {test_seed("spread")};

	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct lb_spread_share shares[N_MAX];
		size_t n = test_random_below(&random, N_MAX + 1);

		for (size_t i = 0; i < n; i++)
			shares[i] = (struct lb_spread_share){
				.conns = test_random_below(&random, 100000),
				.weight = test_random_below(&random, 1001)};
		uint32_t got = lb_spread_permille(shares, n), wanted = naive(shares, n);

		/* A half may be rounded either way. */
		cr_assert(got == wanted || got + 1 == wanted || got == wanted + 1,
			  "round %u: %u instead of %u", round, got, wanted);
	}
}
