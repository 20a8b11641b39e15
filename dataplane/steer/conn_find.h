/* conn_find.h - the look-up half of the connection table, inline.
 *
 * Role     key to hash, hash to bucket, bucket to entry: what every packet runs. Inline because the
 *          passes run it for a whole burst in one loop
 * Shape    the layout of table and entries, and pure functions on them; conn_table.c has the rest
 * Units    as in conn_table.h
 * Threads  owner worker only
 * Memory   reads one bucket, and a second one only where the first has spilled
 * Limits   those of conn_table.h
 * Errors   none
 * Tests    tests/unit/test_conn_table.c
 */
#ifndef LB_CONN_FIND_H
#define LB_CONN_FIND_H

#include <netinet/in.h>
#include <smmintrin.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "steer/conn_table.h"
#include "steer/seeded_hash.h"

#define LB_CONN_SLOTS 2u /* entries of a bucket */

struct lb_conn_entry4 {
	uint32_t key[3];
	struct lb_conn conn;
};

struct lb_conn_entry6 {
	uint32_t key[9];
	union {
		struct lb_conn conn;
		uint32_t words[7];
	};
};

_Static_assert(sizeof(struct lb_conn) == 20, "IPv4 part of an entry");
_Static_assert(offsetof(struct lb_conn, last_tick) == 2, "packed without holes");
_Static_assert(offsetof(struct lb_conn, fwd) == 8, "packed without holes");
_Static_assert(offsetof(struct lb_conn, rev.client_be) == 12, "one word in 20 bytes, four in 28");
_Static_assert(sizeof(struct lb_conn_entry4) == 32, "two to a line");
_Static_assert(offsetof(struct lb_conn_entry4, conn) == 12, "key first");
_Static_assert(sizeof(struct lb_conn_entry6) == 64, "one to a line");
_Static_assert(offsetof(struct lb_conn_entry6, conn) == 36, "key first");
_Static_assert(offsetof(struct lb_key4, ports_be) == 8, "an entry's key is the packet key's head");
_Static_assert(offsetof(struct lb_key6, ports_be) == 32, "an entry's key is the packet key's head");
_Static_assert(sizeof(struct lb_key4) == 16, "one vector to compare");
_Static_assert((IPPROTO_TCP & LB_CONN_PROTO_BITS) == LB_CONN_TCP_FWD, "told by these bits");
_Static_assert((IPPROTO_UDP & LB_CONN_PROTO_BITS) == LB_CONN_UDP_FWD, "told by these bits");
_Static_assert(sizeof(struct lb_key6) == 40, "no holes");

struct lb_conn_family {
	uint8_t *entries;
	uint32_t *server_words; /* IPv6: one an entry, those of a bucket side by side */
	uint32_t n_buckets;
	uint32_t n_used;
	uint32_t tidy_next; /* bucket */
	uint8_t tidy_marks; /* round of lb_conn_tidy: 0 clears the bit, 1 sets it */
	uint8_t live_bit;   /* the entry of each bucket whose spill bit look-ups read */
	uint8_t entry_shift;
	uint8_t key_bytes;
};

struct lb_conn_table {
	struct lb_hash32_seed seed;
	struct lb_conn_family family[2];
};

static inline uint32_t lb_conn_hash(const struct lb_conn_table *t, const struct lb_key *key)
{
	if (unlikely(key->is_v6))
		return lb_hash32_words(&t->seed, (const uint32_t *)&key->v6, 10);
	return lb_hash32_words(&t->seed, (const uint32_t *)&key->v4, 4);
}

static inline uint32_t lb_conn_first_bucket(const struct lb_conn_family *f, uint32_t hash)
{
	return lb_hash_reduce(hash, f->n_buckets);
}

struct lb_conn_buckets {
	uint32_t first;
	uint32_t second;
};

static inline struct lb_conn_buckets lb_conn_buckets_of(const struct lb_conn_family *f,
							uint32_t hash)
{
	struct lb_conn_buckets b = {
		.first = lb_conn_first_bucket(f, hash),
		.second = lb_hash_reduce((uint32_t)lb_hash_mix(hash + 1ull), f->n_buckets),
	};

	if (unlikely(b.second == b.first))
		b.second = b.first + 1 < f->n_buckets ? b.first + 1 : 0;
	return b;
}

/* Of any address within an entry. */
static inline size_t lb_conn_entry_idx(const struct lb_conn_family *f, const uint8_t *at)
{
	return (size_t)(at - f->entries) >> f->entry_shift;
}

static inline uint8_t *lb_conn_entry_at(const struct lb_conn_family *f, uint32_t bucket,
					uint32_t slot)
{
	return f->entries + (((size_t)bucket * LB_CONN_SLOTS + slot) << f->entry_shift);
}

/* Where a reverse entry keeps its server, see lb_conn_server: an IPv4 entry has a word to spare
 * behind the client's address, an IPv6 one has its word apart. */
static inline const uint32_t *lb_conn_server_word(const struct lb_conn_table *t,
						  const struct lb_conn *rev, bool is_v6)
{
	const struct lb_conn_family *f = &t->family[1];

	if (likely(!is_v6))
		return &rev->rev.client_be[1];
	return &f->server_words[lb_conn_entry_idx(f, (const uint8_t *)rev)];
}

static inline struct lb_conn_entry4 *lb_conn_bucket4(const struct lb_conn_family *f,
						     uint32_t bucket)
{
	return (struct lb_conn_entry4 *)f->entries + (size_t)bucket * LB_CONN_SLOTS;
}

static inline struct lb_conn_entry6 *lb_conn_bucket6(const struct lb_conn_family *f,
						     uint32_t bucket)
{
	return (struct lb_conn_entry6 *)f->entries + (size_t)bucket * LB_CONN_SLOTS;
}

/* Prefetches the first bucket. */
static inline void lb_conn_prefetch(const struct lb_conn_table *t, const struct lb_key *key,
				    uint32_t hash)
{
	const struct lb_conn_family *f = &t->family[1];
	const struct lb_conn_entry6 *bucket;

	if (likely(!key->is_v6)) {
		f = &t->family[0];
		rte_prefetch0(lb_conn_bucket4(f, lb_conn_first_bucket(f, hash)));
		return;
	}
	bucket = lb_conn_bucket6(f, lb_conn_first_bucket(f, hash));
	rte_prefetch0(bucket);
	rte_prefetch0(bucket + 1);
}

/* The last word is the protocol in a packet's key and begins with the kind in an entry: the bits
 * that both have in common are compared, the others are not key. */
static inline bool lb_conn_is_key4(const struct lb_conn_entry4 *e, __m128i key)
{
	const __m128i is_key = _mm_setr_epi32(-1, -1, -1, LB_CONN_PROTO_BITS);

	return _mm_testz_si128(_mm_xor_si128(_mm_load_si128((const __m128i *)e), key), is_key) != 0;
}

/* The ports and what IPv4 has in its last word are the first half of a third vector. */
static inline bool lb_conn_is_key6(const struct lb_conn_entry6 *e, __m128i src, __m128i dst,
				   __m128i rest)
{
	const __m128i is_key = _mm_setr_epi32(-1, LB_CONN_PROTO_BITS, 0, 0);
	const __m128i *words = (const __m128i *)e;
	__m128i differs = _mm_or_si128(_mm_xor_si128(_mm_load_si128(words), src),
				       _mm_xor_si128(_mm_load_si128(words + 1), dst));

	rest = _mm_and_si128(_mm_xor_si128(_mm_load_si128(words + 2), rest), is_key);
	differs = _mm_or_si128(differs, rest);
	return _mm_testz_si128(differs, differs) != 0;
}

/* Both entries are compared and the result is selected: which of the two it is nobody can predict,
 * and a branch that is wrong every other time costs more than a comparison. */
static inline struct lb_conn *lb_conn_find4(const struct lb_conn_family *f, uint32_t bucket,
					    const struct lb_key4 *key)
{
	struct lb_conn_entry4 *e = lb_conn_bucket4(f, bucket);
	__m128i words = _mm_loadu_si128((const __m128i *)key);
	bool is_0 = lb_conn_is_key4(&e[0], words), is_1 = lb_conn_is_key4(&e[1], words);

	return likely(is_0 | is_1) ? &e[is_1].conn : NULL;
}

static inline struct lb_conn *lb_conn_find6(const struct lb_conn_family *f, uint32_t bucket,
					    const struct lb_key6 *key)
{
	struct lb_conn_entry6 *e = lb_conn_bucket6(f, bucket);
	__m128i src = _mm_loadu_si128((const __m128i *)key->src_be);
	__m128i dst = _mm_loadu_si128((const __m128i *)key->dst_be);
	__m128i rest = _mm_loadl_epi64((const __m128i *)&key->ports_be);
	bool is_0 = lb_conn_is_key6(&e[0], src, dst, rest);
	bool is_1 = lb_conn_is_key6(&e[1], src, dst, rest);

	return likely(is_0 | is_1) ? &e[is_1].conn : NULL;
}

static inline struct lb_conn *lb_conn_find_in(const struct lb_conn_family *f, uint32_t bucket,
					      const struct lb_key *key)
{
	return unlikely(key->is_v6) ? lb_conn_find6(f, bucket, &key->v6)
				    : lb_conn_find4(f, bucket, &key->v4);
}

/* The bit of the first bucket that says whether keys of it live in their second one. */
static inline bool lb_conn_has_spilled(const struct lb_conn_family *f, uint32_t bucket)
{
	const uint8_t *entry = lb_conn_entry_at(f, bucket, f->live_bit);

	return ((const struct lb_conn *)(entry + f->key_bytes))->spilled;
}

/* The look-up in two halves, so that a burst can have all its second buckets on their way before it
 * reads the first of them. NULL with *is_open set: it may be in the second. */
static inline struct lb_conn *lb_conn_find_first(const struct lb_conn_table *t,
						 const struct lb_key *key, uint32_t hash,
						 bool *is_open)
{
	const struct lb_conn_family *f = &t->family[0];
	struct lb_conn *found;
	uint32_t first;

	if (likely(!key->is_v6)) {
		first = lb_conn_first_bucket(f, hash);
		found = lb_conn_find4(f, first, &key->v4);
	} else {
		f = &t->family[1];
		first = lb_conn_first_bucket(f, hash);
		found = lb_conn_find6(f, first, &key->v6);
	}
	*is_open = found == NULL && lb_conn_has_spilled(f, first);
	return found;
}

static inline void lb_conn_prefetch_second(const struct lb_conn_table *t, const struct lb_key *key,
					   uint32_t hash)
{
	const struct lb_conn_family *f = &t->family[1];
	const struct lb_conn_entry6 *bucket;

	if (likely(!key->is_v6)) {
		f = &t->family[0];
		rte_prefetch0(lb_conn_bucket4(f, lb_conn_buckets_of(f, hash).second));
		return;
	}
	bucket = lb_conn_bucket6(f, lb_conn_buckets_of(f, hash).second);
	rte_prefetch0(bucket);
	rte_prefetch0(bucket + 1);
}

struct lb_conn *lb_conn_find_second(const struct lb_conn_table *t, const struct lb_key *key,
				    uint32_t hash);

static inline bool lb_conn_is_free(const struct lb_conn_family *f, uint32_t bucket, uint32_t slot)
{
	const uint8_t *entry = lb_conn_entry_at(f, bucket, slot);

	return ((const struct lb_conn *)(entry + f->key_bytes))->kind == LB_CONN_FREE;
}

/* Of a key whose first bucket has come: asks for the second one if looking it up or inserting it
 * will read that. */
static inline void lb_conn_prefetch_room(const struct lb_conn_table *t, const struct lb_key *key,
					 uint32_t hash)
{
	const struct lb_conn_family *f = &t->family[key->is_v6];
	uint32_t first = lb_conn_first_bucket(f, hash);

	if (lb_conn_has_spilled(f, first) ||
	    !(lb_conn_is_free(f, first, 0) || lb_conn_is_free(f, first, 1)))
		lb_conn_prefetch_second(t, key, hash);
}

/* NULL: not there. */
static inline struct lb_conn *lb_conn_lookup(const struct lb_conn_table *t,
					     const struct lb_key *key, uint32_t hash)
{
	bool is_open;
	struct lb_conn *found = lb_conn_find_first(t, key, hash, &is_open);

	return is_open ? lb_conn_find_second(t, key, hash) : found;
}

#endif
