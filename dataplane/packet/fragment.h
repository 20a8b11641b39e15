/* fragment.h - which part of which packet a fragment is.
 *
 * Role     reads what fragments of one packet have in common, and of the first one the ports that
 *          lb_parse leaves out; new addresses for either
 * Shape    pure functions on one parsed view of kind LB_PKT_FRAGMENT
 * Units    bytes; identification as in the packet
 * Threads  pure
 * Memory   never reads past the IP packet's end; rewriting writes inside the headers found
 * Limits   headers behind the fragment header: LB_IPV6_EXTENSIONS_MAX, past it the fragment is tiny
 * Errors   LB_FRAGMENT_MALFORMED, LB_FRAGMENT_TINY
 * Source   RFC 791, RFC 8200 4.5, RFC 1858 and 3128 (tiny and overlapping fragments), RFC 7112 (the
 *          first fragment has all headers), RFC 6864 (identification of rewritten fragments)
 * Tests    tests/unit/test_fragment.c
 */
#ifndef LB_FRAGMENT_H
#define LB_FRAGMENT_H

#include "packet/packet.h"
#include "packet/wire.h"

#define LB_IPV6_FRAGMENT_BYTES 8u

enum lb_fragment_part {
	LB_FRAGMENT_LATER,
	LB_FRAGMENT_FIRST,     /* with the whole TCP or UDP header, now in the view */
	LB_FRAGMENT_FOREIGN,   /* the first, of another protocol than it seemed to be */
	LB_FRAGMENT_TINY,      /* the first, without the whole TCP or UDP header */
	LB_FRAGMENT_MALFORMED, /* empty, past 65535 bytes, or a length that has no successor */
};

struct lb_fragment {
	/* What fragments of one packet share: the addresses, the identification in place of the
	 * ports, over IPv4 the protocol. IPv6 lets the protocol differ (RFC 8200 4.5). */
	struct lb_key id;
	uint32_t off;     /* of its first byte in the whole packet, behind the headers */
	uint32_t n_bytes; /* behind the headers */
	bool is_last;
};

/* Offset in the packet's bytes 0, whether the view's ports have been read or not. */
static inline bool lb_fragment_is_first(const struct lb_pkt *p)
{
	if (!p->key.is_v6)
		return (lb_load_u16(p->data + p->l3_off + 6) & 0x1fff) == 0;
	return (lb_load_u16(p->data + p->fragment_off + 2) & 0xfff8) == 0;
}

/* Fills *out, p->fragment_part and, of a first fragment, proto, l4_off, tcp_flags and the key's
 * ports. To be called once for a view. */
void lb_fragment_read(struct lb_pkt *p, struct lb_fragment *out);

/* *out alone; at any time after lb_parse. */
void lb_fragment_describe(const struct lb_pkt *p, struct lb_fragment *out);

/* One hop on with the addresses of `to` and the new identification, of a first fragment with the
 * ports too: the transport checksum is in the first fragment only and covers the addresses of all.
 * False: the TTL would reach 0; the packet is unchanged. */
bool lb_rewrite_fragment(struct lb_pkt *p);

#endif
