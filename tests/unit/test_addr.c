#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "lb/addr.h"
#include "lb/error.h"

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

Test(addr, text_and_value_are_the_same_both_ways)
{
	static const char *const texts[] = {
		"0.0.0.0",
		"192.0.2.10",
		"255.255.255.255",
		"::",
		"::1",
		"2001:db8::1",
		"2001:db8:0:1:1:1:1:1",
		"2001:0:0:1::1",
		"fe80::200:ff:fe00:11",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	};
	char out[LB_ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lb_addr a = addr(texts[i]);

		cr_expect_str_eq(lb_addr_format(&a, out), texts[i]);
	}
}

Test(addr, longer_spellings_give_the_short_text)
{
	static const char *const cases[][2] = {
		{"2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
		{"0:0:0:0:0:0:0:1", "::1"},
		{"2001:db8::0:1", "2001:db8::1"},
		{"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
	};
	char out[LB_ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_addr a = addr(cases[i][0]);

		cr_expect_str_eq(lb_addr_format(&a, out), cases[i][1], "case %s", cases[i][0]);
	}
}

Test(addr, what_is_no_literal_address_is_refused)
{
	static const char *const texts[] = {
		"",
		" ",
		"localhost",
		"192.0.2",
		"192.0.2.256",
		"192.0.2.1.1",
		"192.0.2.01",
		" 192.0.2.1",
		"192.0.2.1 ",
		"192.0.2.1/24",
		"0x7f.0.0.1",
		"2001:db8",
		":::",
		"2001:db8::1::2",
		"1:2:3:4:5:6:7:8:9",
		"fe80::1%eth0",
		"[::1]",
		"::fffff",
		"::ffff:192.0.2.1",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lb_addr a = {{1, 2, 3, 4}}, before = a;

		cr_expect_eq(lb_addr_parse(texts[i], &a), -EINVAL, "case '%s'", texts[i]);
		cr_expect(lb_addr_equal(&a, &before), "case '%s' wrote", texts[i]);
	}
}

Test(addr, ipv4_is_held_mapped)
{
	struct lb_addr a = addr("192.0.2.10"), v6 = addr("2001:db8::c000:20a"), zero = {{0}};

	cr_expect(lb_addr_is_v4(&a));
	cr_expect_eq(lb_addr_v4(&a), RTE_BE32(0xc000020a));
	cr_expect_not(lb_addr_is_v4(&v6));
	cr_expect_not(lb_addr_equal(&a, &v6));
	cr_expect_not(lb_addr_is_zero(&a));
	cr_expect(lb_addr_is_zero(&zero));
}

Test(addr, prefixes_are_read_with_and_without_length)
{
	static const struct {
		const char *text, *out;
		uint8_t len;
	} cases[] = {
		{"192.0.2.2/24", "192.0.2.2/24", 24},
		{"192.0.2.2", "192.0.2.2/32", 32},
		{"0.0.0.0/0", "0.0.0.0/0", 0},
		{"2001:db8::/32", "2001:db8::/32", 32},
		{"2001:db8::1", "2001:db8::1/128", 128},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 128},
	};
	char out[LB_PREFIX_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_prefix p;

		cr_assert_eq(lb_prefix_parse(cases[i].text, &p), 0, "case %s", cases[i].text);
		cr_expect_eq(p.len, cases[i].len, "case %s", cases[i].text);
		cr_expect_str_eq(lb_prefix_format(&p, out), cases[i].out);
	}
}

Test(addr, malformed_prefixes_are_refused)
{
	static const char *const texts[] = {
		"192.0.2.2/",
		"192.0.2.2/33",
		"2001:db8::/129",
		"192.0.2.2/+8",
		"192.0.2.2/ 8",
		"192.0.2.2/08",
		"192.0.2.2/8/8",
		"/8",
		"",
		"192.0.2.2/4294967304",
		"192.0.2.2/-1",
		"192.0.2.2/8x",
		"0000000000000000000000000000000000000000000000000000000000/8",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lb_prefix p;

		cr_expect_eq(lb_prefix_parse(texts[i], &p), -EINVAL, "case '%s'", texts[i]);
	}
}

/* Obviously right: bit by bit, over the 16 bytes of the mapped form. */
static struct lb_addr mask_bit_by_bit(struct lb_addr a, uint32_t len)
{
	uint8_t b[16];

	if (lb_addr_is_v4(&a))
		len += 96;
	memcpy(b, &a, 16);
	for (uint32_t i = len; i < 128; i++)
		b[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	memcpy(&a, b, 16);
	return a;
}

Test(addr, mask_keeps_the_first_bits_of_the_family)
{
	static const char *const texts[] = {"255.255.255.255", "192.0.2.77", "2001:db8::77",
					    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct lb_addr a = addr(texts[i]);

		for (uint32_t len = 0; len <= (lb_addr_is_v4(&a) ? 32u : 128u); len++) {
			struct lb_addr want = mask_bit_by_bit(a, len);
			struct lb_addr have = lb_addr_mask(&a, (uint8_t)len);

			cr_expect(lb_addr_equal(&want, &have), "case %s/%u", texts[i], len);
		}
	}
}

Test(addr, prefix_contains_only_its_own)
{
	static const struct {
		const char *prefix, *addr;
		bool contains;
	} cases[] = {
		{"192.0.2.77/24", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "192.0.2.1", false},
		{"::/0", "2001:db8::1", true},
		{"192.0.2.1/32", "192.0.2.1", true},
		{"192.0.2.1/32", "192.0.2.0", false},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_addr a = addr(cases[i].addr);
		struct lb_prefix p;

		cr_assert_eq(lb_prefix_parse(cases[i].prefix, &p), 0);
		cr_expect_eq(lb_prefix_contains(&p, &a), cases[i].contains, "case %s in %s",
			     cases[i].addr, cases[i].prefix);
	}
}

Test(addr, an_error_carries_place_and_sentence_and_is_cut_at_its_bounds)
{
	char longer[1024];
	struct lb_error err;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(lb_error_set(&err, -EINVAL, "/a/0", "%d is not in 1..65535", 70000), -EINVAL);
	cr_expect_str_eq(err.where, "/a/0");
	cr_expect_str_eq(err.what, "70000 is not in 1..65535");
	lb_error_set(&err, -E2BIG, longer, "%s", longer);
	cr_expect_eq(strlen(err.where), LB_ERROR_WHERE_MAX - 1);
	cr_expect_eq(strlen(err.what), LB_ERROR_WHAT_MAX - 1);
	cr_expect_eq(lb_error_set(NULL, -ENOMEM, "", "nobody listens"), -ENOMEM);
}
