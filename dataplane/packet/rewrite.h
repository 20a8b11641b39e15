/* rewrite.h - new addresses, ports, TTL and link-layer addresses in place.
 *
 * Role     turns a parsed packet into the one that leaves, checksums updated incrementally
 * Shape    pure functions on one view
 * Units    addresses and ports in network order
 * Threads  pure
 * Memory   writes only inside the headers that lb_parse found
 * Errors   none; a TTL that is used up is told by lb_rewrite_ttl
 * Source   RFC 1624 (updates, the 0x0000/0xffff corners), RFC 768 and 8200 (UDP checksum 0)
 * Tests    tests/unit/test_rewrite.c, tests/unit/test_checksum.c
 */
#ifndef LB_REWRITE_H
#define LB_REWRITE_H

#include "packet/packet.h"

/* One hop on for a TCP or UDP packet (kind LB_PKT_FLOW, or the first part of one) whose addresses
 * and ports are `key`: they become those of `to`, the TTL one less. A UDP checksum of 0 stays 0.
 * False: the TTL would reach 0; the packet is unchanged. */
bool lb_rewrite_flow(struct lb_pkt *p);

/* The same without ports, of what has no transport header. */
bool lb_rewrite_addrs(struct lb_pkt *p);

/* The TTL alone: one less, checksum updated. False: it would reach 0; the packet is unchanged. */
bool lb_rewrite_ttl(struct lb_pkt *p);

static inline void lb_rewrite_link(uint8_t *frame, const uint8_t dst_mac[6],
				   const uint8_t src_mac[6])
{
	memcpy(frame, dst_mac, 6);
	memcpy(frame + 6, src_mac, 6);
}

/* An ICMP error (kind LB_PKT_ICMP_ERROR) translated to the other side of a NAT connection: outer
 * addresses become `src` and `dst`; the quoted packet's addresses and ports become
 * quote_src:quote_sport -> quote_dst:quote_dport; quoted IP checksum, quoted L4 checksum (where
 * quoted; only 8 bytes of TCP may be there) and ICMP checksum are updated. The ICMPv4 checksum of
 * a malformed message stays as wrong as it was. */
struct lb_icmp_quote {
	struct lb_addr src;
	struct lb_addr dst;
	rte_be16_t sport_be;
	rte_be16_t dport_be;
};
void lb_rewrite_icmp_error(struct lb_pkt *p, const struct lb_addr *src, const struct lb_addr *dst,
			   const struct lb_icmp_quote *quote);

#endif
