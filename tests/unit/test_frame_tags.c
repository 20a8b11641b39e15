/* A twin takes off what the workers' parser finds, and puts back what it took off. */
#include "frame_tags.h"

#include <criterion/criterion.h>
#include <string.h>

#include "packet/parse.h"
#include "random.h"

#define ROUNDS 20000u
#define FRAME_BYTES 64u

#define C100 ((uint32_t)LB_VLAN_8100 << 12 | 100u)
#define S200 ((uint32_t)LB_VLAN_88A8 << 12 | 200u)

static void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i + 1);
}

Test(frame_tags, come_off_as_they_went_on)
{
	static const uint32_t cases[] = {0, C100, S200 << 16 | C100, C100 << 16 | C100};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t room[LB_FRAME_TAGS_BYTES + FRAME_BYTES], plain[FRAME_BYTES];
		uint8_t *frame = room + LB_FRAME_TAGS_BYTES, *tagged;
		size_t n_bytes;

		fill(plain, sizeof(plain));
		memcpy(frame, plain, sizeof(plain));
		tagged = lb_frame_tag(frame, cases[i]);
		cr_expect_eq(frame - tagged, 4 * lb_vlan_n(cases[i]));
		cr_expect_eq(
			lb_frame_tags(tagged, sizeof(plain) + (size_t)(frame - tagged), &n_bytes),
			cases[i]);
		cr_expect_eq(lb_frame_untag(tagged, n_bytes), frame);
		cr_expect_arr_eq(frame, plain, sizeof(plain), "case %zu", i);
	}
}

Test(frame_tags, of_one_that_ends_early_are_what_is_there)
{
	uint8_t frame[FRAME_BYTES] = {[12] = 0x81, [15] = 100, [16] = 0x81, [19] = 101};
	size_t n_bytes;

	for (size_t len = 0; len < sizeof(frame); len++) {
		uint32_t n = len < 18 ? 0 : len < 22 ? 1 : 2;

		cr_expect_eq(lb_vlan_n(lb_frame_tags(frame, len, &n_bytes)), n, "%zu bytes", len);
		cr_expect_eq(n_bytes, 4 * n);
	}
}

/* The worker parses, the control thread looks again: they must mean the same VLAN. */
Test(frame_tags, are_what_the_parser_finds)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100, 0x0800, 0x0806, 0x86dd};
	struct test_random r = {.state = test_seed("frame_tags")};

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint8_t frame[FRAME_BYTES] = {0};
		struct lb_pkt p = {.data = frame, .len = sizeof(frame)};
		size_t n_bytes;
		uint32_t tags;

		for (uint32_t off = 12; off <= 24; off += 4) {
			uint16_t type = types[test_random_below(&r, 6)];
			uint32_t tci = test_random_below(&r, 4) == 0 ? 0
								     : test_random_below(&r, 65536);

			frame[off] = (uint8_t)(type >> 8);
			frame[off + 1] = (uint8_t)type;
			frame[off + 2] = (uint8_t)(tci >> 8);
			frame[off + 3] = (uint8_t)tci;
		}
		lb_parse(&p);
		tags = lb_frame_tags(frame, sizeof(frame), &n_bytes);
		cr_assert_eq(tags, lb_vlan_named(p.tags), "round %u: %x, %x", round, tags, p.tags);
		cr_assert_eq(14 + n_bytes, p.l3_off, "round %u", round);
	}
}
