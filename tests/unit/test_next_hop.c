#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steer/next_hop.h"

static struct lb_next_hops *make_table(void)
{
	struct lb_next_hops *t;

	lb_next_hops_init(calloc(1, lb_next_hops_bytes()), 3, &t);
	return t;
}

static void mac_of(uint32_t i, uint8_t mac[6])
{
	uint8_t m[6] = {2,         0, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
			(uint8_t)i};

	memcpy(mac, m, 6);
}

Test(next_hop, set_and_get)
{
	struct lb_next_hops *t = make_table();
	struct lb_next_hop nh = {{2, 0, 0, 0, 0, 9}, 3, 1};

	cr_expect_eq((&lb_next_hops_all(t)[7])->resolved, 0);
	lb_next_hop_set(t, 7, &nh);
	cr_expect_eq(memcmp((&lb_next_hops_all(t)[7]), &nh, sizeof(nh)), 0);
	lb_next_hop_set(t, 7, NULL);
	cr_expect_eq((&lb_next_hops_all(t)[7])->resolved, 0);
	free(t);
}

Test(next_hop, learns_each_neighbour_once_up_to_the_bound)
{
	struct lb_next_hops *t = make_table();
	uint32_t n = LB_NEXT_HOPS_MAX - LB_NEXT_HOP_LEARNED, id;
	uint8_t mac[6];

	for (uint32_t i = 0; i < n; i++) {
		mac_of(i / 2, mac);
		id = lb_next_hop_learn(t, (uint8_t)(i % 2), mac);
		cr_assert_geq(id, LB_NEXT_HOP_LEARNED);
		cr_assert_eq(memcmp((&lb_next_hops_all(t)[id])->mac, mac, 6), 0);
		cr_assert_eq((&lb_next_hops_all(t)[id])->iface, i % 2);
		cr_assert_eq(lb_next_hop_learn(t, (uint8_t)(i % 2), mac), id);
	}
	mac_of(n, mac);
	cr_expect_eq(lb_next_hop_learn(t, 0, mac), LB_NEXT_HOP_NONE);
	free(t);
}

Test(next_hop, what_was_forgotten_last_is_learnt_anew)
{
	struct lb_next_hops *t = make_table();
	uint8_t mac[6], other[6];
	uint32_t id;

	mac_of(1, mac);
	mac_of(2, other);
	id = lb_next_hop_learn(t, 0, mac);
	lb_next_hop_forget_unmarked(t);
	lb_next_hop_forget_unmarked(t);
	cr_expect_eq((&lb_next_hops_all(t)[id])->resolved, 0);
	lb_next_hop_learn(t, 0, other);
	id = lb_next_hop_learn(t, 0, mac);
	cr_expect_eq((&lb_next_hops_all(t)[id])->resolved, 1);
	cr_expect_eq(memcmp((&lb_next_hops_all(t)[id])->mac, mac, 6), 0);
	lb_next_hop_forget_unmarked(t);
	lb_next_hop_forget_unmarked(t);
	id = lb_next_hop_learn(t, 0, mac); /* the one that was learnt last, straight away */
	cr_expect_eq((&lb_next_hops_all(t)[id])->resolved, 1);
	free(t);
}

Test(next_hop, forgets_only_what_nobody_marked)
{
	struct lb_next_hops *t = make_table();
	uint32_t ids[1000];
	uint8_t mac[6];

	for (uint32_t i = 0; i < 1000; i++) {
		mac_of(i, mac);
		ids[i] = lb_next_hop_learn(t, 0, mac);
	}
	lb_next_hop_forget_unmarked(t); /* learning marks: nobody goes in the first sweep */
	for (uint32_t i = 0; i < 1000; i += 3)
		lb_next_hop_mark(t, ids[i]);
	lb_next_hop_forget_unmarked(t);
	for (uint32_t i = 0; i < 1000; i++) {
		cr_expect_eq((&lb_next_hops_all(t)[ids[i]])->resolved, i % 3 == 0);
		mac_of(i, mac);
		if (i % 3 == 0)
			cr_expect_eq(lb_next_hop_learn(t, 0, mac), ids[i]);
	}
	lb_next_hop_mark(t, 5); /* control's own are not of this: nothing to see, nothing breaks */
	free(t);
}

static bool is_within(const struct lb_prefix *p, const struct lb_addr *a)
{
	return lb_addr_is_v4(&p->addr) == lb_addr_is_v4(a) && lb_prefix_contains(p, a);
}

Test(route_table, finds_what_a_walk_over_all_routes_finds)
{
	enum { ROUTES = 300 };
	static struct lb_route routes[ROUTES];
	struct lb_route_table *table;
	unsigned int seed = 99;

	srand(seed);
	for (uint32_t i = 0; i < ROUTES; i++) {
		struct lb_route *r = &routes[i];
		bool v4 = rand() % 2;

		r->prefix.addr = (struct lb_addr){
			{RTE_BE32(0x20010db8), (uint32_t)rand() & 0x0300, 0, (uint32_t)rand()}};
		if (v4)
			r->prefix.addr = lb_addr_from_v4((uint32_t)rand() & 0xff0300ff);
		r->prefix.len = (uint8_t)(rand() % (v4 ? 33 : 129));
		r->prefix.addr = lb_addr_mask(&r->prefix.addr, r->prefix.len);
		r->next_hop = i;
		for (uint32_t j = 0; j < i; j++) /* one route per prefix */
			if (routes[j].prefix.len == r->prefix.len &&
			    lb_addr_equal(&routes[j].prefix.addr, &r->prefix.addr))
				r->next_hop = routes[j].next_hop;
	}
	cr_assert_eq(lb_route_table_build(routes, ROUTES, &table), 0);
	for (int i = 0; i < 20000; i++) {
		struct lb_addr dst = routes[rand() % ROUTES].prefix.addr;
		const struct lb_route *found, *want = NULL;

		dst.word_be[3] ^= (uint32_t)rand() & (uint32_t)rand() & (uint32_t)rand();
		for (uint32_t j = 0; j < ROUTES; j++)
			if (is_within(&routes[j].prefix, &dst) &&
			    (want == NULL || routes[j].prefix.len > want->prefix.len))
				want = &routes[j];
		found = lb_route_lookup(table, &dst);
		cr_assert_eq(found == NULL, want == NULL);
		if (want != NULL)
			cr_assert_eq(found->next_hop, want->next_hop, "seed %u", seed);
	}
	lb_route_table_free(table);
}

Test(route_table, refuses_more_than_its_bound_and_answers_nothing_when_empty)
{
	struct lb_addr a = lb_addr_from_v4(RTE_BE32(0xc0000201));
	struct lb_route_table *table;

	cr_expect_eq(lb_route_table_build(NULL, LB_ROUTES_MAX + 1, &table), -E2BIG);
	cr_expect_null(lb_route_lookup(NULL, &a));
	cr_assert_eq(lb_route_table_build(NULL, 0, &table), 0);
	cr_expect_null(lb_route_lookup(table, &a));
	lb_route_table_free(table);
}
