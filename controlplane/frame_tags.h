/* frame_tags.h - VLAN tags of a frame on its way to or from a twin.
 *
 * Role     which VLAN a frame is in, and the frame without its tags or with those of a VLAN
 * Shape    three pure functions on bytes
 * Units    tags as in lb/vlan.h
 * Threads  pure
 * Memory   writes within the caller's frame, and LB_FRAME_TAGS_BYTES before it
 * Limits   LB_VLAN_TAGS_MAX tags are looked at: behind them everything is the packet
 * Errors   none; of a frame that ends early what is there counts
 * Source   IEEE 802.1Q, decision 0104
 * Tests    tests/unit/test_frame_tags.c
 */
#ifndef LB_FRAME_TAGS_H
#define LB_FRAME_TAGS_H

#include <stddef.h>
#include <stdint.h>

#include "lb/vlan.h"

#define LB_FRAME_TAGS_BYTES (LB_VLAN_TAGS_MAX * LB_VLAN_TAG_BYTES)

/* The VLAN that it is in, as lb_vlan_named; *n_bytes of tags make it, priorities included. */
uint32_t lb_frame_tags(const uint8_t *frame, size_t len, size_t *n_bytes);

/* Without the `n_bytes` of tags; returns the new start, `n_bytes` behind the old one. */
uint8_t *lb_frame_untag(uint8_t *frame, size_t n_bytes);

/* With these tags, priority 0; returns the new start, at most LB_FRAME_TAGS_BYTES before the old
 * one. */
uint8_t *lb_frame_tag(uint8_t *frame, uint32_t tags);

#endif
