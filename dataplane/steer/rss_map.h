/* rss_map.h - which worker a network card brings a packet to.
 *
 * Role     where every port hashes alike and its queues are the workers', the owner of a flow is
 *          the worker to whose queue its packets come anyway; new fullnat connections take a NAT
 *          port from which that is true of the replies too
 * Shape    Toeplitz under the card's key, then its indirection table, as workers
 * Units    addresses and ports in network order
 * Threads  filled by control before the workers start, then read-only
 * Memory   5 KiB, caller's; zeroed it knows nothing
 * Limits   LB_RSS_BUCKETS_MAX. Under a key that shares ports each whole block of LB_RSS_PORT_BLOCK
 *          ports has as many for each bucket, whatever server and address; of a NAT source with
 *          fewer ports than twice that a worker may have few towards some server
 * Errors   none; a card that does otherwise than it said costs hand-overs and nothing else
 * Source   DESIGN 3.8; decision 0101
 * Tests    tests/unit/test_rss_map.c (published vectors), tests/unit/test_pipeline_rss.c
 */
#ifndef LB_RSS_MAP_H
#define LB_RSS_MAP_H

#include <netinet/in.h>
#include <stdbool.h>

#include "packet/key.h"
#include "steer/toeplitz.h"

#define LB_RSS_BUCKETS_MAX 512u
#define LB_RSS_PORT_BITS 10u
#define LB_RSS_PORT_BLOCK (1u << LB_RSS_PORT_BITS)

struct lb_rss_map {
	struct lb_toeplitz hash;
	bool has_tcp[2]; /* addresses and ports are hashed: of IPv4, of IPv6 */
	bool has_udp[2];
	uint32_t n_buckets; /* a power of two; 0: nothing is known */
	uint8_t worker[LB_RSS_BUCKETS_MAX];
};

/* Of such packets it is known where they come to. */
static inline bool lb_rss_map_knows(const struct lb_rss_map *map, bool is_v6, uint32_t proto)
{
	if (map == NULL || map->n_buckets == 0)
		return false;
	return proto == IPPROTO_TCP ? map->has_tcp[is_v6]
				    : proto == IPPROTO_UDP && map->has_udp[is_v6];
}

/* Precondition: it is known. */
uint32_t lb_rss_map_worker(const struct lb_rss_map *map, const struct lb_key *key);

/* The same in two halves, because the hash is linear: combine them by exclusive or. */
uint32_t lb_rss_hash_src(const struct lb_rss_map *map, const struct lb_addr *src,
			 rte_be16_t sport_be);
uint32_t lb_rss_hash_dst(const struct lb_rss_map *map, const struct lb_addr *dst,
			 rte_be16_t dport_be);

/* May NAT ports be chosen by this key? The lowest `n_bits` bits of the hash take every value, each
 * as often, while the lowest LB_RSS_PORT_BITS bits of the destination port take all of theirs, in
 * both families. */
bool lb_rss_shares_ports(const struct lb_toeplitz *hash, uint32_t n_bits);

static inline uint32_t lb_rss_worker_of_hash(const struct lb_rss_map *map, uint32_t hash)
{
	return map->worker[hash & (map->n_buckets - 1)];
}

#endif
