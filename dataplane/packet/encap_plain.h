/* encap_plain.h - tunnels over IPv4 for what nearly every packet is.
 *
 * Role     pushes what encap.h pushes in front of a whole TCP or UDP packet over IPv4 that came
 *          untagged and in one buffer; inline, so that what delivers knows the view already
 * Shape    headers are put together in registers: a sum over bytes that were only just stored one
 *          by one would wait for each of them. encap.c writes outer IPv4 headers by the same
 *          functions
 * Units    addresses and ports in network order
 * Threads  pure
 * Memory   writes only the outer header and the Ethernet type in front of it: the addresses there
 *          are void afterwards
 * Limits   lb_encap_is_plain(), and room in front of the packet: the caller asks
 * Errors   none
 * Source   as encap.h
 * Tests    tests/unit/test_encap.c
 */
#ifndef LB_ENCAP_PLAIN_H
#define LB_ENCAP_PLAIN_H

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "packet/checksum.h"
#include "packet/encap.h"

#define LB_OUTER_TTL 64u
#define LB_IPV4_DONT_FRAGMENT 0x4000u

/* An outer IPv4 header. */
struct lb_outer4 {
	rte_be32_t src_be;
	rte_be32_t dst_be;
	uint32_t n; /* bytes, those of what follows included */
	uint8_t class;
	uint8_t proto;
};

static __rte_always_inline void lb_outer4_write(uint8_t *ip, const struct lb_outer4 *o)
{
	rte_be32_t first = rte_cpu_to_be_32(0x45u << 24 | (uint32_t)o->class << 16 | o->n);
	rte_be16_t ttl = rte_cpu_to_be_16((uint16_t)(LB_OUTER_TTL << 8 | o->proto));
	uint64_t sum = (uint64_t)o->src_be + o->dst_be + first + RTE_BE32(LB_IPV4_DONT_FRAGMENT) +
		       ttl;

	/* Neighbours apart: the compiler would join them in a vector register first. */
	lb_store_be32(ip, first);
	lb_store_be32(ip + LB_IPV4_SRC_OFF, o->src_be);
	lb_store_be32(ip + 4, RTE_BE32(LB_IPV4_DONT_FRAGMENT));
	lb_store_be32(ip + LB_IPV4_DST_OFF, o->dst_be);
	lb_store_be16(ip + LB_IPV4_TTL_OFF, ttl);
	lb_store_be16(ip + LB_IPV4_CHECKSUM_OFF, lb_checksum_of(sum));
}

/* `n`: of the datagram. `sum`: of both outer addresses and of the inner packet. */
static __rte_always_inline void lb_outer_write_udp(uint8_t *udp, uint32_t n, uint32_t flow_hash,
						   rte_be16_t dport_be, uint64_t sum)
{
	uint32_t n_ports = 65536u - LB_GUE_FIRST_PORT; /* a power of two */
	uint16_t sport = (uint16_t)(LB_GUE_FIRST_PORT + (flow_hash & (n_ports - 1)));
	rte_be16_t sport_be = rte_cpu_to_be_16(sport), n_be = rte_cpu_to_be_16((uint16_t)n);
	rte_be16_t checksum;

	/* The length counts twice: in the pseudo header and in the header. */
	sum += (uint64_t)sport_be + dport_be + n_be + n_be + RTE_BE16(IPPROTO_UDP);
	checksum = lb_checksum_of(sum);
	lb_store_be16(udp, sport_be);
	lb_store_be16(udp + 2, dport_be);
	lb_store_be16(udp + 4, n_be);
	lb_store_be16(udp + LB_UDP_CHECKSUM_OFF, checksum == 0 ? UINT16_MAX : checksum);
}

/* -P of encap.h, for an IPv4 packet whose addresses are its key's. The constant is 0 modulo 0xffff
 * and keeps the difference from below 0. */
static inline uint64_t lb_encap_covered_sum4(const struct lb_pkt *p, uint32_t n_l4, uint8_t proto)
{
	const uint64_t zero = (uint64_t)UINT32_MAX * 4;

	return zero - p->key.v4.src_be - p->key.v4.dst_be - rte_cpu_to_be_16((uint16_t)n_l4) -
	       rte_cpu_to_be_16(proto);
}

static inline bool lb_encap_is_plain(const struct lb_pkt *p)
{
	return likely(p->kind == LB_PKT_FLOW) && likely(p->l3_off == LB_ETH_BYTES) &&
	       likely(p->rest == 0) && likely(!p->key.is_v6);
}

/* Of these only what surely has a checksum over all that follows goes into GUE. */
static inline bool lb_encap_is_plain_gue(const struct lb_pkt *p)
{
	return likely(p->proto == IPPROTO_TCP);
}

/* What both have in common; returns the outer header. */
static __rte_always_inline uint8_t *lb_encap_push_plain4(struct lb_pkt *p, rte_be32_t src_be,
							 rte_be32_t dst_be, bool is_gue)
{
	const uint32_t n = lb_encap_bytes(true, is_gue), n_inner = p->ip_len;
	const uint32_t n_frame = LB_ETH_BYTES + n_inner;
	uint8_t *data = p->data, *ip = data + LB_ETH_BYTES - n;
	const struct lb_outer4 outer = {
		.src_be = src_be,
		.dst_be = dst_be,
		.n = n + n_inner,
		.class = data[LB_ETH_BYTES + 1],
		.proto = is_gue ? IPPROTO_UDP : IPPROTO_IPIP,
	};

	p->l4_off = (uint16_t)(p->l4_off + n);
	p->tailroom += p->len - n_frame;
	p->len = n_frame + n;
	lb_store_be16(ip - 2, RTE_BE16(0x0800));
	lb_outer4_write(ip, &outer);
	p->data = data - n;
	p->headroom -= n;
	p->ip_len = (uint16_t)(n_inner + n);
	return ip;
}

static __rte_always_inline void lb_encap_push_plain_ipip4(struct lb_pkt *p, rte_be32_t src_be,
							  rte_be32_t dst_be)
{
	lb_encap_push_plain4(p, src_be, dst_be, false);
}

static __rte_always_inline void lb_encap_push_plain_gue4(struct lb_pkt *p, rte_be32_t src_be,
							 rte_be32_t dst_be, uint32_t flow_hash,
							 rte_be16_t dport_be)
{
	uint32_t n_inner = p->ip_len, n_l4 = LB_ETH_BYTES + n_inner - p->l4_off;
	uint64_t sum = (uint64_t)src_be + dst_be + lb_encap_covered_sum4(p, n_l4, IPPROTO_TCP);
	uint8_t *ip = lb_encap_push_plain4(p, src_be, dst_be, true);

	lb_outer_write_udp(ip + LB_IPV4_BYTES, LB_UDP_BYTES + n_inner, flow_hash, dport_be, sum);
}

#endif
