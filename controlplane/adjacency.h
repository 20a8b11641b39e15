/* adjacency.h - who refers to whom, as compact lists.
 *
 * Role     from pairs (from, to) to one list of `to` per `from`
 * Shape    offsets and items; pairs of one `from` keep the order in which they were added
 * Units    ids
 * Threads  one writer while pairs are added, immutable after build
 * Memory   own heap
 * Limits   2^32 - 1 pairs
 * Errors   -ENOMEM
 * Tests    tests/unit/test_adjacency.c (naive twin)
 */
#ifndef LB_ADJACENCY_H
#define LB_ADJACENCY_H

#include <stdint.h>

struct lb_pairs {
	uint32_t *from;
	uint32_t *to;
	uint32_t n;
	uint32_t max;
};

struct lb_adjacency {
	uint32_t *first; /* n_from + 1 offsets into item */
	uint32_t *item;
	uint32_t n_from;
};

int lb_pairs_add(struct lb_pairs *pairs, uint32_t from, uint32_t to);
void lb_pairs_free(struct lb_pairs *pairs);

/* `bound`: every `from` is below it. */
int lb_adjacency_build(const struct lb_pairs *pairs, uint32_t bound, struct lb_adjacency *out);

/* The same pairs read the other way round; every `to` is below `bound`. */
int lb_adjacency_build_reverse(const struct lb_pairs *pairs, uint32_t bound,
			       struct lb_adjacency *out);
void lb_adjacency_free(struct lb_adjacency *adj);

/* Items of `from`; none past the bound that it was built with. */
static inline uint32_t lb_adjacent(const struct lb_adjacency *adj, uint32_t from,
				   const uint32_t **items)
{
	if (from >= adj->n_from) {
		*items = 0;
		return 0;
	}
	*items = adj->item + adj->first[from];
	return adj->first[from + 1] - adj->first[from];
}

#endif
