#include <criterion/criterion.h>
#include <string.h>

#include "random.h"
#include "rss_vectors.h"
#include "steer/owner_map.h"

/* Results of Microsoft's RSS verification suite. */
static const struct {
	const char *dst;
	uint16_t dport;
	const char *src;
	uint16_t sport;
	uint32_t of_addrs;
	uint32_t of_ports_too;
} published[] = {
	{"161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
	{"12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
	{"202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2},
	{"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
	{"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
	{"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
	 0x4b61e985, 0x02d1feef},
};

/* Source, destination, source port, destination port; returns the bytes of the addresses. */
static uint32_t make_input(size_t i, uint8_t input[LB_TOEPLITZ_BYTES_MAX])
{
	rte_be16_t sport_be = rte_cpu_to_be_16(published[i].sport);
	rte_be16_t dport_be = rte_cpu_to_be_16(published[i].dport);
	struct lb_addr src, dst;
	uint32_t n;

	cr_assert_eq(lb_addr_parse(published[i].src, &src), 0);
	cr_assert_eq(lb_addr_parse(published[i].dst, &dst), 0);
	n = lb_addr_is_v4(&src) ? 4 : 16;
	memcpy(input, (const uint8_t *)&src + 16 - n, n);
	memcpy(input + n, (const uint8_t *)&dst + 16 - n, n);
	memcpy(input + 2 * n, &sport_be, 2);
	memcpy(input + 2 * n + 2, &dport_be, 2);
	return 2 * n;
}

Test(toeplitz, gives_the_published_results)
{
	struct lb_toeplitz t;

	lb_toeplitz_init(&t, rss_published_key);
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		uint8_t input[LB_TOEPLITZ_BYTES_MAX];
		uint32_t n = make_input(i, input);

		cr_expect_eq(lb_toeplitz(&t, input, 0, n), published[i].of_addrs, "case %s",
			     published[i].src);
		cr_expect_eq(lb_toeplitz(&t, input, 0, n + 4), published[i].of_ports_too, "case %s",
			     published[i].src);
		cr_expect_eq(lb_toeplitz(&t, input, 0, n / 2) ^
				     lb_toeplitz(&t, input + n / 2, n / 2, n / 2 + 4),
			     published[i].of_ports_too, "case %s in two parts", published[i].src);
	}
}

/* Bit by bit, as the definition has it: the key moves left one bit for each bit of input. */
static uint32_t naive(const uint8_t *key, const uint8_t *input, uint32_t n)
{
	uint32_t hash = 0;

	for (uint32_t bit = 0; bit < 8 * n; bit++) {
		if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0)
			continue;
		for (uint32_t i = 0; i < 32; i++) {
			uint32_t at = bit + i;

			hash ^= (uint32_t)(key[at / 8] >> (7 - at % 8) & 1) << (31 - i);
		}
	}
	return hash;
}

Test(toeplitz, agrees_with_the_definition_for_random_keys)
{
	struct test_random r = {test_seed("toeplitz")};
	uint8_t key[LB_TOEPLITZ_KEY_BYTES], input[LB_TOEPLITZ_BYTES_MAX];
	struct lb_toeplitz t;

	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)test_random(&r);
		lb_toeplitz_init(&t, key);
		for (uint32_t n = 0; n <= sizeof(input); n++) {
			for (uint32_t i = 0; i < n; i++)
				input[i] = (uint8_t)test_random(&r);
			cr_assert_eq(lb_toeplitz(&t, input, 0, n), naive(key, input, n));
		}
	}
}

/* --- owner_map --- */

Test(toeplitz, every_worker_owns_its_share_of_the_clients)
{
	static const uint32_t shapes[] = {1, 2, 3, 7, LB_WORKERS_MAX};
	uint64_t seed = test_seed("owner_map");

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		uint32_t n_of[2][LB_WORKERS_MAX] = {{0}}, n = shapes[s], clients = 4000 * n;
		struct test_random r = {seed};
		struct lb_owner_map map, same;

		lb_owner_map_init(&map, n, seed);
		lb_owner_map_init(&same, n, seed);
		for (uint32_t i = 0; i < clients; i++) {
			struct lb_addr v4 = lb_addr_from_v4((uint32_t)test_random(&r));
			struct lb_addr v6 = {{RTE_BE32(0x20010db8), 0, (uint32_t)test_random(&r),
					      (uint32_t)test_random(&r)}};
			rte_be16_t port_be = (rte_be16_t)test_random(&r);
			uint32_t owner = lb_owner_of_client(&map, &v4, port_be);

			cr_assert_lt(owner, n);
			cr_assert_eq(owner, lb_owner_of_client(&same, &v4, port_be));
			n_of[0][owner]++;
			n_of[1][lb_owner_of_client(&map, &v6, port_be)]++;
		}
		for (uint32_t w = 0; w < n; w++) {
			cr_expect(n_of[0][w] > 2000 && n_of[0][w] < 8000, "%u of %u: %u", w, n,
				  n_of[0][w]);
			cr_expect(n_of[1][w] > 2000 && n_of[1][w] < 8000, "%u of %u: %u", w, n,
				  n_of[1][w]);
		}
	}
}

/* The hash alone is linear: without the shuffled table such clients could all be one worker's. */
Test(toeplitz, clients_in_a_row_have_several_owners)
{
	uint64_t seed = test_seed("clients_in_a_row");

	for (uint64_t i = 0; i < 50; i++) {
		struct lb_owner_map map;
		uint32_t n_of[2] = {0};

		lb_owner_map_init(&map, 2, seed + i);
		for (uint32_t c = 0; c < 1024; c++) {
			struct lb_addr a = lb_addr_from_v4(rte_cpu_to_be_32(0xc6336400u + c / 16));
			uint32_t port = 40000 + c % 16;

			n_of[lb_owner_of_client(&map, &a, rte_cpu_to_be_16((uint16_t)port))]++;
		}
		cr_expect(n_of[0] >= 100 && n_of[1] >= 100, "%u and %u", n_of[0], n_of[1]);
	}
}
