#include "steer/nat_addr_set.h"

#include <string.h>

#include "steer/seeded_hash.h"

#define N_SLOTS (2 * LB_NAT_ADDR_SET_MAX)

struct entry {
	struct lb_addr addr;
	uint16_t first;
	uint16_t last;
	uint32_t idx_plus_1; /* 0: free */
};

struct lb_nat_addr_set {
	struct lb_hash_seed seed;
	uint32_t n_used;
	struct entry entries[N_SLOTS];
};

size_t lb_nat_addr_set_bytes(void)
{
	return sizeof(struct lb_nat_addr_set);
}

void lb_nat_addr_set_init(void *mem, uint64_t seed, struct lb_nat_addr_set **out)
{
	struct lb_nat_addr_set *s = mem;

	lb_hash_seed_init(&s->seed, seed);
	*out = s;
}

static uint32_t home_of(const struct lb_nat_addr_set *s, const struct lb_addr *addr)
{
	uint64_t words[2];

	memcpy(words, addr, sizeof(*addr));
	return lb_hash_reduce((uint32_t)lb_hash_words(&s->seed, words, 2), N_SLOTS);
}

static uint32_t next_of(uint32_t at)
{
	return at + 1 == N_SLOTS ? 0 : at + 1;
}

_Static_assert(sizeof(struct entry) == 24, "no padding: entries are compared as bytes");

static void add_one(struct lb_nat_addr_set *s, const struct entry *e)
{
	uint32_t at = home_of(s, &e->addr);

	if (s->n_used == LB_NAT_ADDR_SET_MAX)
		return;
	while (s->entries[at].idx_plus_1 != 0)
		at = next_of(at);
	s->entries[at] = *e;
	s->n_used++;
}

/* Closes the gap, so that no walk ends early at it. */
static void erase(struct lb_nat_addr_set *s, uint32_t hole)
{
	uint32_t at = next_of(hole);

	for (; s->entries[at].idx_plus_1 != 0; at = next_of(at)) {
		uint32_t home = home_of(s, &s->entries[at].addr);

		if ((at + N_SLOTS - home) % N_SLOTS < (at + N_SLOTS - hole) % N_SLOTS)
			continue;
		s->entries[hole] = s->entries[at];
		hole = at;
	}
	s->entries[hole].idx_plus_1 = 0;
	s->n_used--;
}

static void remove_one(struct lb_nat_addr_set *s, const struct entry *e)
{
	uint32_t at = home_of(s, &e->addr);

	for (; s->entries[at].idx_plus_1 != 0; at = next_of(at))
		if (memcmp(&s->entries[at], e, sizeof(*e)) == 0) {
			erase(s, at);
			return;
		}
}

static struct entry entry_of(const struct lb_nat_source *src, const struct lb_nat_addr *a,
			     uint32_t idx)
{
	return (struct entry){a->addr, src->first_port, src->last_port, idx + 1};
}

void lb_nat_addr_set_add(struct lb_nat_addr_set *s, const struct lb_nat_source *src, uint32_t idx)
{
	for (uint32_t i = 0; i < src->n_v4; i++) {
		struct entry e = entry_of(src, &src->v4[i], idx);

		add_one(s, &e);
	}
	for (uint32_t i = 0; i < src->n_v6; i++) {
		struct entry e = entry_of(src, &src->v6[i], idx);

		add_one(s, &e);
	}
}

void lb_nat_addr_set_remove(struct lb_nat_addr_set *s, const struct lb_nat_source *src,
			    uint32_t idx)
{
	for (uint32_t i = 0; i < src->n_v4; i++) {
		struct entry e = entry_of(src, &src->v4[i], idx);

		remove_one(s, &e);
	}
	for (uint32_t i = 0; i < src->n_v6; i++) {
		struct entry e = entry_of(src, &src->v6[i], idx);

		remove_one(s, &e);
	}
}

bool lb_nat_addr_set_has(const struct lb_nat_addr_set *s, const struct lb_addr *addr)
{
	uint32_t at = home_of(s, addr);

	for (; s->entries[at].idx_plus_1 != 0; at = next_of(at))
		if (lb_addr_equal(&s->entries[at].addr, addr))
			return true;
	return false;
}

uint32_t lb_nat_addr_set_find(const struct lb_nat_addr_set *s, const struct lb_addr *addr,
			      rte_be16_t port_be)
{
	uint32_t at = home_of(s, addr), port = rte_be_to_cpu_16(port_be);

	for (; s->entries[at].idx_plus_1 != 0; at = next_of(at)) {
		const struct entry *e = &s->entries[at];

		if (e->first <= port && port <= e->last && lb_addr_equal(&e->addr, addr))
			return e->idx_plus_1 - 1;
	}
	return UINT32_MAX;
}
