#include "steer/rss_map.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lb/addr.h"
#include "random.h"
#include "rss_vectors.h"

/* Results of Microsoft's RSS verification suite, addresses and ports. */
static const struct {
	const char *dst;
	uint16_t dport;
	const char *src;
	uint16_t sport;
	uint32_t hash;
} published[] = {
	{"161.142.100.80", 1766, "66.9.149.187", 2794, 0x51ccc178},
	{"65.69.140.83", 4739, "199.92.111.2", 14230, 0xc626b0ea},
	{"12.22.207.184", 38024, "24.19.198.95", 12898, 0x5c2b394a},
	{"209.142.163.6", 2217, "38.27.205.30", 48228, 0xafc7327f},
	{"202.188.127.2", 1303, "153.39.163.191", 44251, 0x10e828a2},
	{"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x40207d3d},
	{"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
	 0x02d1feef},
};

static struct lb_tuple tuple_of(size_t i)
{
	struct lb_tuple t = {.sport_be = rte_cpu_to_be_16(published[i].sport),
			     .dport_be = rte_cpu_to_be_16(published[i].dport)};

	cr_assert_eq(lb_addr_parse(published[i].src, &t.src), 0);
	cr_assert_eq(lb_addr_parse(published[i].dst, &t.dst), 0);
	return t;
}

Test(rss_map, both_halves_give_the_published_results)
{
	struct lb_rss_map map = {0};

	lb_toeplitz_init(&map.hash, rss_published_key);
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		struct lb_tuple t = tuple_of(i);

		cr_expect_eq(lb_rss_hash_src(&map, &t.src, t.sport_be) ^
				     lb_rss_hash_dst(&map, &t.dst, t.dport_be),
			     published[i].hash, "case %s", published[i].src);
	}
}

Test(rss_map, the_low_bits_choose_the_bucket)
{
	static const uint32_t sizes[] = {1, 2, 64, 128, 512};
	struct lb_rss_map map = {0};

	lb_toeplitz_init(&map.hash, rss_published_key);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		map.n_buckets = sizes[s];
		for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
			struct lb_tuple t = tuple_of(i);
			struct lb_key key;

			memset(map.worker, 0, sizeof(map.worker));
			map.worker[published[i].hash % sizes[s]] = 7;
			lb_key_make(&t, IPPROTO_TCP, &key);
			cr_expect_eq(lb_rss_map_worker(&map, &key), 7u, "%u buckets, case %s",
				     sizes[s], published[i].src);
		}
	}
}

/* By counting, for random keys: are all values of the lowest bits there as often in a block? */
Test(rss_map, a_key_shares_ports_when_each_block_has_all_buckets_alike)
{
	struct test_random r = {.state = test_seed("keys")};
	uint32_t n_sharing = 0;

	for (uint32_t round = 0; round < 400; round++) {
		uint32_t n_bits = 1 + test_random_below(&r, 9),
			 server = test_random_below(&r, 1u << 31);
		bool is_even[2] = {true, true};
		uint8_t key[LB_TOEPLITZ_KEY_BYTES];
		struct lb_rss_map map = {0};

		for (uint32_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)test_random_below(&r, 256);
		/* Few set bits where the port stands make a deficient key likely. */
		if (round % 2 == 0)
			key[12] = key[13] = key[14] = key[15] = 0;
		lb_toeplitz_init(&map.hash, key);
		for (uint32_t is_v6 = 0; is_v6 < 2; is_v6++) {
			struct lb_addr dst = is_v6 ? (struct lb_addr){{1, 2, 3, 4}}
						   : lb_addr_from_v4(9);
			uint32_t n[512] = {0};

			for (uint32_t port = 20480; port < 20480 + LB_RSS_PORT_BLOCK; port++)
				n[(server ^
				   lb_rss_hash_dst(&map, &dst, rte_cpu_to_be_16((uint16_t)port))) &
				  ((1u << n_bits) - 1)]++;
			for (uint32_t i = 0; i < 1u << n_bits; i++)
				is_even[is_v6] &= n[i] == LB_RSS_PORT_BLOCK >> n_bits;
		}
		cr_assert_eq(lb_rss_shares_ports(&map.hash, n_bits), is_even[0] && is_even[1]);
		n_sharing += is_even[0] && is_even[1];
	}
	cr_expect(n_sharing > 40 && n_sharing < 360, "%u: both kinds were there", n_sharing);
}

Test(rss_map, knows_what_the_card_hashes_and_nothing_else)
{
	struct lb_rss_map map = {
		.n_buckets = 128, .has_tcp = {true, false}, .has_udp = {false, true}};

	cr_expect(lb_rss_map_knows(&map, false, IPPROTO_TCP));
	cr_expect(!lb_rss_map_knows(&map, true, IPPROTO_TCP));
	cr_expect(!lb_rss_map_knows(&map, false, IPPROTO_UDP));
	cr_expect(lb_rss_map_knows(&map, true, IPPROTO_UDP));
	cr_expect(!lb_rss_map_knows(&map, true, IPPROTO_ICMPV6));
	map.n_buckets = 0;
	cr_expect(!lb_rss_map_knows(&map, false, IPPROTO_TCP));
	cr_expect(!lb_rss_map_knows(NULL, false, IPPROTO_TCP));
}
