/* shapes.h - one sound frame of every shape that the packet code tells apart.
 *
 * Role     the list that parser, rewrite and reply tests loop over, and the seeds of the fuzz
 *          corpus
 * Shape    a table of names, builders and what lb_parse has to find
 * Units    as in frame.h
 * Threads  constant
 * Memory   none of its own
 * Limits   none
 * Errors   none
 * Tests    tests/unit/test_parse.c
 */
#ifndef SHAPES_H
#define SHAPES_H

#include "frame.h"

/* Every flow in the table is this one, from CLIENT to VIP; ICMP errors come from ROUTER to CLIENT
 * and quote it. */
#define SHAPE_CLIENT4 "198.51.100.7"
#define SHAPE_VIP4 "192.0.2.10"
#define SHAPE_ROUTER4 "203.0.113.9"
#define SHAPE_CLIENT6 "2001:db8:1::7"
#define SHAPE_VIP6 "2001:db8:2::10"
#define SHAPE_ROUTER6 "2001:db8:3::9"
#define SHAPE_SPORT 40000u
#define SHAPE_DPORT 135u

struct shape {
	const char *name;
	void (*build)(struct frame *f);
	enum lb_pkt_kind kind;
	uint8_t proto; /* of the flow or of the quoted flow */
};

extern const struct shape shapes[];
extern const uint32_t n_shapes;

/* The IP header of a packet from client to VIP on an empty frame. */
void shape_ip(struct frame *f, bool is_v6);

/* An ICMP error (unreachable) that quotes the first `n` bytes of `quoted`. */
void shape_icmp_error(struct frame *f, const struct frame *quoted, uint32_t n);

#endif
