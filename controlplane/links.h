/* links.h - the netdevs behind the configured interfaces.
 *
 * Role     RTM_NEWLINK messages -> struct lb_link per interface; what to know about a netdev
 * Shape    one array by interface index, replaced by each dump. An interface in a VLAN has the
 *          kernel's VLAN device of those tags on its device, whatever its name, if there is one
 * Units    -
 * Threads  control thread only
 * Memory   a value
 * Limits   LB_IFACES_MAX; LB_VLAN_LINKS_MAX VLAN devices with tags of ours, also on devices that
 *          are not ours: further ones are not seen
 * Errors   none; a netdev that is not there has ifindex 0
 * Tests    tests/unit/test_links.c, tests/system/test_netlink.c
 */
#ifndef LB_LINKS_H
#define LB_LINKS_H

#include <libmnl/libmnl.h>

#include "netlink.h"

#define LB_VLAN_LINKS_MAX 128u

struct lb_vlan_link {
	struct lb_link link;
	uint32_t parent; /* ifindex */
	uint32_t tag;    /* one, as in lb/vlan.h */
};

struct lb_links {
	/* Of an interface in a VLAN that the kernel has no device for: MAC, MTU and carrier of the
	 * device that it is on, but no name. */
	struct lb_link now[LB_IFACES_MAX];
	struct lb_link bases[LB_IFACES_MAX]; /* the devices that they are on */
	uint32_t tags[LB_IFACES_MAX];
	uint32_t n;
	/* the dump under way */
	struct lb_link next_bases[LB_IFACES_MAX];
	struct lb_vlan_link vlans[LB_VLAN_LINKS_MAX];
	uint32_t n_vlans;
};

/* Netdevs by name: "af_xdp:IFNAME", or the interface's twin, or that of its device; an interface
 * without any has none. */
void lb_links_init(struct lb_links *l, const struct lb_cfg_node *node);

void lb_links_begin(struct lb_links *l);
void lb_links_row(struct lb_links *l, const struct nlmsghdr *msg);

/* Takes over the dump; bit i of *replaced: interface i has another netdev of the same name now.
 * Returns the interfaces that changed, as bits. */
uint32_t lb_links_end(struct lb_links *l, uint32_t *replaced);

/* A link message about one of our netdevs. */
bool lb_links_concerns(const struct lb_links *l, const struct nlmsghdr *msg);

/* Offloads that harm: "" when there are none. */
void lb_links_offload_hint(const struct lb_links *l, char *text, size_t size);

#endif
