#include <criterion/criterion.h>
#include <string.h>

#include "lb/vlan.h"
#include "packet/parse.h"
#include "packet/tags.h"
#include "shapes.h"

#define C7 ((uint32_t)LB_VLAN_8100 << 12 | 7u)
#define C8 ((uint32_t)LB_VLAN_8100 << 12 | 8u)
#define S200 ((uint32_t)LB_VLAN_88A8 << 12 | 200u)
#define S201 ((uint32_t)LB_VLAN_9100 << 12 | 201u)

static const uint32_t all_tags[] = {0, C7, C8, S200, S200 << 16 | C7, S201 << 16 | C8};
#define N_TAGS (sizeof(all_tags) / sizeof(all_tags[0]))

/* A frame of a UDP packet with these tags, of priorities 1 (outer or only) and 2. */
static void build(struct frame *f, uint32_t tags, bool is_v6)
{
	frame_eth(f);
	if (tags >> 16 != 0)
		frame_tag(f, lb_vlan_ethertype(tags >> 16),
			  (uint16_t)(1 << 13 | (tags >> 16 & 0xfff)));
	if (tags != 0)
		frame_tag(f, lb_vlan_ethertype(tags & 0xffff),
			  (uint16_t)((tags >> 16 != 0 ? 2 : 1) << 13 | (tags & 0xfff)));
	if (is_v6)
		frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
	else
		frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
	frame_udp(f, SHAPE_SPORT, SHAPE_DPORT);
	frame_text(f, "payload");
	frame_finish(f);
}

static uint32_t priority_at(const struct lb_pkt *p, uint32_t tag)
{
	return p->data[14 + 4 * tag] >> 5;
}

Test(tags, every_change_leaves_the_packet_and_the_right_tags)
{
	for (uint32_t i = 0; i < 2 * N_TAGS * N_TAGS; i++) {
		uint32_t from = all_tags[i / 2 / N_TAGS], to = all_tags[i / 2 % N_TAGS], l3_off,
			 l4_off;
		struct frame f, same;
		struct lb_pkt p, anew;

		build(&f, from, i % 2 == 1);
		build(&same, 0, i % 2 == 1);
		p = frame_view(&f);
		lb_parse(&p);
		cr_assert_eq(p.tags, from);
		l3_off = p.l3_off;
		l4_off = p.l4_off;
		cr_assert(lb_tags_replace(&p, to));
		cr_expect_eq(p.data - p.headroom, f.room);
		cr_expect_eq(p.headroom + p.len + p.tailroom, sizeof(f.room));
		cr_expect_eq(p.l4_off - p.l3_off, l4_off - l3_off);
		cr_expect_null(frame_verify(p.data, p.len), "%#x to %#x", from, to);
		cr_expect_eq(p.len - p.l3_off, same.len - 14);
		cr_expect_arr_eq(p.data + p.l3_off, frame_at(&same, 14), same.len - 14);
		anew = p;
		lb_parse(&anew);
		cr_expect_eq(anew.tags, to, "%#x to %#x: %#x", from, to, anew.tags);
		cr_expect_eq(anew.l4_off, p.l4_off);
		for (uint32_t t = 0; t < lb_vlan_n(to); t++)
			cr_expect_eq(priority_at(&p, t),
				     from == 0             ? 0
				     : t < lb_vlan_n(from) ? t + 1
							   : lb_vlan_n(from),
				     "%#x to %#x tag %u", from, to, t);
	}
}

Test(tags, no_headroom_changes_nothing)
{
	struct frame f, before;
	struct lb_pkt p;

	build(&f, 0, false);
	before = f;
	p = frame_view(&f);
	lb_parse(&p);
	p.headroom = 7;
	cr_expect_not(lb_tags_replace(&p, S200 << 16 | C7));
	cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
	cr_expect(lb_tags_replace(&p, C7));
	cr_expect_eq(p.headroom, 3);
}

Test(tags, a_tag_of_id_0_names_no_vlan)
{
	uint32_t priority = (uint32_t)LB_VLAN_8100 << 12;

	cr_expect_eq(lb_vlan_named(0), 0);
	cr_expect_eq(lb_vlan_named(priority), 0);
	cr_expect_eq(lb_vlan_named(C7), C7);
	cr_expect_eq(lb_vlan_named(S200 << 16 | priority), S200);
	cr_expect_eq(lb_vlan_named(priority << 16 | C7), C7);
	cr_expect_eq(lb_vlan_named(priority << 16 | priority), 0);
	cr_expect_eq(lb_vlan_named(S200 << 16 | C7), S200 << 16 | C7);
	cr_expect_eq(lb_vlan_n(S200 << 16 | C7), 2);
	cr_expect_eq(lb_vlan_n(priority), 1);
}
