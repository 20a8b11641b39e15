/* What surrounds the IP packet: tags before it, and further buffers behind the first. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "lb/vlan.h"
#include "packet/parse.h"
#include "shapes.h"

Test(parse_frames, tags_are_named_from_the_outside)
{
	static const struct {
		const char *name;
		uint32_t tags;
		uint32_t l3_off;
	} cases[] = {
		{"tcp4", 0, 14},
		{"vlan4", LB_VLAN_8100 << 12 | 7, 18},
		{"priority6_udp", LB_VLAN_8100 << 12, 18},
		{"qinq4_udp", (LB_VLAN_88A8 << 12 | 200u) << 16 | LB_VLAN_8100 << 12 | 7, 22},
		{"qinq6", (LB_VLAN_9100 << 12 | 200u) << 16 | LB_VLAN_8100 << 12 | 4094, 22},
		{"three_tags", (LB_VLAN_88A8 << 12 | 1u) << 16 | LB_VLAN_88A8 << 12 | 2, 22},
		{"vlan_arp", LB_VLAN_8100 << 12 | 7, 18},
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct frame f;
		struct lb_pkt p;
		uint32_t i = 0;

		while (strcmp(shapes[i].name, cases[c].name) != 0)
			i++;
		shapes[i].build(&f);
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.tags, cases[c].tags, "case %s: %#x", cases[c].name, p.tags);
		cr_expect_eq(p.l3_off, cases[c].l3_off, "case %s", cases[c].name);
	}
}

/* The first buffer ends anywhere behind the least that must stand together: the same is found, and
 * nothing behind it is read. */
Test(parse_frames, a_frame_in_several_buffers_is_the_same_frame)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f;
		struct lb_pkt whole, p;

		shapes[i].build(&f);
		if (shapes[i].kind == LB_PKT_OTHER || f.len > 1000)
			continue;
		frame_fill(&f, 1000);
		frame_finish(&f);
		frame_fill(&f, 1000);
		whole = frame_parse_exact(&f, f.len);
		for (uint32_t n = LB_CONTIGUOUS_MIN; n < f.len; n += 7) {
			p = frame_exact(&f, n);
			p.rest = f.len - n;
			lb_parse(&p);
			free(p.data);
			cr_expect_eq(p.verdict, whole.verdict, "case %s at %u: %s", shapes[i].name,
				     n, frame_drop_name(&p));
			cr_expect_eq(p.kind, whole.kind, "case %s at %u", shapes[i].name, n);
			cr_expect_eq(p.ip_len, whole.ip_len, "case %s at %u", shapes[i].name, n);
			cr_expect_eq(p.l4_off, whole.l4_off, "case %s at %u", shapes[i].name, n);
			cr_expect_eq(p.quote_off, whole.quote_off, "case %s", shapes[i].name);
			cr_expect_leq(p.quote_end, n, "case %s at %u", shapes[i].name, n);
		}
	}
}

Test(parse_frames, too_little_in_the_first_buffer_is_refused)
{
	struct frame f;
	struct lb_pkt p;

	shape_ip(&f, false);
	frame_udp(&f, SHAPE_SPORT, SHAPE_DPORT);
	frame_fill(&f, 3000);
	frame_finish(&f);
	p = frame_exact(&f, LB_CONTIGUOUS_MIN - 1);
	p.rest = f.len - p.len;
	lb_parse(&p);
	cr_expect_str_eq(frame_drop_name(&p), "drop_too_large");
	p.rest = 0;
	lb_parse(&p);
	cr_expect_str_eq(frame_drop_name(&p), "drop_truncated");
	free(p.data);

	/* 8 headers that together reach past it. */
	shape_ip(&f, true);
	frame_ipv6_extension(&f, IPPROTO_DSTOPTS, 1464);
	frame_udp(&f, SHAPE_SPORT, SHAPE_DPORT);
	frame_fill(&f, 1000);
	frame_finish(&f);
	p = frame_exact(&f, LB_CONTIGUOUS_MIN);
	p.rest = f.len - p.len;
	lb_parse(&p);
	cr_expect_str_eq(frame_drop_name(&p), "drop_bad_ipv6_extension");
	free(p.data);
}

/* The same packet behind a tag takes the way of any packet; untagged it may take the short one. */
static void expect_alike(const struct frame *f, uint32_t len, const char *name, uint32_t at)
{
	struct frame tagged = *f;
	struct lb_pkt p = frame_parse_exact(f, len), q;

	memmove(frame_at(&tagged, 16), frame_at(&tagged, 12), len - 12);
	frame_put32(&tagged, 12, 0x81000007);
	q = frame_parse_exact(&tagged, len + 4);
	cr_assert_eq(p.verdict, q.verdict, "case %s at %u: %s", name, at, frame_drop_name(&p));
	cr_assert_eq(p.drop_reason, q.drop_reason, "case %s at %u", name, at);
	cr_assert_eq(p.kind, q.kind, "case %s at %u: %u", name, at, p.kind);
	if (p.kind == LB_PKT_OTHER)
		return;
	cr_assert_eq(p.proto, q.proto, "case %s at %u", name, at);
	cr_assert_eq(p.ip_len, q.ip_len, "case %s at %u", name, at);
	cr_assert_eq(p.l4_off + 4, q.l4_off, "case %s at %u", name, at);
	cr_assert_eq(p.tcp_flags, q.tcp_flags, "case %s at %u", name, at);
	cr_assert_eq(p.key.is_v6, q.key.is_v6, "case %s at %u", name, at);
	cr_assert_arr_eq((uint8_t *)&p.key, (uint8_t *)&q.key,
			 p.key.is_v6 ? sizeof(p.key.v6) : sizeof(p.key.v4), "case %s at %u", name,
			 at);
}

/* Every shape, with every byte of its headers changed in every bit, and to nothing and all. */
Test(parse_frames, the_short_way_finds_what_the_long_one_finds)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f;

		shapes[i].build(&f);
		if (f.l3_off != 14)
			continue;
		expect_alike(&f, f.len, shapes[i].name, 0);
		for (uint32_t at = 14; at < f.len && at < 90; at++) {
			uint8_t was = *frame_at(&f, at);

			for (uint32_t bit = 0; bit < 8; bit++) {
				frame_put8(&f, at, was ^ (uint8_t)(1u << bit));
				expect_alike(&f, f.len, shapes[i].name, at);
			}
			frame_put8(&f, at, 0);
			expect_alike(&f, f.len, shapes[i].name, at);
			frame_put8(&f, at, 0xff);
			expect_alike(&f, f.len, shapes[i].name, at);
			frame_put8(&f, at, was);
			expect_alike(&f, at, shapes[i].name, at);
		}
	}
}

/* The addresses that no packet may carry, and their neighbours. */
Test(parse_frames, the_short_way_knows_odd_addresses)
{
	static const uint32_t addrs[][4] = {
		{0, 0, 0, 0},          {0, 0, 0, 1},          {0, 0, 0, 2},
		{0, 0, 0xffff, 1},     {0, 0, 1, 0},          {0, 1, 0, 0},
		{0x64ff9b, 0, 0, 1},   {0xfe800000, 0, 0, 1}, {0xff020000, 0, 0, 1},
		{0xfeff0000, 0, 0, 1}, {0x20010db8, 0, 0, 1},
	};
	const uint32_t n = sizeof(addrs) / sizeof(addrs[0]);
	struct frame f;

	frame_eth(&f);
	frame_ipv6(&f, SHAPE_CLIENT6, SHAPE_VIP6);
	frame_tcp(&f, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_ACK);
	frame_finish(&f);
	for (uint32_t i = 0; i < n * n; i++) {
		for (uint32_t word = 0; word < 4; word++) {
			frame_put32(&f, 22 + 4 * word, addrs[i / n][word]);
			frame_put32(&f, 38 + 4 * word, addrs[i % n][word]);
		}
		expect_alike(&f, f.len, "addresses", i);
	}
}
