/* spread.h - how far connections are from the shares that servers should have.
 *
 * Role     one number for a set of servers: the largest deviation of a server's connections from
 *          its weighted share of them all
 * Shape    one pure function
 * Units    thousandths of the share: 250 is a quarter too many or too few
 * Threads  any
 * Memory   the caller's
 * Limits   LB_SPREAD_PERMILLE_MAX stands for everything above it
 * Errors   LB_SPREAD_UNKNOWN: no connection or no weight
 * Tests    tests/unit/test_spread.c (naive twin)
 */
#ifndef LB_SPREAD_H
#define LB_SPREAD_H

#include <stddef.h>
#include <stdint.h>

#define LB_SPREAD_UNKNOWN UINT32_MAX
#define LB_SPREAD_PERMILLE_MAX 1000000000u

struct lb_spread_share {
	uint64_t conns;
	uint32_t weight; /* 0: no share is due, and its connections do not count */
};

uint32_t lb_spread_permille(const struct lb_spread_share *shares, size_t n);

#endif
