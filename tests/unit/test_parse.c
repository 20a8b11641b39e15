#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "packet/parse.h"
#include "shapes.h"

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0);
	return a;
}

static void expect_flow_key(const struct lb_key *key, bool is_v6, uint8_t proto, const char *name)
{
	rte_be32_t ports_be = rte_cpu_to_be_32(SHAPE_SPORT << 16 | SHAPE_DPORT);
	struct lb_addr src, dst;

	cr_assert_eq(key->is_v6, is_v6, "case %s", name);
	if (is_v6) {
		src = addr(SHAPE_CLIENT6);
		dst = addr(SHAPE_VIP6);
		cr_expect_arr_eq(key->v6.src_be, src.word_be, 16, "case %s", name);
		cr_expect_arr_eq(key->v6.dst_be, dst.word_be, 16, "case %s", name);
		cr_expect_eq(key->v6.ports_be, ports_be, "case %s", name);
		cr_expect_eq(key->v6.proto, proto, "case %s", name);
	} else {
		src = addr(SHAPE_CLIENT4);
		dst = addr(SHAPE_VIP4);
		cr_expect_eq(key->v4.src_be, lb_addr_v4(&src), "case %s", name);
		cr_expect_eq(key->v4.dst_be, lb_addr_v4(&dst), "case %s", name);
		cr_expect_eq(key->v4.ports_be, ports_be, "case %s", name);
		cr_expect_eq(key->v4.proto, proto, "case %s", name);
	}
}

Test(parse, every_shape_is_known_for_what_it_is)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		const struct shape *shape = &shapes[i];
		struct frame f;
		struct lb_pkt p;

		shape->build(&f);
		cr_expect_null(frame_verify(frame_at(&f, 0), f.len), "case %s: %s", shape->name,
			       frame_verify(frame_at(&f, 0), f.len));
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.verdict, LB_VERDICT_CONTINUE, "case %s: %s", shape->name,
			     frame_drop_name(&p));
		cr_expect_eq(p.kind, shape->kind, "case %s: kind %u", shape->name, p.kind);
		if (shape->kind == LB_PKT_OTHER)
			continue;
		cr_expect_eq(p.l3_off, f.l3_off, "case %s", shape->name);
		if (shape->kind == LB_PKT_FRAGMENT) {
			cr_expect_eq(p.proto, shape->proto, "case %s", shape->name);
			cr_expect_eq(p.key.is_v6 ? p.key.v6.ports_be : p.key.v4.ports_be, 0);
			continue;
		}
		cr_expect_eq(p.l4_off, f.l4_off, "case %s", shape->name);
		expect_flow_key(&p.key, f.is_v6, shape->proto, shape->name);
		if (shape->kind == LB_PKT_FLOW)
			cr_expect_eq(p.proto, shape->proto, "case %s", shape->name);
		else
			cr_expect_eq(p.quote_off, f.l4_off + 8, "case %s", shape->name);
	}
}

Test(parse, padding_is_not_the_packet)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f;
		struct lb_pkt p;
		uint32_t len;

		shapes[i].build(&f);
		if (shapes[i].kind == LB_PKT_OTHER)
			continue;
		p = frame_parse_exact(&f, f.len);
		len = p.ip_len;
		cr_expect(p.l3_off + len <= f.len);
		frame_pad(&f, f.len + 33);
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.ip_len, len, "case %s", shapes[i].name);
		cr_expect_eq(p.kind, shapes[i].kind, "case %s", shapes[i].name);
	}
}

/* A frame cut by the wire or a capture: never read past, always by one name. */
Test(parse, a_frame_cut_anywhere_is_dropped_as_truncated)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f;
		struct lb_pkt whole;
		uint16_t type;

		shapes[i].build(&f);
		whole = frame_parse_exact(&f, f.len);
		type = frame_get16(&f, whole.l3_off - 2u);
		for (uint32_t n = 0; n < f.len; n++) {
			struct lb_pkt p = frame_parse_exact(&f, n);
			bool is_ip = type == 0x0800 || type == 0x86dd;

			if (n >= whole.l3_off && (!is_ip || n >= whole.l3_off + whole.ip_len)) {
				cr_expect_eq(p.verdict, LB_VERDICT_CONTINUE, "case %s cut to %u",
					     shapes[i].name, n);
				continue;
			}
			cr_expect(p.verdict == LB_VERDICT_DROP &&
					  p.drop_reason == LB_COUNT_drop_truncated,
				  "case %s cut to %u: %s", shapes[i].name, n, frame_drop_name(&p));
		}
	}
}

/* The IP header says that the packet ends where the frame is cut. */
static void shorten(struct frame *f, uint32_t len)
{
	f->len = len;
	if (f->l4_off > len)
		f->l4_off = 0;
	if (f->is_v6) {
		frame_put16(f, f->l3_off + 4, (uint16_t)(len - f->l3_off - 40));
		return;
	}
	frame_put16(f, f->l3_off + 2, (uint16_t)(len - f->l3_off));
	f->l4_off = 0;
	frame_checksums(f);
}

/* Shorter packets in frames of that length: the inner headers are cut, not the frame. What is
 * served then must have all that the passes rely on. */
Test(parse, a_packet_cut_anywhere_is_served_only_with_its_headers_whole)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame whole;
		uint32_t header;

		shapes[i].build(&whole);
		if (whole.l3_off != 14 || shapes[i].kind == LB_PKT_OTHER)
			continue;
		header = whole.is_v6 ? 40 : (*frame_at(&whole, 14) & 15u) * 4;
		for (uint32_t n = 14 + header; n < whole.len; n++) {
			struct frame f = whole;
			struct lb_pkt p;

			shorten(&f, n);
			p = frame_parse_exact(&f, n);
			if (p.verdict == LB_VERDICT_DROP) {
				cr_expect_neq(p.drop_reason, LB_COUNT_drop_truncated,
					      "case %s cut to %u", shapes[i].name, n);
				continue;
			}
			cr_expect_eq(p.l3_off + p.ip_len, n, "case %s cut to %u", shapes[i].name,
				     n);
			if (p.kind == LB_PKT_FLOW)
				cr_expect(n >= p.l4_off + (p.proto == IPPROTO_TCP ? 20u : 8u),
					  "case %s cut to %u", shapes[i].name, n);
			if (p.kind == LB_PKT_ICMP_ERROR)
				cr_expect(p.quote_end <= n && p.quote_end >= p.quote_l4_off + 4,
					  "case %s cut to %u", shapes[i].name, n);
		}
	}
}

Test(parse, shortest_quotes_that_tell_the_flow)
{
	static const struct {
		const char *name;
		uint32_t n_headers; /* of the quote */
	} cases[] = {{"tcp4", 20}, {"udp4_options", 24}, {"tcp6", 40}, {"tcp6_extensions", 120}};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		for (uint32_t n = 0; n < cases[c].n_headers + 12; n++) {
			struct frame quoted, f;
			struct lb_pkt p;
			uint32_t i = 0;

			while (strcmp(shapes[i].name, cases[c].name) != 0)
				i++;
			shapes[i].build(&quoted);
			cr_assert_eq(quoted.l4_off - 14, cases[c].n_headers, "case %s: %u",
				     cases[c].name, quoted.l4_off - 14);
			shape_icmp_error(&f, &quoted, n);
			p = frame_parse_exact(&f, f.len);
			if (n >= cases[c].n_headers + 4)
				cr_expect_eq(p.kind, LB_PKT_ICMP_ERROR, "case %s quote %u",
					     cases[c].name, n);
			else
				cr_expect_eq(p.drop_reason, LB_COUNT_drop_icmp_malformed,
					     "case %s quote %u: %s", cases[c].name, n,
					     frame_drop_name(&p));
		}
	}
}

Test(parse, tcp_flags_are_those_that_steer)
{
	for (uint32_t flags = 0; flags < 256; flags++) {
		struct frame f;
		struct lb_pkt p;

		shape_ip(&f, flags % 2 == 0);
		frame_tcp(&f, SHAPE_SPORT, SHAPE_DPORT, (uint8_t)flags);
		frame_finish(&f);
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.tcp_flags, flags & 0x17);
	}
}

/* --- frames that are wrong in one place --- */

enum base { TCP4, UDP4, TCP6, UDP6, ICMP4, ICMP6 };

static const char *const base_names[] = {
	[TCP4] = "tcp4", [UDP4] = "udp4",       [TCP6] = "tcp6",
	[UDP6] = "udp6", [ICMP4] = "icmp4_tcp", [ICMP6] = "icmp6_tcp",
};

static void build_base(struct frame *f, enum base base)
{
	uint32_t i = 0;

	while (strcmp(shapes[i].name, base_names[base]) != 0)
		i++;
	shapes[i].build(f);
}

#define L3 14u
#define L4V4 34u
#define L4V6 54u
#define QUOTE4 42u /* of an ICMP error */
#define QUOTE6 62u
#define OTHER_BUT_NO_DROP LB_COUNTER_N
#define STILL_SERVED (LB_COUNTER_N + 1u)

static const struct {
	const char *name;
	enum base base;
	uint32_t off;
	uint32_t value; /* 16 bits */
	bool fix_checksums;
	uint32_t expect; /* drop reason, or one of the two above */
} wrong[] = {
	{"ipv4 version 5", TCP4, L3, 0x5500, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 version 6", TCP4, L3, 0x6500, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 header of 16 bytes", TCP4, L3, 0x4400, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 header of 0 bytes", TCP4, L3, 0x4000, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 total length below header", TCP4, L3 + 2, 19, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 total length 0", TCP4, L3 + 2, 0, true, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 total length past frame", TCP4, L3 + 2, 1500, true, LB_COUNT_drop_truncated},
	{"ipv4 header only", TCP4, L3 + 2, 20, true, LB_COUNT_drop_bad_l4_header},
	{"ipv4 checksum wrong", TCP4, L3 + 10, 0x1111, false, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 id changed on the way", TCP4, L3 + 4, 0x4321, false, LB_COUNT_drop_bad_ipv4_header},
	{"ipv4 no more fragments, do not", TCP4, L3 + 6, 0x4000, true, STILL_SERVED},
	{"ipv4 source 0.x", TCP4, L3 + 12, 0x0001, true, LB_COUNT_drop_bad_address},
	{"ipv4 source loopback", TCP4, L3 + 12, 0x7f00, true, LB_COUNT_drop_bad_address},
	{"ipv4 source multicast", UDP4, L3 + 12, 0xe000, true, LB_COUNT_drop_bad_address},
	{"ipv4 source multicast's last", UDP4, L3 + 12, 0xefff, true, LB_COUNT_drop_bad_address},
	{"ipv4 source class E", UDP4, L3 + 12, 0xf000, true, STILL_SERVED},
	{"ipv4 source 223", UDP4, L3 + 12, 0xdf01, true, STILL_SERVED},
	{"ipv4 destination loopback", TCP4, L3 + 16, 0x7f00, true, LB_COUNT_drop_bad_address},
	{"ipv4 destination 0.x", TCP4, L3 + 16, 0x0000, true, LB_COUNT_drop_bad_address},
	{"ipv4 destination multicast", UDP4, L3 + 16, 0xe000, true, OTHER_BUT_NO_DROP},
	{"ipv4 protocol 0", TCP4, L3 + 8, 0x4000, true, OTHER_BUT_NO_DROP},
	{"ipv4 type with ipv6 inside", TCP6, 12, 0x0800, false, LB_COUNT_drop_bad_ipv4_header},
	{"ipv6 type with ipv4 inside", TCP4, 12, 0x86dd, false, LB_COUNT_drop_bad_ipv6_header},
	{"ethernet type unknown", TCP4, 12, 0x88b5, false, OTHER_BUT_NO_DROP},
	{"ethernet length field", TCP4, 12, 60, false, OTHER_BUT_NO_DROP},
	{"tcp offset 0", TCP4, L4V4 + 12, 0x0010, false, LB_COUNT_drop_bad_l4_header},
	{"tcp offset 4", TCP4, L4V4 + 12, 0x4010, false, LB_COUNT_drop_bad_l4_header},
	{"tcp offset 5", TCP4, L4V4 + 12, 0x5010, false, STILL_SERVED},
	{"tcp offset past packet", UDP4, L3 + 8, 0x4006, true, LB_COUNT_drop_bad_l4_header},
	{"tcp checksum is the receiver's", TCP4, L4V4 + 16, 0xabcd, false, STILL_SERVED},
	{"udp length 7", UDP4, L4V4 + 4, 7, false, LB_COUNT_drop_bad_l4_header},
	{"udp length 0", UDP4, L4V4 + 4, 0, false, LB_COUNT_drop_bad_l4_header},
	{"udp length past packet", UDP4, L4V4 + 4, 46, false, LB_COUNT_drop_bad_l4_header},
	{"udp length short of packet", UDP4, L4V4 + 4, 44, false, STILL_SERVED},
	{"udp6 length 7", UDP6, L4V6 + 4, 7, false, LB_COUNT_drop_bad_l4_header},
	{"udp6 length past packet", UDP6, L4V6 + 4, 46, false, LB_COUNT_drop_bad_l4_header},
	{"tcp6 offset 4", TCP6, L4V6 + 12, 0x4010, false, LB_COUNT_drop_bad_l4_header},
	{"ipv6 version 4", TCP6, L3, 0x4000, false, LB_COUNT_drop_bad_ipv6_header},
	{"ipv6 version 7", TCP6, L3, 0x7000, false, LB_COUNT_drop_bad_ipv6_header},
	{"ipv6 traffic class and flow label", TCP6, L3, 0x6fff, false, STILL_SERVED},
	{"ipv6 payload past frame", TCP6, L3 + 4, 1400, false, LB_COUNT_drop_truncated},
	{"ipv6 payload 0", TCP6, L3 + 4, 0, false, LB_COUNT_drop_bad_l4_header},
	{"ipv6 payload 19", TCP6, L3 + 4, 19, false, LB_COUNT_drop_bad_l4_header},
	{"ipv6 source multicast", TCP6, L3 + 8, 0xff02, false, LB_COUNT_drop_bad_address},
	{"ipv6 destination multicast", TCP6, L3 + 24, 0xff02, false, OTHER_BUT_NO_DROP},
	{"ipv6 no next header", TCP6, L3 + 6, 0x3b40, false, OTHER_BUT_NO_DROP},
	{"ipv6 esp", TCP6, L3 + 6, 0x3240, false, OTHER_BUT_NO_DROP},
	{"ipv6 options that are none", TCP6, L3 + 6, 0x0040, false,
	 LB_COUNT_drop_bad_ipv6_extension},
	{"icmp echo reply", ICMP4, L4V4, 0x0000, true, OTHER_BUT_NO_DROP},
	{"icmp redirect", ICMP4, L4V4, 0x0501, true, OTHER_BUT_NO_DROP},
	{"icmp source quench", ICMP4, L4V4, 0x0400, true, OTHER_BUT_NO_DROP},
	{"icmp parameter problem", ICMP4, L4V4, 0x0c00, true, STILL_SERVED},
	{"icmp time exceeded", ICMP4, L4V4, 0x0b00, true, STILL_SERVED},
	{"icmp fragmentation needed", ICMP4, L4V4, 0x0304, true, STILL_SERVED},
	{"icmp without its 8 bytes", ICMP4, L3 + 2, 27, true, LB_COUNT_drop_icmp_malformed},
	{"icmp without a type", ICMP4, L3 + 2, 20, true, OTHER_BUT_NO_DROP},
	{"icmp from loopback", ICMP4, L3 + 12, 0x7f00, true, LB_COUNT_drop_bad_address},
	{"icmp is a fragment", ICMP4, L3 + 6, 0x2000, true, OTHER_BUT_NO_DROP},
	{"quoted version 6", ICMP4, QUOTE4, 0x6500, true, LB_COUNT_drop_icmp_malformed},
	{"quoted header of 16 bytes", ICMP4, QUOTE4, 0x4400, true, LB_COUNT_drop_icmp_malformed},
	{"quoted header of 60 bytes", ICMP4, QUOTE4, 0x4f00, true, STILL_SERVED},
	{"quoted total length 0", ICMP4, QUOTE4 + 2, 0, true, STILL_SERVED},
	{"quoted total length 65535", ICMP4, QUOTE4 + 2, 65535, true, STILL_SERVED},
	{"quoted later fragment", ICMP4, QUOTE4 + 6, 0x0001, true, OTHER_BUT_NO_DROP},
	{"quoted first fragment", ICMP4, QUOTE4 + 6, 0x2000, true, STILL_SERVED},
	{"quoted icmp", ICMP4, QUOTE4 + 8, 0x4001, true, OTHER_BUT_NO_DROP},
	{"icmp6 echo", ICMP6, L4V6, 0x8000, true, OTHER_BUT_NO_DROP},
	{"icmp6 type 0", ICMP6, L4V6, 0x0000, true, OTHER_BUT_NO_DROP},
	{"icmp6 type 5", ICMP6, L4V6, 0x0500, true, OTHER_BUT_NO_DROP},
	{"icmp6 parameter problem", ICMP6, L4V6, 0x0401, true, STILL_SERVED},
	{"icmp6 quoted version 4", ICMP6, QUOTE6, 0x4000, true, LB_COUNT_drop_icmp_malformed},
	{"icmp6 quoted icmp6", ICMP6, QUOTE6 + 6, 0x3a40, true, OTHER_BUT_NO_DROP},
	{"icmp6 quoted options that are none", ICMP6, QUOTE6 + 6, 0x0040, true,
	 LB_COUNT_drop_icmp_malformed},
	{"icmp6 quoted payload 3", ICMP6, QUOTE6 + 4, 3, true, LB_COUNT_drop_icmp_malformed},
	{"icmp6 quoted payload 4", ICMP6, QUOTE6 + 4, 4, true, STILL_SERVED},
};

Test(parse, what_is_wrong_is_told_by_name)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct frame f;
		struct lb_pkt p;
		uint8_t kind;

		build_base(&f, wrong[i].base);
		kind = frame_parse_exact(&f, f.len).kind;
		frame_put16(&f, wrong[i].off, (uint16_t)wrong[i].value);
		if (wrong[i].fix_checksums)
			frame_checksums(&f);
		p = frame_parse_exact(&f, f.len);
		if (wrong[i].expect == STILL_SERVED)
			cr_expect(p.verdict == LB_VERDICT_CONTINUE && p.kind == kind,
				  "case %s: kind %u, %s", wrong[i].name, p.kind,
				  frame_drop_name(&p));
		else if (wrong[i].expect == OTHER_BUT_NO_DROP)
			cr_expect(p.verdict == LB_VERDICT_CONTINUE && p.kind == LB_PKT_OTHER,
				  "case %s: kind %u, %s", wrong[i].name, p.kind,
				  frame_drop_name(&p));
		else
			cr_expect(p.verdict == LB_VERDICT_DROP && p.drop_reason == wrong[i].expect,
				  "case %s: kind %u, %s", wrong[i].name, p.kind,
				  frame_drop_name(&p));
	}
}

Test(parse, ipv6_addresses_that_no_packet_may_carry)
{
	static const struct {
		const char *addr;
		bool is_bad;
	} cases[] = {
		{"::", true},
		{"::1", true},
		{"::2", false},
		{"::c000:201", false},
		{"64:ff9b::c000:201", false},
		{"fe80::1", false},
	};
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1};

	for (uint32_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint32_t off = L3 + 8; off <= L3 + 24; off += 16) {
			bool is_mapped = i == sizeof(cases) / sizeof(cases[0]);
			struct lb_addr a = {{0}};
			struct frame f;
			struct lb_pkt p;

			if (!is_mapped)
				a = addr(cases[i].addr);
			for (uint32_t base = TCP6; base <= ICMP6; base += ICMP6 - TCP6) {
				build_base(&f, base);
				memcpy(frame_at(&f, off), is_mapped ? mapped : (uint8_t *)&a, 16);
				p = frame_parse_exact(&f, f.len);
				cr_expect_eq(p.verdict == LB_VERDICT_DROP &&
						     p.drop_reason == LB_COUNT_drop_bad_address,
					     is_mapped || cases[i].is_bad, "case %u at %u: %s", i,
					     off, frame_drop_name(&p));
			}
		}
	}
}

/* DHCP: from nowhere to everyone; the kernel's, not a martian. */
Test(parse, broadcasts_are_the_kernels_whatever_their_source)
{
	struct frame f;
	struct lb_pkt p;

	frame_eth(&f);
	frame_ipv4(&f, "0.0.0.0", "255.255.255.255");
	frame_udp(&f, 68, 67);
	frame_finish(&f);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.verdict, LB_VERDICT_CONTINUE);
	cr_expect_eq(p.kind, LB_PKT_OTHER);
}

static void build_extensions(struct frame *f, uint32_t n, uint8_t type)
{
	shape_ip(f, true);
	for (uint32_t i = 0; i < n; i++)
		frame_ipv6_extension(f, type, 8);
	frame_tcp(f, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_SYN);
	frame_finish(f);
}

Test(parse, extension_headers_are_bounded)
{
	struct frame f;
	struct lb_pkt p;

	for (uint32_t n = 0; n <= LB_IPV6_EXTENSIONS_MAX; n++) {
		build_extensions(&f, n, IPPROTO_DSTOPTS);
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.kind, LB_PKT_FLOW, "%u headers: %s", n, frame_drop_name(&p));
		cr_expect_eq(p.l4_off, L4V6 + n * 8);
		cr_expect_eq(p.key.v6.ports_be, RTE_BE32(SHAPE_SPORT << 16 | SHAPE_DPORT));
	}
	build_extensions(&f, LB_IPV6_EXTENSIONS_MAX + 1, IPPROTO_DSTOPTS);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.drop_reason, LB_COUNT_drop_bad_ipv6_extension);
}

Test(parse, hop_by_hop_options_come_first_or_not_at_all)
{
	struct frame f;
	struct lb_pkt p;

	build_extensions(&f, 1, IPPROTO_HOPOPTS);
	cr_expect_eq(frame_parse_exact(&f, f.len).kind, LB_PKT_FLOW);
	build_extensions(&f, 2, IPPROTO_HOPOPTS);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.drop_reason, LB_COUNT_drop_bad_ipv6_extension);
}

Test(parse, an_extension_header_longer_than_the_packet_is_malformed)
{
	for (uint32_t len = 0; len < 256; len++) {
		struct frame f;
		struct lb_pkt p;

		build_extensions(&f, 1, IPPROTO_DSTOPTS);
		frame_put8(&f, L4V6 + 1, (uint8_t)len);
		p = frame_parse_exact(&f, f.len);
		if (len == 0)
			cr_expect_eq(p.kind, LB_PKT_FLOW);
		else if ((len + 1) * 8 <= 28)
			cr_expect_eq(p.drop_reason, LB_COUNT_drop_bad_l4_header, "length %u", len);
		else
			cr_expect_eq(p.drop_reason, LB_COUNT_drop_bad_ipv6_extension, "length %u",
				     len);
	}
}

Test(parse, ipv6_fragments_with_and_without_offset)
{
	static const struct {
		uint16_t offset;
		bool more, is_fragment;
	} cases[] = {{0, false, false}, {0, true, true}, {8, false, true}, {65528, true, true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f;
		struct lb_pkt p;

		shape_ip(&f, true);
		frame_ipv6_fragment(&f, cases[i].offset, cases[i].more);
		frame_udp(&f, SHAPE_SPORT, SHAPE_DPORT);
		frame_finish(&f);
		p = frame_parse_exact(&f, f.len);
		cr_expect_eq(p.kind, cases[i].is_fragment ? LB_PKT_FRAGMENT : LB_PKT_FLOW,
			     "case %zu", i);
		cr_expect_eq(p.l4_off, L4V6 + 8);
	}
}

Test(parse, ipv4_fragments_of_other_protocols_are_the_kernels)
{
	struct frame f;

	shape_ip(&f, false);
	frame_ipv4_fragment(&f, 8, true);
	frame_icmp(&f, 8, 0, 0);
	frame_finish(&f);
	cr_expect_eq(frame_parse_exact(&f, f.len).kind, LB_PKT_OTHER);
	frame_ipv4_fragment(&f, 65528, false);
	frame_put8(&f, L3 + 9, IPPROTO_TCP);
	frame_checksums(&f);
	cr_expect_eq(frame_parse_exact(&f, f.len).kind, LB_PKT_FRAGMENT);
}

Test(parse, quotes_end_where_the_quoted_packet_or_rfc_4884_says)
{
	struct frame f;
	struct lb_pkt p;
	uint32_t i = 0;

	build_base(&f, ICMP4);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.quote_end, f.len);
	frame_put16(&f, QUOTE4 + 2, 36);
	frame_checksums(&f);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.quote_end, QUOTE4 + 36);
	while (strcmp(shapes[i].name, "icmp4_tcp_rfc4884") != 0)
		i++;
	shapes[i].build(&f);
	p = frame_parse_exact(&f, f.len);
	cr_expect_eq(p.quote_end, QUOTE4 + 128);
	cr_expect_lt(p.quote_end, f.len);
}

Test(parse, a_frame_too_large_for_its_offsets_is_dropped_unread)
{
	struct lb_pkt p = {.data = NULL, .len = 65536};

	lb_parse(&p);
	cr_expect_eq(p.drop_reason, LB_COUNT_drop_too_large);
}
