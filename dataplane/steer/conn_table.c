/* conn_table.c - cuckoo table of two-entry buckets, one array per family.
 *
 *   IPv4 bucket, 64 bytes:   | key 12 | lb_conn 20 | key 12 | lb_conn 20 |
 *   IPv6 bucket, 128 bytes:  | key 36 | lb_conn 28 | key 36 | lb_conn 28 |
 *
 * The two families differ in the compare, the hash and two numbers (struct family); everything else
 * is written once over entry addresses.
 *
 * Spill bits. A look-up that does not find its key in the first bucket has to read the second one
 * only when some key of the first bucket lives elsewhere. A bucket has room for two such bits, one
 * in each entry. One of them (`live_bit`) is what look-ups read. It is set at once and never
 * cleared by a removal, since nobody knows how many keys share it. lb_conn_tidy therefore builds
 * the other bit anew behind it: one round over all buckets clears it, a second round sets it for
 * what still is away from home, then the two change roles. Whoever moves an entry away sets both,
 * so each bit is at any time at least as pessimistic as the truth that look-ups need.
 */
#include "steer/conn_table.h"

#include <assert.h>
#include <emmintrin.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "steer/seeded_hash.h"

#define SLOTS 2u
#define MEM_ALIGN 128u
#define NO_NODE UINT16_MAX

struct entry4 {
	uint32_t key[3];
	struct lb_conn conn;
};

struct entry6 {
	uint32_t key[9];
	union {
		struct lb_conn conn;
		uint32_t words[7];
	};
};

static_assert(sizeof(struct lb_conn) == 20, "IPv4 part of an entry");
static_assert(offsetof(struct lb_conn, last_tick) == 2, "packed without holes");
static_assert(offsetof(struct lb_conn, fwd) == 8, "packed without holes");
static_assert(offsetof(struct lb_conn, rev.client_be) == 12, "one word fits 20 bytes, four fit 28");
static_assert(sizeof(struct entry4) == 32, "two to a line");
static_assert(offsetof(struct entry4, conn) == 12, "key first");
static_assert(sizeof(struct entry6) == 64, "one to a line");
static_assert(offsetof(struct entry6, conn) == 36, "key first");
static_assert(offsetof(struct lb_key4, ports_be) == 8, "entry key is the head of the packet key");
static_assert(offsetof(struct lb_key6, ports_be) == 32, "entry key is the head of the packet key");
static_assert(sizeof(struct lb_key4) == 16, "one vector to compare");
static_assert(sizeof(struct lb_key6) == 40, "no holes");

struct family {
	uint8_t *entries;
	uint32_t n_buckets;
	uint32_t n_used;
	uint32_t tidy_next; /* bucket */
	uint8_t tidy_marks; /* round of lb_conn_tidy: 0 clears the bit, 1 sets it */
	uint8_t live_bit;   /* the entry of each bucket whose spill bit look-ups read */
	uint8_t entry_shift;
	uint8_t key_bytes;
};

struct lb_conn_table {
	struct lb_hash_seed seed;
	struct family family[2];
};

struct bucket_pair {
	uint32_t first;
	uint32_t second;
};

/* A bucket reached in the search for room, and the entry whose move frees a place towards it. */
struct search_node {
	uint32_t bucket;
	uint16_t parent;
	uint8_t parent_slot;
};

static uint32_t n_buckets_for(uint32_t n_entries)
{
	uint32_t n = (n_entries + SLOTS - 1) / SLOTS;

	return n < 2 ? 2 : n;
}

static size_t align_up(size_t n)
{
	return (n + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
}

size_t lb_conn_table_bytes(uint32_t n_v4, uint32_t n_v6)
{
	if (n_v4 > LB_CONN_ENTRIES_MAX || n_v6 > LB_CONN_ENTRIES_MAX)
		return 0;
	return align_up(sizeof(struct lb_conn_table)) +
	       align_up((size_t)n_buckets_for(n_v4) * SLOTS * sizeof(struct entry4)) +
	       align_up((size_t)n_buckets_for(n_v6) * SLOTS * sizeof(struct entry6));
}

int lb_conn_table_init(void *mem, uint32_t n_v4, uint32_t n_v6, uint64_t seed,
		       struct lb_conn_table **out)
{
	struct lb_conn_table *t = mem;
	uint8_t *base = mem;

	if ((uintptr_t)mem % MEM_ALIGN != 0 || lb_conn_table_bytes(n_v4, n_v6) == 0)
		return -EINVAL;
	lb_hash_seed_init(&t->seed, seed);
	base += align_up(sizeof(*t));
	t->family[0] = (struct family){
		.entries = base,
		.n_buckets = n_buckets_for(n_v4),
		.entry_shift = 5,
		.key_bytes = offsetof(struct entry4, conn),
	};
	base += align_up((size_t)n_buckets_for(n_v4) * SLOTS * sizeof(struct entry4));
	t->family[1] = (struct family){
		.entries = base,
		.n_buckets = n_buckets_for(n_v6),
		.entry_shift = 6,
		.key_bytes = offsetof(struct entry6, conn),
	};
	*out = t;
	return 0;
}

static uint8_t *entry_at(const struct family *f, uint32_t bucket, uint32_t slot)
{
	return f->entries + (((size_t)bucket * SLOTS + slot) << f->entry_shift);
}

static struct lb_conn *conn_at(const struct family *f, uint32_t bucket, uint32_t slot)
{
	return (struct lb_conn *)(entry_at(f, bucket, slot) + f->key_bytes);
}

static uint64_t pair(uint32_t upper, uint32_t lower)
{
	return (uint64_t)upper << 32 | lower;
}

/* The words are joined in registers: parsing has just stored them one by one, and a load of 64 bits
 * across two stores of 32 would have to wait for both to reach the cache. */
uint32_t lb_conn_hash(const struct lb_conn_table *t, const struct lb_key *key)
{
	uint64_t words[5];

	if (unlikely(key->is_v6)) {
		words[0] = pair(key->v6.src_be[0], key->v6.src_be[1]);
		words[1] = pair(key->v6.src_be[2], key->v6.src_be[3]);
		words[2] = pair(key->v6.dst_be[0], key->v6.dst_be[1]);
		words[3] = pair(key->v6.dst_be[2], key->v6.dst_be[3]);
		words[4] = pair(key->v6.ports_be, key->v6.proto);
		return (uint32_t)lb_hash_words(&t->seed, words, 5);
	}
	words[0] = pair(key->v4.src_be, key->v4.dst_be);
	words[1] = pair(key->v4.ports_be, key->v4.proto);
	return (uint32_t)lb_hash_words(&t->seed, words, 2);
}

static uint32_t first_bucket(const struct family *f, uint32_t hash)
{
	return lb_hash_reduce(hash, f->n_buckets);
}

static struct bucket_pair buckets_of(const struct family *f, uint32_t hash)
{
	struct bucket_pair b = {
		.first = first_bucket(f, hash),
		.second = lb_hash_reduce((uint32_t)lb_hash_mix(hash + 1ull), f->n_buckets),
	};

	if (b.second == b.first)
		b.second = b.first + 1 < f->n_buckets ? b.first + 1 : 0;
	return b;
}

static uint32_t kind_proto(uint32_t kind)
{
	if (kind == LB_CONN_TCP_FWD || kind == LB_CONN_TCP_REV)
		return IPPROTO_TCP;
	return kind == LB_CONN_FREE ? 0 : IPPROTO_UDP;
}

void lb_conn_key(const struct lb_conn *conn, bool is_v6, struct lb_key *out)
{
	const uint8_t *c = (const uint8_t *)conn;

	memset(out, 0, sizeof(*out));
	out->is_v6 = is_v6;
	if (is_v6) {
		memcpy(&out->v6, c - offsetof(struct entry6, conn), offsetof(struct entry6, conn));
		out->v6.proto = kind_proto(conn->kind);
	} else {
		memcpy(&out->v4, c - offsetof(struct entry4, conn), offsetof(struct entry4, conn));
		out->v4.proto = kind_proto(conn->kind);
	}
}

static struct bucket_pair buckets_of_entry(const struct lb_conn_table *t, const struct family *f,
					   const struct lb_conn *conn)
{
	struct lb_key key;

	lb_conn_key(conn, f == &t->family[1], &key);
	return buckets_of(f, lb_conn_hash(t, &key));
}

void lb_conn_prefetch(const struct lb_conn_table *t, const struct lb_key *key, uint32_t hash)
{
	const struct family *f = &t->family[key->is_v6];
	uint32_t bucket = first_bucket(f, hash);

	rte_prefetch0(entry_at(f, bucket, 0));
	if (key->is_v6)
		rte_prefetch0(entry_at(f, bucket, 1));
}

/* The fourth word of an IPv4 entry is not key: its lanes are left out of the comparison. */
static bool is_key4(const struct entry4 *e, __m128i key, uint32_t proto)
{
	__m128i words = _mm_load_si128((const __m128i *)e);

	return (_mm_movemask_epi8(_mm_cmpeq_epi32(words, key)) & 0xfff) == 0xfff &&
	       kind_proto(e->conn.kind) == proto;
}

static bool is_key6(const struct entry6 *e, const struct lb_key6 *key)
{
	const __m128i *words = (const __m128i *)e;
	__m128i src = _mm_loadu_si128((const __m128i *)key->src_be);
	__m128i dst = _mm_loadu_si128((const __m128i *)key->dst_be);
	__m128i same = _mm_and_si128(_mm_cmpeq_epi32(_mm_load_si128(words), src),
				     _mm_cmpeq_epi32(_mm_load_si128(words + 1), dst));

	return _mm_movemask_epi8(same) == 0xffff && e->key[8] == key->ports_be &&
	       kind_proto(e->conn.kind) == key->proto;
}

static struct lb_conn *find_in_bucket(const struct family *f, uint32_t bucket,
				      const struct lb_key *key)
{
	if (unlikely(key->is_v6)) {
		struct entry6 *e = (struct entry6 *)entry_at(f, bucket, 0);

		if (is_key6(&e[0], &key->v6))
			return &e[0].conn;
		return is_key6(&e[1], &key->v6) ? &e[1].conn : NULL;
	}

	struct entry4 *e = (struct entry4 *)entry_at(f, bucket, 0);
	__m128i words = _mm_loadu_si128((const __m128i *)&key->v4);

	if (is_key4(&e[0], words, key->v4.proto))
		return &e[0].conn;
	return is_key4(&e[1], words, key->v4.proto) ? &e[1].conn : NULL;
}

struct lb_conn *lb_conn_lookup(const struct lb_conn_table *t, const struct lb_key *key,
			       uint32_t hash)
{
	const struct family *f = &t->family[key->is_v6];
	uint32_t first = first_bucket(f, hash);
	struct lb_conn *found = find_in_bucket(f, first, key);

	if (found != NULL || !conn_at(f, first, f->live_bit)->spilled)
		return found;
	return find_in_bucket(f, buckets_of(f, hash).second, key);
}

static void set_spilled(const struct family *f, uint32_t bucket)
{
	conn_at(f, bucket, 0)->spilled = 1;
	conn_at(f, bucket, 1)->spilled = 1;
}

static void clear_entry(const struct family *f, uint8_t *entry)
{
	struct lb_conn *conn = (struct lb_conn *)(entry + f->key_bytes);
	uint8_t spilled = conn->spilled;

	memset(entry, 0, (size_t)1 << f->entry_shift);
	conn->spilled = spilled & 1u;
}

static void move_entry(const struct family *f, uint8_t *from, uint8_t *to)
{
	struct lb_conn *conn = (struct lb_conn *)(to + f->key_bytes);
	uint8_t spilled = conn->spilled;

	memcpy(to, from, (size_t)1 << f->entry_shift);
	conn->spilled = spilled & 1u;
	clear_entry(f, from);
}

/* SLOTS when there is none. */
static uint32_t free_slot(const struct family *f, uint32_t bucket)
{
	if (conn_at(f, bucket, 0)->kind == LB_CONN_FREE)
		return 0;
	return conn_at(f, bucket, 1)->kind == LB_CONN_FREE ? 1 : SLOTS;
}

/* Moves the entries on the way from a root to nodes[i], last one first. The search is breadth first
 * and ends at the first room, so no bucket comes twice on a way: from the earlier visit the rest of
 * it would have been shorter. Returns the root, whose slot *slot is free now. */
static uint32_t make_moves(const struct lb_conn_table *t, const struct family *f,
			   const struct search_node *nodes, uint32_t i, uint32_t *slot,
			   uint64_t *n_displaced)
{
	while (nodes[i].parent != NO_NODE) {
		uint32_t from = nodes[nodes[i].parent].bucket;
		struct lb_conn *conn = conn_at(f, from, nodes[i].parent_slot);
		struct bucket_pair b = buckets_of_entry(t, f, conn);

		assert((b.first == from ? b.second : b.first) == nodes[i].bucket);
		if (nodes[i].bucket == b.second)
			set_spilled(f, b.first);
		move_entry(f, entry_at(f, from, nodes[i].parent_slot),
			   entry_at(f, nodes[i].bucket, *slot));
		*slot = nodes[i].parent_slot;
		(*n_displaced)++;
		i = nodes[i].parent;
	}
	return nodes[i].bucket;
}

/* Makes room in one of the two buckets. Returns it with the free slot; false: none was found within
 * the bound and nothing has moved. */
static bool displace(const struct lb_conn_table *t, const struct family *f,
		     struct bucket_pair roots, uint32_t *bucket, uint32_t *slot,
		     uint64_t *n_displaced)
{
	struct search_node nodes[LB_CONN_SEARCH_MAX];
	uint32_t n = 2;

	nodes[0] = (struct search_node){.bucket = roots.first, .parent = NO_NODE};
	nodes[1] = (struct search_node){.bucket = roots.second, .parent = NO_NODE};
	for (uint32_t i = 0; i < n; i++) {
		*slot = free_slot(f, nodes[i].bucket);
		if (*slot != SLOTS) {
			*bucket = make_moves(t, f, nodes, i, slot, n_displaced);
			return true;
		}
		for (uint32_t s = 0; s < SLOTS && n < LB_CONN_SEARCH_MAX; s++) {
			struct lb_conn *conn = conn_at(f, nodes[i].bucket, s);
			struct bucket_pair b = buckets_of_entry(t, f, conn);

			nodes[n].bucket = b.first == nodes[i].bucket ? b.second : b.first;
			nodes[n].parent = (uint16_t)i;
			nodes[n].parent_slot = (uint8_t)s;
			rte_prefetch0(conn_at(f, nodes[n].bucket, 0));
			n++;
		}
	}
	return false;
}

struct lb_conn *lb_conn_insert(struct lb_conn_table *t, const struct lb_key *key, uint32_t hash,
			       enum lb_conn_kind kind, uint64_t *n_displaced)
{
	struct family *f = &t->family[key->is_v6];
	struct bucket_pair b = buckets_of(f, hash);
	uint32_t bucket = b.first;
	uint32_t slot = free_slot(f, bucket);
	struct lb_conn *conn;

	assert(kind_proto(kind) == (key->is_v6 ? key->v6.proto : key->v4.proto));
	if (slot == SLOTS) {
		bucket = b.second;
		slot = free_slot(f, bucket);
	}
	if (slot == SLOTS && !displace(t, f, b, &bucket, &slot, n_displaced))
		return NULL;
	if (bucket == b.second)
		set_spilled(f, b.first);
	memcpy(entry_at(f, bucket, slot), key->is_v6 ? (const void *)&key->v6 : &key->v4,
	       f->key_bytes);
	conn = conn_at(f, bucket, slot);
	conn->kind = (uint8_t)(kind & 7u);
	f->n_used++;
	return conn;
}

void lb_conn_remove(struct lb_conn_table *t, struct lb_conn *conn, bool is_v6)
{
	struct family *f = &t->family[is_v6];

	assert(conn->kind != LB_CONN_FREE);
	clear_entry(f, (uint8_t *)conn - f->key_bytes);
	f->n_used--;
}

uint32_t lb_conn_bucket(const struct lb_conn_table *t, bool is_v6, uint32_t bucket,
			struct lb_conn *out[2])
{
	const struct family *f = &t->family[is_v6];
	uint32_t n = 0;

	for (uint32_t s = 0; s < SLOTS; s++) {
		struct lb_conn *conn = conn_at(f, bucket, s);

		if (conn->kind != LB_CONN_FREE)
			out[n++] = conn;
	}
	return n;
}

uint32_t lb_conn_candidates(const struct lb_conn_table *t, bool is_v6, uint32_t hash,
			    struct lb_conn *out[4])
{
	struct bucket_pair b = buckets_of(&t->family[is_v6], hash);
	uint32_t n = lb_conn_bucket(t, is_v6, b.first, out);

	return n + lb_conn_bucket(t, is_v6, b.second, out + n);
}

/* One bucket of the second round of upkeep. */
static void tidy_bucket(const struct lb_conn_table *t, const struct family *f, uint32_t bucket)
{
	for (uint32_t s = 0; s < SLOTS; s++) {
		struct lb_conn *conn = conn_at(f, bucket, s);
		uint32_t home, slot;

		if (conn->kind == LB_CONN_FREE)
			continue;
		home = buckets_of_entry(t, f, conn).first;
		if (home == bucket)
			continue;
		slot = free_slot(f, home);
		if (slot != SLOTS)
			move_entry(f, entry_at(f, bucket, s), entry_at(f, home, slot));
		else
			conn_at(f, home, !f->live_bit)->spilled = 1;
	}
}

void lb_conn_tidy(struct lb_conn_table *t, bool is_v6, uint32_t n_buckets)
{
	struct family *f = &t->family[is_v6];

	while (n_buckets-- > 0) {
		if (f->tidy_marks)
			tidy_bucket(t, f, f->tidy_next);
		else if (conn_at(f, f->tidy_next, !f->live_bit)->spilled) /* keeps memory unused */
			conn_at(f, f->tidy_next, !f->live_bit)->spilled = 0;
		if (++f->tidy_next < f->n_buckets)
			continue;
		f->tidy_next = 0;
		if (f->tidy_marks)
			f->live_bit = !f->live_bit;
		f->tidy_marks = !f->tidy_marks;
	}
}

uint32_t lb_conn_n_buckets(const struct lb_conn_table *t, bool is_v6)
{
	return t->family[is_v6].n_buckets;
}

uint32_t lb_conn_capacity(const struct lb_conn_table *t, bool is_v6)
{
	return t->family[is_v6].n_buckets * SLOTS;
}

uint32_t lb_conn_count(const struct lb_conn_table *t, bool is_v6)
{
	return t->family[is_v6].n_used;
}
