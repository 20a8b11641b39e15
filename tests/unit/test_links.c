/* Messages as the kernel would send them: the build machine's has no VLAN devices. */
#include <criterion/criterion.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "lb/vlan.h"
#include "links.h"

#define C100 ((uint32_t)LB_VLAN_8100 << 12 | 100u)
#define S200 ((uint32_t)LB_VLAN_88A8 << 12 | 200u)

struct netdev {
	const char *name;
	uint32_t ifindex;
	uint16_t mtu;
	uint32_t parent;
	uint16_t id; /* 0: no VLAN device */
	uint16_t type;
	bool is_elsewhere;
	const char *kind; /* NULL: vlan */
};

static struct nlmsghdr *message(const struct netdev *d, uint16_t type, char *buf)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	struct nlattr *outer, *inner;

	msg->nlmsg_type = type;
	info->ifi_index = (int)d->ifindex;
	info->ifi_flags = IFF_UP | IFF_RUNNING;
	mnl_attr_put_strz(msg, IFLA_IFNAME, d->name);
	mnl_attr_put(msg, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(msg, IFLA_MTU, d->mtu);
	if (d->is_elsewhere)
		mnl_attr_put_u32(msg, IFLA_LINK_NETNSID, 1);
	if (d->id == 0)
		return msg;
	mnl_attr_put_u32(msg, IFLA_LINK, d->parent);
	outer = mnl_attr_nest_start(msg, IFLA_LINKINFO);
	mnl_attr_put_strz(msg, IFLA_INFO_KIND, d->kind != NULL ? d->kind : "vlan");
	inner = mnl_attr_nest_start(msg, IFLA_INFO_DATA);
	mnl_attr_put_u16(msg, IFLA_VLAN_ID, d->id);
	mnl_attr_put_u16(msg, IFLA_VLAN_PROTOCOL, rte_cpu_to_be_16(d->type));
	mnl_attr_nest_end(msg, inner);
	mnl_attr_nest_end(msg, outer);
	return msg;
}

static uint32_t dump(struct lb_links *l, const struct netdev *list, size_t n, uint32_t *replaced)
{
	char buf[MNL_NLMSG_HDRLEN + 1024];

	lb_links_begin(l);
	for (size_t i = 0; i < n; i++)
		lb_links_row(l, message(&list[i], RTM_NEWLINK, buf));
	return lb_links_end(l, replaced);
}

/* Interfaces: 0 eth1, 1 VLAN 100 of it, 2 VLAN 100 of provider VLAN 200, 3 VLAN 100 of eth2. */
static void init(struct lb_links *l)
{
	static struct lb_cfg_node node = {.n_interfaces = 4};
	static const uint32_t tags[] = {0, C100, S200 << 16 | C100, C100};

	for (uint32_t i = 0; i < 4; i++) {
		snprintf(node.interfaces[i].device, LB_DEVICE_MAX, "af_xdp:eth%d", i < 3 ? 1 : 2);
		node.interfaces[i].port = i < 3 ? 0 : 3;
		node.interfaces[i].tags = tags[i];
	}
	lb_links_init(l, &node);
}

Test(links, an_interface_in_a_vlan_has_the_vlan_device_on_its_device)
{
	static const struct netdev list[] = {
		{"inner", 13, 1496, 12, 100, 0x8100, false, NULL}, /* before what it is on */
		{"eth1", 5, 1500, 0, 0, 0, false, NULL},
		{"eth2", 6, 1400, 0, 0, 0, false, NULL},
		{"any-name", 11, 1500, 5, 100, 0x8100, false, NULL},
		{"provider", 12, 1500, 5, 200, 0x88a8, false, NULL},
		{"other-type", 14, 1500, 6, 100, 0x88a8, false, NULL},
		{"other-parent", 15, 1500, 7, 100, 0x8100, false, NULL},
		{"other-namespace", 16, 1500, 6, 100, 0x8100, true, NULL},
		{"other-kind", 17, 1500, 6, 100, 0x8100, false, "vxlan"},
	};
	static const char *const names[] = {"eth1", "any-name", "inner", ""};
	static const uint32_t indexes[] = {5, 11, 13, 0}, mtus[] = {1500, 1500, 1496, 1400};
	struct lb_links l;
	uint32_t replaced;

	init(&l);
	cr_expect_eq(dump(&l, list, sizeof(list) / sizeof(list[0]), &replaced), 15u);
	cr_expect_eq(replaced, 7u);
	for (uint32_t i = 0; i < 4; i++) {
		cr_expect_str_eq(l.now[i].netdev, names[i]);
		cr_expect_eq(l.now[i].ifindex, indexes[i]);
		cr_expect_eq(l.now[i].mtu, mtus[i], "interface %u: %u", i, l.now[i].mtu);
	}
	cr_expect_eq(dump(&l, list, sizeof(list) / sizeof(list[0]), &replaced), 0u);
}

Test(links, vlan_devices_come_and_go)
{
	static const struct netdev with[] = {{"eth1", 5, 1500, 0, 0, 0, false, NULL},
					     {"vlan", 11, 1500, 5, 100, 0x8100, false, NULL}};
	struct netdev other = {"vlan101", 12, 1500, 5, 101, 0x8100, false, NULL};
	char buf[MNL_NLMSG_HDRLEN + 1024];
	struct lb_links l;
	uint32_t replaced;

	init(&l);
	cr_expect_eq(dump(&l, with, 1, &replaced), 7u);
	cr_expect_eq(replaced, 1u);
	cr_expect(lb_links_concerns(&l, message(&with[1], RTM_NEWLINK, buf)));
	cr_expect_not(lb_links_concerns(&l, message(&other, RTM_NEWLINK, buf)));
	cr_expect_eq(dump(&l, with, 2, &replaced), 2u);
	cr_expect_eq(replaced, 2u);
	cr_expect_str_eq(l.now[1].netdev, "vlan");
	cr_expect(lb_links_concerns(&l, message(&with[1], RTM_DELLINK, buf)));
	cr_expect_eq(dump(&l, with, 1, &replaced), 2u);
	cr_expect_str_eq(l.now[1].netdev, "");
	cr_expect_eq(l.now[1].mtu, 1500);
}

Test(links, more_vlan_devices_than_are_kept_harm_nobody)
{
	struct lb_links l;
	uint32_t replaced;
	char buf[MNL_NLMSG_HDRLEN + 1024];

	init(&l);
	lb_links_begin(&l);
	for (uint32_t i = 0; i < 3 * LB_VLAN_LINKS_MAX; i++) {
		struct netdev d = {"vlan", 100 + i, 1500, 1000 + i, 100, 0x8100, false, NULL};

		lb_links_row(&l, message(&d, RTM_NEWLINK, buf));
	}
	lb_links_end(&l, &replaced);
	cr_expect_eq(l.n_vlans, LB_VLAN_LINKS_MAX);
	cr_expect_str_eq(l.now[1].netdev, "");
}

Test(links, an_interface_in_a_vlan_with_a_twin_has_that)
{
	static struct lb_cfg_node node = {.n_interfaces = 3};
	static const struct netdev list[] = {
		{"lan", 5, 1500, 0, 0, 0, false, NULL},
		{"clients", 6, 1496, 0, 0, 0, false, NULL},
		{"vlan200", 7, 1500, 5, 200, 0x88a8, false, NULL},
	};
	static const char *const twins[] = {"lan", "clients", ""};
	static const uint32_t tags[] = {0, C100, S200}, indexes[] = {5, 6, 7};
	struct lb_links l;
	uint32_t replaced;

	for (uint32_t i = 0; i < 3; i++) {
		snprintf(node.interfaces[i].device, LB_DEVICE_MAX, "0000:03:00.0");
		snprintf(node.interfaces[i].twin, LB_NETDEV_MAX, "%s", twins[i]);
		node.interfaces[i].tags = tags[i];
	}
	lb_links_init(&l, &node);
	cr_expect_eq(dump(&l, list, 3, &replaced), 7u);
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(l.now[i].ifindex, indexes[i], "interface %u: %u", i, l.now[i].ifindex);
	cr_expect_eq(l.now[1].mtu, 1496);
}
