#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "packet/key.h"
#include "packet/parse.h"
#include "packet/tunnel_quote.h"

/* The ICMP error of a router about a packet of 200 bytes in a tunnel. */
static void build(struct frame *f, bool is_outer_v6, bool is_inner_v6, bool is_gue)
{
	struct frame inner, outer;

	frame_eth(&inner);
	if (is_inner_v6)
		frame_ipv6(&inner, "2001:db8:1::1", "2001:db8::10");
	else
		frame_ipv4(&inner, "198.51.100.1", "192.0.2.10");
	frame_tcp(&inner, 40000, 80, LB_TCP_ACK);
	frame_fill(&inner, 100);
	frame_finish(&inner);
	frame_eth(&outer);
	if (is_outer_v6)
		frame_ipv6(&outer, "2001:db8::2", "2001:db8::11");
	else
		frame_ipv4(&outer, "192.0.2.2", "192.0.2.11");
	if (is_gue)
		frame_udp(&outer, 50000, 6080);
	else
		frame_ip_proto(&outer, is_inner_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
	frame_bytes(&outer, frame_at(&inner, 14), inner.len - 14);
	frame_finish(&outer);
	frame_eth(f);
	if (is_outer_v6) {
		frame_ipv6(f, "2001:db8::77", "2001:db8::2");
		frame_icmp(f, FRAME_ICMP6_TOO_BIG, 0, 1400);
	} else {
		frame_ipv4(f, "192.0.2.77", "192.0.2.2");
		frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 4, 1400);
	}
	frame_quote(f, &outer, FRAME_BYTES_MAX);
	frame_finish(f);
}

/* Cut anywhere, on a heap block of its own size: told when the ports are there, and not before. */
Test(tunnel_quote, reads_what_is_there)
{
	for (uint32_t i = 0; i < 8; i++) {
		bool is_outer_v6 = i & 1, is_inner_v6 = i & 2, is_gue = i & 4;
		uint32_t n_ip = is_outer_v6 ? 40 : 20, n_tunnel = n_ip + (is_gue ? 8 : 0);
		uint32_t enough = 14 + n_ip + 8 + n_tunnel + (is_inner_v6 ? 40 : 20) + 4;
		struct frame f;

		build(&f, is_outer_v6, is_inner_v6, is_gue);
		for (uint32_t len = 14 + n_ip + 8; len <= f.len; len++) {
			struct lb_tunnel_quote quote;
			struct frame cut = f;
			struct lb_pkt p;
			bool is_read;

			cut.len = len;
			cut.l4_off = 0;
			frame_finish(&cut);
			p = frame_exact(&cut, len);
			lb_parse(&p);
			is_read = lb_tunnel_quote_read(&p, &quote);
			cr_assert_eq(is_read, len >= enough, "way %u, %u bytes", i, len);
			if (is_read) {
				cr_assert_eq(quote.mtu, 1400);
				cr_assert_eq(quote.n_tunnel, n_tunnel);
				cr_assert_eq(quote.key.is_v6, is_inner_v6);
				cr_assert_eq(lb_key_sport(&quote.key), rte_cpu_to_be_16(40000));
				cr_assert_eq(lb_key_dport(&quote.key), rte_cpu_to_be_16(80));
				lb_tunnel_quote_open(&p, &quote);
				cr_assert_eq(p.ip_len,
					     len - (enough - 4 - (is_inner_v6 ? 40 : 20)));
				cr_assert_eq(p.data[p.l3_off] >> 4, is_inner_v6 ? 6 : 4);
				p.data -= p.headroom;
			}
			free(p.data);
		}
	}
}

Test(tunnel_quote, what_is_no_error_about_a_tunnel)
{
	struct lb_tunnel_quote quote;
	struct frame f;
	struct lb_pkt p;

	build(&f, false, false, false);
	p = frame_view(&f);
	cr_assert_eq(lb_tunnel_quote_read(&p, &quote), false, "not parsed");
	/* An echo request with the same bytes, and the same quote in a redirect. */
	for (uint32_t i = 0; i < 2; i++) {
		frame_put8(&f, 34, i == 0 ? 8 : 5);
		frame_checksums(&f);
		p = frame_view(&f);
		lb_parse(&p);
		cr_assert_eq(lb_tunnel_quote_read(&p, &quote), false);
	}
	/* IPv6 within a header that says IPv4. */
	build(&f, false, true, false);
	frame_put8(&f, 42 + 9, IPPROTO_IPIP);
	p = frame_view(&f);
	lb_parse(&p);
	cr_assert_eq(lb_tunnel_quote_read(&p, &quote), false);
}
