#include "lb/probe_packet.h"

#include <netinet/in.h>

#include "lb/service.h"
#include "packet/checksum.h"
#include "packet/encap.h"
#include "packet/parse.h"

#define TTL 64u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_FRAGMENT 0x3fffu /* more fragments, or an offset */
#define WINDOW 64240u
#define TOKEN_BYTES 4u
#define INNER_MAX (LB_IPV6_BYTES + LB_TCP_BYTES)

#define ECHO_REQUEST_V4 8u
#define ECHO_REPLY_V4 0u
#define ECHO_REQUEST_V6 128u
#define ECHO_REPLY_V6 129u

_Static_assert(LB_ENCAP_BYTES_MAX + INNER_MAX <= LB_PROBE_PACKET_MAX, "the largest packet fits");

/* The pseudo header's sum for `n` bytes of `proto`; the mapped form's own words must not count. */
static uint64_t pseudo_sum(const struct lb_probe_way *way, uint8_t proto, uint32_t n)
{
	uint64_t sum = (uint64_t)rte_cpu_to_be_32(n) + rte_cpu_to_be_32(proto);

	if (lb_addr_is_v4(&way->vip))
		return sum + lb_addr_v4(&way->source) + lb_addr_v4(&way->vip);
	for (uint32_t i = 0; i < 4; i++)
		sum += (uint64_t)way->source.word_be[i] + way->vip.word_be[i];
	return sum;
}

/* This and what follows write over zeros. */
static uint32_t write_tcp(const struct lb_probe_way *way, bool is_reset, uint16_t port,
			  struct lb_probe_mark mark, uint8_t *l4)
{
	uint64_t sum;

	lb_store_u16(l4, mark.number);
	lb_store_u16(l4 + 2, port);
	/* The SYN takes one number: what the server expects next is the one behind it. */
	lb_store_u32(l4 + 4, is_reset ? mark.token + 1 : mark.token);
	l4[12] = LB_TCP_BYTES / 4 << 4;
	l4[13] = is_reset ? LB_TCP_RST : LB_TCP_SYN;
	lb_store_u16(l4 + 14, is_reset ? 0 : WINDOW);
	sum = lb_checksum_sum(pseudo_sum(way, IPPROTO_TCP, LB_TCP_BYTES), l4, LB_TCP_BYTES);
	lb_store_be16(l4 + LB_TCP_CHECKSUM_OFF, lb_checksum_of(sum));
	return LB_TCP_BYTES;
}

static uint32_t write_echo(const struct lb_probe_way *way, struct lb_probe_mark mark, uint8_t *l4)
{
	const uint32_t n = LB_ICMP_BYTES + TOKEN_BYTES;
	bool is_v4 = lb_addr_is_v4(&way->vip);

	l4[0] = is_v4 ? ECHO_REQUEST_V4 : ECHO_REQUEST_V6;
	lb_store_u16(l4 + 4, mark.number);
	lb_store_u32(l4 + LB_ICMP_BYTES, mark.token);
	lb_store_be16(l4 + LB_ICMP_CHECKSUM_OFF,
		      lb_checksum_of(lb_checksum_sum(is_v4 ? 0 : pseudo_sum(way, IPPROTO_ICMPV6, n),
						     l4, n)));
	return n;
}

static void write_ip(const struct lb_probe_way *way, uint8_t proto, uint32_t n, uint8_t *ip)
{
	if (!lb_addr_is_v4(&way->vip)) {
		ip[0] = 0x60;
		lb_store_u16(ip + 4, (uint16_t)n);
		ip[6] = proto;
		ip[LB_IPV6_HOP_LIMIT_OFF] = TTL;
		memcpy(ip + LB_IPV6_SRC_OFF, &way->source, sizeof(way->source));
		memcpy(ip + LB_IPV6_DST_OFF, &way->vip, sizeof(way->vip));
		return;
	}
	ip[0] = 0x45;
	lb_store_u16(ip + 2, (uint16_t)(LB_IPV4_BYTES + n));
	lb_store_u16(ip + 6, IPV4_DONT_FRAGMENT);
	ip[LB_IPV4_TTL_OFF] = TTL;
	ip[9] = proto;
	lb_store_be32(ip + LB_IPV4_SRC_OFF, lb_addr_v4(&way->source));
	lb_store_be32(ip + LB_IPV4_DST_OFF, lb_addr_v4(&way->vip));
	lb_store_be16(ip + LB_IPV4_CHECKSUM_OFF,
		      lb_checksum_of(lb_checksum_sum(0, ip, LB_IPV4_BYTES)));
}

size_t lb_probe_packet_write(const struct lb_probe_way *way, enum lb_probe_packet_type type,
			     uint16_t port, struct lb_probe_mark mark,
			     uint8_t out[LB_PROBE_PACKET_MAX])
{
	uint8_t frame[LB_ENCAP_BYTES_MAX + LB_ETH_BYTES + INNER_MAX] = {0};
	bool is_v4 = lb_addr_is_v4(&way->vip);
	uint32_t n_ip = is_v4 ? LB_IPV4_BYTES : LB_IPV6_BYTES, n;
	const struct lb_encap tunnel = {.src = way->tunnel_source,
					.dst = way->server,
					.flow_hash = mark.token,
					.dport_be = rte_cpu_to_be_16(way->gue_port),
					.is_gue = way->forwarding == LB_FORWARD_GUE};
	/* Encapsulation works on frames: there is an Ethernet header in front that nobody gets. */
	struct lb_pkt p = {.data = frame + LB_ENCAP_BYTES_MAX, .headroom = LB_ENCAP_BYTES_MAX};
	uint8_t *ip = p.data + LB_ETH_BYTES, proto = IPPROTO_TCP;

	if (type == LB_PROBE_ECHO) {
		proto = is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		n = write_echo(way, mark, ip + n_ip);
	} else {
		n = write_tcp(way, type == LB_PROBE_RESET, port, mark, ip + n_ip);
	}
	write_ip(way, proto, n, ip);
	lb_store_u16(p.data + LB_ETH_BYTES - 2, is_v4 ? 0x0800 : 0x86dd);
	p.len = LB_ETH_BYTES + n_ip + n;
	if (lb_forwarding_is_tunnel(way->forwarding)) {
		lb_parse(&p);
		(void)lb_encap_push(&p, &tunnel); /* there is room for every header */
	}
	memcpy(out, p.data + LB_ETH_BYTES, p.len - LB_ETH_BYTES);
	return p.len - LB_ETH_BYTES;
}

static bool read_tcp(const uint8_t *l4, size_t len, struct lb_probe_answer *out)
{
	if (len < LB_TCP_BYTES || (l4[13] & LB_TCP_ACK) == 0)
		return false;
	if ((l4[13] & LB_TCP_RST) != 0)
		out->type = LB_PROBE_REFUSED;
	else if ((l4[13] & LB_TCP_SYN) != 0)
		out->type = LB_PROBE_ACCEPTED;
	else
		return false;
	out->port = lb_load_u16(l4);
	out->mark.number = lb_load_u16(l4 + 2);
	out->mark.token = lb_load_u32(l4 + 8) - 1;
	return true;
}

static bool read_echo(const uint8_t *l4, size_t len, uint8_t reply, struct lb_probe_answer *out)
{
	if (len < LB_ICMP_BYTES + TOKEN_BYTES || l4[0] != reply || l4[1] != 0)
		return false;
	out->type = LB_PROBE_ECHOED;
	out->port = 0;
	out->mark.number = lb_load_u16(l4 + 4);
	out->mark.token = lb_load_u32(l4 + LB_ICMP_BYTES);
	return true;
}

bool lb_probe_packet_read(const uint8_t *ip, size_t len, struct lb_probe_answer *out)
{
	size_t total;

	if (len >= LB_IPV4_BYTES && ip[0] == 0x45) {
		total = lb_load_u16(ip + 2);
		if (total < LB_IPV4_BYTES || total > len || (lb_load_u16(ip + 6) & IPV4_FRAGMENT))
			return false;
		out->from = lb_addr_from_v4(lb_load_be32(ip + LB_IPV4_SRC_OFF));
		out->to = lb_addr_from_v4(lb_load_be32(ip + LB_IPV4_DST_OFF));
		if (ip[9] == IPPROTO_TCP)
			return read_tcp(ip + LB_IPV4_BYTES, total - LB_IPV4_BYTES, out);
		return ip[9] == IPPROTO_ICMP &&
		       read_echo(ip + LB_IPV4_BYTES, total - LB_IPV4_BYTES, ECHO_REPLY_V4, out);
	}
	if (len < LB_IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	total = LB_IPV6_BYTES + lb_load_u16(ip + 4);
	if (total > len)
		return false;
	memcpy(&out->from, ip + LB_IPV6_SRC_OFF, sizeof(out->from));
	memcpy(&out->to, ip + LB_IPV6_DST_OFF, sizeof(out->to));
	if (ip[6] == IPPROTO_TCP)
		return read_tcp(ip + LB_IPV6_BYTES, total - LB_IPV6_BYTES, out);
	return ip[6] == IPPROTO_ICMPV6 &&
	       read_echo(ip + LB_IPV6_BYTES, total - LB_IPV6_BYTES, ECHO_REPLY_V6, out);
}
