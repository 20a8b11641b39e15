/* next_hop.h - where frames leave: resolved next hops, routes to clients, learnt clients.
 *
 * Role     next hop ids to link-layer addresses; client addresses to next hop ids
 * Shape    one array of next hops: the lower half set by control, the upper half learnt by the
 *          worker from clients on the link (hash of interface and MAC); a sorted route table
 * Units    ids; MACs as in the frame
 * Threads  array: owner worker only. Route table: immutable, built by control
 * Memory   caller's zeroed block of lb_next_hops_bytes()
 * Limits   LB_NEXT_HOPS_MAX - LB_NEXT_HOP_LEARNED learnt MACs; unmarked ones are forgotten after
 *          a whole ageing sweep of the connection table; when full the packet is dropped by name
 * Errors   learn: LB_NEXT_HOP_NONE when full
 * Source   DESIGN 3.9; routes are in route_table.c
 * Tests    tests/unit/test_next_hop.c
 */
#ifndef LB_NEXT_HOP_H
#define LB_NEXT_HOP_H

#include <stddef.h>

#include "lb/service.h"

struct lb_next_hops;

size_t lb_next_hops_bytes(void);
void lb_next_hops_init(void *mem, uint64_t seed, struct lb_next_hops **out);

/* Ids below LB_NEXT_HOP_LEARNED. NULL `nh`: unresolved. */
void lb_next_hop_set(struct lb_next_hops *t, uint32_t id, const struct lb_next_hop *nh);

/* By id, LB_NEXT_HOPS_MAX of them; an unresolved one has resolved = 0. Stays where it is. */
const struct lb_next_hop *lb_next_hops_all(const struct lb_next_hops *t);

/* The id of this neighbour, learnt now if need be; marks it as in use. */
uint32_t lb_next_hop_learn(struct lb_next_hops *t, uint8_t iface, const uint8_t mac[6]);

/* Mark and sweep: mark during an ageing sweep, forget what no connection marked at its end. */
void lb_next_hop_mark(struct lb_next_hops *t, uint32_t id);
void lb_next_hop_forget_unmarked(struct lb_next_hops *t);

/* Longest prefix match; NULL: no route. Bounded: one binary search per prefix length in use. */
const struct lb_route *lb_route_lookup(const struct lb_route_table *table,
				       const struct lb_addr *dst);

#endif
