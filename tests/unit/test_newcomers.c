#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/newcomers.h"

#define SHORT LB_NEWCOMERS_SHORT_MS
#define LONG LB_NEWCOMERS_LONG_MS

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
	for (uint64_t now = 0; now < 20 * LONG; now += 777) {
		for (size_t i = 0; i < 2000; i++) {
			hash[i] = test_random(&r);
			lb_newcomers_note(&nc, hash[i], now);
		}
		now += test_random_below(&r, LONG);
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
		uint64_t hash = test_random(&r), now = (i + 1) * 10 * LONG;

		cr_expect_not(lb_newcomers_note(&nc, hash, now));
		cr_expect_not(lb_newcomers_note(&nc, hash, now + 2 * LONG), "two generations on");
	}
	free(nc.lines);
}

/* However many strangers come between, and however its line is touched meanwhile. */
Test(newcomers, under_a_flood_notes_are_kept_for_a_short_generation)
{
	struct test_random r = {test_seed("newcomers")};
	struct lb_newcomers nc;
	uint64_t hash[1000];

	open_filter(&nc);
	for (uint64_t now = 0; now < 12000; now++) {
		size_t i = now % 1000;

		if (now >= 1000)
			cr_assert(lb_newcomers_has(&nc, hash[i], now + SHORT - 1000), "at %lu",
				  now);
		hash[i] = test_random(&r);
		lb_newcomers_note(&nc, hash[i], now);
		for (uint32_t n = 0; n < 1000; n++)
			lb_newcomers_note(&nc, test_random(&r), now);
	}
	free(nc.lines);
}

/* A line that is touched all the time, and one that nobody touches. */
Test(newcomers, at_most_two_long_generations_are_remembered_at_any_rate)
{
	struct test_random r = {test_seed("newcomers")};
	struct lb_newcomers nc;

	open_filter(&nc);
	for (uint32_t rate = 10; rate <= 1000000; rate *= 100) {
		uint64_t hash = test_random(&r), now = (uint64_t)rate * 10 * LONG;

		lb_newcomers_note(&nc, hash, now);
		for (uint64_t ms = 0; ms < 2 * LONG; ms++)
			for (uint32_t n = 0; n < rate / 1000; n++)
				lb_newcomers_note(&nc, hash ^ test_random(&r) >> 32, now + ms);
		cr_expect_not(lb_newcomers_has(&nc, hash, now + 4 * LONG), "%u a second", rate);
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
