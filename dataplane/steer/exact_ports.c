#include "steer/exact_ports.h"

#include "lb/limits.h"

/* How many entries a bucket has on average before another one is taken. */
static const uint32_t mean_of[2] = {3, 1};

static const uint32_t n_entries_of[2] = {LB_EXACT_ENTRIES4, LB_EXACT_ENTRIES6};

/* What is in a line at one place. */
struct entry {
	struct lb_exact_key key;
	uint16_t slot;
};

static uint32_t buckets_for(uint32_t n_entries, bool is_v6)
{
	return n_entries / mean_of[is_v6] + 1;
}

/* All but the last of the lines that go on with one another are full, so each of these stands for a
 * full one. */
static uint32_t more_for(uint32_t n_entries)
{
	return n_entries / LB_EXACT_ENTRIES6 + 1;
}

_Static_assert(LB_SERVICE_ENTRIES_MAX <= UINT32_MAX >> LB_EXACT_NEXT6_SHIFT, "`next` has room");

size_t lb_exact_ports_bytes(uint32_t n_entries)
{
	size_t n = (size_t)buckets_for(n_entries, false) + buckets_for(n_entries, true) +
		   more_for(n_entries);

	return n * sizeof(union lb_exact_line);
}

void lb_exact_ports_init(void *mem, uint32_t n_entries, uint64_t seed, struct lb_exact_ports *out)
{
	union lb_exact_line *of_v4 = mem;
	union lb_exact_line *of_v6 = of_v4 + buckets_for(n_entries, false);

	*out = (struct lb_exact_ports){
		.seed = seed,
		.buckets = {of_v4, of_v6},
		.family = {{.n_buckets = 1}, {.n_buckets = 1}},
		.more = of_v6 + buckets_for(n_entries, true),
	};
}

static uint32_t next_of(const union lb_exact_line *b, bool is_v6)
{
	return is_v6 ? b->v6.in_use >> LB_EXACT_NEXT6_SHIFT : b->v4.next;
}

static void set_next(union lb_exact_line *b, bool is_v6, uint32_t next)
{
	if (is_v6)
		b->v6.in_use = (b->v6.in_use & ((1u << LB_EXACT_NEXT6_SHIFT) - 1)) |
			       next << LB_EXACT_NEXT6_SHIFT;
	else
		b->v4.next = next;
}

/* A bit for each entry. */
static uint32_t taken(const union lb_exact_line *b, bool is_v6)
{
	const uint32_t every = (1u << LB_EXACT_ENTRIES6) - 1;

	if (is_v6)
		return (b->v6.in_use | b->v6.in_use >> LB_EXACT_ENTRIES6) & every;
	return b->v4.in_use[0] | b->v4.in_use[1];
}

static bool is_full(const union lb_exact_line *b, bool is_v6)
{
	return taken(b, is_v6) == (1u << n_entries_of[is_v6]) - 1;
}

static struct entry get(const union lb_exact_line *b, bool is_v6, uint32_t at)
{
	bool is_udp;
	uint64_t word[2];

	if (!is_v6) {
		is_udp = b->v4.in_use[1] >> at & 1;
		return (struct entry){
			lb_exact_key(0, (uint64_t)b->v4.addr_be[at] << 32 | RTE_BE32(0xffff),
				     is_udp ? IPPROTO_UDP : IPPROTO_TCP, b->v4.port_be[at]),
			b->v4.slot[at]};
	}
	is_udp = b->v6.in_use >> (LB_EXACT_ENTRIES6 + at) & 1;
	memcpy(word, &b->v6.addr[at], sizeof(word));
	return (struct entry){lb_exact_key(word[0], word[1], is_udp ? IPPROTO_UDP : IPPROTO_TCP,
					   b->v6.port_be[at]),
			      b->v6.slot[at]};
}

static void set(union lb_exact_line *b, uint32_t at, const struct entry *e)
{
	const uint64_t word[2] = {e->key.upper, e->key.lower};

	if (lb_exact_is_v6(&e->key)) {
		memcpy(&b->v6.addr[at], word, sizeof(word));
		b->v6.port_be[at] = e->key.port_be;
		b->v6.slot[at] = e->slot;
		b->v6.in_use |= 1u << (at + (e->key.kind == LB_EXACT_UDP6 ? LB_EXACT_ENTRIES6 : 0));
	} else {
		b->v4.addr_be[at] = (rte_be32_t)(e->key.lower >> 32);
		b->v4.port_be[at] = e->key.port_be;
		b->v4.slot[at] = e->slot;
		b->v4.in_use[e->key.kind] |= (uint8_t)(1u << at);
	}
}

static void clear(union lb_exact_line *b, bool is_v6, uint32_t at)
{
	if (is_v6) {
		b->v6.in_use &= ~((1u | 1u << LB_EXACT_ENTRIES6) << at);
	} else {
		b->v4.in_use[0] &= (uint8_t) ~(1u << at);
		b->v4.in_use[1] &= (uint8_t) ~(1u << at);
	}
}

/* Another line behind this one. */
static union lb_exact_line *go_on(struct lb_exact_ports *t, union lb_exact_line *b, bool is_v6)
{
	uint32_t at = t->free_more;

	if (at != 0)
		t->free_more = t->more[at].v4.next;
	else
		at = ++t->n_more;
	memset(&t->more[at], 0, sizeof(t->more[at]));
	set_next(b, is_v6, at);
	return &t->more[at];
}

static void give_back(struct lb_exact_ports *t, uint32_t at)
{
	t->more[at].v4.next = t->free_more;
	t->free_more = at;
}

static void put(struct lb_exact_ports *t, const struct entry *e)
{
	bool is_v6 = lb_exact_is_v6(&e->key);
	union lb_exact_line *b = lb_exact_bucket(t, &e->key, lb_exact_hash(t, &e->key));

	while (is_full(b, is_v6))
		b = next_of(b, is_v6) != 0 ? &t->more[next_of(b, is_v6)] : go_on(t, b, is_v6);
	set(b, (uint32_t)__builtin_ctz(~taken(b, is_v6)), e);
}

static void put_all(struct lb_exact_ports *t, const union lb_exact_line *from, bool is_v6)
{
	for (uint32_t left = taken(from, is_v6); left != 0; left &= left - 1) {
		struct entry e = get(from, is_v6, (uint32_t)__builtin_ctz(left));

		put(t, &e);
	}
}

/* One bucket more: it has a part of what was in an earlier one. */
static void split_one(struct lb_exact_ports *t, bool is_v6)
{
	struct lb_exact_family *f = &t->family[is_v6];
	uint32_t next = f->n_buckets++, at;
	union lb_exact_line *earlier, old;

	if (next > f->mask)
		f->mask = 2 * f->mask + 1;
	earlier = &t->buckets[is_v6][next & f->mask >> 1];
	old = *earlier;
	memset(earlier, 0, sizeof(*earlier));
	put_all(t, &old, is_v6);
	while ((at = next_of(&old, is_v6)) != 0) {
		old = t->more[at];
		give_back(t, at);
		put_all(t, &old, is_v6);
	}
}

void lb_exact_ports_add(struct lb_exact_ports *t, const struct lb_exact_key *key, uint16_t slot)
{
	bool is_v6 = lb_exact_is_v6(key);
	struct lb_exact_family *f = &t->family[is_v6];
	struct entry e = {*key, slot};

	if (f->n_used >= f->n_buckets * mean_of[is_v6])
		split_one(t, is_v6);
	put(t, &e);
	f->n_used++;
}

/* Where the key is: line and entry, and the line in front, NULL: none. */
struct place {
	union lb_exact_line *b;
	union lb_exact_line *before;
	uint32_t at;
};

static bool is_at(const union lb_exact_line *b, bool is_v6, uint32_t at,
		  const struct lb_exact_key *key)
{
	struct lb_exact_key there = get(b, is_v6, at).key;

	return (taken(b, is_v6) >> at & 1) != 0 && there.kind == key->kind &&
	       there.port_be == key->port_be && there.upper == key->upper &&
	       there.lower == key->lower;
}

static struct place place_of(const struct lb_exact_ports *t, const struct lb_exact_key *key)
{
	bool is_v6 = lb_exact_is_v6(key);
	struct place p = {.b = lb_exact_bucket(t, key, lb_exact_hash(t, key))};

	for (;;) {
		for (p.at = 0; p.at < n_entries_of[is_v6]; p.at++)
			if (is_at(p.b, is_v6, p.at, key))
				return p;
		p.before = p.b;
		p.b = &t->more[next_of(p.b, is_v6)];
	}
}

/* The last line's last entry fills the gap, so that the others stay full. */
void lb_exact_ports_remove(struct lb_exact_ports *t, const struct lb_exact_key *key)
{
	bool is_v6 = lb_exact_is_v6(key);
	struct place p = place_of(t, key);
	union lb_exact_line *last = p.b, *before = p.before;
	uint32_t at;

	t->family[is_v6].n_used--;
	while (next_of(last, is_v6) != 0) {
		before = last;
		last = &t->more[next_of(last, is_v6)];
	}
	at = 31u - (uint32_t)__builtin_clz(taken(last, is_v6));
	clear(p.b, is_v6, p.at);
	if (last != p.b) {
		struct entry e = get(last, is_v6, at);

		set(p.b, p.at, &e);
		clear(last, is_v6, at);
	}
	if (taken(last, is_v6) == 0 && before != NULL) {
		uint32_t gone = next_of(before, is_v6);

		set_next(before, is_v6, 0);
		give_back(t, gone);
	}
}
