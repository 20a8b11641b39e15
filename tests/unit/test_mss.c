#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "packet/mss.h"
#include "packet/parse.h"
#include "random.h"
#include "shapes.h"

/* A SYN with these bytes as its options, a multiple of 4 of them. */
static void build(struct frame *f, bool is_v6, const uint8_t *options, uint32_t n)
{
	shape_ip(f, is_v6);
	frame_tcp(f, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_SYN);
	frame_tcp_options(f, n);
	memcpy(frame_at(f, f->len - n), options, n);
	frame_text(f, "odd");
	frame_finish(f);
}

static bool lower(struct frame *f, uint16_t mss)
{
	struct lb_pkt p = frame_view(f);

	lb_parse(&p);
	cr_assert_eq(p.kind, LB_PKT_FLOW);
	return lb_mss_lower(&p, mss);
}

static const struct {
	const char *name;
	uint32_t n;
	uint8_t before[40];
	bool is_lowered;
	uint8_t after[40];
} cases[] = {
	{"none", 0, {0}, false, {0}},
	{"higher", 4, {2, 4, 5, 180}, true, {2, 4, 4, 210}},
	{"one more", 4, {2, 4, 4, 211}, true, {2, 4, 4, 210}},
	{"equal", 4, {2, 4, 4, 210}, false, {2, 4, 4, 210}},
	{"lower is not raised", 4, {2, 4, 2, 24}, false, {2, 4, 2, 24}},
	{"behind others, odd",
	 12,
	 {1, 3, 3, 7, 1, 2, 4, 255, 255, 1, 1, 0},
	 true,
	 {1, 3, 3, 7, 1, 2, 4, 4, 210, 1, 1, 0}},
	{"twice", 8, {2, 4, 5, 180, 2, 4, 5, 181}, true, {2, 4, 4, 210, 2, 4, 4, 210}},
	{"behind the end", 8, {0, 0, 0, 0, 2, 4, 5, 180}, false, {0, 0, 0, 0, 2, 4, 5, 180}},
	{"of another length", 8, {2, 6, 5, 180, 0, 0, 1, 1}, false, {2, 6, 5, 180, 0, 0, 1, 1}},
	{"past the header", 4, {1, 2, 4, 5}, false, {1, 2, 4, 5}},
	{"behind a length of 0", 8, {8, 0, 2, 4, 5, 180, 1, 1}, false, {8, 0, 2, 4, 5, 180, 1, 1}},
	{"behind a length of 1", 8, {8, 1, 2, 4, 5, 180, 1, 1}, false, {8, 1, 2, 4, 5, 180, 1, 1}},
	{"last byte a kind", 4, {1, 1, 1, 2}, false, {1, 1, 1, 2}},
};

Test(mss, only_what_is_higher_is_lowered)
{
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t c = i / 2;
		struct frame f, want;

		build(&f, i % 2 == 1, cases[c].before, cases[c].n);
		build(&want, i % 2 == 1, cases[c].after, cases[c].n);
		cr_expect_eq(lower(&f, 1234), cases[c].is_lowered, "case %s", cases[c].name);
		cr_expect_eq(memcmp(frame_at(&f, 0), frame_at(&want, 0), f.len), 0, "case %s",
			     cases[c].name);
		cr_expect_null(frame_verify(frame_at(&f, 0), f.len), "case %s", cases[c].name);
	}
}

/* Naive: by recursion over copies of the options. */
static void lower_naively(uint8_t *options, uint32_t n, uint32_t mss)
{
	uint32_t length = 1;

	if (n == 0 || options[0] == 0)
		return;
	if (options[0] != 1) {
		if (n < 2 || options[1] < 2 || options[1] > n)
			return;
		length = options[1];
	}
	if (options[0] == 2 && length == 4 && options[2] * 256u + options[3] > mss) {
		options[2] = (uint8_t)(mss / 256);
		options[3] = (uint8_t)(mss % 256);
	}
	lower_naively(options + length, n - length, mss);
}

Test(mss, any_options_come_out_as_the_naive_way_makes_them)
{
	uint64_t seed = test_seed("mss");
	struct test_random r = {seed};
	uint32_t n_lowered = 0;

	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t n = (uint32_t)test_random_below(&r, 11) * 4;
		uint16_t mss = (uint16_t)test_random_word(&r);
		uint8_t options[40];
		struct frame f, want;

		for (uint32_t i = 0; i < n; i++)
			options[i] = test_random_below(&r, 8) == 0
					     ? (uint8_t)test_random_word(&r)
					     : 1 + (uint8_t)test_random_below(&r, 2);
		for (uint32_t i = 0; i + 1 < n; i++)
			if (options[i] == 2)
				options[i + 1] = 4;
		build(&f, round % 2 == 1, options, n);
		lower_naively(options, n, mss);
		build(&want, round % 2 == 1, options, n);
		n_lowered += lower(&f, mss);
		cr_assert_eq(memcmp(frame_at(&f, 0), frame_at(&want, 0), f.len), 0,
			     "round %u seed %" PRIu64, round, seed);
	}
	cr_expect_gt(n_lowered, 500);
}
