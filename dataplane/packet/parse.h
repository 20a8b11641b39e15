/* parse.h - bytes to a connection key, or the name of what is wrong with them.
 *
 * Role     finds headers and key of one frame; refuses by name what may not be forwarded
 * Shape    one pure function over one view
 * Units    offsets in bytes, key as in the packet
 * Threads  pure
 * Memory   never reads at or past data + len, never writes the packet
 * Limits   IPv6 extension headers: LB_IPV6_EXTENSIONS_MAX, past it drop_bad_ipv6_extension, as when
 *          they do not end in the first buffer; LB_VLAN_TAGS_MAX tags, past it OTHER; frames of
 *          65535 bytes, past it drop_too_large
 * Errors   LB_VERDICT_DROP with a reason for malformed frames
 * Source   RFC 791, 8200, 9293, 768, 792, 4443; IEEE 802.1Q
 * Tests    tests/unit/test_parse.c, test_parse_frames.c, tests/fuzz/fuzz_parse.c
 */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include "packet/packet.h"

#define LB_IPV6_EXTENSIONS_MAX 8u

/* Fills the parse fields of `p` but the hash. The verdict is CONTINUE, or DROP with a reason;
 * whether a drop or OTHER is ours to drop is the caller's.
 *
 * FLOW        whole TCP or UDP packet; header checksum, lengths and addresses are sound. Transport
 *             checksums are the receiver's to judge
 * ICMP_ERROR  destination unreachable, time exceeded, parameter problem, packet too big, with a
 *             quote of an IP header and at least the 4 bytes of ports of TCP or UDP
 * FRAGMENT    more-fragments or an offset, of TCP or UDP or (IPv6) of what an extension header
 *             behind the fragment header hides; an IPv6 packet whole in one fragment is none
 * OTHER       all else: other Ethernet types and lengths, other protocols, multicast and
 *             broadcast destinations, ICMP that is no error, redirects, errors about other
 *             protocols or about later fragments, routing headers with segments left */
void lb_parse(struct lb_pkt *p);

#endif
