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

/* New addresses and ports of a TCP or UDP packet (kind LB_PKT_FLOW) from new_src, new_dst,
 * new_sport_be, new_dport_be; both families. A UDP/IPv4 checksum of 0 stays 0. */
void lb_rewrite_flow(struct lb_pkt *p);

/* One less, checksum updated. False: it would reach 0; the packet is unchanged. */
bool lb_rewrite_ttl(struct lb_pkt *p);

void lb_rewrite_link(struct lb_pkt *p, const uint8_t dst_mac[6], const uint8_t src_mac[6]);

/* An ICMP error (kind LB_PKT_ICMP_ERROR) translated to the other side of a NAT connection: outer
 * addresses become new_src/new_dst; the quoted packet's addresses and ports become
 * quote_src:quote_sport -> quote_dst:quote_dport; quoted IP checksum, quoted L4 checksum (where
 * quoted; only 8 bytes of TCP may be there) and ICMP checksum are updated. The ICMPv4 checksum of
 * a malformed message stays as wrong as it was. */
struct lb_icmp_quote {
	struct lb_addr src;
	struct lb_addr dst;
	rte_be16_t sport_be;
	rte_be16_t dport_be;
};
void lb_rewrite_icmp_error(struct lb_pkt *p, const struct lb_icmp_quote *quote);

#endif
