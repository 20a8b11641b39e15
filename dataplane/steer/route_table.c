#include "steer/next_hop.h"

#include <errno.h>
#include <stdlib.h>

/* Sorted by length (longest first), then by address; `start[k]` is where the k-th length in use
 * begins. IPv4 lengths count from 96 because of the mapped form. */
#define LENGTHS_MAX 129

struct lb_route_table {
	uint32_t n_routes;
	uint32_t n_lengths;
	uint8_t length[LENGTHS_MAX];
	uint32_t start[LENGTHS_MAX + 1];
	struct lb_route routes[];
};

static uint8_t mapped_length(const struct lb_prefix *p)
{
	return (uint8_t)(lb_addr_is_v4(&p->addr) ? 96 + p->len : p->len);
}

static int compare_addrs(const struct lb_addr *a, const struct lb_addr *b)
{
	return memcmp(a, b, sizeof(*a));
}

static int compare_routes(const void *a, const void *b)
{
	const struct lb_route *x = a, *y = b;
	int x_len = mapped_length(&x->prefix), y_len = mapped_length(&y->prefix);

	if (x_len != y_len)
		return y_len - x_len;
	return compare_addrs(&x->prefix.addr, &y->prefix.addr);
}

/* Like lb_addr_mask, by the mapped length, so that one look serves both families. */
static struct lb_addr mask_mapped(const struct lb_addr *a, uint8_t len)
{
	struct lb_addr out = *a;

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = len > 32 * i ? len - 32u * i : 0;

		if (bits < 32)
			out.word_be[i] &= rte_cpu_to_be_32(bits == 0 ? 0
								     : 0xffffffffu << (32 - bits));
	}
	return out;
}

int lb_route_table_build(const struct lb_route *routes, size_t n, struct lb_route_table **out)
{
	struct lb_route_table *t;

	*out = NULL;
	if (n > LB_ROUTES_MAX)
		return -E2BIG;
	t = calloc(1, sizeof(*t) + n * sizeof(*routes));
	if (t == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		t->routes[i] = routes[i];
		t->routes[i].prefix.addr = mask_mapped(&routes[i].prefix.addr,
						       mapped_length(&routes[i].prefix));
	}
	t->n_routes = (uint32_t)n;
	qsort(t->routes, n, sizeof(*routes), compare_routes);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t len = mapped_length(&t->routes[i].prefix);

		if (t->n_lengths == 0 || t->length[t->n_lengths - 1] != len) {
			t->length[t->n_lengths] = len;
			t->start[t->n_lengths++] = i;
		}
	}
	t->start[t->n_lengths] = (uint32_t)n;
	*out = t;
	return 0;
}

void lb_route_table_free(struct lb_route_table *table)
{
	free(table);
}

static const struct lb_route *find_in(const struct lb_route_table *t, uint32_t low, uint32_t high,
				      const struct lb_addr *prefix)
{
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = compare_addrs(&t->routes[mid].prefix.addr, prefix);

		if (order == 0)
			return &t->routes[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct lb_route *lb_route_lookup(const struct lb_route_table *table,
				       const struct lb_addr *dst)
{
	bool is_v4 = lb_addr_is_v4(dst);

	if (table == NULL)
		return NULL;
	for (uint32_t k = 0; k < table->n_lengths; k++) {
		struct lb_addr prefix = mask_mapped(dst, table->length[k]);
		const struct lb_route *found;

		/* Below 96 bits a route is an IPv6 one; ::/0 must not answer for IPv4. */
		if (is_v4 && table->length[k] < 96)
			break;
		found = find_in(table, table->start[k], table->start[k + 1], &prefix);
		if (found != NULL)
			return found;
	}
	return NULL;
}
