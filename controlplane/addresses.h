/* addresses.h - the host's addresses: all of them mirrored, ours kept on the netdevs.
 *
 * Role     which addresses are local; VIPs and NAT sources as /32 and /128
 * Shape    the last complete dump of the kernel's table, and beside it what we hold and what we
 *          want, from which a pass makes one the other, some addresses at a time
 * Units    interfaces by index, netdevs by ifindex
 * Threads  control thread only
 * Memory   heap, two dumps and the held and wanted set
 * Limits   LB_LOCALS_MAX addresses mirrored; the rest is counted. The kernel searches a list for
 *          each address of a netdev: what many cost is for the caller to spread over time
 * Errors   -ENOMEM; what the kernel refuses is logged and counted
 * Source   DESIGN 3.9, decisions 0010 (how ours are recognised after a kill -9), 0105 (many)
 * Tests    tests/system/test_netlink.c, tests/system/test_many_addresses.c,
 *          tests/unit/test_addresses.c
 */
#ifndef LB_ADDRESSES_H
#define LB_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "netlink.h"
#include "rtnl.h"

struct lb_addresses;
struct lb_announcer;

int lb_addresses_create(struct lb_addresses **out);

/* Told of each address that a set has added, and by announce; NULL: nobody. */
void lb_addresses_tell(struct lb_addresses *a, struct lb_announcer *announcer);

/* Announces what is held on this netdev, which has its carrier back or another MAC. */
void lb_addresses_announce(const struct lb_addresses *a, const struct lb_link *link);

bool lb_addresses_holds(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex);

/* Does not touch the kernel. NULL is allowed. */
void lb_addresses_destroy(struct lb_addresses *a);

/* A dump: begin, each RTM_NEWADDR of it, end; end is true when the set of local addresses is not
 * what it was. */
void lb_addresses_begin(struct lb_addresses *a);
void lb_addresses_row(struct lb_addresses *a, const struct nlmsghdr *msg);
bool lb_addresses_end(struct lb_addresses *a);

/* After the first dump: what bears our mark on our netdevs was left by a killed run. It is held
 * from now on, so that the first set keeps it or takes it away. Returns how many. */
size_t lb_addresses_adopt(struct lb_addresses *a, const struct lb_link *links, size_t n_links);

/* Sorted, each once; the array is the module's. */
const struct lb_addr *lb_addresses_locals(const struct lb_addresses *a, size_t *n);

/* From now on exactly `wanted` shall be held, beside what others have put there: a pass begins.
 * Asks the kernel nothing. */
int lb_addresses_want(struct lb_addresses *a, const struct lb_link *links,
		      const struct lb_wanted_addr *wanted, size_t n);

/* Goes on with the pass by at most `max` requests to the kernel, removals first; false: it has come
 * to its end. Only what is not as wanted is asked for. */
bool lb_addresses_step(struct lb_addresses *a, struct lb_rtnl *nl, const struct lb_link *links,
		       size_t max);

/* What is left of the pass, and what the kernel refused in it; *error is the last refusal. */
size_t lb_addresses_left(const struct lb_addresses *a);
size_t lb_addresses_refused(const struct lb_addresses *a, int *error);

/* Requests to the kernel so far. */
uint64_t lb_addresses_asked(const struct lb_addresses *a);

/* The address is on this host, and not by us. */
bool lb_addresses_is_foreign(const struct lb_addresses *a, const struct lb_addr *addr);

/* It stands on this netdev, by whomever. */
bool lb_addresses_is_on(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex);

/* Held ones that the last dump should have had and did not: somebody has taken them away. */
size_t lb_addresses_missing(const struct lb_addresses *a);

size_t lb_addresses_held(const struct lb_addresses *a);

/* Addresses of the last dump that found no room in the mirror. */
size_t lb_addresses_unused(const struct lb_addresses *a);

/* The kernel keeps our mark (5.18 and later): false is known only after the first own address. */
bool lb_addresses_are_marked(const struct lb_addresses *a);

#endif
