/* ipv6_walk.h - over the extension headers of an IPv6 packet.
 *
 * Role     finds what follows them, and where they say that ports are not to be looked for
 * Shape    one pure function on the state of a walk
 * Units    offsets in bytes
 * Threads  pure
 * Memory   never reads at or past data + end
 * Limits   LB_IPV6_EXTENSIONS_MAX headers, past it LB_WALK_MALFORMED
 * Errors   LB_WALK_MALFORMED
 * Source   RFC 8200 4
 * Tests    tests/unit/test_parse.c
 */
#ifndef LB_IPV6_WALK_H
#define LB_IPV6_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* How it ended. */
enum lb_ipv6_walk_end {
	LB_WALK_AT_L4,       /* or at the payload of a protocol that has no meaning here */
	LB_WALK_AT_FRAGMENT, /* behind the fragment header of a part of a packet */
	LB_WALK_AT_WAYPOINT, /* routing header: the destination is not the last one */
	LB_WALK_MALFORMED,   /* past the end, too many, or out of place */
};

struct lb_ipv6_walk {
	const uint8_t *data;
	uint32_t off; /* of what `next` names */
	uint32_t end;
	uint8_t next;
	bool is_later_fragment;
};

bool lb_ipv6_is_extension(uint8_t proto);

enum lb_ipv6_walk_end lb_ipv6_walk(struct lb_ipv6_walk *w);

#endif
