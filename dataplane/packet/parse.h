/* parse.h - bytes to a connection key, or the name of what is wrong with them.
 *
 * Role     finds headers and key of one frame; refuses by name what may not be forwarded
 * Shape    one pure function over one view
 * Units    offsets in bytes, key as in the packet
 * Threads  pure
 * Memory   never reads at or past data + len, never writes the packet
 * Limits   IPv6 extension headers: LB_IPV6_EXTENSIONS_MAX, bounded walk
 * Errors   LB_VERDICT_DROP with a reason for malformed frames
 * Source   RFC 791, 8200, 9293, 768, 792, 4443
 * Tests    tests/unit/test_parse.c, tests/fuzz/fuzz_parse.c
 */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include "packet/packet.h"

#define LB_IPV6_EXTENSIONS_MAX 8u

/* Fills the parse fields of `p`. Leaves the verdict at CONTINUE, or sets DROP with a reason. An
 * ICMP error gets kind LB_PKT_ICMP_ERROR if its quote has an IP header and at least the 4 bytes of
 * ports of TCP or UDP; ICMP that is no error is LB_PKT_OTHER. Fragments (offset or more-fragments,
 * either family) are LB_PKT_FRAGMENT. Whether a drop or OTHER is ours to drop is the caller's. */
void lb_parse(struct lb_pkt *p);

#endif
