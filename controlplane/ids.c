#include "ids.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START_IDS 16u

struct slot {
	uint32_t chain; /* next id of this hash bucket */
	uint32_t hash;	/* of the key, so that few keys are compared in vain */
	uint32_t next;  /* free: next free one */
	uint32_t epoch;
	uint32_t marked; /* last round that asked for it */
	uint32_t made;   /* round that gave it out */
	bool is_used;
};

struct lb_ids {
	struct lb_ids_params p;
	uint32_t round;
	bool is_open;
	uint32_t bound; /* ids below have been given out before */
	uint32_t n_used;
	uint32_t n_free;
	uint32_t free_head;
	uint32_t free_tail;
	uint32_t n_max;  /* slots allocated */
	struct slot *slots;
	uint8_t *keys;
	uint32_t n_buckets; /* power of two */
	uint32_t *buckets;
};

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint32_t hash_key(const struct lb_ids *ids, const void *key)
{
	const uint8_t *bytes = key;
	uint64_t h = ids->p.key_bytes, word;
	size_t i = 0;

	for (; i + sizeof(word) <= ids->p.key_bytes; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, bytes + i, ids->p.key_bytes - i);
	return (uint32_t)mix(h, word);
}

static struct slot *slot_of(const struct lb_ids *ids, uint32_t id)
{
	return &ids->slots[id - ids->p.first];
}

static uint8_t *key_of(const struct lb_ids *ids, uint32_t id)
{
	return ids->keys + (size_t)(id - ids->p.first) * ids->p.key_bytes;
}

static void link_id(struct lb_ids *ids, uint32_t id)
{
	uint32_t *head = &ids->buckets[slot_of(ids, id)->hash & (ids->n_buckets - 1)];

	slot_of(ids, id)->chain = *head;
	*head = id;
}

static void unlink_id(struct lb_ids *ids, uint32_t id)
{
	uint32_t *at = &ids->buckets[slot_of(ids, id)->hash & (ids->n_buckets - 1)];

	while (*at != id)
		at = &slot_of(ids, *at)->chain;
	*at = slot_of(ids, id)->chain;
}

static int grow(struct lb_ids *ids)
{
	uint32_t n = ids->n_max == 0 ? START_IDS : ids->n_max * 2;
	struct slot *slots;
	uint32_t *buckets;
	uint8_t *keys;

	slots = realloc(ids->slots, n * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	memset(slots + ids->n_max, 0, (n - ids->n_max) * sizeof(*slots));
	ids->slots = slots;
	keys = realloc(ids->keys, n * ids->p.key_bytes);
	if (keys == NULL)
		return -ENOMEM;
	ids->keys = keys;
	buckets = malloc(n * sizeof(*buckets));
	if (buckets == NULL)
		return -ENOMEM;
	memset(buckets, 0xff, n * sizeof(*buckets));
	free(ids->buckets);
	ids->buckets = buckets;
	ids->n_buckets = n;
	ids->n_max = n;
	for (uint32_t id = ids->p.first; id < ids->bound; id++)
		if (slot_of(ids, id)->is_used)
			link_id(ids, id);
	return 0;
}

int lb_ids_create(const struct lb_ids_params *params, struct lb_ids **out)
{
	struct lb_ids *ids = calloc(1, sizeof(*ids));

	*out = NULL;
	if (ids == NULL)
		return -ENOMEM;
	ids->p = *params;
	ids->bound = params->first;
	ids->free_head = LB_IDS_NONE;
	ids->free_tail = LB_IDS_NONE;
	if (grow(ids) != 0) {
		lb_ids_destroy(ids);
		return -ENOMEM;
	}
	*out = ids;
	return 0;
}

static void *copy_of(const void *block, size_t bytes)
{
	void *copy = malloc(bytes);

	if (copy != NULL)
		memcpy(copy, block, bytes);
	return copy;
}

int lb_ids_copy(const struct lb_ids *ids, struct lb_ids **out)
{
	struct lb_ids *copy = copy_of(ids, sizeof(*ids));

	assert(!ids->is_open);
	*out = NULL;
	if (copy == NULL)
		return -ENOMEM;
	copy->slots = copy_of(ids->slots, ids->n_max * sizeof(*ids->slots));
	copy->keys = copy_of(ids->keys, ids->n_max * ids->p.key_bytes);
	copy->buckets = copy_of(ids->buckets, ids->n_buckets * sizeof(*ids->buckets));
	if (copy->slots == NULL || copy->keys == NULL || copy->buckets == NULL) {
		lb_ids_destroy(copy);
		return -ENOMEM;
	}
	*out = copy;
	return 0;
}

void lb_ids_destroy(struct lb_ids *ids)
{
	if (ids == NULL)
		return;
	free(ids->slots);
	free(ids->keys);
	free(ids->buckets);
	free(ids);
}

void lb_ids_begin(struct lb_ids *ids)
{
	assert(!ids->is_open);
	ids->is_open = true;
	ids->round++;
}

static int take(struct lb_ids *ids, uint32_t *id)
{
	bool has_fresh = ids->bound < ids->p.end;

	if (ids->n_free > 0 && (ids->n_free > ids->p.keep_free || !has_fresh)) {
		*id = ids->free_head;
		ids->free_head = slot_of(ids, *id)->next;
		if (ids->free_head == LB_IDS_NONE)
			ids->free_tail = LB_IDS_NONE;
		ids->n_free--;
		return 0;
	}
	if (!has_fresh)
		return -ENOSPC;
	if (ids->bound - ids->p.first == ids->n_max && grow(ids) != 0)
		return -ENOMEM;
	*id = ids->bound++;
	return 0;
}

static uint32_t find(const struct lb_ids *ids, const void *key, uint32_t hash)
{
	uint32_t id = ids->buckets[hash & (ids->n_buckets - 1)];

	while (id != LB_IDS_NONE) {
		const struct slot *s = slot_of(ids, id);

		if (s->hash == hash && memcmp(key_of(ids, id), key, ids->p.key_bytes) == 0)
			break;
		id = s->chain;
	}
	return id;
}

int lb_ids_get(struct lb_ids *ids, const void *key, uint32_t *id, bool *is_first)
{
	uint32_t hash = hash_key(ids, key);
	uint32_t found = find(ids, key, hash);
	struct slot *s;
	int ret;

	assert(ids->is_open);
	if (found == LB_IDS_NONE) {
		ret = take(ids, &found);
		if (ret != 0)
			return ret;
		memcpy(key_of(ids, found), key, ids->p.key_bytes);
		s = slot_of(ids, found);
		s->hash = hash;
		link_id(ids, found);
		s->is_used = true;
		s->made = ids->round;
		s->marked = 0;
		ids->n_used++;
	}
	s = slot_of(ids, found);
	if (is_first != NULL)
		*is_first = s->marked != ids->round;
	s->marked = ids->round;
	*id = found;
	return 0;
}

void lb_ids_commit(struct lb_ids *ids)
{
	assert(ids->is_open);
	for (uint32_t id = ids->p.first; id < ids->bound; id++) {
		struct slot *s = slot_of(ids, id);

		if (!lb_ids_is_leaving(ids, id))
			continue;
		unlink_id(ids, id);
		s->is_used = false;
		s->epoch++;
		s->next = LB_IDS_NONE;
		if (ids->free_tail == LB_IDS_NONE)
			ids->free_head = id;
		else
			slot_of(ids, ids->free_tail)->next = id;
		ids->free_tail = id;
		ids->n_free++;
		ids->n_used--;
	}
	ids->is_open = false;
}

uint32_t lb_ids_find(const struct lb_ids *ids, const void *key)
{
	return find(ids, key, hash_key(ids, key));
}

uint32_t lb_ids_bound(const struct lb_ids *ids)
{
	return ids->bound;
}

uint32_t lb_ids_count(const struct lb_ids *ids)
{
	return ids->n_used;
}

bool lb_ids_is_used(const struct lb_ids *ids, uint32_t id)
{
	return id >= ids->p.first && id < ids->bound && slot_of(ids, id)->is_used;
}

bool lb_ids_is_leaving(const struct lb_ids *ids, uint32_t id)
{
	return ids->is_open && lb_ids_is_used(ids, id) && slot_of(ids, id)->marked != ids->round;
}

bool lb_ids_is_new(const struct lb_ids *ids, uint32_t id)
{
	return ids->is_open && lb_ids_is_used(ids, id) && slot_of(ids, id)->made == ids->round;
}

uint32_t lb_ids_epoch(const struct lb_ids *ids, uint32_t id)
{
	return slot_of(ids, id)->epoch;
}

const void *lb_ids_key(const struct lb_ids *ids, uint32_t id)
{
	return key_of(ids, id);
}
