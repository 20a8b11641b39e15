#include "steer/next_hop.h"

#include <assert.h>
#include <string.h>

#include "steer/seeded_hash.h"

#define LEARNED_MAX (LB_NEXT_HOPS_MAX - LB_NEXT_HOP_LEARNED)
#define INDEX_SLOTS (2 * LEARNED_MAX)

/* Learnt neighbours are found by an open-addressing index of their ids. */
struct lb_next_hops {
	struct lb_hash_seed seed;
	/* The neighbour that was learnt or met last: most new clients come from the same few. */
	uint64_t last_word;
	uint32_t last_id; /* LB_NEXT_HOP_NONE: forgotten */
	uint32_t n_learned;
	uint32_t next_free; /* where the search for a free id goes on */
	uint8_t is_marked[LEARNED_MAX];
	uint16_t index[INDEX_SLOTS]; /* learnt position + 1, 0: free */
	struct lb_next_hop hops[LB_NEXT_HOPS_MAX];
};

size_t lb_next_hops_bytes(void)
{
	return sizeof(struct lb_next_hops);
}

void lb_next_hops_init(void *mem, uint64_t seed, struct lb_next_hops **out)
{
	struct lb_next_hops *t = mem;

	lb_hash_seed_init(&t->seed, seed);
	*out = t;
}

void lb_next_hop_set(struct lb_next_hops *t, uint32_t id, const struct lb_next_hop *nh)
{
	assert(id != LB_NEXT_HOP_NONE && id < LB_NEXT_HOP_LEARNED);
	if (nh != NULL)
		t->hops[id] = *nh;
	else
		memset(&t->hops[id], 0, sizeof(t->hops[id]));
}

const struct lb_next_hop *lb_next_hops_all(const struct lb_next_hops *t)
{
	return t->hops;
}

static uint64_t neighbour_word(uint8_t iface, const uint8_t mac[6])
{
	uint32_t first;
	uint16_t last;

	memcpy(&first, mac, sizeof(first));
	memcpy(&last, mac + sizeof(first), sizeof(last));
	return (uint64_t)iface << 48 | (uint64_t)last << 32 | first;
}

static uint32_t home_of(const struct lb_next_hops *t, uint64_t word)
{
	return lb_hash_reduce((uint32_t)lb_hash_words(&t->seed, &word, 1), INDEX_SLOTS);
}

static uint64_t word_of_position(const struct lb_next_hops *t, uint32_t position)
{
	const struct lb_next_hop *nh = &t->hops[LB_NEXT_HOP_LEARNED + position];

	return neighbour_word(nh->iface, nh->mac);
}

/* The index holds at most half its slots, so each walk ends. */
static uint32_t find_slot(const struct lb_next_hops *t, uint64_t word)
{
	uint32_t at = home_of(t, word);

	while (t->index[at] != 0 && word_of_position(t, t->index[at] - 1u) != word)
		at = at + 1 == INDEX_SLOTS ? 0 : at + 1;
	return at;
}

static uint32_t take_free_position(struct lb_next_hops *t)
{
	for (;;) {
		uint32_t position = t->next_free;

		t->next_free = position + 1 == LEARNED_MAX ? 0 : position + 1;
		if (t->hops[LB_NEXT_HOP_LEARNED + position].resolved == 0)
			return position;
	}
}

uint32_t lb_next_hop_learn(struct lb_next_hops *t, uint8_t iface, const uint8_t mac[6])
{
	uint64_t word = neighbour_word(iface, mac);
	uint32_t slot, position;

	if (word == t->last_word && t->last_id != LB_NEXT_HOP_NONE) {
		lb_next_hop_mark(t, t->last_id);
		return t->last_id;
	}
	slot = find_slot(t, word);
	if (t->index[slot] == 0) {
		struct lb_next_hop *nh;

		if (t->n_learned == LEARNED_MAX)
			return LB_NEXT_HOP_NONE;
		position = take_free_position(t);
		nh = &t->hops[LB_NEXT_HOP_LEARNED + position];
		memcpy(nh->mac, mac, sizeof(nh->mac));
		nh->iface = iface;
		nh->resolved = 1;
		t->index[slot] = (uint16_t)(position + 1);
		t->n_learned++;
	}
	position = t->index[slot] - 1u;
	t->is_marked[position] = 1;
	t->last_word = word;
	t->last_id = LB_NEXT_HOP_LEARNED + position;
	return t->last_id;
}

void lb_next_hop_mark(struct lb_next_hops *t, uint32_t id)
{
	if (id >= LB_NEXT_HOP_LEARNED)
		t->is_marked[id - LB_NEXT_HOP_LEARNED] = 1;
}

/* The index is made anew rather than mended: this runs once in a sweep. */
void lb_next_hop_forget_unmarked(struct lb_next_hops *t)
{
	if (t->n_learned == 0)
		return;
	memset(t->index, 0, sizeof(t->index));
	t->n_learned = 0;
	t->last_id = LB_NEXT_HOP_NONE;
	for (uint32_t i = 0; i < LEARNED_MAX; i++) {
		struct lb_next_hop *nh = &t->hops[LB_NEXT_HOP_LEARNED + i];

		if (nh->resolved == 0)
			continue;
		if (t->is_marked[i] == 0) {
			memset(nh, 0, sizeof(*nh));
			continue;
		}
		t->is_marked[i] = 0;
		t->index[find_slot(t, neighbour_word(nh->iface, nh->mac))] = (uint16_t)(i + 1);
		t->n_learned++;
	}
}
