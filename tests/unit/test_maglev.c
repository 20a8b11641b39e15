#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lb/maglev.h"
#include "random.h"
#include "steer/stable_hash.h"

#define SERVERS_MAX 6554u

static struct lb_maglev_server servers[SERVERS_MAX], others[SERVERS_MAX];

static void list_servers(struct lb_maglev_server *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		list[i].addr = lb_addr_from_v4(rte_cpu_to_be_32(0xc0a80001 + i));
		list[i].weight = 1;
	}
}

static struct lb_maglev *build(const struct lb_maglev_server *list, uint32_t n, uint32_t size)
{
	struct lb_maglev *table;

	cr_assert_eq(lb_maglev_build(list, n, size, &table), 0);
	return table;
}

static void shuffle(struct test_random *r, struct lb_maglev_server *list, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t other = test_random_below(r, i);
		struct lb_maglev_server held = list[i - 1];

		list[i - 1] = list[other];
		list[other] = held;
	}
}

/* Slots that belong to another address in `b` than in `a`; those of `without` in `a` left out. */
static uint32_t count_moved(const struct lb_maglev *a, const struct lb_maglev_server *list_a,
			    const struct lb_maglev *b, const struct lb_maglev_server *list_b,
			    const struct lb_addr *without)
{
	uint32_t moved = 0;

	cr_assert_eq(lb_maglev_n_slots(a), lb_maglev_n_slots(b));
	for (uint32_t i = 0; i < lb_maglev_n_slots(a); i++) {
		const struct lb_addr *was = &list_a[lb_maglev_server_at(a, i)].addr;

		if (without != NULL && lb_addr_equal(was, without))
			continue;
		moved += !lb_addr_equal(was, &list_b[lb_maglev_server_at(b, i)].addr);
	}
	return moved;
}

Test(maglev, the_default_size_is_the_smallest_prime_of_a_hundred_slots_a_server)
{
	static const struct {
		uint32_t at_least, n, size;
	} cases[] = {
		{0, 0, 101},       {0, 1, 101},         {0, 2, 211},         {0, 3, 307},
		{0, 16, 1601},     {0, 100, 10007},     {0, 1000, 100003},   {0, 6553, 655301},
		{0, 6554, 655373}, {0, 65536, 655373},  {1, 5, 101},         {65537, 5, 65537},
		{65538, 5, 65539}, {655373, 5, 655373}, {655360, 5, 655373}, {1000000, 5, 655373},
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		uint32_t size = lb_maglev_size(cases[c].at_least, cases[c].n);

		cr_expect_eq(size, cases[c].size, "case %zu: %u", c, size);
		for (uint32_t d = 2; d < size; d++)
			cr_assert_neq(size % d, 0u, "case %zu: %u / %u", c, size, d);
	}
}

/* Slow and plain: whole permutations, the next turn found by looking at all. */
static void fill_naively(const struct lb_maglev_server *list, uint32_t n, uint32_t size,
			 uint32_t *slots)
{
	uint32_t *order = calloc((size_t)n * size, sizeof(*order));
	uint32_t *at = calloc(n, sizeof(*at)), *turns = calloc(n, sizeof(*turns));

	cr_assert(order != NULL && at != NULL && turns != NULL);
	for (uint32_t s = 0; s < n; s++) {
		uint64_t key = lb_stable_hash_addr(&list[s].addr);
		uint64_t offset = lb_hash_mix(key + 1) % size, skip;

		skip = lb_hash_mix(key + 2) % (size - 1) + 1;
		for (uint32_t j = 0; j < size; j++)
			order[s * size + j] = (uint32_t)((offset + j * skip) % size);
	}
	for (uint32_t i = 0; i < size; i++)
		slots[i] = UINT32_MAX;
	for (uint32_t filled = 0; filled < size; filled++) {
		uint32_t best = UINT32_MAX;

		for (uint32_t s = 0; s < n; s++) {
			unsigned __int128 left, right;

			if (list[s].weight == 0)
				continue;
			if (best == UINT32_MAX) {
				best = s;
				continue;
			}
			left = (unsigned __int128)(2 * turns[s] + 1) * list[best].weight;
			right = (unsigned __int128)(2 * turns[best] + 1) * list[s].weight;
			if (left < right ||
			    (left == right && lb_stable_hash_addr(&list[s].addr) <
						      lb_stable_hash_addr(&list[best].addr)))
				best = s;
		}
		while (slots[order[best * size + at[best]]] != UINT32_MAX)
			at[best]++;
		slots[order[best * size + at[best]]] = best;
		turns[best]++;
	}
	free(order);
	free(at);
	free(turns);
}

static void random_weights(struct test_random *r, struct lb_maglev_server *list, uint32_t n)
{
	static const uint32_t highest[] = {1, 2, 10, 1000, 65535};
	uint32_t below = highest[test_random_below(r, 5)] + 1;

	list_servers(list, n);
	for (uint32_t i = 0; i < n; i++)
		list[i].weight = test_random_below(r, below);
	list[test_random_below(r, n)].weight = below - 1;
}

Test(maglev, fills_as_a_naive_twin_does)
{
	struct test_random r = {test_seed("maglev twin")};
	uint32_t slots[1009];

	for (int round = 0; round < 60; round++) {
		uint32_t n = 1 + test_random_below(&r, 40);
		uint32_t size = lb_maglev_size(1 + test_random_below(&r, 1000), n);
		struct lb_maglev *table;

		random_weights(&r, servers, n);
		table = build(servers, n, size);
		fill_naively(servers, n, size, slots);
		cr_assert_eq(lb_maglev_n_slots(table), size);
		for (uint32_t i = 0; i < size; i++)
			cr_assert_eq(lb_maglev_server_at(table, i), slots[i], "round %d slot %u",
				     round, i);
		lb_maglev_unref(table);
	}
}

/* The sum of what lies between two turns, plus half a turn. */
Test(maglev, slots_are_in_proportion_to_the_weights)
{
	struct test_random r = {test_seed("maglev weights")};

	for (int round = 0; round < 200; round++) {
		uint32_t n = 1 + test_random_below(&r, 100), count[100] = {0};
		struct lb_maglev *table;
		double sum = 0;

		random_weights(&r, servers, n);
		table = build(servers, n, 1601);
		for (uint32_t i = 0; i < n; i++)
			sum += servers[i].weight;
		for (uint32_t i = 0; i < 1601; i++)
			count[lb_maglev_server_at(table, i)]++;
		for (uint32_t i = 0; i < n; i++) {
			double part = servers[i].weight / sum, off = count[i] - 1601 * part;

			cr_expect_leq(off < 0 ? -off : off, 0.5 + 0.5 * n * part + 1e-6,
				      "round %d server %u weight %u: %u slots", round, i,
				      servers[i].weight, count[i]);
			cr_expect(servers[i].weight != 0 || count[i] == 0);
		}
		lb_maglev_unref(table);
	}
}

Test(maglev, neither_the_order_nor_the_scale_of_the_list_moves_a_slot)
{
	struct test_random r = {test_seed("maglev order")};

	for (int round = 0; round < 60; round++) {
		uint32_t n = 1 + test_random_below(&r, 60);
		struct lb_maglev *a, *b;

		random_weights(&r, servers, n);
		for (uint32_t i = 0; i < n; i++) {
			others[i] = servers[i];
			others[i].weight *= 1 + (uint32_t)round;
		}
		a = build(servers, n, 6007);
		b = build(others, n, 6007);
		cr_expect_eq(count_moved(a, servers, b, others, NULL), 0u, "scaled");
		cr_expect_eq(lb_maglev_content_of(a), lb_maglev_content_of(b));
		lb_maglev_unref(b);
		shuffle(&r, others, n);
		b = build(others, n, 6007);
		cr_expect_eq(count_moved(a, servers, b, others, NULL), 0u, "shuffled");
		lb_maglev_unref(a);
		lb_maglev_unref(b);
	}
}

Test(maglev, a_hundred_equal_servers_share_evenly_and_removing_one_moves_few_slots)
{
	struct lb_maglev *all;
	uint32_t count[100] = {0}, worst = 0;
	double sum = 0;

	list_servers(servers, 100);
	all = build(servers, 100, 65537);
	for (uint32_t i = 0; i < 65537; i++)
		count[lb_maglev_server_at(all, i)]++;
	for (uint32_t gone = 0; gone < 100; gone++) {
		struct lb_maglev *rest;
		uint32_t moved;

		cr_expect(count[gone] == 655 || count[gone] == 656, "server %u: %u", gone,
			  count[gone]);
		for (uint32_t i = 0; i < 99; i++)
			others[i] = servers[i < gone ? i : i + 1];
		rest = build(others, 99, 65537);
		moved = count_moved(all, servers, rest, others, &servers[gone].addr);
		cr_expect_leq(moved * 1000.0, 8.0 * (65537 - count[gone]), "without %u: %u", gone,
			      moved);
		worst = moved > worst ? moved : worst;
		sum += moved;
		lb_maglev_unref(rest);
	}
	fprintf(stderr, "removing 1 of 100 at 65537: worst %.2f %%, mean %.2f %% of the others\n",
		worst / 648.81, sum / 64881);
	lb_maglev_unref(all);
}

Test(maglev, builds_the_largest_tables_and_reports_the_time)
{
	static const struct {
		uint32_t n, size;
	} cases[] = {{1000, 65537}, {6553, 655373}};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (int weighted = 0; weighted < 2; weighted++) {
			struct timespec begin, end;
			struct lb_maglev *table;

			list_servers(servers, cases[c].n);
			for (uint32_t i = 0; weighted && i < cases[c].n; i++)
				servers[i].weight = 1 + i % 17;
			clock_gettime(CLOCK_MONOTONIC, &begin);
			table = build(servers, cases[c].n, cases[c].size);
			clock_gettime(CLOCK_MONOTONIC, &end);
			fprintf(stderr, "%u servers, %u slots%s: %.1f ms, %zu bytes\n", cases[c].n,
				cases[c].size, weighted ? ", weighted" : "",
				(double)(end.tv_sec - begin.tv_sec) * 1e3 +
					(double)(end.tv_nsec - begin.tv_nsec) / 1e6,
				lb_maglev_bytes(table));
			cr_expect_eq(lb_maglev_n_slots(table), cases[c].size);
			lb_maglev_unref(table);
		}
}

Test(maglev, content_tells_lists_and_sizes_apart)
{
	uint64_t content;
	struct lb_maglev *table;

	list_servers(servers, 3);
	content = lb_maglev_content(servers, 3, 307);
	table = build(servers, 3, 307);
	cr_expect_eq(lb_maglev_content_of(table), content);
	lb_maglev_unref(lb_maglev_ref(table));
	cr_expect_eq(lb_maglev_content_of(table), content);
	lb_maglev_unref(table);
	cr_expect_neq(lb_maglev_content(servers, 3, 311), content);
	cr_expect_neq(lb_maglev_content(servers, 2, 307), content);
	servers[1].weight = 2;
	cr_expect_neq(lb_maglev_content(servers, 3, 307), content);
	servers[1].weight = 1;
	servers[2].addr.word_be[3] ^= 1;
	cr_expect_neq(lb_maglev_content(servers, 3, 307), content);
}

Test(maglev, refuses_what_has_no_table)
{
	static struct lb_maglev_server many[LB_SERVICE_SERVERS_MAX + 1];
	struct lb_maglev *table;

	list_servers(servers, 200);
	cr_expect_eq(lb_maglev_build(servers, 200, 303, &table), -EINVAL, "no prime");
	cr_expect_null(table);
	cr_expect_eq(lb_maglev_build(servers, 200, 199, &table), -EINVAL, "too small");
	cr_expect_eq(lb_maglev_build(servers, 200, 655379, &table), -EINVAL, "too large");
	cr_expect_eq(lb_maglev_build(servers, 0, 101, &table), -EINVAL, "no server");
	servers[0].weight = 0;
	cr_expect_eq(lb_maglev_build(servers, 1, 101, &table), -EINVAL, "no weight");
	cr_expect_eq(lb_maglev_build(many, LB_SERVICE_SERVERS_MAX + 1, 655373, &table), -E2BIG);
	lb_maglev_unref(NULL);
}

/* Memory that counts what is taken of it. */
struct shelf {
	_Alignas(64) uint8_t mem[1 << 16];
	size_t taken;
	uint32_t n_taken;
	uint32_t n_back;
};

static void *take(void *ctx, size_t bytes)
{
	struct shelf *s = ctx;

	if (bytes > sizeof(s->mem))
		return NULL;
	memset(s->mem, 0xee, sizeof(s->mem));
	s->taken = bytes;
	s->n_taken++;
	return s->mem;
}

static void give_back(void *ctx, void *mem, size_t bytes)
{
	struct shelf *s = ctx;

	cr_assert_eq(mem, s->mem);
	cr_assert_eq(bytes, s->taken);
	s->n_back++;
}

Test(maglev, a_table_lives_where_its_home_has_room)
{
	static const uint32_t sizes[] = {1009, 65537};
	static struct shelf shelf;
	const struct lb_maglev_home home = {take, give_back, &shelf};
	struct lb_maglev_server list[50];
	struct lb_maglev *there, *heap;

	for (uint32_t i = 0; i < 50; i++)
		list[i] = (struct lb_maglev_server){lb_addr_from_v4(i + 1), i % 3 + 1};
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(lb_maglev_build_at(&home, list, 50, sizes[i], &there), 0);
		cr_assert_eq(lb_maglev_build(list, 50, sizes[i], &heap), 0);
		cr_expect_eq((void *)there == shelf.mem, i == 0);
		cr_assert_eq(lb_maglev_content_of(there), lb_maglev_content_of(heap));
		for (uint32_t slot = 0; slot < sizes[i]; slot++)
			cr_assert_eq(lb_maglev_server_at(there, slot),
				     lb_maglev_server_at(heap, slot));
		lb_maglev_unref(lb_maglev_ref(there));
		cr_expect_eq(shelf.n_back, i, "it has an owner");
		lb_maglev_unref(there);
		lb_maglev_unref(heap);
	}
	cr_expect_eq(shelf.n_taken, 1);
	cr_expect_eq(shelf.n_back, 1);
}
