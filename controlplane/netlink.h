/* netlink.h - Ballast's side of the kernel's network: what we ask of it, what we mirror of it.
 *
 * Role     VIPs and NAT sources on the netdevs; next hops of real servers and client routes,
 *          resolved; link state; local addresses
 * Shape    one handle on the event loop. The netdev of a DPDK port is its twin (twin.h). Interfaces
 *          without a netdev get their routes from the configuration's addresses and gateways and
 *          their neighbours from `neighbors`, and come through the same calls
 * Units    interfaces by their index in the configuration
 * Threads  control thread only. open() waits for the kernel's tables once; afterwards nothing
 *          blocks: tables are read again on the loop
 * Memory   heap, bounded by the limits
 * Limits   LB_ROUTES_MAX routes, LB_NEXT_HOP_LEARNED - 1 next hops, LB_LOCALS_MAX local addresses:
 *          past them the log and the report say so and the rest is unused. A lost notification
 *          (ENOBUFS) leads to a full resynchronisation
 * Errors   0 or -errno with lb_error. Missing rights are no error: the part is off, the report
 *          says why
 * Source   DESIGN 3.9, decision 0010
 * Tests    tests/system/test_netlink.c, tests/unit/test_paths.c
 */
#ifndef LB_NETLINK_H
#define LB_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/config.h"
#include "lb/error.h"
#include "lb/limits.h"
#include "lb/service.h"

#define LB_LOCALS_MAX 131072u
#define LB_ADDRESSES_PER_TURN 16u
#define LB_ADDRESSES_APART_MS 1

struct event_base;
struct lb_netlink;

struct lb_link {
	char netdev[LB_NETDEV_MAX]; /* empty: the interface has none */
	uint32_t ifindex;           /* 0: the netdev is not there (any more) */
	uint8_t mac[6];
	uint16_t mtu;
	bool is_up;
	bool has_carrier;
};

/* What changed, told in this order from the loop (and once from lb_netlink_start); NULL: not
 * wanted. Several changes of the kernel within LB_NETLINK_SETTLE_MS come as one set. */
struct lb_netlink_events {
	void *ctx;
	void (*on_link)(void *ctx, uint32_t iface, const struct lb_link *link);
	/* A next hop id below LB_NEXT_HOP_LEARNED was resolved or changed, or nobody answers there
	 * (resolved = 0; a new one that is still being asked for is not told). Ids that are no
	 * longer in use are told with resolved = 0 behind on_paths. */
	void (*on_next_hop)(void *ctx, uint32_t id, const struct lb_next_hop *next_hop);
	/* All routes; the array is the module's, until return. */
	void (*on_routes)(void *ctx, const struct lb_route *routes, size_t n);
	/* The way to some destination changed: ask lb_netlink_next_hop_of again. */
	void (*on_paths)(void *ctx);
	/* All local addresses of this host, for LB_STEER_LOCAL rules. */
	void (*on_locals)(void *ctx, const struct lb_addr *addrs, size_t n);
	/* The set is complete: publish it. */
	void (*on_settled)(void *ctx);
};

#define LB_NETLINK_SETTLE_MS 5u

struct lb_netlink_params {
	struct event_base *base;
	const struct lb_cfg_node *node; /* interfaces, neighbors; copied */
	struct lb_netlink_events events;
	const char *state_dir; /* for what /proc changes must survive a kill -9; NULL: none */
};

/* A netdev that is missing or down is an error (-ENODEV, -ENETDOWN) with the interface's JSON
 * Pointer; no netlink at all (a sandbox) turns the kernel's part off. Does not call back yet. */
int lb_netlink_open(const struct lb_netlink_params *params, struct lb_netlink **out,
		    struct lb_error *err);

/* Tells everything once through the callbacks; call when ready to be called. */
void lb_netlink_start(struct lb_netlink *nl);

/* Takes away what Ballast put into the kernel: addresses, managed neighbours, reserved ports.
 * NULL is allowed. */
void lb_netlink_close(struct lb_netlink *nl);

/* The addresses that Ballast shall hold on the netdevs: VIPs with advertise "interface" and NAT
 * sources. The module adds and removes the difference, and first what a killed run of ours left.
 * Addresses that were there without us are used and never removed; for those `ports` (NAT source
 * ports) are kept from the kernel by ip_local_reserved_ports. LB_ADDRESSES_PER_TURN changes take
 * effect at once, removals first, as many more each turn of the loop. An address that the kernel
 * refused is logged and retried at the next call. Returns the number refused so far, n without
 * memory. */
struct lb_wanted_addr {
	struct lb_addr addr;
	uint32_t iface;
	struct lb_port_range ports; /* NAT source ports; 0..0: none */
};
size_t lb_netlink_set_addresses(struct lb_netlink *nl, const struct lb_wanted_addr *wanted,
				size_t n);

/* All of them away, now. */
void lb_netlink_release_addresses(struct lb_netlink *nl);

/* Changes of the last set that have still to be made. */
size_t lb_netlink_addresses_left(const struct lb_netlink *nl);

/* The interface that leads to `addr` by an on-link route, for choosing where a VIP goes;
 * UINT32_MAX: none. */
uint32_t lb_netlink_iface_of(const struct lb_netlink *nl, const struct lb_addr *addr);

/* The destinations (real servers) whose next hops shall be resolved and kept resolved. Replaces
 * the last set; ids of destinations that stay do not change. on_* follow from the loop, but
 * lb_netlink_next_hop_of is right at once. */
int lb_netlink_set_destinations(struct lb_netlink *nl, const struct lb_addr *addrs, size_t n);

/* Next hop id towards a destination of the set; LB_NEXT_HOP_NONE: no route. */
uint32_t lb_netlink_next_hop_of(const struct lb_netlink *nl, const struct lb_addr *addr);
/* Is that next hop the destination itself? True also while there is none. */
bool lb_netlink_is_on_link(const struct lb_netlink *nl, const struct lb_addr *addr);

/* The state of an id now; resolved = 0 for unknown ids. */
struct lb_next_hop lb_netlink_next_hop(const struct lb_netlink *nl, uint32_t id);

/* A worker needed it (LB_EVENT_RESOLVE): asks the kernel to resolve it now. */
void lb_netlink_resolve(struct lb_netlink *nl, uint32_t id);

void lb_netlink_link(const struct lb_netlink *nl, uint32_t iface, struct lb_link *out);

/* The start-up report: one part per call with i = 0, 1, ... until false. `text` of a part that is
 * off begins with "off because". */
struct lb_netlink_part {
	const char *name; /* "addresses", "node_addresses", "neighbours", "routes", ... */
	bool is_on;
	char text[200];
};
bool lb_netlink_report(const struct lb_netlink *nl, uint32_t i, struct lb_netlink_part *out);

#endif
