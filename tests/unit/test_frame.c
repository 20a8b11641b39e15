#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <rte_ip.h>

#include "frame.h"

static void build(struct frame *f, bool is_v6, uint8_t proto)
{
	frame_eth(f);
	if (is_v6)
		frame_ipv6(f, "2001:db8::1", "2001:db8::2");
	else
		frame_ipv4(f, "198.51.100.7", "192.0.2.10");
	if (proto == IPPROTO_TCP)
		frame_tcp(f, 40000, 135, LB_TCP_SYN);
	else if (proto == IPPROTO_UDP)
		frame_udp(f, 40000, 53);
	else
		frame_icmp(f, is_v6 ? 128 : 8, 0, 0x00010002);
	frame_fill(f, 33);
	frame_finish(f);
}

static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};

/* A published example of the IPv4 header checksum, so that builder and judge are not only right
 * about each other. */
Test(frame, sum_agrees_with_a_known_header)
{
	static const uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
					 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
					 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	cr_expect_eq(frame_sum(header, sizeof(header), 0), 0xffff);
	cr_expect_eq((uint16_t)~frame_sum(header, sizeof(header), 0xffff - 0xb861), 0xb861);
}

Test(frame, transport_checksums_agree_with_dpdk)
{
	static const uint32_t checksum_off[] = {16, 6};

	for (uint32_t i = 0; i < 4; i++) {
		bool is_v6 = i % 2 == 1;
		struct frame f;
		uint32_t at;
		const void *ip, *l4;
		uint16_t have, want;

		build(&f, is_v6, protos[i / 2]);
		at = f.l4_off + checksum_off[i / 2];
		have = frame_get16(&f, at);
		frame_put16(&f, at, 0);
		ip = frame_at(&f, f.l3_off);
		l4 = frame_at(&f, f.l4_off);
		want = is_v6 ? rte_ipv6_udptcp_cksum(ip, l4) : rte_ipv4_udptcp_cksum(ip, l4);
		cr_expect_eq(have, rte_be_to_cpu_16(want), "case %u", i);
	}
}

Test(frame, judge_sees_every_flipped_byte_that_a_checksum_covers)
{
	for (uint32_t i = 0; i < 6; i++) {
		struct frame f;

		build(&f, i % 2 == 1, protos[i / 2]);
		cr_assert_null(frame_verify(frame_at(&f, 0), f.len), "case %u: %s", i,
			       frame_verify(frame_at(&f, 0), f.len));
		for (uint32_t off = f.l4_off; off < f.len; off++) {
			*frame_at(&f, off) ^= 0x40;
			cr_expect_not_null(frame_verify(frame_at(&f, 0), f.len), "case %u byte %u",
					   i, off);
			*frame_at(&f, off) ^= 0x40;
		}
		for (uint32_t n = 0; n < f.len; n++)
			cr_expect(n == 14 || frame_verify(frame_at(&f, 0), n) != NULL,
				  "case %u cut to %u", i, n);
	}
}

Test(frame, options_and_extensions_are_walked)
{
	struct frame f;

	frame_eth(&f);
	frame_ipv4(&f, "198.51.100.7", "192.0.2.10");
	frame_ipv4_options(&f, 40);
	frame_tcp(&f, 1, 2, LB_TCP_ACK);
	frame_tcp_options(&f, 12);
	frame_text(&f, "odd");
	frame_finish(&f);
	cr_expect_eq(f.l4_off, 14 + 60);
	cr_expect_null(frame_verify(frame_at(&f, 0), f.len));

	frame_eth(&f);
	frame_ipv6(&f, "2001:db8::1", "2001:db8::2");
	frame_ipv6_extension(&f, IPPROTO_HOPOPTS, 8);
	frame_ipv6_extension(&f, IPPROTO_AH, 24);
	frame_ipv6_fragment(&f, 0, false);
	frame_ipv6_extension(&f, IPPROTO_DSTOPTS, 16);
	frame_udp(&f, 1, 2);
	frame_finish(&f);
	cr_expect_eq(f.l4_off, 14 + 40 + 8 + 24 + 8 + 16);
	cr_expect_null(frame_verify(frame_at(&f, 0), f.len));
}

Test(frame, judge_looks_into_the_quote_of_an_icmp_error)
{
	for (uint32_t i = 0; i < 4; i++) {
		bool is_v6 = i % 2 == 1;
		struct frame quoted, f;
		uint32_t off, n;

		build(&quoted, is_v6, protos[i / 2]);
		frame_eth(&f);
		if (is_v6)
			frame_ipv6(&f, "2001:db8::9", "2001:db8::1");
		else
			frame_ipv4(&f, "203.0.113.9", "198.51.100.7");
		frame_icmp(&f, is_v6 ? FRAME_ICMP6_UNREACHABLE : FRAME_ICMP4_UNREACHABLE, 4, 0);
		off = f.len;
		n = frame_quote(&f, &quoted, UINT32_MAX);
		cr_assert_eq(n, quoted.len - 14);
		frame_finish(&f);
		cr_expect_null(frame_verify(frame_at(&f, 0), f.len), "case %u", i);
		/* The ICMP checksum made right again: only the quote is wrong now. */
		frame_put8(&f, off + n - 1, 0xee);
		frame_checksums(&f);
		cr_expect_str_eq(frame_verify(frame_at(&f, 0), f.len),
				 "quoted packet's transport checksum wrong");
	}
}

Test(frame, udp_without_checksum_is_fine_in_ipv4_only)
{
	for (uint32_t i = 0; i < 2; i++) {
		struct frame f;

		build(&f, i == 1, IPPROTO_UDP);
		frame_udp_without_checksum(&f);
		frame_finish(&f);
		cr_expect_eq(frame_get16(&f, f.l4_off + 6), 0);
		cr_expect_eq(frame_verify(frame_at(&f, 0), f.len) == NULL, i == 0);
	}
}

Test(frame, views_cover_exactly_the_bytes)
{
	struct frame f;
	struct lb_pkt p;

	build(&f, false, IPPROTO_TCP);
	frame_pad(&f, 128);
	p = frame_view(&f);
	cr_expect_eq(p.len, 128);
	cr_expect_eq(p.data, frame_at(&f, 0));
	cr_expect_eq(p.headroom, FRAME_HEADROOM);
	cr_expect_eq(p.data + p.len + p.tailroom, f.room + sizeof(f.room));
	p = frame_exact(&f, 20);
	cr_expect_eq(p.len, 20);
	cr_expect_arr_eq(p.data, frame_at(&f, 0), 20);
	free(p.data);
}
