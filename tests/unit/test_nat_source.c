#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/nat_source.h"

static struct lb_nat_source make_source(uint16_t first, uint16_t last, uint16_t n_v4, uint16_t n_v6)
{
	struct lb_nat_source src = {
		.first_port = first, .last_port = last, .n_v4 = n_v4, .n_v6 = n_v6};

	for (uint16_t i = 0; i < n_v4; i++)
		src.v4[i] = (struct lb_nat_addr){lb_addr_from_v4(100u + i), (uint16_t)(i + 1)};
	for (uint16_t i = 0; i < n_v6; i++)
		src.v6[i] = (struct lb_nat_addr){{{0x20010db8, 0, 0, i}}, (uint16_t)(i + 1000)};
	return src;
}

/* Walks `rounds` cycles of one worker and expects each pair of it exactly once in each. */
static void expect_exact(const struct lb_nat_source *src, bool is_v6, uint32_t worker,
			 uint32_t n_workers, uint8_t *seen, uint64_t seed)
{
	const struct lb_nat_addr *addrs = is_v6 ? src->v6 : src->v4;
	uint32_t n_addrs = is_v6 ? src->n_v6 : src->n_v4;
	uint32_t own = 0, n_ports = src->last_port - src->first_port + 1u;
	struct lb_nat_cursor cursor = {0};
	struct lb_nat_candidate c;

	for (uint32_t i = 0; i < n_ports; i++)
		own += (src->first_port + i) % n_workers == worker;
	if (own == 0) {
		cr_assert_not(lb_nat_source_next(
			src, &cursor, is_v6, &(struct lb_nat_share){worker, n_workers, seed}, &c));
		return;
	}
	for (uint8_t round = 1; round <= 2; round++) {
		for (uint32_t i = 0; i < own * n_addrs; i++) {
			uint32_t addr, port;

			cr_assert(lb_nat_source_next(
				src, &cursor, is_v6,
				&(struct lb_nat_share){worker, n_workers, seed}, &c));
			addr = (uint32_t)(c.addr - addrs);
			port = rte_be_to_cpu_16(c.port_be);
			cr_assert_lt(addr, n_addrs);
			cr_assert(port >= src->first_port && port <= src->last_port);
			cr_assert_eq(lb_nat_source_owner(src, c.port_be, n_workers), worker);
			/* one count per address and port, all workers together */
			cr_assert_eq(seen[addr * 65536 + port]++, round - 1u,
				     "%u-%u, %u addresses, worker %u of %u: %u/%u", src->first_port,
				     src->last_port, n_addrs, worker, n_workers, addr, port);
		}
	}
}

Test(nat_source, each_pair_of_a_worker_comes_once_in_each_cycle)
{
	static const struct {
		uint16_t first, last, n_addrs;
	} shape[] = {
		{20000, 20000, 1}, {20000, 20001, 1}, {20000, 20006, 1}, {1024, 1086, 3},
		{1, 1009, 2},      {40000, 40255, 7}, {65535, 65535, 4}, {60000, 65535, 1},
		{0, 65535, 1},     {2000, 2002, 256},
	};
	uint8_t *seen = malloc(256 * 65536);
	uint64_t seed = test_seed("each_pair_of_a_worker_comes_once_in_each_cycle");

	for (size_t s = 0; s < sizeof(shape) / sizeof(shape[0]); s++) {
		uint16_t n = shape[s].n_addrs;
		bool is_v6 = s % 2 == 1;
		struct lb_nat_source src = make_source(shape[s].first, shape[s].last, is_v6 ? 0 : n,
						       is_v6 ? n : 0);

		for (uint32_t n_workers = 1; n_workers <= 8; n_workers++) {
			uint32_t count = 0;

			memset(seen, 0, n * 65536u);
			for (uint32_t w = 0; w < n_workers; w++)
				expect_exact(&src, is_v6, w, n_workers, seen, seed);
			for (uint32_t i = 0; i < n * 65536u; i++)
				count += seen[i] == 2;
			cr_assert_eq(count, (shape[s].last - shape[s].first + 1u) * n,
				     "case %zu, %u workers leave pairs out", s, n_workers);
		}
	}
	free(seen);
}

Test(nat_source, owners_are_the_port_modulo_the_workers)
{
	struct lb_nat_source src = make_source(1001, 1010, 1, 0);

	cr_expect_eq(lb_nat_source_owner(&src, rte_cpu_to_be_16(1001), 4), 1u);
	cr_expect_eq(lb_nat_source_owner(&src, rte_cpu_to_be_16(1010), 4), 2u);
	cr_expect_eq(lb_nat_source_owner(&src, rte_cpu_to_be_16(1000), 4), UINT32_MAX);
	cr_expect_eq(lb_nat_source_owner(&src, rte_cpu_to_be_16(1011), 4), UINT32_MAX);
}

Test(nat_source, sources_that_share_ports_agree_on_their_owners)
{
	struct lb_nat_source a = make_source(1001, 1010, 1, 0), b = make_source(1004, 2000, 2, 0);

	for (uint16_t port = 1004; port <= 1010; port++)
		for (uint32_t n = 1; n <= 8; n++)
			cr_expect_eq(lb_nat_source_owner(&a, rte_cpu_to_be_16(port), n),
				     lb_nat_source_owner(&b, rte_cpu_to_be_16(port), n));
}

Test(nat_source, a_family_without_addresses_has_no_candidate)
{
	struct lb_nat_source src = make_source(1000, 2000, 2, 0);
	struct lb_nat_cursor cursor = {0};
	struct lb_nat_candidate c;

	cr_expect_not(lb_nat_source_next(&src, &cursor, true, &(struct lb_nat_share){0, 1, 1}, &c));
	cr_expect(lb_nat_source_next(&src, &cursor, false, &(struct lb_nat_share){0, 1, 1}, &c));
}

Test(nat_source, two_in_a_row_differ_in_address)
{
	for (uint16_t n = 2; n <= 256; n++) {
		struct lb_nat_source src = make_source(1000, 1100, n, 0);
		struct lb_nat_cursor cursor = {0};
		struct lb_nat_candidate a, b;

		cr_assert(lb_nat_source_next(&src, &cursor, false, &(struct lb_nat_share){0, 2, n},
					     &a));
		for (int i = 0; i < 500; i++) {
			cr_assert(lb_nat_source_next(&src, &cursor, false,
						     &(struct lb_nat_share){0, 2, n}, &b));
			cr_assert_neq(a.addr, b.addr, "%u addresses, step %d", n, i);
			a = b;
		}
	}
}

Test(nat_source, the_seed_and_the_worker_decide_the_start)
{
	struct lb_nat_source src = make_source(10000, 59999, 1, 0);
	uint32_t same = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct lb_nat_cursor cursor[3] = {{0}};
		struct lb_nat_candidate a, b, c;

		lb_nat_source_next(&src, &cursor[0], false, &(struct lb_nat_share){0, 2, seed}, &a);
		lb_nat_source_next(&src, &cursor[1], false, &(struct lb_nat_share){0, 2, seed}, &b);
		lb_nat_source_next(&src, &cursor[2], false, &(struct lb_nat_share){0, 2, seed + 1},
				   &c);
		cr_assert_eq(a.port_be, b.port_be, "the same seed has to start at the same place");
		same += a.port_be == c.port_be;
	}
	cr_expect_leq(same, 2u);
}

Test(nat_source, a_smaller_source_under_the_same_cursor_is_walked_exactly)
{
	struct lb_nat_source large = make_source(10000, 59999, 8, 0);
	struct lb_nat_source small = make_source(10000, 10004, 3, 0);
	struct lb_nat_cursor cursor = {0};
	struct lb_nat_candidate c;
	uint32_t seen[3][5] = {{0}};

	for (int i = 0; i < 1000; i++)
		lb_nat_source_next(&large, &cursor, false, &(struct lb_nat_share){0, 1, 9}, &c);
	for (int i = 0; i < 15; i++) {
		lb_nat_source_next(&small, &cursor, false, &(struct lb_nat_share){0, 1, 9}, &c);
		seen[c.addr - small.v4][rte_be_to_cpu_16(c.port_be) - 10000]++;
	}
	for (int a = 0; a < 3; a++) {
		for (int p = 0; p < 5; p++)
			cr_expect_eq(seen[a][p], 1u, "address %d port %d", a, p);
	}
}

/* The walk as the head of nat_source.c describes it, by divisions. */
static struct lb_nat_candidate walk_by_division(const struct lb_nat_source *src, uint32_t *next,
						const struct lb_nat_share *share)
{
	uint32_t first = src->first_port, total;

	while (first % share->n_workers != share->worker)
		first++;
	total = src->n_v4 * ((src->last_port - first) / share->n_workers + 1);
	*next = (uint32_t)((*next + UINT64_C(2654435761)) % total);
	return (struct lb_nat_candidate){
		&src->v4[*next % src->n_v4],
		rte_cpu_to_be_16((uint16_t)(first + *next / src->n_v4 * share->n_workers))};
}

Test(nat_source, every_step_agrees_with_a_naive_twin_while_the_source_changes)
{
	struct test_random r = {test_seed("nat_source")};
	struct lb_nat_share share = {0, 1, 1};
	struct lb_nat_source src;

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t next = (uint32_t)test_random(&r);
		struct lb_nat_cursor cursor = {.next = next, .is_started = true};

		share.n_workers = 1 + (uint32_t)(test_random(&r) % 4);
		share.worker = (uint32_t)(test_random(&r) % share.n_workers);
		for (uint32_t i = 0; i < 200; i++) {
			struct lb_nat_candidate c, twin;

			if (i % 20 == 0) {
				uint16_t first = (uint16_t)(1024 + test_random(&r) % 30000);

				src = make_source(first,
						  (uint16_t)(first + 4 + test_random(&r) % 30000),
						  (uint16_t)(1 + test_random(&r) % 256), 0);
			}
			cr_assert(lb_nat_source_next(&src, &cursor, false, &share, &c));
			twin = walk_by_division(&src, &next, &share);
			cr_assert_eq(c.addr, twin.addr);
			cr_assert_eq(c.port_be, twin.port_be);
		}
	}
}
