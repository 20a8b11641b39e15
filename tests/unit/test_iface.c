#include <criterion/criterion.h>

#include "lb/vlan.h"
#include "steer/iface.h"

#define C100 ((uint32_t)LB_VLAN_8100 << 12 | 100u)
#define S100 ((uint32_t)LB_VLAN_88A8 << 12 | 100u)

/* Port 0 untagged; port 1 untagged, tagged and doubly tagged; port 4 tagged only. */
static void fill(struct lb_ifaces *ifaces)
{
	static const struct lb_iface list[] = {
		{.port = 0},
		{.port = 1, .tags = C100},
		{.port = 1},
		{.port = 1, .tags = S100 << 16 | C100},
		{.port = 4, .tags = C100},
	};

	memset(ifaces, 0, sizeof(*ifaces));
	for (uint32_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		lb_ifaces_set(ifaces, i, &list[i]);
}

Test(iface, a_frame_belongs_to_the_interface_of_its_port_and_tags)
{
	uint32_t priority = (uint32_t)LB_VLAN_8100 << 12;
	const struct {
		uint8_t port;
		uint32_t tags;
		bool must_search;
		uint8_t found;
	} cases[] = {
		{0, 0, false, 0},
		{0, priority, true, 0},
		{0, C100, true, LB_IFACE_NONE},
		{1, 0, true, 2},
		{1, C100, true, 1},
		{1, S100, true, LB_IFACE_NONE},
		{1, C100 + 1, true, LB_IFACE_NONE},
		{1, S100 << 16 | C100, true, 3},
		{1, C100 << 16 | S100, true, LB_IFACE_NONE},
		{4, 0, true, LB_IFACE_NONE},
		{4, C100, true, 4},
		{4, priority << 16 | C100, true, 4},
	};
	struct lb_ifaces ifaces;

	fill(&ifaces);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(lb_ifaces_must_search(&ifaces, cases[i].port, cases[i].tags),
			     cases[i].must_search, "case %zu", i);
		cr_expect_eq(lb_ifaces_find(&ifaces, cases[i].port, cases[i].tags), cases[i].found,
			     "case %zu: %u", i,
			     lb_ifaces_find(&ifaces, cases[i].port, cases[i].tags));
	}
}

Test(iface, an_interface_without_tags_any_more_needs_no_search)
{
	struct lb_iface untagged = {.port = 4};
	struct lb_ifaces ifaces;

	fill(&ifaces);
	lb_ifaces_set(&ifaces, 4, &untagged);
	cr_expect_not(lb_ifaces_must_search(&ifaces, 4, 0));
	cr_expect_eq(lb_ifaces_find(&ifaces, 4, 0), 4);
	cr_expect_eq(lb_ifaces_find(&ifaces, 4, C100), LB_IFACE_NONE);
}

Test(iface, only_an_untagged_one_with_a_source_takes_plain_tunnels)
{
	struct lb_iface iface = {.mtu = 1500, .tunnel_source[0] = lb_addr_from_v4(1)};
	struct lb_ifaces ifaces = {.n = 0};

	lb_ifaces_set(&ifaces, 3, &iface);
	cr_expect_eq(ifaces.tunnel4_max[3], 1500);
	iface.mtu = 0;
	lb_ifaces_set(&ifaces, 3, &iface);
	cr_expect_eq(ifaces.tunnel4_max[3], UINT16_MAX, "a size that is not known is not checked");
	iface.tags = C100;
	lb_ifaces_set(&ifaces, 3, &iface);
	cr_expect_eq(ifaces.tunnel4_max[3], 0);
	iface = (struct lb_iface){.mtu = 1500, .tunnel_source[1] = {{RTE_BE32(0x20010db8)}}};
	lb_ifaces_set(&ifaces, 3, &iface);
	cr_expect_eq(ifaces.tunnel4_max[3], 0);
}
