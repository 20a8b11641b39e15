/* encap_plain6.h - tunnels over IPv6 for what nearly every packet in them is.
 *
 * Role     pushes what encap.h pushes in front of a whole TCP or UDP packet over IPv6, without
 *          extension headers, that came untagged and in one buffer
 * Shape    as encap_plain.h
 * Units    ports in network order
 * Threads  pure
 * Memory   writes only the outer header and the Ethernet type in front of it: the addresses there
 *          are void afterwards
 * Limits   lb_encap_is_plain6(), and room in front of the packet: the caller asks
 * Errors   none
 * Source   as encap.h
 * Tests    tests/unit/test_encap.c
 */
#ifndef LB_ENCAP_PLAIN6_H
#define LB_ENCAP_PLAIN6_H

#include "packet/encap_plain.h"

#define LB_FLOW_LABEL_MASK 0xfffffu

static inline bool lb_encap_is_plain6(const struct lb_pkt *p)
{
	return p->kind == LB_PKT_FLOW && p->l3_off == LB_ETH_BYTES &&
	       p->l4_off == LB_ETH_BYTES + LB_IPV6_BYTES && p->rest == 0 && p->key.is_v6;
}

/* What both have in common; returns the outer header. */
static __rte_always_inline uint8_t *lb_encap_push_plain6(struct lb_pkt *p, const struct lb_encap *e,
							 bool is_gue)
{
	const uint32_t n = lb_encap_bytes(false, is_gue), n_inner = p->ip_len;
	const uint32_t n_frame = LB_ETH_BYTES + n_inner;
	uint8_t *data = p->data, *inner = data + LB_ETH_BYTES, *ip = inner - n;
	uint8_t proto = is_gue ? IPPROTO_UDP : IPPROTO_IPV6;

	p->l4_off = (uint16_t)(p->l4_off + n);
	p->tailroom += p->len - n_frame;
	p->len = n_frame + n;
	lb_store_be16(ip - 2, RTE_BE16(0x86dd));
	/* Version and class are those of the inner header. */
	lb_store_be32(ip, (lb_load_be32(inner) & ~RTE_BE32(LB_FLOW_LABEL_MASK)) |
				  rte_cpu_to_be_32(e->flow_hash & LB_FLOW_LABEL_MASK));
	lb_store_u16(ip + 4, (uint16_t)(n - LB_IPV6_BYTES + n_inner));
	lb_store_be16(ip + 6, rte_cpu_to_be_16((uint16_t)(proto << 8 | LB_OUTER_TTL)));
	memcpy(ip + LB_IPV6_SRC_OFF, &e->src, sizeof(e->src));
	memcpy(ip + LB_IPV6_DST_OFF, &e->dst, sizeof(e->dst));
	p->data = data - n;
	p->headroom -= n;
	p->ip_len = (uint16_t)(n_inner + n);
	return ip;
}

static inline void lb_encap_push_plain_ipip6(struct lb_pkt *p, const struct lb_encap *e)
{
	lb_encap_push_plain6(p, e, false);
}

/* S of encap.h, of TCP: lb_encap_is_plain_gue(). */
static inline void lb_encap_push_plain_gue6(struct lb_pkt *p, const struct lb_encap *e)
{
	const uint8_t *inner = p->data + LB_ETH_BYTES;
	uint32_t n_inner = p->ip_len;
	uint64_t sum = (uint64_t)UINT32_MAX * 2 + lb_load_be32(inner) + lb_load_be32(inner + 4) -
		       rte_cpu_to_be_32(n_inner - LB_IPV6_BYTES) - RTE_BE32(IPPROTO_TCP);
	uint8_t *ip;

	for (uint32_t i = 0; i < 4; i++)
		sum += (uint64_t)e->src.word_be[i] + e->dst.word_be[i];
	ip = lb_encap_push_plain6(p, e, true);
	lb_outer_write_udp(ip + LB_IPV6_BYTES, LB_UDP_BYTES + n_inner, e->flow_hash, e->dport_be,
			   sum);
}

#endif
