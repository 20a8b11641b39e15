/* stable_hash.h - hash without a seed: equal on every node and after every start.
 *
 * Role     where nodes have to agree without talking: places of servers in tables, choice of a
 *          server for a client
 * Shape    64-bit words in: those of an address chained through a bijection, those of a packet two
 *          at a time by a folded product. Without a secret whoever knows the code can choose inputs
 *          that collide: for choices only, never for tables that have to stay bounded (those use
 *          seeded_hash.h)
 * Units    packet fields in network order; the result is the same under either byte order
 * Threads  pure
 * Memory   none
 * Errors   none
 * Source   decision 0041
 * Tests    tests/unit/test_schedule.c
 */
#ifndef LB_STABLE_HASH_H
#define LB_STABLE_HASH_H

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

#include "packet/key.h"
#include "packet/wire.h"
#include "steer/seeded_hash.h"

#define LB_STABLE_HASH_START 0x2545f4914f6cdd1du

static inline uint64_t lb_stable_hash_word(uint64_t hash, uint64_t word)
{
	return lb_hash_mix(hash ^ word);
}

static inline uint64_t lb_stable_pair(rte_be32_t first, rte_be32_t second)
{
	return (uint64_t)rte_be_to_cpu_32(first) << 32 | rte_be_to_cpu_32(second);
}

static inline uint64_t lb_stable_hash_addr(const struct lb_addr *a)
{
	uint64_t hash = LB_STABLE_HASH_START;

	hash = lb_stable_hash_word(hash, lb_stable_pair(a->word_be[0], a->word_be[1]));
	return lb_stable_hash_word(hash, lb_stable_pair(a->word_be[2], a->word_be[3]));
}

/* Two words by one multiplication. */
static inline uint64_t lb_stable_fold(uint64_t hash, uint64_t first, uint64_t second)
{
	return lb_hash_fold(hash ^ first, second ^ LB_HASH_FACTOR);
}

/* Of the whole 5-tuple: what every packet of a stateless service pays. The words that come last
 * need the round without any: ports in a row would lie in a row. */
static inline uint64_t lb_stable_hash_key(const struct lb_key *key)
{
	uint64_t hash = LB_STABLE_HASH_START;
	const struct lb_key6 *v6 = &key->v6;

	if (likely(!key->is_v6)) {
		hash = lb_stable_fold(
			hash, rte_be_to_cpu_64(lb_load_be64((const uint8_t *)&key->v4)),
			(uint64_t)rte_be_to_cpu_32(key->v4.ports_be) << 8 | key->v4.proto);
		return lb_stable_fold(hash, 0, 0);
	}
	hash = lb_stable_fold(hash, lb_stable_pair(v6->src_be[0], v6->dst_be[0]),
			      lb_stable_pair(v6->src_be[1], v6->dst_be[1]));
	hash = lb_stable_fold(hash, lb_stable_pair(v6->src_be[2], v6->dst_be[2]),
			      lb_stable_pair(v6->src_be[3], v6->dst_be[3]));
	hash = lb_stable_fold(hash, (uint64_t)rte_be_to_cpu_32(v6->ports_be) << 8 | v6->proto, 0);
	return lb_stable_fold(hash, 0, 0);
}

#endif
