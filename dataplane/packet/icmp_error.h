/* icmp_error.h - the replies that Ballast originates itself.
 *
 * Role     turns a packet that cannot be served into the answer to its sender, in place
 * Shape    pure functions on one view; the view afterwards is the answer, link-layer addresses
 *          swapped, `is_originated` set, checksums valid, lengths right
 * Units    as in packet.h
 * Threads  pure
 * Memory   grows or shrinks within headroom, len and tailroom; -1 when it does not fit
 * Limits   ICMPv4 quotes IP header + 8 bytes or more up to 576 bytes in all, ICMPv6 up to 1280
 * Errors   false: no answer may be sent to this packet (to an RST, an ICMP error, a fragment that
 *          is not the first, a broadcast, multicast or zero source) or it does not fit
 * Source   RFC 9293 3.10.7.1 (resets), RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4, RFC 1191
 * Tests    tests/unit/test_icmp_error.c
 */
#ifndef LB_ICMP_ERROR_H
#define LB_ICMP_ERROR_H

#include "packet/packet.h"

enum lb_icmp_why {
	LB_ICMP_PORT_UNREACHABLE,
	LB_ICMP_TTL_EXCEEDED,
};

/* A TCP reset from the packet's destination to its source: sequence rules of RFC 9293. */
bool lb_reply_tcp_reset(struct lb_pkt *p);

/* Writes at `ip` a TCP segment without data, of ACK alone, that leaves as `key` says; returns its
 * bytes, LB_TCP_QUESTION_BYTES_MAX at most. */
#define LB_TCP_QUESTION_BYTES_MAX 60u
uint32_t lb_tcp_question(uint8_t *ip, const struct lb_key *key, uint32_t seq);

/* An ICMP error about the packet, sent from `src` (the VIP) to the packet's source. */
bool lb_reply_icmp_error(struct lb_pkt *p, const struct lb_addr *src, enum lb_icmp_why why);

/* The same, saying that IP packets of `mtu` bytes would pass: ICMPv4 fragmentation needed, ICMPv6
 * packet too big (then `mtu` is raised to the 1280 that every IPv6 link carries). */
bool lb_reply_too_big(struct lb_pkt *p, const struct lb_addr *src, uint32_t mtu);

#endif
