#include "packet/tags.h"

#include "lb/vlan.h"
#include "packet/wire.h"

#define TYPE_OFF 12u
#define PRIORITY_MASK 0xf000u /* with the bit that says whether it may be dropped first */

static uint16_t priority_of(const struct lb_pkt *p, uint32_t i)
{
	uint32_t n = lb_vlan_n(p->tags);

	if (n == 0)
		return 0;
	return lb_load_u16(p->data + LB_ETH_BYTES + LB_VLAN_TAG_BYTES * (i < n ? i : n - 1)) &
	       PRIORITY_MASK;
}

bool lb_tags_replace(struct lb_pkt *p, uint32_t tags)
{
	uint32_t n = lb_vlan_n(tags), l3_off = LB_ETH_BYTES + LB_VLAN_TAG_BYTES * n;
	uint16_t priorities[LB_VLAN_TAGS_MAX] = {priority_of(p, 0), priority_of(p, 1)};
	int32_t grown = (int32_t)l3_off - p->l3_off;
	uint8_t *at;

	if (grown > (int32_t)p->headroom)
		return false;
	p->data -= grown;
	p->headroom -= (uint32_t)grown;
	p->len += (uint32_t)grown;
	at = p->data + TYPE_OFF;
	for (uint32_t i = 0; i < n; i++, at += LB_VLAN_TAG_BYTES) {
		uint32_t tag = i + 1 < n ? tags >> 16 : tags & UINT16_MAX;

		lb_store_u16(at, lb_vlan_ethertype(tag));
		lb_store_u16(at + 2, priorities[i] | (tag & LB_VLAN_ID_MASK));
	}
	lb_store_u16(at, p->data[l3_off] >> 4 == 6 ? 0x86dd : 0x0800);
	p->tags = tags;
	p->l3_off = (uint8_t)l3_off;
	lb_pkt_move_offsets(p, grown);
	return true;
}
