#include "shapes.h"

#include <netinet/in.h>

#define PAYLOAD 37u /* odd: checksums have to pad */

void shape_ip(struct frame *f, bool is_v6)
{
	frame_eth(f);
	if (is_v6)
		frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
	else
		frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
}

static void tcp(struct frame *f)
{
	frame_tcp(f, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_ACK);
	frame_tcp_numbers(f, 0x11223344, 0x55667788);
	frame_tcp_options(f, 12);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void udp(struct frame *f)
{
	frame_udp(f, SHAPE_SPORT, SHAPE_DPORT);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void tcp4(struct frame *f)
{
	shape_ip(f, false);
	tcp(f);
}

static void tcp6(struct frame *f)
{
	shape_ip(f, true);
	tcp(f);
}

static void udp4(struct frame *f)
{
	shape_ip(f, false);
	udp(f);
}

static void udp6(struct frame *f)
{
	shape_ip(f, true);
	udp(f);
}

static void tcp4_syn_padded(struct frame *f)
{
	shape_ip(f, false);
	frame_tcp(f, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_SYN);
	frame_finish(f);
	frame_pad(f, 60);
}

static void tcp4_options(struct frame *f)
{
	shape_ip(f, false);
	frame_ipv4_options(f, 40);
	tcp(f);
}

static void udp4_options(struct frame *f)
{
	shape_ip(f, false);
	frame_ipv4_options(f, 4);
	udp(f);
}

static void udp4_without_checksum(struct frame *f)
{
	shape_ip(f, false);
	frame_udp(f, SHAPE_SPORT, SHAPE_DPORT);
	frame_udp_without_checksum(f);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void udp4_empty(struct frame *f)
{
	shape_ip(f, false);
	frame_udp(f, SHAPE_SPORT, SHAPE_DPORT);
	frame_finish(f);
}

static void tcp6_extensions(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_extension(f, IPPROTO_HOPOPTS, 8);
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 24);
	frame_ipv6_extension(f, IPPROTO_ROUTING, 8);
	frame_ipv6_extension(f, IPPROTO_AH, 12 + 12);
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	tcp(f);
}

static void udp6_atomic_fragment(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_fragment(f, 0, false);
	udp(f);
}

static void udp4_first_fragment(struct frame *f)
{
	shape_ip(f, false);
	frame_ipv4_fragment(f, 0, true);
	udp(f);
}

static void udp4_later_fragment(struct frame *f)
{
	shape_ip(f, false);
	frame_ipv4_fragment(f, 1480, false);
	frame_ip_proto(f, IPPROTO_UDP);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void udp6_first_fragment(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_extension(f, IPPROTO_HOPOPTS, 8);
	frame_ipv6_fragment(f, 0, true);
	udp(f);
}

static void udp6_later_fragment(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_fragment(f, 1448, false);
	frame_ip_proto(f, IPPROTO_UDP);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void hidden6_later_fragment(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_fragment(f, 1448, true);
	frame_ip_proto(f, IPPROTO_DSTOPTS);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

void shape_icmp_error(struct frame *f, const struct frame *quoted, uint32_t n)
{
	frame_eth(f);
	if (quoted->is_v6) {
		frame_ipv6(f, SHAPE_ROUTER6, SHAPE_CLIENT6);
		frame_icmp(f, FRAME_ICMP6_UNREACHABLE, 4, 0);
	} else {
		frame_ipv4(f, SHAPE_ROUTER4, SHAPE_CLIENT4);
		frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 3, 0);
	}
	frame_quote(f, quoted, n);
	frame_finish(f);
}

static void icmp_error(struct frame *f, void (*build)(struct frame *f), uint32_t n_l4)
{
	struct frame quoted;

	build(&quoted);
	shape_icmp_error(f, &quoted,
			 n_l4 == UINT32_MAX ? n_l4 : quoted.l4_off - quoted.l3_off + n_l4);
}

static void icmp4_tcp(struct frame *f)
{
	icmp_error(f, tcp4, UINT32_MAX);
}

static void icmp4_tcp_8(struct frame *f)
{
	icmp_error(f, tcp4, 8);
}

static void icmp4_tcp_options_8(struct frame *f)
{
	icmp_error(f, tcp4_options, 8);
}

static void icmp4_udp(struct frame *f)
{
	icmp_error(f, udp4, UINT32_MAX);
}

static void icmp4_udp_8(struct frame *f)
{
	icmp_error(f, udp4, 8);
}

static void icmp4_udp_without_checksum(struct frame *f)
{
	icmp_error(f, udp4_without_checksum, UINT32_MAX);
}

static void icmp4_udp_first_fragment(struct frame *f)
{
	icmp_error(f, udp4_first_fragment, UINT32_MAX);
}

/* RFC 4884: the quote padded to 128 bytes, its length said in the header, an extension behind. */
static void icmp4_tcp_rfc4884(struct frame *f)
{
	static const uint8_t extension[] = {0x20, 0, 0xdf, 0xff, 0, 8, 1, 1, 0, 0, 0, 0};
	struct frame quoted;
	uint32_t n;

	shape_ip(&quoted, false);
	frame_tcp(&quoted, SHAPE_SPORT, SHAPE_DPORT, LB_TCP_ACK);
	frame_fill(&quoted, 300);
	frame_finish(&quoted);
	frame_eth(f);
	frame_ipv4(f, SHAPE_ROUTER4, SHAPE_CLIENT4);
	frame_icmp(f, FRAME_ICMP4_TIME_EXCEEDED, 0, 128 / 4 << 16);
	n = frame_quote(f, &quoted, 128);
	frame_fill(f, 128 - n);
	frame_bytes(f, extension, sizeof(extension));
	frame_finish(f);
}

static void icmp6_tcp(struct frame *f)
{
	icmp_error(f, tcp6, UINT32_MAX);
}

static void icmp6_tcp_8(struct frame *f)
{
	icmp_error(f, tcp6, 8);
}

static void icmp6_tcp_extensions(struct frame *f)
{
	icmp_error(f, tcp6_extensions, 20);
}

static void icmp6_udp(struct frame *f)
{
	icmp_error(f, udp6, UINT32_MAX);
}

static void icmp6_udp_8(struct frame *f)
{
	icmp_error(f, udp6, 8);
}

static void icmp6_too_big(struct frame *f)
{
	struct frame quoted;

	tcp6(&quoted);
	frame_eth(f);
	frame_ipv6(f, SHAPE_ROUTER6, SHAPE_CLIENT6);
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 8);
	frame_icmp(f, FRAME_ICMP6_TOO_BIG, 0, 1280);
	frame_quote(f, &quoted, UINT32_MAX);
	frame_finish(f);
}

static void echo4(struct frame *f)
{
	shape_ip(f, false);
	frame_icmp(f, 8, 0, 0x00010001);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void echo6(struct frame *f)
{
	shape_ip(f, true);
	frame_icmp(f, 128, 0, 0x00010001);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void arp(struct frame *f)
{
	frame_eth(f);
	frame_ethertype(f, 0x0806);
	frame_fill(f, 28);
}

static void vlan4(struct frame *f)
{
	frame_eth(f);
	frame_vlan(f, 7);
	frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
	tcp(f);
}

/* A tag that carries a priority only. */
static void priority6_udp(struct frame *f)
{
	frame_eth(f);
	frame_tag(f, 0x8100, 5 << 13);
	frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
	udp(f);
}

static void qinq4_udp(struct frame *f)
{
	frame_eth(f);
	frame_tag(f, 0x88a8, 3 << 13 | 200);
	frame_vlan(f, 7);
	frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
	frame_ipv4_options(f, 8);
	udp(f);
}

static void qinq6(struct frame *f)
{
	frame_eth(f);
	frame_tag(f, 0x9100, 200);
	frame_vlan(f, 4094);
	frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	tcp(f);
}

static void qinq4_icmp(struct frame *f)
{
	struct frame quoted;

	tcp4(&quoted);
	frame_eth(f);
	frame_tag(f, 0x88a8, 200);
	frame_vlan(f, 7);
	frame_ipv4(f, SHAPE_ROUTER4, SHAPE_CLIENT4);
	frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 1, 0);
	frame_quote(f, &quoted, UINT32_MAX);
	frame_finish(f);
}

static void vlan6_first_fragment(struct frame *f)
{
	frame_eth(f);
	frame_vlan(f, 7);
	frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
	frame_ipv6_fragment(f, 0, true);
	udp(f);
}

static void three_tags(struct frame *f)
{
	frame_eth(f);
	frame_tag(f, 0x88a8, 1);
	frame_tag(f, 0x88a8, 2);
	frame_vlan(f, 3);
	frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
	tcp(f);
}

static void vlan_arp(struct frame *f)
{
	frame_eth(f);
	frame_vlan(f, 7);
	frame_ethertype(f, 0x0806);
	frame_fill(f, 28);
}

/* IEEE 802.3: a length where others have their type; spanning tree speaks like this. */
static void length(struct frame *f)
{
	frame_eth(f);
	frame_ethertype(f, 38);
	frame_fill(f, 46);
}

static void gre4(struct frame *f)
{
	shape_ip(f, false);
	frame_ip_proto(f, IPPROTO_GRE);
	frame_fill(f, PAYLOAD);
	frame_finish(f);
}

static void waypoint6(struct frame *f)
{
	shape_ip(f, true);
	frame_ipv6_extension(f, IPPROTO_ROUTING, 24);
	frame_put8(f, f->len - 24 + 3, 1); /* segments left */
	tcp(f);
}

const struct shape shapes[] = {
	{"tcp4", tcp4, LB_PKT_FLOW, IPPROTO_TCP},
	{"tcp6", tcp6, LB_PKT_FLOW, IPPROTO_TCP},
	{"udp4", udp4, LB_PKT_FLOW, IPPROTO_UDP},
	{"udp6", udp6, LB_PKT_FLOW, IPPROTO_UDP},
	{"tcp4_syn_padded", tcp4_syn_padded, LB_PKT_FLOW, IPPROTO_TCP},
	{"tcp4_options", tcp4_options, LB_PKT_FLOW, IPPROTO_TCP},
	{"udp4_options", udp4_options, LB_PKT_FLOW, IPPROTO_UDP},
	{"udp4_without_checksum", udp4_without_checksum, LB_PKT_FLOW, IPPROTO_UDP},
	{"udp4_empty", udp4_empty, LB_PKT_FLOW, IPPROTO_UDP},
	{"tcp6_extensions", tcp6_extensions, LB_PKT_FLOW, IPPROTO_TCP},
	{"udp6_atomic_fragment", udp6_atomic_fragment, LB_PKT_FLOW, IPPROTO_UDP},
	{"udp4_first_fragment", udp4_first_fragment, LB_PKT_FRAGMENT, IPPROTO_UDP},
	{"udp4_later_fragment", udp4_later_fragment, LB_PKT_FRAGMENT, IPPROTO_UDP},
	{"udp6_first_fragment", udp6_first_fragment, LB_PKT_FRAGMENT, IPPROTO_UDP},
	{"udp6_later_fragment", udp6_later_fragment, LB_PKT_FRAGMENT, IPPROTO_UDP},
	{"hidden6_later_fragment", hidden6_later_fragment, LB_PKT_FRAGMENT, IPPROTO_DSTOPTS},
	{"icmp4_tcp", icmp4_tcp, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp4_tcp_8", icmp4_tcp_8, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp4_tcp_options_8", icmp4_tcp_options_8, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp4_tcp_rfc4884", icmp4_tcp_rfc4884, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp4_udp", icmp4_udp, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp4_udp_8", icmp4_udp_8, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp4_udp_without_checksum", icmp4_udp_without_checksum, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp4_udp_first_fragment", icmp4_udp_first_fragment, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp6_tcp", icmp6_tcp, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp6_tcp_8", icmp6_tcp_8, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp6_tcp_extensions", icmp6_tcp_extensions, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"icmp6_udp", icmp6_udp, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp6_udp_8", icmp6_udp_8, LB_PKT_ICMP_ERROR, IPPROTO_UDP},
	{"icmp6_too_big", icmp6_too_big, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"echo4", echo4, LB_PKT_OTHER, 0},
	{"echo6", echo6, LB_PKT_OTHER, 0},
	{"arp", arp, LB_PKT_OTHER, 0},
	{"vlan4", vlan4, LB_PKT_FLOW, IPPROTO_TCP},
	{"priority6_udp", priority6_udp, LB_PKT_FLOW, IPPROTO_UDP},
	{"qinq4_udp", qinq4_udp, LB_PKT_FLOW, IPPROTO_UDP},
	{"qinq6", qinq6, LB_PKT_FLOW, IPPROTO_TCP},
	{"qinq4_icmp", qinq4_icmp, LB_PKT_ICMP_ERROR, IPPROTO_TCP},
	{"vlan6_first_fragment", vlan6_first_fragment, LB_PKT_FRAGMENT, IPPROTO_UDP},
	{"three_tags", three_tags, LB_PKT_OTHER, 0},
	{"vlan_arp", vlan_arp, LB_PKT_OTHER, 0},
	{"length", length, LB_PKT_OTHER, 0},
	{"gre4", gre4, LB_PKT_OTHER, 0},
	{"waypoint6", waypoint6, LB_PKT_OTHER, 0},
};
const uint32_t n_shapes = sizeof(shapes) / sizeof(shapes[0]);
