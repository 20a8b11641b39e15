#include "steer/exact_ports.h"

#include "lb/limits.h"

#define MEAN 3u /* entries of a bucket, on average, before another one is taken */
#define EVERY ((1u << LB_EXACT_ENTRIES) - 1)

static uint32_t buckets_for(uint32_t n_entries)
{
	return n_entries / MEAN + 1;
}

/* All but the last of the buckets that go on with one another are full, so each of these stands for
 * a full one. */
static uint32_t more_for(uint32_t n_entries)
{
	return n_entries / LB_EXACT_ENTRIES + 1;
}

size_t lb_exact_ports_bytes(uint32_t n_entries)
{
	return ((size_t)buckets_for(n_entries) + more_for(n_entries)) *
		       sizeof(struct lb_exact_bucket) +
	       LB_SERVICES_MAX * sizeof(struct lb_addr);
}

void lb_exact_ports_init(void *mem, uint32_t n_entries, uint64_t seed, struct lb_exact_ports *out)
{
	struct lb_exact_bucket *buckets = mem;
	struct lb_exact_bucket *more = buckets + buckets_for(n_entries);

	*out = (struct lb_exact_ports){
		.seed = seed,
		.buckets = buckets,
		.n_buckets = 1,
		.more = more,
		.vip6 = (struct lb_addr *)(more + more_for(n_entries)),
	};
}

static uint32_t taken(const struct lb_exact_bucket *b)
{
	return b->in_use[0] | b->in_use[1] | b->in_use[2] | b->in_use[3];
}

/* Another bucket behind this one. */
static struct lb_exact_bucket *go_on(struct lb_exact_ports *t, struct lb_exact_bucket *b)
{
	uint32_t at = t->free_more;

	if (at != 0)
		t->free_more = t->more[at].next;
	else
		at = ++t->n_more;
	t->more[at] = (struct lb_exact_bucket){.next = 0};
	b->next = at;
	return &t->more[at];
}

static void give_back(struct lb_exact_ports *t, uint32_t at)
{
	t->more[at].next = t->free_more;
	t->free_more = at;
}

static struct lb_exact_key key_at(const struct lb_exact_ports *t, const struct lb_exact_bucket *b,
				  uint32_t at)
{
	struct lb_exact_key key = {.lower = (uint64_t)b->tag[at] << 32 | RTE_BE32(0xffff),
				   .port_be = b->port_be[at]};

	while ((b->in_use[key.kind] >> at & 1) == 0)
		key.kind++;
	if (lb_exact_is_v6(&key)) {
		memcpy(&key.upper, &t->vip6[b->slot[at]].word_be[0], sizeof(key.upper));
		memcpy(&key.lower, &t->vip6[b->slot[at]].word_be[2], sizeof(key.lower));
	}
	return key;
}

static void put(struct lb_exact_ports *t, const struct lb_exact_key *key, uint16_t slot)
{
	uint64_t hash = lb_exact_hash(t, key);
	struct lb_exact_bucket *b = lb_exact_bucket(t, hash);
	uint32_t at;

	while (taken(b) == EVERY)
		b = b->next != 0 ? &t->more[b->next] : go_on(t, b);
	at = (uint32_t)__builtin_ctz(~taken(b));
	b->tag[at] = lb_exact_tag(key, hash);
	b->port_be[at] = key->port_be;
	b->slot[at] = slot;
	b->in_use[key->kind] |= (uint8_t)(1u << at);
}

static void put_all(struct lb_exact_ports *t, const struct lb_exact_bucket *from)
{
	for (uint32_t left = taken(from); left != 0; left &= left - 1) {
		uint32_t at = (uint32_t)__builtin_ctz(left);
		struct lb_exact_key key = key_at(t, from, at);

		put(t, &key, from->slot[at]);
	}
}

/* One bucket more: it has a part of what was in an earlier one. */
static void split_one(struct lb_exact_ports *t)
{
	uint32_t next = t->n_buckets++;
	struct lb_exact_bucket *earlier, old;

	if (next > t->mask)
		t->mask = 2 * t->mask + 1;
	earlier = &t->buckets[next & t->mask >> 1];
	old = *earlier;
	*earlier = (struct lb_exact_bucket){.next = 0};
	put_all(t, &old);
	while (old.next != 0) {
		uint32_t at = old.next;

		old = t->more[at];
		give_back(t, at);
		put_all(t, &old);
	}
}

void lb_exact_ports_add(struct lb_exact_ports *t, const struct lb_exact_key *key, uint16_t slot)
{
	if (t->n_used >= t->n_buckets * MEAN)
		split_one(t);
	if (lb_exact_is_v6(key)) {
		memcpy(&t->vip6[slot].word_be[0], &key->upper, sizeof(key->upper));
		memcpy(&t->vip6[slot].word_be[2], &key->lower, sizeof(key->lower));
	}
	put(t, key, slot);
	t->n_used++;
}

/* Where the key is: bucket and entry, and the bucket in front, NULL: none. */
struct place {
	struct lb_exact_bucket *b;
	struct lb_exact_bucket *before;
	uint32_t at;
};

static struct place place_of(const struct lb_exact_ports *t, const struct lb_exact_key *key)
{
	struct lb_exact_question q = lb_exact_ask(t, key);
	struct place p = {.b = lb_exact_bucket(t, lb_exact_hash(t, key))};

	for (;;) {
		uint32_t matches = lb_exact_matches(p.b, &q);

		for (; matches != 0; matches &= matches - 1) {
			p.at = (uint32_t)__builtin_ctz(matches);
			if (!lb_exact_is_v6(key) || lb_exact_is_slot_of(t, key, p.b->slot[p.at]))
				return p;
		}
		p.before = p.b;
		p.b = &t->more[p.b->next];
	}
}

static void clear_at(struct lb_exact_bucket *b, uint32_t at)
{
	for (uint32_t kind = 0; kind < LB_EXACT_KINDS; kind++)
		b->in_use[kind] &= (uint8_t) ~(1u << at);
}

/* The last bucket's last entry fills the gap, so that the others stay full. */
void lb_exact_ports_remove(struct lb_exact_ports *t, const struct lb_exact_key *key)
{
	struct place p = place_of(t, key);
	struct lb_exact_bucket *last = p.b, *before = p.before;
	uint32_t at;

	t->n_used--;
	while (last->next != 0) {
		before = last;
		last = &t->more[last->next];
	}
	at = 31u - (uint32_t)__builtin_clz(taken(last));
	if (last != p.b) {
		clear_at(p.b, p.at);
		p.b->tag[p.at] = last->tag[at];
		p.b->port_be[p.at] = last->port_be[at];
		p.b->slot[p.at] = last->slot[at];
		p.b->in_use[key_at(t, last, at).kind] |= (uint8_t)(1u << p.at);
		clear_at(last, at);
	} else {
		clear_at(last, p.at);
	}
	if (taken(last) == 0 && before != NULL) {
		uint32_t gone = before->next;

		before->next = 0;
		give_back(t, gone);
	}
}
