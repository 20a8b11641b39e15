#include "adjacency.h"

#include <errno.h>
#include <stdlib.h>

#define START_PAIRS 64u

int lb_pairs_add(struct lb_pairs *pairs, uint32_t from, uint32_t to)
{
	if (pairs->n == pairs->max) {
		uint32_t max = pairs->max == 0 ? START_PAIRS : pairs->max * 2;
		uint32_t *grown = realloc(pairs->from, max * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		pairs->from = grown;
		grown = realloc(pairs->to, max * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		pairs->to = grown;
		pairs->max = max;
	}
	pairs->from[pairs->n] = from;
	pairs->to[pairs->n++] = to;
	return 0;
}

void lb_pairs_free(struct lb_pairs *pairs)
{
	free(pairs->from);
	free(pairs->to);
	*pairs = (struct lb_pairs){0};
}

static int build(const uint32_t *from, const uint32_t *to, uint32_t n, uint32_t bound,
		 struct lb_adjacency *out)
{
	*out = (struct lb_adjacency){0};
	out->first = calloc((size_t)bound + 2, sizeof(*out->first));
	out->item = malloc(((size_t)n + 1) * sizeof(*out->item));
	if (out->first == NULL || out->item == NULL) {
		lb_adjacency_free(out);
		return -ENOMEM;
	}
	out->n_from = bound;
	/* Counted one place too far up, so that filling moves each offset to its own start. */
	for (uint32_t i = 0; i < n; i++)
		out->first[from[i] + 2]++;
	for (uint32_t i = 2; i < bound + 2; i++)
		out->first[i] += out->first[i - 1];
	for (uint32_t i = 0; i < n; i++)
		out->item[out->first[from[i] + 1]++] = to[i];
	return 0;
}

int lb_adjacency_build(const struct lb_pairs *pairs, uint32_t bound, struct lb_adjacency *out)
{
	return build(pairs->from, pairs->to, pairs->n, bound, out);
}

int lb_adjacency_build_reverse(const struct lb_pairs *pairs, uint32_t bound,
			       struct lb_adjacency *out)
{
	return build(pairs->to, pairs->from, pairs->n, bound, out);
}

void lb_adjacency_free(struct lb_adjacency *adj)
{
	free(adj->first);
	free(adj->item);
	*adj = (struct lb_adjacency){0};
}
