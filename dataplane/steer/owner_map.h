/* owner_map.h - which worker handles a client's packets.
 *
 * Role     where no card's hash names the owner (rss_map.h): every worker computes the same owner
 *          from the client's address and port, which stand in the packets of the client, in the
 *          replies of a `nat` server to it and in ICMP errors about either
 * Shape    software Toeplitz under a key from the seed, then a table of owners like the
 *          indirection table of a network card
 * Units    addresses and ports in network order
 * Threads  pure; read-only after init
 * Memory   5 KiB, caller's
 * Limits   LB_OWNER_BUCKETS; workers' shares of them differ by at most one
 * Errors   none
 * Source   DESIGN 3.8; decision 0040
 * Tests    tests/unit/test_toeplitz.c, tests/unit/test_pipeline_workers.c
 */
#ifndef LB_OWNER_MAP_H
#define LB_OWNER_MAP_H

#include "lb/addr.h"
#include "lb/limits.h"
#include "steer/toeplitz.h"

#define LB_OWNER_BUCKETS 512u

struct lb_owner_map {
	struct lb_toeplitz hash;
	uint8_t worker[LB_OWNER_BUCKETS];
};

void lb_owner_map_init(struct lb_owner_map *map, uint32_t n_workers, uint64_t seed);

uint32_t lb_owner_of_client(const struct lb_owner_map *map, const struct lb_addr *client,
			    rte_be16_t port_be);

#endif
