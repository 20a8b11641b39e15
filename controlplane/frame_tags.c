#include "frame_tags.h"

#include <string.h>

#define MACS_BYTES 12u
#define TYPE_BYTES 2u

static uint16_t load(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void store(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint32_t lb_frame_tags(const uint8_t *frame, size_t len, size_t *n_bytes)
{
	size_t off = MACS_BYTES;
	uint32_t tags = 0;

	for (uint32_t i = 0; i < LB_VLAN_TAGS_MAX; i++, off += LB_VLAN_TAG_BYTES) {
		enum lb_vlan_type type;

		if (len < off + LB_VLAN_TAG_BYTES + TYPE_BYTES)
			break;
		type = lb_vlan_type_of(load(frame + off));
		if (type == LB_VLAN_NONE)
			break;
		tags = lb_vlan_push(tags, lb_vlan_tag(type, load(frame + off + TYPE_BYTES)));
	}
	*n_bytes = off - MACS_BYTES;
	return lb_vlan_named(tags);
}

uint8_t *lb_frame_untag(uint8_t *frame, size_t n_bytes)
{
	memmove(frame + n_bytes, frame, MACS_BYTES);
	return frame + n_bytes;
}

uint8_t *lb_frame_tag(uint8_t *frame, uint32_t tags)
{
	uint32_t n = lb_vlan_n(tags);
	uint8_t *start = frame - (size_t)n * LB_VLAN_TAG_BYTES, *at = start + MACS_BYTES;

	memmove(start, frame, MACS_BYTES);
	for (uint32_t i = 0; i < n; i++, at += LB_VLAN_TAG_BYTES) {
		uint32_t tag = i + 1 < n ? tags >> 16 : tags & UINT16_MAX;

		store(at, lb_vlan_ethertype(tag));
		store(at + TYPE_BYTES, tag & LB_VLAN_ID_MASK);
	}
	return start;
}
