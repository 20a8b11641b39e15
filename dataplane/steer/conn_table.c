/* conn_table.c - cuckoo table of two-entry buckets, one array per family.
 *
 *   IPv4 bucket, 64 bytes:   | key 12 | lb_conn 20 | key 12 | lb_conn 20 |
 *   IPv6 bucket, 128 bytes:  | key 36 | lb_conn 28 | key 36 | lb_conn 28 |
 *   apart, 8 bytes a bucket: | server word | server word |
 *
 * The two families differ in the compare, the hash and two numbers (struct lb_conn_family);
 * everything else is written once over entry addresses. Look-ups are in conn_find.h.
 *
 * Spill bits. A look-up that does not find its key in the first bucket has to read the second one
 * only when some key of the first bucket lives elsewhere. A bucket has room for two such bits, one
 * in each entry. One of them (`live_bit`) is what look-ups read. It is set at once and never
 * cleared by a removal, since nobody knows how many keys share it. lb_conn_tidy therefore builds
 * the other bit anew behind it: one round over all buckets clears it, a second round sets it for
 * what still is away from home, then the two change roles. Whoever moves an entry away sets both,
 * so each bit is at any time at least as pessimistic as the truth that look-ups need.
 */
#include "steer/conn_find.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SLOTS LB_CONN_SLOTS
#define MEM_ALIGN 128u
#define NO_NODE UINT16_MAX

/* A bucket reached in the search for room, and the entry whose move frees a place towards it. */
struct search_node {
	uint32_t bucket;
	uint16_t parent;
	uint8_t parent_slot;
	bool is_second; /* the bucket is that entry's second one */
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
	       align_up((size_t)n_buckets_for(n_v4) * SLOTS * sizeof(struct lb_conn_entry4)) +
	       align_up((size_t)n_buckets_for(n_v6) * SLOTS * sizeof(struct lb_conn_entry6)) +
	       align_up((size_t)n_buckets_for(n_v6) * SLOTS * sizeof(uint32_t));
}

int lb_conn_table_init(void *mem, uint32_t n_v4, uint32_t n_v6, uint64_t seed,
		       struct lb_conn_table **out)
{
	struct lb_conn_table *t = mem;
	size_t n_slots6 = (size_t)n_buckets_for(n_v6) * SLOTS;
	uint8_t *base = mem;

	if ((uintptr_t)mem % MEM_ALIGN != 0 || lb_conn_table_bytes(n_v4, n_v6) == 0)
		return -EINVAL;
	lb_hash32_seed_init(&t->seed, seed);
	base += align_up(sizeof(*t));
	t->family[0] = (struct lb_conn_family){
		.entries = base,
		.n_buckets = n_buckets_for(n_v4),
		.entry_shift = 5,
		.key_bytes = offsetof(struct lb_conn_entry4, conn),
	};
	base += align_up((size_t)n_buckets_for(n_v4) * SLOTS * sizeof(struct lb_conn_entry4));
	t->family[1] = (struct lb_conn_family){
		.entries = base,
		.server_words = (uint32_t *)(base + n_slots6 * sizeof(struct lb_conn_entry6)),
		.n_buckets = n_buckets_for(n_v6),
		.entry_shift = 6,
		.key_bytes = offsetof(struct lb_conn_entry6, conn),
	};
	*out = t;
	return 0;
}

static struct lb_conn *conn_at(const struct lb_conn_family *f, uint32_t bucket, uint32_t slot)
{
	return (struct lb_conn *)(lb_conn_entry_at(f, bucket, slot) + f->key_bytes);
}

struct lb_conn *lb_conn_find_second(const struct lb_conn_table *t, const struct lb_key *key,
				    uint32_t hash)
{
	const struct lb_conn_family *f = &t->family[key->is_v6];

	return lb_conn_find_in(f, lb_conn_buckets_of(f, hash).second, key);
}

static uint32_t kind_proto(uint32_t kind)
{
	if (kind == LB_CONN_FREE)
		return 0;
	return (kind & LB_CONN_PROTO_BITS) == LB_CONN_TCP_FWD ? IPPROTO_TCP : IPPROTO_UDP;
}

void lb_conn_key(const struct lb_conn *conn, bool is_v6, struct lb_key *out)
{
	const uint8_t *c = (const uint8_t *)conn;

	memset(out, 0, sizeof(*out));
	out->is_v6 = is_v6;
	if (is_v6) {
		memcpy(&out->v6, c - offsetof(struct lb_conn_entry6, conn),
		       offsetof(struct lb_conn_entry6, conn));
		out->v6.proto = kind_proto(conn->kind);
	} else {
		memcpy(&out->v4, c - offsetof(struct lb_conn_entry4, conn),
		       offsetof(struct lb_conn_entry4, conn));
		out->v4.proto = kind_proto(conn->kind);
	}
}

/* Its key's, made of the entry as it stands there: no whole key is written for it. */
static inline struct lb_conn_buckets buckets_of_entry(const struct lb_conn_table *t,
						      const struct lb_conn_family *f,
						      const uint8_t *entry)
{
	uint32_t proto = kind_proto(((const struct lb_conn *)(entry + f->key_bytes))->kind);
	const uint32_t *key = (const uint32_t *)entry;
	uint32_t words[LB_HASH32_WORDS_MAX];

	if (likely(f == &t->family[0])) {
		words[0] = key[0];
		words[1] = key[1];
		words[2] = key[2];
		words[3] = proto;
		return lb_conn_buckets_of(f, lb_hash32_words(&t->seed, words, 4));
	}
	memcpy(words, entry, offsetof(struct lb_conn_entry6, conn));
	words[9] = proto;
	return lb_conn_buckets_of(f, lb_hash32_words(&t->seed, words, 10));
}

static void set_spilled(const struct lb_conn_family *f, uint32_t bucket)
{
	conn_at(f, bucket, 0)->spilled = 1;
	conn_at(f, bucket, 1)->spilled = 1;
}

static void clear_entry(const struct lb_conn_family *f, uint8_t *entry)
{
	struct lb_conn *conn = (struct lb_conn *)(entry + f->key_bytes);
	uint8_t spilled = conn->spilled;

	memset(entry, 0, (size_t)1 << f->entry_shift);
	conn->spilled = spilled & 1u;
}

static void move_entry(const struct lb_conn_family *f, uint8_t *from, uint8_t *to)
{
	struct lb_conn *conn = (struct lb_conn *)(to + f->key_bytes);
	uint8_t spilled = conn->spilled;

	memcpy(to, from, (size_t)1 << f->entry_shift);
	if (f->server_words != NULL && (conn->kind & LB_CONN_REPLY_BIT) != 0)
		f->server_words[lb_conn_entry_idx(f, to)] =
			f->server_words[lb_conn_entry_idx(f, from)];
	conn->spilled = spilled & 1u;
	clear_entry(f, from);
}

/* SLOTS when there is none. Added up, since which of them is in use nobody can predict. */
static inline uint32_t free_slot(const struct lb_conn_family *f, uint32_t bucket)
{
	uint32_t is_used_0 = !lb_conn_is_free(f, bucket, 0);

	return is_used_0 + (is_used_0 & !lb_conn_is_free(f, bucket, 1));
}

/* Moves the entries on the way from a root to nodes[i], last one first. The search is breadth first
 * and ends at the first room, so no bucket comes twice on a way: from the earlier visit the rest of
 * it would have been shorter. Returns the root, whose slot *slot is free now. */
static uint32_t make_moves(const struct lb_conn_family *f, const struct search_node *nodes,
			   uint32_t i, uint32_t *slot, uint64_t *n_displaced)
{
	while (nodes[i].parent != NO_NODE) {
		uint32_t from = nodes[nodes[i].parent].bucket;

		if (nodes[i].is_second)
			set_spilled(f, from);
		move_entry(f, lb_conn_entry_at(f, from, nodes[i].parent_slot),
			   lb_conn_entry_at(f, nodes[i].bucket, *slot));
		*slot = nodes[i].parent_slot;
		(*n_displaced)++;
		i = nodes[i].parent;
	}
	return nodes[i].bucket;
}

/* Appends the buckets to which the entries of nodes[i] could move, and begins to fetch them.
 * Returns how many nodes there are then. */
static inline uint32_t append_others(const struct lb_conn_table *t, const struct lb_conn_family *f,
				     struct search_node *nodes, uint32_t i, uint32_t n)
{
	uint32_t from = nodes[i].bucket;

	for (uint32_t s = 0; s < SLOTS && n < LB_CONN_SEARCH_MAX; s++) {
		struct lb_conn_buckets b = buckets_of_entry(t, f, lb_conn_entry_at(f, from, s));
		bool is_second = b.first == from;

		nodes[n] = (struct search_node){.bucket = is_second ? b.second : b.first,
						.parent = (uint16_t)i,
						.parent_slot = (uint8_t)s,
						.is_second = is_second};
		rte_prefetch0(conn_at(f, nodes[n].bucket, 0));
		n++;
	}
	return n;
}

/* Makes room in one of the two buckets, which are full. Returns it with the free slot; false: none
 * was found within the bound and nothing has moved. A level of the search is on its way together,
 * and looked through for room before any of its entries is: nearly always the first has it. */
static bool displace(const struct lb_conn_table *t, const struct lb_conn_family *f,
		     struct lb_conn_buckets roots, uint32_t *bucket, uint32_t *slot,
		     uint64_t *n_displaced)
{
	struct search_node nodes[LB_CONN_SEARCH_MAX];
	uint32_t n = 2, n_seen = 0;

	nodes[0] = (struct search_node){.bucket = roots.first, .parent = NO_NODE};
	nodes[1] = (struct search_node){.bucket = roots.second, .parent = NO_NODE};
	while (n_seen < n) {
		uint32_t level_end = n;

		while (n_seen < level_end)
			n = append_others(t, f, nodes, n_seen++, n);
		for (uint32_t i = level_end; i < n; i++) {
			*slot = free_slot(f, nodes[i].bucket);
			if (*slot == SLOTS)
				continue;
			*bucket = make_moves(f, nodes, i, slot, n_displaced);
			return true;
		}
	}
	return false;
}

/* What the compiler may know of a family, so that places are found by constant steps. */
static inline struct lb_conn_family shape_of(const struct lb_conn_table *t, bool is_v6)
{
	return (struct lb_conn_family){
		.entries = t->family[is_v6].entries,
		.n_buckets = t->family[is_v6].n_buckets,
		.entry_shift = is_v6 ? 6 : 5,
		.key_bytes = is_v6 ? offsetof(struct lb_conn_entry6, conn)
				   : offsetof(struct lb_conn_entry4, conn),
	};
}

static __rte_always_inline struct lb_conn *insert(struct lb_conn_table *t, const void *key,
						  bool is_v6, uint32_t hash, uint64_t *n_displaced)
{
	const struct lb_conn_family f = shape_of(t, is_v6);
	struct lb_conn_buckets b = lb_conn_buckets_of(&f, hash);
	uint32_t bucket = b.first;
	uint32_t slot = free_slot(&f, bucket);

	if (slot == SLOTS) {
		bucket = b.second;
		slot = free_slot(&f, bucket);
		if (slot == SLOTS &&
		    !displace(t, &t->family[is_v6], b, &bucket, &slot, n_displaced))
			return NULL;
		if (bucket == b.second)
			set_spilled(&f, b.first);
	}
	memcpy(lb_conn_entry_at(&f, bucket, slot), key, f.key_bytes);
	t->family[is_v6].n_used++;
	return conn_at(&f, bucket, slot);
}

struct lb_conn *lb_conn_insert(struct lb_conn_table *t, const struct lb_key *key, uint32_t hash,
			       enum lb_conn_kind kind, uint64_t *n_displaced)
{
	struct lb_conn *conn;

	assert(kind_proto(kind) == (key->is_v6 ? key->v6.proto : key->v4.proto));
	if (likely(!key->is_v6))
		conn = insert(t, &key->v4, false, hash, n_displaced);
	else
		conn = insert(t, &key->v6, true, hash, n_displaced);
	if (conn != NULL)
		conn->kind = (uint8_t)(kind & 7u);
	return conn;
}

void lb_conn_set_server_word(struct lb_conn_table *t, struct lb_conn *rev, bool is_v6,
			     uint32_t word)
{
	const struct lb_conn_family *f = &t->family[is_v6];

	if (is_v6)
		f->server_words[lb_conn_entry_idx(f, (uint8_t *)rev)] = word;
	else
		rev->rev.client_be[1] = word;
}

void lb_conn_remove(struct lb_conn_table *t, struct lb_conn *conn, bool is_v6)
{
	struct lb_conn_family *f = &t->family[is_v6];

	assert(conn->kind != LB_CONN_FREE);
	clear_entry(f, (uint8_t *)conn - f->key_bytes);
	f->n_used--;
}

uint32_t lb_conn_bucket(const struct lb_conn_table *t, bool is_v6, uint32_t bucket,
			struct lb_conn *out[2])
{
	const struct lb_conn_family *f = &t->family[is_v6];
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
	struct lb_conn_buckets b = lb_conn_buckets_of(&t->family[is_v6], hash);
	uint32_t n = lb_conn_bucket(t, is_v6, b.first, out);

	return n + lb_conn_bucket(t, is_v6, b.second, out + n);
}

/* One bucket of the second round of upkeep. */
static void tidy_bucket(const struct lb_conn_table *t, const struct lb_conn_family *f,
			uint32_t bucket)
{
	for (uint32_t s = 0; s < SLOTS; s++) {
		struct lb_conn *conn = conn_at(f, bucket, s);
		uint32_t home, slot;

		if (conn->kind == LB_CONN_FREE)
			continue;
		home = buckets_of_entry(t, f, lb_conn_entry_at(f, bucket, s)).first;
		if (home == bucket)
			continue;
		slot = free_slot(f, home);
		if (slot != SLOTS)
			move_entry(f, lb_conn_entry_at(f, bucket, s),
				   lb_conn_entry_at(f, home, slot));
		else
			conn_at(f, home, !f->live_bit)->spilled = 1;
	}
}

void lb_conn_tidy(struct lb_conn_table *t, bool is_v6, uint32_t n_buckets)
{
	struct lb_conn_family *f = &t->family[is_v6];

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
