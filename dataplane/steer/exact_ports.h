/* exact_ports.h - services by the ports that they list by themselves.
 *
 * Role     address, protocol and port to a service's slot: where nearly every packet without a
 *          connection ends its question whose it is
 * Shape    buckets of one cache line with seven entries that are compared at once; what has no room
 *          goes on in further ones. There are as many buckets as the entries need: with every 3 of
 *          them one more is taken and shares those of an earlier one (linear hashing), so that
 *          services lie together in few lines and none has to be moved with many others. An IPv6
 *          address is its hash in the bucket, and whole beside its slot. Inline because the passes
 *          look up a whole burst in one loop
 * Units    ports in network order
 * Threads  owner worker only
 * Memory   caller's zeroed block; nothing allocated afterwards
 * Limits   entries as given at init, which the caller counts; slots below LB_SERVICES_MAX. Buckets
 *          that were taken once are kept
 * Errors   none
 * Source   W. Litwin, Linear hashing (VLDB 1980)
 * Tests    tests/unit/test_service_table.c (naive twin)
 */
#ifndef LB_EXACT_PORTS_H
#define LB_EXACT_PORTS_H

#include <emmintrin.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include "lb/addr.h"
#include "steer/seeded_hash.h"

#define LB_EXACT_NONE UINT32_MAX
#define LB_EXACT_ENTRIES 7u /* of a bucket */

/* An entry's family and protocol. */
enum lb_exact_kind {
	LB_EXACT_TCP4,
	LB_EXACT_UDP4,
	LB_EXACT_TCP6,
	LB_EXACT_UDP6,
	LB_EXACT_KINDS, /* none of them */
};

struct lb_exact_bucket {
	uint32_t tag[LB_EXACT_ENTRIES]; /* IPv4: the address; IPv6: lb_exact_tag() */
	uint32_t next;                  /* where it goes on, in `more`; 0: nowhere */
	rte_be16_t port_be[LB_EXACT_ENTRIES];
	uint16_t slot[LB_EXACT_ENTRIES];
	uint8_t in_use[LB_EXACT_KINDS]; /* a bit for each entry of that kind */
};

_Static_assert(sizeof(struct lb_exact_bucket) == 64, "one line");
_Static_assert(offsetof(struct lb_exact_bucket, port_be) == 32, "tags are two vectors");

struct lb_exact_ports {
	uint64_t seed;
	struct lb_exact_bucket *buckets;
	uint32_t n_buckets;
	uint32_t mask; /* the least power of two that is not below n_buckets, less 1 */
	uint32_t n_used;
	uint32_t n_more;              /* of `more` that have ever been taken */
	uint32_t free_more;           /* of those the first that is not any longer; 0: none */
	struct lb_exact_bucket *more; /* [0] is not used */
	struct lb_addr *vip6;         /* by slot */
};

/* A port at an address; the address is two words as they lie in memory. */
struct lb_exact_key {
	uint64_t upper;
	uint64_t lower;
	uint32_t kind;
	rte_be16_t port_be;
};

size_t lb_exact_ports_bytes(uint32_t n_entries);
void lb_exact_ports_init(void *mem, uint32_t n_entries, uint64_t seed, struct lb_exact_ports *out);

/* It is of one of the kinds, and not there yet. */
void lb_exact_ports_add(struct lb_exact_ports *t, const struct lb_exact_key *key, uint16_t slot);

/* It is there. */
void lb_exact_ports_remove(struct lb_exact_ports *t, const struct lb_exact_key *key);

#if RTE_BYTE_ORDER != RTE_LITTLE_ENDIAN
#error "the halves of a word are told apart by this order"
#endif

static inline struct lb_exact_key lb_exact_key(uint64_t upper, uint64_t lower, uint32_t proto,
					       rte_be16_t port_be)
{
	bool is_v6 = upper != 0 || (uint32_t)lower != RTE_BE32(0xffff);
	struct lb_exact_key key = {upper, lower, is_v6 ? LB_EXACT_TCP6 : LB_EXACT_TCP4, port_be};

	if (proto == IPPROTO_UDP)
		key.kind++;
	else if (unlikely(proto != IPPROTO_TCP))
		key.kind = LB_EXACT_KINDS;
	return key;
}

static inline bool lb_exact_is_v6(const struct lb_exact_key *key)
{
	return key->kind >= LB_EXACT_TCP6;
}

static inline uint64_t lb_exact_hash(const struct lb_exact_ports *t, const struct lb_exact_key *key)
{
	uint64_t what = (uint64_t)key->kind << 16 | key->port_be;
	uint64_t hash = t->seed;

	if (likely(!lb_exact_is_v6(key)))
		return lb_hash_fold(hash ^ ((key->lower & ~(uint64_t)UINT32_MAX) | what),
				    LB_HASH_FACTOR);
	hash = lb_hash_fold(hash ^ key->upper, key->lower ^ LB_HASH_FACTOR);
	return lb_hash_fold(hash ^ what, LB_HASH_FACTOR);
}

static inline uint32_t lb_exact_tag(const struct lb_exact_key *key, uint64_t hash)
{
	return (uint32_t)((lb_exact_is_v6(key) ? hash : key->lower) >> 32);
}

/* Buckets past the last one are still part of those half as far: a shift, since no branch could be
 * foretold. */
static inline struct lb_exact_bucket *lb_exact_bucket(const struct lb_exact_ports *t, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & t->mask;

	return &t->buckets[at & t->mask >> (at >= t->n_buckets)];
}

/* The first half of a look-up: where the second one looks, and for what. */
struct lb_exact_question {
	const struct lb_exact_bucket *bucket;
	uint32_t tag;
	rte_be16_t port_be;
	uint8_t kind;
};

static inline struct lb_exact_question lb_exact_ask(const struct lb_exact_ports *t,
						    const struct lb_exact_key *key)
{
	uint64_t hash = lb_exact_hash(t, key);

	return (struct lb_exact_question){lb_exact_bucket(t, hash), lb_exact_tag(key, hash),
					  key->port_be, (uint8_t)key->kind};
}

/* Which entries of this bucket may be the wanted one. */
static inline uint32_t lb_exact_matches(const struct lb_exact_bucket *b,
					const struct lb_exact_question *q)
{
	const __m128i *words = (const __m128i *)b;
	__m128i tag = _mm_set1_epi32((int)q->tag);
	__m128i tags = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&words[0]), tag),
				       _mm_cmpeq_epi32(_mm_load_si128(&words[1]), tag));
	__m128i ports = _mm_cmpeq_epi16(_mm_load_si128(&words[2]),
					_mm_set1_epi16((short)q->port_be));
	__m128i both = _mm_packs_epi16(_mm_and_si128(tags, ports), _mm_setzero_si128());

	return (uint32_t)_mm_movemask_epi8(both) & b->in_use[q->kind];
}

static inline bool lb_exact_is_slot_of(const struct lb_exact_ports *t,
				       const struct lb_exact_key *key, uint32_t slot)
{
	uint64_t vip[2];

	memcpy(vip, &t->vip6[slot], sizeof(vip));
	return vip[0] == key->upper && vip[1] == key->lower;
}

/* The slot, or LB_EXACT_NONE. `q` is of this key, which is read of IPv6 only. */
static inline uint32_t lb_exact_find(const struct lb_exact_ports *t,
				     const struct lb_exact_question *q,
				     const struct lb_exact_key *key)
{
	const struct lb_exact_bucket *b = q->bucket;

	if (unlikely(q->kind >= LB_EXACT_KINDS))
		return LB_EXACT_NONE;
	for (;;) {
		uint32_t matches = lb_exact_matches(b, q);

		for (; likely(matches != 0); matches &= matches - 1) {
			uint32_t slot = b->slot[__builtin_ctz(matches)];

			if (likely(q->kind < LB_EXACT_TCP6) || lb_exact_is_slot_of(t, key, slot))
				return slot;
		}
		if (b->next == 0)
			return LB_EXACT_NONE;
		b = &t->more[b->next];
	}
}

#endif
