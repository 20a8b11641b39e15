#include "steer/owner_map.h"

#include "steer/seeded_hash.h"

/* Where the client stands in the input, as source, in front of a destination that does not count:
 * a card with a key of zeros there would find the same owner. */
#define V4_PORT_AT 8u
#define V6_PORT_AT 32u

_Static_assert(LB_WORKERS_MAX <= UINT8_MAX, "a worker fits the table");

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return lb_hash_mix(*state);
}

void lb_owner_map_init(struct lb_owner_map *map, uint32_t n_workers, uint64_t seed)
{
	uint64_t state = seed ^ 0x6f776e6572u; /* apart from what else is made from the seed */
	uint8_t key[LB_TOEPLITZ_KEY_BYTES];

	for (uint32_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(next_random(&state) >> 56);
	lb_toeplitz_init(&map->hash, key);
	for (uint32_t i = 0; i < LB_OWNER_BUCKETS; i++)
		map->worker[i] = (uint8_t)(i % n_workers);
	/* Shuffled: clients in a row make hashes that lie in a pattern. */
	for (uint32_t i = LB_OWNER_BUCKETS; i > 1; i--) {
		uint32_t other = lb_hash_reduce((uint32_t)(next_random(&state) >> 32), i);
		uint8_t worker = map->worker[other];

		map->worker[other] = map->worker[i - 1];
		map->worker[i - 1] = worker;
	}
}

uint32_t lb_owner_of_client(const struct lb_owner_map *map, const struct lb_addr *client,
			    rte_be16_t port_be)
{
	uint32_t hash;

	if (lb_addr_is_v4(client))
		hash = lb_toeplitz(&map->hash, &client->word_be[3], 0, 4) ^
		       lb_toeplitz(&map->hash, &port_be, V4_PORT_AT, 2);
	else
		hash = lb_toeplitz(&map->hash, client, 0, 16) ^
		       lb_toeplitz(&map->hash, &port_be, V6_PORT_AT, 2);
	return map->worker[hash % LB_OWNER_BUCKETS];
}
