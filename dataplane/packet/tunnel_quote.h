/* tunnel_quote.h - an ICMP error about a packet that went through a tunnel.
 *
 * Role     reads what such an error quotes: the tunnel's header and, behind it, as much as there is
 *          of the packet inside; turns the view into that packet, so that its sender can be told
 * Shape    pure functions on one view that lb_parse has seen
 * Units    bytes
 * Threads  pure
 * Memory   reads never pass the ICMP message's end; opening moves the link-layer header in place
 * Limits   the quote has to reach the inner ports; no IPv6 extension headers on either level
 * Errors   false: no error, not about a tunnel, or too short a quote
 * Source   RFC 2003 4 and 5, RFC 2473 8, RFC 792, RFC 4443; decision 0051
 * Tests    tests/unit/test_tunnel_quote.c, tests/golden/55-icmp-errors-tunnel
 */
#ifndef LB_TUNNEL_QUOTE_H
#define LB_TUNNEL_QUOTE_H

#include "packet/packet.h"

struct lb_tunnel_quote {
	struct lb_addr src; /* of the tunnel */
	struct lb_key key;  /* of the packet inside */
	uint32_t mtu;       /* what the path takes, the tunnel's headers included; 0: no question
			       of size */
	uint32_t n_tunnel;  /* bytes of the tunnel's headers */
	uint32_t inner_off;
	uint32_t inner_l4_off;
};

bool lb_tunnel_quote_read(const struct lb_pkt *p, struct lb_tunnel_quote *out);

/* The view is the inner packet now, cut where the quote is. */
void lb_tunnel_quote_open(struct lb_pkt *p, const struct lb_tunnel_quote *quote);

#endif
