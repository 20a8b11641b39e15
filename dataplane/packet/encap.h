/* encap.h - tunnels: a packet as it is, behind another IP header.
 *
 * Role     pushes the outer header of IP in IP or of GUE in front of a parsed packet of either
 *          family, towards a server of either family
 * Shape    pure functions on one view; the header is written into the headroom
 * Units    addresses and ports in network order
 * Threads  pure
 * Memory   writes only in front of the inner packet, over its Ethernet header and the headroom
 * Limits   LB_ENCAP_BYTES_MAX bytes of headroom are enough
 * Errors   push: false, nothing written, when the headroom is too small
 * Source   RFC 2003 and 2473 (IP in IP), draft-ietf-intarea-gue (variant 1: the IP packet stands
 *          right behind UDP, told by its version), RFC 6040 (traffic class and ECN are copied),
 *          RFC 6864 (never fragmented: DF, identification 0), RFC 6438 (flow label from the hash)
 * Tests    tests/unit/test_encap.c, tests/golden/15-ipip, 16-gue
 *
 * The checksum of the outer UDP header covers the whole inner packet, which nobody wants to read
 * again. Modulo 0xffff its sum S follows from the checksums that the inner packet carries:
 *
 *   an IPv4 header with its checksum sums to 0;
 *   a TCP, UDP or ICMPv6 message M with its checksum and the pseudo header P sums to 0, so M = -P;
 *   an ICMPv4 message with its checksum sums to 0.
 *
 *   IPv4, TCP or UDP   S = 0 + M = -(source + destination + protocol + length of M)
 *   IPv4, ICMP         S = 0
 *   IPv6               S = (header + extension headers) - P; both contain the addresses, so
 *                      S = (first 8 bytes + extension headers) - (protocol + length of M)
 *
 * If the inner checksum is wrong, so is the outer one, and the server drops the packet one header
 * earlier than it would have. Where the checksums do not cover everything (UDP without checksum
 * or shorter than its packet, fragments) S is summed.
 */
#ifndef LB_ENCAP_H
#define LB_ENCAP_H

#include "packet/packet.h"
#include "packet/wire.h"

#define LB_ENCAP_BYTES_MAX (LB_IPV6_BYTES + LB_UDP_BYTES)
#define LB_GUE_FIRST_PORT 49152u /* source ports are 49152-65535 */

struct lb_encap {
	struct lb_addr src; /* both of one family, not necessarily the inner packet's */
	struct lb_addr dst;
	uint32_t flow_hash;  /* same for all packets of a connection */
	rte_be16_t dport_be; /* GUE */
	bool is_gue;
};

/* How much a packet grows. */
static inline uint32_t lb_encap_bytes(bool is_outer_v4, bool is_gue)
{
	return (is_outer_v4 ? LB_IPV4_BYTES : LB_IPV6_BYTES) + (is_gue ? LB_UDP_BYTES : 0);
}

/* Afterwards the view is the outer packet: data, len, headroom, tailroom and ip_len; padding of the
 * frame is left out. The other offsets still point to the same headers of the inner packet. The
 * Ethernet addresses are those of before. */
bool lb_encap_push(struct lb_pkt *p, const struct lb_encap *e);

/* The same with IPv4 outside. */
bool lb_encap_push_ipip4(struct lb_pkt *p, rte_be32_t src_be, rte_be32_t dst_be);
bool lb_encap_push_gue4(struct lb_pkt *p, rte_be32_t src_be, rte_be32_t dst_be, uint32_t flow_hash,
			rte_be16_t dport_be);

/* The sum of the inner packet's words modulo 0xffff, unfolded; for lb_encap_push and its test. */
uint64_t lb_encap_inner_sum(const struct lb_pkt *p);

#endif
