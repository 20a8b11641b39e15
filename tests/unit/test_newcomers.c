#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/newcomers.h"

#define G LB_NEWCOMERS_GENERATION_MS

static void open_filter(struct lb_newcomers *nc)
{
	size_t bytes = lb_newcomers_bytes(1);
	void *lines = aligned_alloc(64, bytes);

	cr_assert_neq(lines, NULL);
	memset(lines, 0, bytes);
	lb_newcomers_init(nc, lines, 1);
}

Test(newcomers, whoever_comes_again_within_a_generation_is_known)
{
	struct test_random r = {test_seed("newcomers")};
	struct lb_newcomers nc;
	uint64_t hash[2000];

	open_filter(&nc);
	for (uint64_t now = 0; now < 20 * G; now += 777) {
		for (size_t i = 0; i < 2000; i++) {
			hash[i] = test_random(&r);
			lb_newcomers_note(&nc, hash[i], now);
		}
		now += test_random_below(&r, G);
		for (size_t i = 0; i < 2000; i++)
			cr_assert(lb_newcomers_note(&nc, hash[i], now));
	}
	free(nc.lines);
}

Test(newcomers, notes_are_forgotten_after_two_generations)
{
	struct test_random r = {test_seed("newcomers")};
	struct lb_newcomers nc;

	open_filter(&nc);
	for (size_t i = 0; i < 1000; i++) {
		uint64_t hash = test_random(&r), now = (i + 1) * 10 * G;

		cr_expect_not(lb_newcomers_note(&nc, hash, now));
		cr_expect_not(lb_newcomers_note(&nc, hash, now + 2 * G), "two generations on");
	}
	free(nc.lines);
}

Test(newcomers, a_million_strangers_a_second_seldom_look_known)
{
	struct test_random r = {test_seed("newcomers")};
	uint32_t n_known = 0;
	struct lb_newcomers nc;

	open_filter(&nc);
	for (uint32_t i = 0; i < 5000000; i++)
		n_known += lb_newcomers_note(&nc, test_random(&r), i / 1000);
	cr_expect_leq(n_known, 5000000 / 200, "%u of 5 million", n_known);
	free(nc.lines);
}
