/* service_find.h - the inside of struct lb_service_table, for the packet path only.
 *
 * Role     the look-up in two halves, so that a burst can have all its buckets on their way before
 *          it reads the first of them
 * Shape    ports listed by themselves; behind them whatever else services may list
 * Units    as in service_table.h
 * Threads  owner worker only
 * Memory   head of the table's block
 * Errors   none
 * Tests    tests/unit/test_service_table.c
 */
#ifndef LB_SERVICE_FIND_H
#define LB_SERVICE_FIND_H

#include <rte_prefetch.h>

#include "packet/key.h"
#include "steer/exact_ports.h"
#include "steer/service_table.h"

struct lb_service_entry; /* service_table.c's own */

struct lb_service_table {
	struct lb_exact_ports exact;
	struct lb_hash_seed seed;
	uint32_t n_slots;
	uint32_t n_used; /* entries here */
	uint32_t n_max;  /* together with exact ports */
	uint32_t unused;
	struct lb_service_entry *entries;
};

/* Where a packet with this key goes. The words are joined in registers, not read from the key as
 * words: parsing has just stored them one by one. */
static inline struct lb_exact_key lb_service_key(const struct lb_key *key)
{
	const rte_be32_t *word = key->v6.dst_be;

	if (unlikely(key->is_v6))
		return lb_exact_key((uint64_t)word[1] << 32 | word[0],
				    (uint64_t)word[3] << 32 | word[2], key->v6.proto,
				    lb_key_dport(key));
	return lb_exact_key(0, (uint64_t)key->v4.dst_be << 32 | RTE_BE32(0xffff), key->v4.proto,
			    lb_key_dport(key));
}

/* The first half. */
static inline struct lb_exact_question lb_service_ask(const struct lb_service_table *t,
						      const struct lb_key *key)
{
	struct lb_exact_key exact = lb_service_key(key);
	struct lb_exact_question q = lb_exact_ask(&t->exact, &exact);

	rte_prefetch0(q.bucket);
	return q;
}

/* Of a port that no service lists by itself. */
uint32_t lb_service_find_range(const struct lb_service_table *t, const struct lb_key *key);

/* As lb_service_table_find(), once the key has been asked for. */
static inline uint32_t lb_service_find_asked(const struct lb_service_table *t,
					     const struct lb_key *key,
					     const struct lb_exact_question *q)
{
	struct lb_exact_key exact = lb_service_key(key);
	uint32_t slot = lb_exact_find(&t->exact, q, &exact);

	return likely(slot != LB_EXACT_NONE) ? slot : lb_service_find_range(t, key);
}

#endif
