/* tags.h - the VLAN tags of a frame pushed, popped or swapped.
 *
 * Role     turns the frame as it came in one VLAN into the frame that it is in another
 * Shape    one pure function on one view
 * Units    tags as in lb/vlan.h
 * Threads  pure
 * Memory   writes the tags and the Ethernet type; the start of the frame moves within the headroom
 * Limits   LB_VLAN_TAGS_MAX tags
 * Errors   false, nothing written, when the headroom is too small
 * Source   IEEE 802.1Q 6.9 (priority and drop eligibility)
 * Tests    tests/unit/test_tags.c, tests/golden/44-vlan, 45-qinq
 */
#ifndef LB_TAGS_H
#define LB_TAGS_H

#include "packet/packet.h"

/* The frame has `tags` afterwards. The first of them, from the outside, takes the priority bits of
 * the first one that was there, the second of the second or of the only one; a frame that had none
 * gets priority 0. The Ethernet addresses are void: lb_rewrite_link follows. */
bool lb_tags_replace(struct lb_pkt *p, uint32_t tags);

#endif
