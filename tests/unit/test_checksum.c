#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "frame.h"
#include "packet/checksum.h"
#include "random.h"

/* The field as the RFCs say: over the whole message, the field itself counted as 0. */
static uint16_t full(const uint8_t *bytes, uint32_t n)
{
	return (uint16_t)~frame_sum(bytes, n, 0);
}

Test(checksum, loads_and_stores_keep_network_order_at_any_alignment)
{
	uint8_t bytes[16];

	for (uint32_t off = 0; off < 8; off++) {
		memset(bytes, 0xee, sizeof(bytes));
		lb_store_u16(bytes + off, 0x1234);
		cr_expect_eq(bytes[off], 0x12);
		cr_expect_eq(bytes[off + 1], 0x34);
		cr_expect_eq(bytes[off + 2], 0xee);
		cr_expect_eq(lb_load_u16(bytes + off), 0x1234);
		lb_store_u32(bytes + off, 0x89abcdef);
		cr_expect_eq(bytes[off], 0x89);
		cr_expect_eq(bytes[off + 3], 0xef);
		cr_expect_eq(bytes[off + 4], 0xee);
		cr_expect_eq(lb_load_u32(bytes + off), 0x89abcdef);
	}
}

Test(checksum, sum_equals_the_obvious_one_at_every_length)
{
	uint64_t seed = test_seed("checksum");
	struct test_random r = {seed};
	uint8_t bytes[257];

	for (uint32_t n = 0; n <= sizeof(bytes); n++) {
		uint8_t *exact = malloc(n + 1);
		uint16_t have;

		for (uint32_t i = 0; i < n; i++)
			exact[i] = (uint8_t)test_random(&r);
		have = rte_be_to_cpu_16(lb_checksum_of(lb_checksum_sum(0, exact, n)));
		cr_expect_eq(have, full(exact, n), "length %u seed %" PRIu64, n, seed);
		free(exact);
	}
}

Test(checksum, fold_takes_sums_of_any_size)
{
	static const struct {
		uint64_t sum;
		uint16_t folded;
	} cases[] = {
		{0, 0},
		{0xffff, 0xffff},
		{0x10000, 1},
		{0x1fffe, 0xffff},
		{0xffffffff, 0xffff},
		{0x100000000, 1},
		{UINT64_MAX, 0xffff},
		{UINT64_MAX - 1, 0xfffe},
		{0xffff0000ffff0001, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(lb_checksum_fold(cases[i].sum), cases[i].folded, "case %zu", i);
}

/* RFC 1624 section 4: the older update answers 0xffff here. */
Test(checksum, the_example_of_rfc_1624_comes_out_as_zero)
{
	rte_be16_t have = lb_checksum_update(
		RTE_BE16(0xdd2f), lb_checksum_diff16(RTE_BE16(0x5555), RTE_BE16(0x3285)));

	cr_expect_eq(have, RTE_BE16(0x0000));
}

Test(checksum, updates_equal_full_sums_for_every_kind_of_word)
{
	uint64_t seed = test_seed("checksum");
	struct test_random r = {seed};
	uint8_t m[48];

	for (uint32_t round = 0; round < 200000; round++) {
		rte_be32_t words[8];
		uint64_t diff;
		rte_be16_t checksum;
		uint32_t at;

		for (uint32_t i = 0; i < sizeof(m); i += 4)
			lb_store_be32(m + i, test_random_word(&r));
		/* No real message is all zero: there is a version or a protocol in it. */
		m[47] |= 1;
		checksum = rte_cpu_to_be_16(full(m, sizeof(m)));
		for (uint32_t i = 0; i < 8; i++)
			words[i] = test_random_word(&r);
		at = (uint32_t)(test_random(&r) % 14) * 2;
		switch (test_random(&r) % 4) {
		case 0:
			diff = lb_checksum_put16(m + at, (rte_be16_t)words[0]);
			break;
		case 1:
			diff = lb_checksum_put32(m + at, words[0]);
			break;
		case 2:
			at %= 16;
			diff = lb_checksum_diff256(m + at, (const uint8_t *)words);
			memcpy(m + at, words, sizeof(words));
			break;
		default:
			diff = lb_checksum_put128(m + at, words);
		}
		checksum = lb_checksum_update(checksum, diff);
		cr_assert_eq(rte_be_to_cpu_16(checksum), full(m, sizeof(m)),
			     "round %u seed %" PRIu64, round, seed);
	}
}

Test(checksum, many_updates_in_one_diff_equal_one_after_the_other)
{
	uint64_t seed = test_seed("checksum");
	struct test_random r = {seed};

	for (uint32_t round = 0; round < 20000; round++) {
		rte_be16_t start = (rte_be16_t)test_random(&r), at_once, in_turn = start;
		uint64_t diff = 0;

		for (uint32_t i = 0; i < 40; i++) {
			uint64_t d = lb_checksum_diff32(test_random_word(&r), test_random_word(&r));

			diff += d;
			in_turn = lb_checksum_update(in_turn, d);
		}
		at_once = lb_checksum_update(start, diff);
		/* 0x0000 and 0xffff are the same number to a receiver. */
		cr_assert_eq(at_once % 0xffff, in_turn % 0xffff, "round %u seed %" PRIu64, round,
			     seed);
	}
}

Test(checksum, udp_zero_means_none_and_stays)
{
	uint64_t seed = test_seed("checksum");
	struct test_random r = {seed};

	for (uint32_t round = 0; round < 70000; round++) {
		uint64_t diff = lb_checksum_diff32(test_random_word(&r), test_random_word(&r));
		rte_be16_t before = (rte_be16_t)round;
		rte_be16_t plain = lb_checksum_update(before, diff);
		rte_be16_t have = lb_checksum_update_udp(before, diff);

		if (before == 0)
			cr_assert_eq(have, 0);
		else
			cr_assert_eq(have, plain == 0 ? 0xffff : plain, "seed %" PRIu64, seed);
	}
	/* 0x1234 is in the message and leaves it: the sum becomes all ones, the field 0. */
	cr_expect_eq(lb_checksum_update_udp(RTE_BE16(0xdd2f),
					    lb_checksum_diff16(RTE_BE16(0x5555), RTE_BE16(0x3285))),
		     0xffff);
}
