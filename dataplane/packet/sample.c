#include "packet/sample.h"

#include <netinet/in.h>

#include "packet/checksum.h"
#include "packet/wire.h"

#define TTL 64u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu

static uint32_t l4_bytes(const struct lb_question *q)
{
	return q->proto == IPPROTO_TCP ? LB_TCP_BYTES : LB_UDP_BYTES;
}

static void put_ipv4(const struct lb_question *q, uint8_t *ip, uint32_t ip_bytes)
{
	ip[0] = 0x45;
	lb_store_u16(ip + 2, (uint16_t)ip_bytes);
	ip[LB_IPV4_TTL_OFF] = TTL;
	ip[9] = q->proto;
	lb_store_be32(ip + LB_IPV4_SRC_OFF, lb_addr_v4(&q->src));
	lb_store_be32(ip + LB_IPV4_DST_OFF, lb_addr_v4(&q->dst));
	lb_store_be16(ip + LB_IPV4_CHECKSUM_OFF,
		      lb_checksum_of(lb_checksum_sum(0, ip, LB_IPV4_BYTES)));
}

static void put_ipv6(const struct lb_question *q, uint8_t *ip, uint32_t ip_bytes)
{
	ip[0] = 0x60;
	lb_store_u16(ip + 4, (uint16_t)(ip_bytes - LB_IPV6_BYTES));
	ip[6] = q->proto;
	ip[LB_IPV6_HOP_LIMIT_OFF] = TTL;
	memcpy(ip + LB_IPV6_SRC_OFF, &q->src, sizeof(q->src));
	memcpy(ip + LB_IPV6_DST_OFF, &q->dst, sizeof(q->dst));
}

static void put_l4(const struct lb_question *q, uint8_t *l4, uint32_t n)
{
	lb_store_be16(l4, q->sport_be);
	lb_store_be16(l4 + 2, q->dport_be);
	if (q->proto == IPPROTO_UDP) {
		lb_store_u16(l4 + 4, (uint16_t)n);
		lb_store_u16(l4 + LB_UDP_CHECKSUM_OFF, UINT16_MAX);
		return;
	}
	l4[12] = LB_TCP_BYTES / 4 << 4;
	l4[13] = q->tcp_flags;
}

struct lb_pkt lb_sample_make(const struct lb_question *q, uint8_t room[LB_SAMPLE_BYTES])
{
	uint32_t ip_header = lb_addr_is_v4(&q->dst) ? LB_IPV4_BYTES : LB_IPV6_BYTES;
	uint32_t ip_bytes = q->ip_bytes, least = ip_header + l4_bytes(q);
	uint8_t *ip = room + LB_SAMPLE_HEADROOM + LB_ETH_BYTES;

	if (ip_bytes < least)
		ip_bytes = least;
	memset(room, 0, LB_SAMPLE_BYTES);
	if (ip_header == LB_IPV4_BYTES)
		put_ipv4(q, ip, ip_bytes);
	else
		put_ipv6(q, ip, ip_bytes);
	lb_store_u16(ip - 2, ip_header == LB_IPV4_BYTES ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	put_l4(q, ip + ip_header, ip_bytes - ip_header);
	return (struct lb_pkt){.data = room + LB_SAMPLE_HEADROOM,
			       .len = LB_ETH_BYTES + ip_bytes,
			       .headroom = LB_SAMPLE_HEADROOM,
			       .tailroom = LB_SAMPLE_BYTES - LB_SAMPLE_HEADROOM - LB_ETH_BYTES -
					   ip_bytes,
			       .iface = q->iface};
}
