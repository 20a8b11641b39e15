#include "packet/ipv6_walk.h"

#include <netinet/in.h>

#include "packet/parse.h"
#include "packet/wire.h"

#define IPV6_OFFSET_BITS RTE_BE16(0xfff8)
#define IPV6_FRAGMENT_BITS RTE_BE16(0xfff9)

bool lb_ipv6_is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_AH || proto == IPPROTO_FRAGMENT;
}

enum lb_ipv6_walk_end lb_ipv6_walk(struct lb_ipv6_walk *w)
{
	for (uint32_t i = 0; lb_ipv6_is_extension(w->next); i++) {
		const uint8_t *ext = w->data + w->off;
		uint8_t type = w->next;
		uint32_t len;

		/* Each has 8 bytes at least; hop-by-hop options come first or not at all. */
		if (i == LB_IPV6_EXTENSIONS_MAX || w->off + 8 > w->end ||
		    (type == IPPROTO_HOPOPTS && i > 0))
			return LB_WALK_MALFORMED;
		if (type == IPPROTO_FRAGMENT)
			len = 8;
		else
			len = type == IPPROTO_AH ? (ext[1] + 2u) * 4 : (ext[1] + 1u) * 8;
		if (w->off + len > w->end)
			return LB_WALK_MALFORMED;
		w->off += len;
		w->next = ext[0];
		if (type == IPPROTO_ROUTING && ext[3] != 0)
			return LB_WALK_AT_WAYPOINT;
		if (type == IPPROTO_FRAGMENT && (lb_load_be16(ext + 2) & IPV6_FRAGMENT_BITS) != 0) {
			w->is_later_fragment = (lb_load_be16(ext + 2) & IPV6_OFFSET_BITS) != 0;
			return LB_WALK_AT_FRAGMENT;
		}
	}
	return LB_WALK_AT_L4;
}
