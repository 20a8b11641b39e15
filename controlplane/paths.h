/* paths.h - which next hop leads where, and what its link-layer address is.
 *
 * Role     routes, destinations and neighbour states -> next hop ids, resolved or not, and the
 *          route list of the workers
 * Shape    inputs are set at any time; settle() works out the ids at once and marks what changed
 * Units    interfaces by index; metrics as the kernel's, lower is better
 * Threads  control thread only
 * Memory   heap; grows with routes and destinations
 * Limits   LB_ROUTES_MAX routes and LB_NEXT_HOP_LEARNED - 1 next hops: the rest is counted as
 *          unused and has no next hop. A freed id is given out again last
 * Errors   -ENOMEM
 * Source   DESIGN 3.9
 * Tests    tests/unit/test_paths.c (naive twin)
 */
#ifndef LB_PATHS_H
#define LB_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/limits.h"
#include "lb/service.h"

struct lb_paths;

struct lb_path_route {
	struct lb_prefix prefix;
	struct lb_addr gateway; /* all zero: on the link */
	uint32_t metric;
	uint32_t iface;
};

/* One next hop. Its id is its index in the list. */
struct lb_path_hop {
	struct lb_addr addr;
	uint32_t iface;
	bool in_use;
	bool is_static;  /* from the configuration: no kernel state changes it */
	bool is_changed; /* to be told; cleared by who tells it */
	bool is_known;   /* its state was heard: before that nothing is told */
	bool is_managed; /* the caller's mark, cleared when an id is given out */
	bool is_asked;   /* the caller's mark, cleared when an id is given out */
	struct lb_next_hop next_hop;
};

int lb_paths_create(struct lb_paths **out);

/* NULL is allowed. */
void lb_paths_destroy(struct lb_paths *p);

/* Both replace the last list. Of routes to one prefix the lowest metric counts. */
int lb_paths_set_routes(struct lb_paths *p, const struct lb_path_route *routes, size_t n);
int lb_paths_set_destinations(struct lb_paths *p, const struct lb_addr *addrs, size_t n);

/* A neighbour of the configuration; before the first settle. -ENOMEM. */
int lb_paths_add_static(struct lb_paths *p, uint32_t iface, const struct lb_addr *addr,
			const uint8_t mac[6]);

/* What the kernel found out about a neighbour: its address, or NULL: nobody answers. Ignored
 * unless it is a next hop now. */
void lb_paths_set_mac(struct lb_paths *p, uint32_t iface, const struct lb_addr *addr,
		      const uint8_t *mac);

/* Works out next hops of routes and destinations. Next hops that nothing needs any more are
 * freed: in_use false, resolved 0, marked as changed. */
int lb_paths_settle(struct lb_paths *p);

/* What settle changed since the last call. */
struct lb_path_changes {
	bool routes;
	bool destinations;
};
struct lb_path_changes lb_paths_take_changes(struct lb_paths *p);

/* LB_NEXT_HOP_NONE: no destination of the set, or no route to it. */
uint32_t lb_paths_next_hop_of(const struct lb_paths *p, const struct lb_addr *destination);

/* The interface of the best route to any address; UINT32_MAX: none. `on_link`: only a route
 * without a gateway counts. */
uint32_t lb_paths_iface_of(const struct lb_paths *p, const struct lb_addr *addr, bool on_link);

/* The id of a next hop that is in use; LB_NEXT_HOP_NONE: there is none. */
uint32_t lb_paths_find(const struct lb_paths *p, uint32_t iface, const struct lb_addr *addr);

/* NULL: this id is not in use and never changed. Ids 1..LB_NEXT_HOP_LEARNED - 1. */
struct lb_path_hop *lb_paths_hop(struct lb_paths *p, uint32_t id);
uint32_t lb_paths_hops_end(const struct lb_paths *p); /* above the highest id given out so far */

/* The routes for the workers, as of the last settle. */
const struct lb_route *lb_paths_routes(const struct lb_paths *p, size_t *n);

/* Routes and destinations that found no room. */
size_t lb_paths_unused(const struct lb_paths *p);

#endif
