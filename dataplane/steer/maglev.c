#include "lb/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steer/maglev_table.h"
#include "steer/stable_hash.h"

/* Each of them makes another hash of one address. */
enum salt { SALT_OFFSET = 1, SALT_SKIP = 2 };

static bool is_prime(uint32_t n)
{
	if (n < 2 || (n % 2 == 0 && n != 2))
		return false;
	for (uint32_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

uint32_t lb_maglev_size(uint32_t at_least, uint32_t n_servers)
{
	uint64_t wanted = at_least;
	uint32_t size;

	if (at_least == 0)
		wanted = (uint64_t)n_servers * LB_MAGLEV_SLOTS_PER_SERVER;
	if (wanted > LB_MAGLEV_SIZE_MAX)
		return LB_MAGLEV_SIZE_MAX;
	size = wanted < LB_MAGLEV_SIZE_MIN ? LB_MAGLEV_SIZE_MIN : (uint32_t)wanted;
	while (!is_prime(size))
		size++;
	return size;
}

static uint32_t common_divisor(const struct lb_maglev_server *servers, uint32_t n)
{
	uint32_t divisor = 0;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t b = servers[i].weight; b != 0;) {
			uint32_t rest = divisor % b;

			divisor = b;
			b = rest;
		}
	return divisor;
}

uint64_t lb_maglev_content(const struct lb_maglev_server *servers, uint32_t n, uint32_t size)
{
	uint32_t divisor = common_divisor(servers, n);
	uint64_t hash = lb_stable_hash_word(LB_STABLE_HASH_START, (uint64_t)n << 32 | size);

	for (uint32_t i = 0; i < n; i++) {
		hash = lb_stable_hash_word(hash, lb_stable_hash_addr(&servers[i].addr));
		if (divisor != 0)
			hash = lb_stable_hash_word(hash, servers[i].weight / divisor);
	}
	return hash;
}

/* A server while slots are handed out: its walk over them, and when its next turn is. Turn j of a
 * server of weight w is due at (2j + 1) / w, so that turns of all lie evenly between each other
 * and no common factor of the weights changes their order. */
struct walker {
	uint64_t key;
	uint64_t turn; /* 2j + 1 */
	uint32_t weight;
	uint32_t slot; /* next to ask for */
	uint32_t skip;
	uint32_t server;
};

static bool is_before(const struct walker *a, const struct walker *b)
{
	uint64_t left = a->turn * b->weight, right = b->turn * a->weight;

	/* Not by position in the list: nodes may list their servers in another order. */
	return left != right ? left < right : a->key < b->key;
}

static void sift_down(struct walker *heap, uint32_t n, uint32_t at)
{
	struct walker moving = heap[at];

	for (uint32_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
		if (child + 1 < n && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &moving))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static uint32_t make_heap(const struct lb_maglev_server *servers, const struct lb_maglev *table,
			  struct walker *heap)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n_servers; i++) {
		uint64_t key = table->keys[i];

		if (servers[i].weight == 0)
			continue;
		heap[n++] = (struct walker){
			.key = key,
			.turn = 1,
			.weight = servers[i].weight,
			.slot = (uint32_t)(lb_hash_mix(key + SALT_OFFSET) % table->size),
			.skip = (uint32_t)(lb_hash_mix(key + SALT_SKIP) % (table->size - 1)) + 1,
			.server = i,
		};
	}
	for (uint32_t at = n / 2; at-- > 0;)
		sift_down(heap, n, at);
	return n;
}

static void fill(struct walker *heap, uint32_t n, uint32_t size, uint64_t *taken, uint16_t *slots)
{
	for (uint32_t filled = 0; filled < size; filled++) {
		struct walker *w = &heap[0];
		uint32_t slot = w->slot;

		/* Ends: the size is a prime, so a walk meets every slot, and one is free. */
		while ((taken[slot / 64] >> (slot % 64) & 1) != 0) {
			slot += w->skip;
			if (slot >= size)
				slot -= size;
		}
		taken[slot / 64] |= UINT64_C(1) << (slot % 64);
		slots[slot] = (uint16_t)w->server;
		w->slot = slot;
		w->turn += 2;
		sift_down(heap, n, 0);
	}
}

static int check(const struct lb_maglev_server *servers, uint32_t n, uint32_t size)
{
	if (n > LB_SERVICE_SERVERS_MAX)
		return -E2BIG;
	if (size > LB_MAGLEV_SIZE_MAX || size < n || !is_prime(size))
		return -EINVAL;
	return common_divisor(servers, n) == 0 ? -EINVAL : 0;
}

static struct lb_maglev *alloc_table(const struct lb_maglev_home *home, size_t bytes)
{
	struct lb_maglev *table = home != NULL ? home->take(home->ctx, bytes) : NULL;

	if (table != NULL) {
		table->home = *home;
		return table;
	}
	table = malloc(bytes);
	if (table != NULL)
		table->home = (struct lb_maglev_home){.give_back = NULL};
	return table;
}

static void free_table(struct lb_maglev *table, size_t bytes)
{
	struct lb_maglev_home home;

	if (table == NULL)
		return;
	home = table->home;
	if (home.give_back != NULL)
		home.give_back(home.ctx, table, bytes);
	else
		free(table);
}

int lb_maglev_build(const struct lb_maglev_server *servers, uint32_t n, uint32_t size,
		    struct lb_maglev **out)
{
	return lb_maglev_build_at(NULL, servers, n, size, out);
}

int lb_maglev_build_at(const struct lb_maglev_home *home, const struct lb_maglev_server *servers,
		       uint32_t n, uint32_t size, struct lb_maglev **out)
{
	const size_t bytes = sizeof(struct lb_maglev) + n * sizeof(uint64_t) +
			     size * sizeof(uint16_t);
	int rc = check(servers, n, size);
	struct walker *heap = NULL;
	struct lb_maglev *table;
	uint64_t *taken, *keys;
	uint16_t *slots;

	*out = NULL;
	if (rc != 0)
		return rc;
	table = alloc_table(home, bytes);
	heap = calloc(n, sizeof(*heap));
	taken = calloc(size / 64 + 1, sizeof(*taken));
	if (table == NULL || heap == NULL || taken == NULL) {
		free_table(table, bytes);
		free(heap);
		free(taken);
		return -ENOMEM;
	}
	keys = (uint64_t *)(table + 1);
	slots = (uint16_t *)(keys + n);
	for (uint32_t i = 0; i < n; i++)
		keys[i] = lb_stable_hash_addr(&servers[i].addr);
	*table = (struct lb_maglev){.content = lb_maglev_content(servers, n, size),
				    .n_servers = n,
				    .size = size,
				    .n_refs = 1,
				    .keys = keys,
				    .slots = slots,
				    .home = table->home};
	fill(heap, make_heap(servers, table, heap), size, taken, slots);
	free(heap);
	free(taken);
	*out = table;
	return 0;
}

uint64_t lb_maglev_content_of(const struct lb_maglev *table)
{
	return table->content;
}

uint32_t lb_maglev_n_slots(const struct lb_maglev *table)
{
	return table->size;
}

uint32_t lb_maglev_server_at(const struct lb_maglev *table, uint32_t slot)
{
	return table->slots[slot];
}

size_t lb_maglev_bytes(const struct lb_maglev *table)
{
	return sizeof(*table) + table->n_servers * sizeof(*table->keys) +
	       table->size * sizeof(*table->slots);
}

struct lb_maglev *lb_maglev_ref(struct lb_maglev *table)
{
	__atomic_fetch_add(&table->n_refs, 1, __ATOMIC_RELAXED);
	return table;
}

void lb_maglev_unref(struct lb_maglev *table)
{
	if (table != NULL && __atomic_sub_fetch(&table->n_refs, 1, __ATOMIC_ACQ_REL) == 0)
		free_table(table, lb_maglev_bytes(table));
}
