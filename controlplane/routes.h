/* routes.h - the kernel's main routing table as far as it leads out of Ballast's netdevs.
 *
 * Role     RTM_NEWROUTE messages of a dump -> a list for paths
 * Shape    one growing list, filled by each dump anew: the kernel does not tell of every route
 *          that it drops (those of a netdev that goes down), so a change leads to another dump
 * Units    interfaces by index
 * Threads  control thread only
 * Memory   heap, at most LB_ROUTES_DUMP_MAX rows while a dump is under way
 * Limits   LB_ROUTES_DUMP_MAX; the rest is counted. Unicast routes of the main table only: no
 *          rules, no VRF; of several ways to one prefix (multipath) the first out of our netdevs
 * Errors   none; what cannot be read is left out
 * Source   DESIGN 3.9
 * Tests    tests/system/test_netlink.c
 */
#ifndef LB_ROUTES_H
#define LB_ROUTES_H

#include "netlink.h"
#include "paths.h"
#include "rtnl.h"

/* Some more than the workers get: which are left out is for paths to choose. */
#define LB_ROUTES_DUMP_MAX (4u * LB_ROUTES_MAX)

struct lb_routes {
	struct lb_path_route *list;
	size_t n;
	size_t room;
	size_t n_unused; /* past the limit */
};

void lb_routes_fini(struct lb_routes *r);
void lb_routes_begin(struct lb_routes *r);
void lb_routes_row(struct lb_routes *r, const struct lb_link *links, size_t n_links,
		   const struct nlmsghdr *msg);

/* For interfaces without a netdev: what their addresses and gateways mean. */
void lb_routes_add_configured(struct lb_routes *r, uint32_t iface,
			      const struct lb_cfg_interface *cfg);

#endif
