/* kernel_rules.h - what a configuration asks of the kernel, as plain lists.
 *
 * Role     configuration -> steering rules, addresses on the netdevs, destinations to resolve
 * Shape    pure functions that fill growing arrays
 * Units    as in steer_plan.h and netlink.h
 * Threads  pure
 * Memory   own heap, lb_kernel_rules_free
 * Limits   those of the configuration; steer_plan.h refuses what is too much for the maps
 * Errors   -ENOMEM
 * Source   DESIGN 3.9
 * Tests    tests/unit/test_kernel_rules.c
 */
#ifndef LB_KERNEL_RULES_H
#define LB_KERNEL_RULES_H

#include "lb/config.h"
#include "netlink.h"
#include "steer_plan.h"

struct lb_kernel_rules {
	struct lb_steer_rule *steer;
	size_t n_steer;
	size_t steer_room;
	struct lb_wanted_addr *addrs; /* iface is left 0 */
	size_t n_addrs;
	size_t addrs_room;
	struct lb_addr *destinations; /* sorted, each once */
	size_t n_destinations;
	size_t destinations_room;
	bool has_nat; /* a service forwards by nat: replies need the host's own addresses */
};

int lb_kernel_rules_build(const struct lb_config *cfg, struct lb_kernel_rules *out);
void lb_kernel_rules_free(struct lb_kernel_rules *rules);

/* Adds a LB_STEER_LOCAL rule per address. */
int lb_kernel_rules_add_locals(struct lb_kernel_rules *rules, const struct lb_addr *locals,
			       size_t n);

#endif
