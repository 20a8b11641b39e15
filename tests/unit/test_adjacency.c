#include "adjacency.h"

#include <criterion/criterion.h>

#include "random.h"

#define NODES 50u

/* The twin walks all pairs for each node. */
static void check(const struct lb_pairs *pairs, const struct lb_adjacency *adj, bool is_reverse)
{
	for (uint32_t node = 0; node < NODES + 5; node++) {
		const uint32_t *from = is_reverse ? pairs->to : pairs->from;
		const uint32_t *to = is_reverse ? pairs->from : pairs->to;
		const uint32_t *items;
		uint32_t n = lb_adjacent(adj, node, &items), seen = 0;

		for (uint32_t i = 0; i < pairs->n; i++) {
			if (from[i] != node)
				continue;
			cr_assert_lt(seen, n);
			cr_assert_eq(items[seen], to[i]);
			seen++;
		}
		cr_assert_eq(seen, n, "node %u", node);
	}
}

Test(adjacency, lists_every_pair_in_the_order_given)
{
	struct test_random random = {test_seed("adjacency")};

	for (uint32_t round = 0; round < 50; round++) {
		struct lb_pairs pairs = {0};
		struct lb_adjacency adj;

		for (uint32_t n = test_random_below(&random, 300); n > 0; n--)
			cr_assert_eq(lb_pairs_add(&pairs, test_random_below(&random, NODES),
						  test_random_below(&random, NODES)),
				     0);
		cr_assert_eq(lb_adjacency_build(&pairs, NODES, &adj), 0);
		check(&pairs, &adj, false);
		lb_adjacency_free(&adj);
		cr_assert_eq(lb_adjacency_build_reverse(&pairs, NODES, &adj), 0);
		check(&pairs, &adj, true);
		lb_adjacency_free(&adj);
		lb_pairs_free(&pairs);
	}
}
