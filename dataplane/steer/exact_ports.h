/* exact_ports.h - services by the ports that they list by themselves.
 *
 * Role     address, protocol and port to a service's slot: where nearly every packet without a
 *          connection ends its question whose it is
 * Shape    buckets of one cache line, of either family, whose entries are compared at once: seven
 *          of IPv4, three of IPv6, whole addresses both; what has no room goes on in further lines.
 *          There are as many buckets as the entries need: with every 3 of IPv4, and
 *          every one of IPv6, one more is taken and shares those of an earlier one (linear
 *          hashing), so that services lie together in few lines and none has to be moved with many
 *          others. Inline because the passes look up a whole burst in one loop
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
#define LB_EXACT_ENTRIES4 7u /* of a bucket */
#define LB_EXACT_ENTRIES6 3u

/* An entry's family and protocol. */
enum lb_exact_kind {
	LB_EXACT_TCP4,
	LB_EXACT_UDP4,
	LB_EXACT_TCP6,
	LB_EXACT_UDP6,
	LB_EXACT_KINDS, /* none of them */
};

struct lb_exact_bucket4 {
	rte_be32_t addr_be[LB_EXACT_ENTRIES4];
	uint32_t next; /* where it goes on, in `more`; 0: nowhere */
	rte_be16_t port_be[LB_EXACT_ENTRIES4];
	uint16_t slot[LB_EXACT_ENTRIES4];
	uint8_t in_use[2]; /* TCP and UDP: a bit for each entry of that kind */
	uint8_t unused[2];
};

struct lb_exact_bucket6 {
	struct lb_addr addr[LB_EXACT_ENTRIES6];
	rte_be16_t port_be[LB_EXACT_ENTRIES6];
	uint16_t slot[LB_EXACT_ENTRIES6];
	uint32_t in_use; /* the same bits of TCP, then of UDP, then `next` */
};

#define LB_EXACT_NEXT6_SHIFT (2 * LB_EXACT_ENTRIES6)

union lb_exact_line {
	struct lb_exact_bucket4 v4;
	struct lb_exact_bucket6 v6;
};

_Static_assert(sizeof(struct lb_exact_bucket4) == 64, "one line");
_Static_assert(sizeof(struct lb_exact_bucket6) == 64, "one line");
_Static_assert(offsetof(struct lb_exact_bucket4, port_be) == 32, "addresses are two vectors");

struct lb_exact_family {
	uint32_t n_buckets;
	uint32_t mask; /* the least power of two that is not below n_buckets, less 1 */
	uint32_t n_used;
};

struct lb_exact_ports {
	uint64_t seed;
	union lb_exact_line *buckets[2]; /* IPv4, IPv6 */
	struct lb_exact_family family[2];
	uint32_t n_more;           /* of `more` that have ever been taken */
	uint32_t free_more;        /* of those the first that is not any longer; 0: none */
	union lb_exact_line *more; /* [0] is not used */
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

/* Buckets past the last one are still part of those half as far: a shift, since no branch could be
 * foretold. */
static inline uint32_t lb_exact_bucket_at(const struct lb_exact_family *f, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & f->mask;

	return at & f->mask >> (at >= f->n_buckets);
}

static inline union lb_exact_line *lb_exact_bucket(const struct lb_exact_ports *t,
						   const struct lb_exact_key *key, uint64_t hash)
{
	if (likely(!lb_exact_is_v6(key)))
		return &t->buckets[0][lb_exact_bucket_at(&t->family[0], hash)];
	return &t->buckets[1][lb_exact_bucket_at(&t->family[1], hash)];
}

/* The first half of a look-up: where the second one looks. */
struct lb_exact_question {
	const union lb_exact_line *bucket;
};

static inline struct lb_exact_question lb_exact_ask(const struct lb_exact_ports *t,
						    const struct lb_exact_key *key)
{
	return (struct lb_exact_question){lb_exact_bucket(t, key, lb_exact_hash(t, key))};
}

/* Which entries of this bucket are the wanted one: one at most. */
static inline uint32_t lb_exact_matches4(const struct lb_exact_bucket4 *b,
					 const struct lb_exact_key *key)
{
	const __m128i *words = (const __m128i *)b;
	__m128i addr = _mm_set1_epi32((int)(key->lower >> 32));
	__m128i addrs = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&words[0]), addr),
					_mm_cmpeq_epi32(_mm_load_si128(&words[1]), addr));
	__m128i ports = _mm_cmpeq_epi16(_mm_load_si128(&words[2]),
					_mm_set1_epi16((short)key->port_be));
	__m128i both = _mm_packs_epi16(_mm_and_si128(addrs, ports), _mm_setzero_si128());

	return (uint32_t)_mm_movemask_epi8(both) & b->in_use[key->kind];
}

/* Which entries of this bucket have the wanted address and protocol. */
static inline uint32_t lb_exact_matches6(const struct lb_exact_bucket6 *b,
					 const struct lb_exact_key *key)
{
	const __m128i *words = (const __m128i *)b;
	__m128i addr = _mm_set_epi64x((long long)key->lower, (long long)key->upper);
	__m128i first = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&words[0]), addr),
					_mm_cmpeq_epi32(_mm_load_si128(&words[1]), addr));
	__m128i last = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&words[2]), addr),
				       _mm_setzero_si128());
	__m128i whole = _mm_cmpeq_epi32(_mm_packs_epi16(first, last), _mm_set1_epi32(-1));
	uint32_t shift = key->kind == LB_EXACT_UDP6 ? LB_EXACT_ENTRIES6 : 0;

	return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(whole)) & b->in_use >> shift;
}

static inline uint32_t lb_exact_find4(const struct lb_exact_ports *t,
				      const struct lb_exact_bucket4 *b,
				      const struct lb_exact_key *key)
{
	for (;;) {
		uint32_t matches = lb_exact_matches4(b, key);

		if (likely(matches != 0))
			return b->slot[__builtin_ctz(matches)];
		if (b->next == 0)
			return LB_EXACT_NONE;
		b = &t->more[b->next].v4;
	}
}

static inline uint32_t lb_exact_find6(const struct lb_exact_ports *t,
				      const struct lb_exact_bucket6 *b,
				      const struct lb_exact_key *key)
{
	for (;;) {
		uint32_t matches = lb_exact_matches6(b, key), next;

		for (; likely(matches != 0); matches &= matches - 1) {
			uint32_t at = (uint32_t)__builtin_ctz(matches);

			if (likely(b->port_be[at] == key->port_be))
				return b->slot[at];
		}
		next = b->in_use >> LB_EXACT_NEXT6_SHIFT;
		if (next == 0)
			return LB_EXACT_NONE;
		b = &t->more[next].v6;
	}
}

/* The slot, or LB_EXACT_NONE. `q` is of this key. */
static inline uint32_t lb_exact_find(const struct lb_exact_ports *t,
				     const struct lb_exact_question *q,
				     const struct lb_exact_key *key)
{
	if (likely(key->kind < LB_EXACT_TCP6))
		return lb_exact_find4(t, &q->bucket->v4, key);
	if (unlikely(key->kind >= LB_EXACT_KINDS))
		return LB_EXACT_NONE;
	return lb_exact_find6(t, &q->bucket->v6, key);
}

#endif
