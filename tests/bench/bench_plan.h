/* bench_plan.h - who has which address in the bench's worlds.
 *
 * Role     the numbers that building a world, writing its packets and judging them have in common
 * Shape    constants; an address is a network and a number in it, in either family
 * Units    host order
 * Threads  pure
 * Memory   none
 * Limits   servers below 2^16
 * Errors   none
 */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "lb/addr.h"

#define BENCH_CLIENTS 0x0a000000u     /* of open connections, 2^23 for each worker: 10.0.0.0/8 */
#define BENCH_NEWCOMERS 0x20000000u   /* never seen before, 2^24 for each worker */
#define BENCH_NAT_SOURCES 0xac100000u /* BENCH_N_NAT_SOURCES of them */
#define BENCH_SERVERS 0xac200000u
#define BENCH_TUNNEL_SOURCE 0xac300000u
#define BENCH_VIPS 0xc0a80000u
#define BENCH_N_NAT_SOURCES 16u

static inline struct lb_addr bench_addr(bool is_v6, uint32_t net, uint32_t number)
{
	if (is_v6)
		return (struct lb_addr){
			{RTE_BE32(0x20010db8), rte_cpu_to_be_32(net), 0, rte_cpu_to_be_32(number)}};
	return lb_addr_from_v4(rte_cpu_to_be_32(net + number));
}

#endif
