#include "steer/rss_map.h"

/* Source, destination, source port, destination port, as cards take them. */
#define V4_DST_AT 4u
#define V4_SPORT_AT 8u
#define V4_DPORT_AT 10u
#define V6_DST_AT 16u
#define V6_SPORT_AT 32u
#define V6_DPORT_AT 34u

uint32_t lb_rss_hash_src(const struct lb_rss_map *map, const struct lb_addr *src,
			 rte_be16_t sport_be)
{
	if (lb_addr_is_v4(src))
		return lb_toeplitz(&map->hash, &src->word_be[3], 0, 4) ^
		       lb_toeplitz(&map->hash, &sport_be, V4_SPORT_AT, 2);
	return lb_toeplitz(&map->hash, src, 0, 16) ^
	       lb_toeplitz(&map->hash, &sport_be, V6_SPORT_AT, 2);
}

uint32_t lb_rss_hash_dst(const struct lb_rss_map *map, const struct lb_addr *dst,
			 rte_be16_t dport_be)
{
	if (lb_addr_is_v4(dst))
		return lb_toeplitz(&map->hash, &dst->word_be[3], V4_DST_AT, 4) ^
		       lb_toeplitz(&map->hash, &dport_be, V4_DPORT_AT, 2);
	return lb_toeplitz(&map->hash, dst, V6_DST_AT, 16) ^
	       lb_toeplitz(&map->hash, &dport_be, V6_DPORT_AT, 2);
}

uint32_t lb_rss_map_worker(const struct lb_rss_map *map, const struct lb_key *key)
{
	struct lb_addr src = lb_key_src(key), dst = lb_key_dst(key);

	return lb_rss_worker_of_hash(map, lb_rss_hash_src(map, &src, lb_key_sport(key)) ^
						  lb_rss_hash_dst(map, &dst, lb_key_dport(key)));
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t was = *a;

	*a = *b;
	*b = was;
}

/* The hash is linear, so that is a question of rank: the share of each port bit, as a row. */
static bool has_full_rank(const struct lb_toeplitz *hash, uint32_t dport_at, uint32_t n_bits)
{
	uint32_t mask = (1u << n_bits) - 1, rows[LB_RSS_PORT_BITS], rank = 0;

	for (uint32_t i = 0; i < LB_RSS_PORT_BITS; i++) {
		rte_be16_t port_be = rte_cpu_to_be_16((uint16_t)(1u << i));

		rows[i] = lb_toeplitz(hash, &port_be, dport_at, 2) & mask;
	}
	for (uint32_t bit = 1; (bit & mask) != 0; bit <<= 1) {
		uint32_t pivot = rank;

		while (pivot < LB_RSS_PORT_BITS && (rows[pivot] & bit) == 0)
			pivot++;
		if (pivot == LB_RSS_PORT_BITS)
			return false;
		for (uint32_t i = 0; i < LB_RSS_PORT_BITS; i++)
			if (i != pivot && (rows[i] & bit) != 0)
				rows[i] ^= rows[pivot];
		swap(&rows[rank++], &rows[pivot]);
	}
	return true;
}

bool lb_rss_shares_ports(const struct lb_toeplitz *hash, uint32_t n_bits)
{
	return has_full_rank(hash, V4_DPORT_AT, n_bits) && has_full_rank(hash, V6_DPORT_AT, n_bits);
}
