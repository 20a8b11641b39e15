/* stable_hash.h - hash without a seed: equal on every node and after every start.
 *
 * Role     where nodes have to agree without talking: places of servers in tables, choice of a
 *          server for a client
 * Shape    64-bit words in, chained through a bijection. Without a secret whoever knows the code
 *          can choose inputs that collide: for choices only, never for tables that have to stay
 *          bounded (those use seeded_hash.h)
 * Units    packet fields in network order; the result is the same under either byte order
 * Threads  pure
 * Memory   none
 * Errors   none
 * Source   decision 0041
 * Tests    tests/unit/test_schedule.c
 */
#ifndef LB_STABLE_HASH_H
#define LB_STABLE_HASH_H

#include <rte_byteorder.h>

#include "packet/key.h"
#include "steer/seeded_hash.h"

#define LB_STABLE_HASH_START 0x2545f4914f6cdd1du

static inline uint64_t lb_stable_hash_word(uint64_t hash, uint64_t word)
{
	return lb_hash_mix(hash ^ word);
}

static inline uint64_t lb_stable_hash_pair(uint64_t hash, rte_be32_t first, rte_be32_t second)
{
	return lb_stable_hash_word(hash, (uint64_t)rte_be_to_cpu_32(first) << 32 |
						 rte_be_to_cpu_32(second));
}

static inline uint64_t lb_stable_hash_addr(const struct lb_addr *a)
{
	uint64_t hash = lb_stable_hash_pair(LB_STABLE_HASH_START, a->word_be[0], a->word_be[1]);

	return lb_stable_hash_pair(hash, a->word_be[2], a->word_be[3]);
}

/* Of the whole 5-tuple. */
static inline uint64_t lb_stable_hash_key(const struct lb_key *key)
{
	uint64_t hash = LB_STABLE_HASH_START;

	if (!key->is_v6) {
		hash = lb_stable_hash_pair(hash, key->v4.src_be, key->v4.dst_be);
		hash = lb_stable_hash_pair(hash, key->v4.ports_be, 0);
		return lb_stable_hash_word(hash, key->v4.proto);
	}
	for (uint32_t i = 0; i < 4; i++)
		hash = lb_stable_hash_pair(hash, key->v6.src_be[i], key->v6.dst_be[i]);
	hash = lb_stable_hash_pair(hash, key->v6.ports_be, 0);
	return lb_stable_hash_word(hash, key->v6.proto);
}

#endif
