/* vlan.h - VLAN tags of a frame or of an interface, as one number.
 *
 * Role     the name of a VLAN, or of a VLAN within another (QinQ), that both planes compare
 * Shape    16 bits a tag: its type in bits 12 and 13, its id below; the tag next to the IP packet
 *          in the low half, one around it in the high half. 0: no tag
 * Units    ids and Ethernet types in host order; the priority bits of a tag are no part of its name
 * Threads  values
 * Memory   none
 * Limits   LB_VLAN_TAGS_MAX tags; a frame with more is not known for what it carries
 * Errors   none
 * Source   IEEE 802.1Q; 0x9100 is what older bridges write around a tag
 * Tests    tests/unit/test_tags.c, tests/unit/test_parse_frames.c
 */
#ifndef LB_VLAN_H
#define LB_VLAN_H

#include <stdint.h>

#define LB_VLAN_TAGS_MAX 2u
#define LB_VLAN_TAG_BYTES 4u
#define LB_VLAN_ID_MASK 0xfffu

enum lb_vlan_type {
	LB_VLAN_NONE,
	LB_VLAN_8100, /* customer's, IEEE 802.1Q */
	LB_VLAN_88A8, /* service provider's, IEEE 802.1ad */
	LB_VLAN_9100,
	LB_VLAN_TYPE_N,
};

static inline enum lb_vlan_type lb_vlan_type_of(uint16_t ethertype)
{
	switch (ethertype) {
	case 0x8100:
		return LB_VLAN_8100;
	case 0x88a8:
		return LB_VLAN_88A8;
	case 0x9100:
		return LB_VLAN_9100;
	default:
		return LB_VLAN_NONE;
	}
}

static inline uint16_t lb_vlan_ethertype(uint32_t tag)
{
	static const uint16_t types[] = {0, 0x8100, 0x88a8, 0x9100};

	return types[tag >> 12 & 3u];
}

static inline uint32_t lb_vlan_tag(enum lb_vlan_type type, uint32_t id)
{
	return (uint32_t)type << 12 | (id & LB_VLAN_ID_MASK);
}

/* `tag` stands inside of what `tags` names. */
static inline uint32_t lb_vlan_push(uint32_t tags, uint32_t tag)
{
	return tags << 16 | tag;
}

static inline uint32_t lb_vlan_n(uint32_t tags)
{
	return tags >> 16 != 0 ? 2 : tags != 0 ? 1 : 0;
}

/* Without tags of id 0: they carry a priority and name no VLAN. */
static inline uint32_t lb_vlan_named(uint32_t tags)
{
	uint32_t inner = tags & UINT16_MAX, outer = tags >> 16;

	if ((inner & LB_VLAN_ID_MASK) == 0)
		inner = 0;
	if ((outer & LB_VLAN_ID_MASK) == 0)
		outer = 0;
	return inner == 0 ? outer : outer << 16 | inner;
}

#endif
