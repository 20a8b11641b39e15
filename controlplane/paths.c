#include "paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536u /* twice the ids, a power of two: probes stay short */
#define IPV4_LENGTHS 33u
#define LENGTHS (IPV4_LENGTHS + 129u)

struct static_neighbour {
	struct lb_addr addr;
	uint32_t iface;
	uint8_t mac[6];
};

struct lb_paths {
	struct lb_path_hop hops[LB_NEXT_HOP_LEARNED]; /* by id; 0 is not used */
	bool is_needed[LB_NEXT_HOP_LEARNED];
	uint32_t slots[SLOTS]; /* ids by hash of (interface, address); 0: empty */
	uint32_t hops_end;
	uint32_t free_ids[LB_NEXT_HOP_LEARNED]; /* ring, longest free first */
	uint32_t free_first;
	uint32_t n_free;
	struct lb_path_route *wanted_routes; /* sorted by length class, then address */
	size_t n_wanted_routes;
	struct lb_route *routes; /* the same routes in the same order, with ids */
	size_t n_routes;
	uint32_t length_first[LENGTHS + 1]; /* where each prefix length begins in wanted_routes */
	struct lb_addr *destinations;       /* sorted, unique */
	uint32_t *destination_hops;
	size_t n_destinations;
	struct static_neighbour *statics;
	size_t n_statics;
	size_t n_unused_routes;
	size_t n_unused_hops;
	struct lb_path_changes changes;
};

int lb_paths_create(struct lb_paths **out)
{
	struct lb_paths *p = calloc(1, sizeof(*p));

	*out = p;
	if (p == NULL)
		return -ENOMEM;
	p->hops_end = 1;
	for (uint32_t id = 1; id < LB_NEXT_HOP_LEARNED; id++)
		p->free_ids[p->n_free++] = id;
	return 0;
}

void lb_paths_destroy(struct lb_paths *p)
{
	if (p == NULL)
		return;
	free(p->wanted_routes);
	free(p->routes);
	free(p->destinations);
	free(p->destination_hops);
	free(p->statics);
	free(p);
}

/* --- next hops by (interface, address) --- */

static uint32_t slot_of(uint32_t iface, const struct lb_addr *addr)
{
	uint64_t h = iface;

	for (int i = 0; i < 4; i++) {
		h ^= addr->word_be[i];
		h *= 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 32) & (SLOTS - 1);
}

uint32_t lb_paths_find(const struct lb_paths *p, uint32_t iface, const struct lb_addr *addr)
{
	uint32_t s = slot_of(iface, addr);

	for (; p->slots[s] != 0; s = (s + 1) & (SLOTS - 1)) {
		const struct lb_path_hop *hop = &p->hops[p->slots[s]];

		if (hop->iface == iface && lb_addr_equal(&hop->addr, addr))
			return p->slots[s];
	}
	return LB_NEXT_HOP_NONE;
}

static void enter_hop(struct lb_paths *p, uint32_t id)
{
	uint32_t s = slot_of(p->hops[id].iface, &p->hops[id].addr);

	while (p->slots[s] != 0)
		s = (s + 1) & (SLOTS - 1);
	p->slots[s] = id;
}

static void apply_static(struct lb_paths *p, struct lb_path_hop *hop)
{
	for (size_t i = 0; i < p->n_statics; i++) {
		const struct static_neighbour *s = &p->statics[i];

		if (s->iface != hop->iface || !lb_addr_equal(&s->addr, &hop->addr))
			continue;
		hop->is_static = true;
		hop->is_known = true;
		hop->is_changed = true;
		memcpy(hop->next_hop.mac, s->mac, sizeof(s->mac));
		hop->next_hop.resolved = 1;
	}
}

static uint32_t need_hop(struct lb_paths *p, uint32_t iface, const struct lb_addr *addr)
{
	uint32_t id = lb_paths_find(p, iface, addr);
	struct lb_path_hop *hop;

	if (id == LB_NEXT_HOP_NONE) {
		if (p->n_free == 0) {
			p->n_unused_hops++;
			return LB_NEXT_HOP_NONE;
		}
		id = p->free_ids[p->free_first];
		p->free_first = (p->free_first + 1) % LB_NEXT_HOP_LEARNED;
		p->n_free--;
		if (id >= p->hops_end)
			p->hops_end = id + 1;
		hop = &p->hops[id];
		memset(hop, 0, sizeof(*hop));
		hop->addr = *addr;
		hop->iface = iface;
		hop->in_use = true;
		hop->next_hop.iface = (uint8_t)iface;
		apply_static(p, hop);
		enter_hop(p, id);
	}
	p->is_needed[id] = true;
	return id;
}

/* Removing from the middle of a probe sequence would cut it: the slots are filled anew. */
static void free_unneeded(struct lb_paths *p)
{
	uint32_t n_freed = 0;

	for (uint32_t id = 1; id < p->hops_end; id++) {
		struct lb_path_hop *hop = &p->hops[id];

		if (!hop->in_use || p->is_needed[id])
			continue;
		hop->in_use = false;
		hop->is_changed = hop->is_known;
		hop->next_hop.resolved = 0;
		p->free_ids[(p->free_first + p->n_free++) % LB_NEXT_HOP_LEARNED] = id;
		n_freed++;
	}
	if (n_freed == 0)
		return;
	memset(p->slots, 0, sizeof(p->slots));
	for (uint32_t id = 1; id < p->hops_end; id++)
		if (p->hops[id].in_use)
			enter_hop(p, id);
}

int lb_paths_add_static(struct lb_paths *p, uint32_t iface, const struct lb_addr *addr,
			const uint8_t mac[6])
{
	struct static_neighbour *grown = reallocarray(p->statics, p->n_statics + 1,
						      sizeof(*p->statics));

	if (grown == NULL)
		return -ENOMEM;
	p->statics = grown;
	grown[p->n_statics].addr = *addr;
	grown[p->n_statics].iface = iface;
	memcpy(grown[p->n_statics].mac, mac, sizeof(grown->mac));
	p->n_statics++;
	return 0;
}

void lb_paths_set_mac(struct lb_paths *p, uint32_t iface, const struct lb_addr *addr,
		      const uint8_t *mac)
{
	uint32_t id = lb_paths_find(p, iface, addr);
	struct lb_path_hop *hop = &p->hops[id];
	struct lb_next_hop next = hop->next_hop;

	if (id == LB_NEXT_HOP_NONE || hop->is_static)
		return;
	next.resolved = mac != NULL;
	if (mac != NULL)
		memcpy(next.mac, mac, sizeof(next.mac));
	if (hop->is_known && memcmp(&next, &hop->next_hop, sizeof(next)) == 0)
		return;
	hop->is_known = true;
	hop->next_hop = next;
	hop->is_changed = true;
}

/* --- routes: sorted by length class, longest first, so that a look-up is one binary search per
 * length in use --- */

static uint32_t length_class(const struct lb_prefix *prefix)
{
	if (lb_addr_is_v4(&prefix->addr))
		return 32u - prefix->len;
	return IPV4_LENGTHS + 128u - prefix->len;
}

static int compare_routes(const void *a, const void *b)
{
	const struct lb_path_route *x = a, *y = b;
	uint32_t cx = length_class(&x->prefix), cy = length_class(&y->prefix);
	int order;

	if (cx != cy)
		return cx < cy ? -1 : 1;
	order = memcmp(&x->prefix.addr, &y->prefix.addr, sizeof(x->prefix.addr));
	if (order != 0)
		return order;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	/* Equal ways: one order of them, whatever order the kernel lists them in. */
	order = memcmp(&x->gateway, &y->gateway, sizeof(x->gateway));
	return order != 0 ? order : (x->iface > y->iface) - (x->iface < y->iface);
}

int lb_paths_set_routes(struct lb_paths *p, const struct lb_path_route *routes, size_t n)
{
	struct lb_path_route *sorted = calloc(n > 0 ? n : 1, sizeof(*sorted));
	size_t kept = 0;
	uint32_t class = 0;

	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		sorted[i] = routes[i];
		sorted[i].prefix.addr = lb_addr_mask(&routes[i].prefix.addr, routes[i].prefix.len);
	}
	qsort(sorted, n, sizeof(*sorted), compare_routes);
	for (size_t i = 0; i < n; i++) {
		const struct lb_prefix *last = kept > 0 ? &sorted[kept - 1].prefix : NULL;

		if (last != NULL && last->len == sorted[i].prefix.len &&
		    lb_addr_equal(&last->addr, &sorted[i].prefix.addr))
			continue;
		sorted[kept++] = sorted[i];
	}
	/* The shortest prefixes are the last: the default routes must not be what is left out. */
	p->n_unused_routes = kept > LB_ROUTES_MAX ? kept - LB_ROUTES_MAX : 0;
	memmove(sorted, sorted + p->n_unused_routes, (kept - p->n_unused_routes) * sizeof(*sorted));
	kept -= p->n_unused_routes;
	for (size_t i = 0; i < kept; i++)
		for (; class <= length_class(&sorted[i].prefix); class ++)
			p->length_first[class] = (uint32_t)i;
	for (; class <= LENGTHS; class ++)
		p->length_first[class] = (uint32_t)kept;
	free(p->wanted_routes);
	p->wanted_routes = sorted;
	p->n_wanted_routes = kept;
	return 0;
}

static const struct lb_path_route *find_route(const struct lb_paths *p, const struct lb_addr *addr,
					      bool on_link)
{
	bool is_v4 = lb_addr_is_v4(addr);
	uint32_t first = is_v4 ? 0 : IPV4_LENGTHS, end = is_v4 ? IPV4_LENGTHS : LENGTHS;

	for (uint32_t class = first; class < end; class ++) {
		size_t low = p->length_first[class], high = p->length_first[class + 1];
		uint8_t len = (uint8_t)(is_v4 ? 32u - class : 128u + IPV4_LENGTHS - class);
		struct lb_addr want;

		if (low == high)
			continue;
		want = lb_addr_mask(addr, len);
		while (low < high) {
			size_t mid = low + (high - low) / 2;
			const struct lb_path_route *r = &p->wanted_routes[mid];
			int order = memcmp(&want, &r->prefix.addr, sizeof(want));

			if (order == 0 && (!on_link || lb_addr_is_zero(&r->gateway)))
				return r;
			if (order == 0)
				break;
			if (order < 0)
				high = mid;
			else
				low = mid + 1;
		}
	}
	return NULL;
}

uint32_t lb_paths_iface_of(const struct lb_paths *p, const struct lb_addr *addr, bool on_link)
{
	const struct lb_path_route *r = find_route(p, addr, on_link);

	return r == NULL ? UINT32_MAX : r->iface;
}

/* --- destinations --- */

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_addr));
}

static size_t find_destination(const struct lb_addr *list, size_t n, const struct lb_addr *addr)
{
	const struct lb_addr *found;

	if (n == 0)
		return SIZE_MAX; /* bsearch takes no NULL */
	found = bsearch(addr, list, n, sizeof(*list), compare_addrs);
	return found == NULL ? SIZE_MAX : (size_t)(found - list);
}

int lb_paths_set_destinations(struct lb_paths *p, const struct lb_addr *addrs, size_t n)
{
	struct lb_addr *sorted = calloc(n > 0 ? n : 1, sizeof(*sorted));
	uint32_t *hops = calloc(n > 0 ? n : 1, sizeof(*hops));
	size_t kept = 0;

	if (sorted == NULL || hops == NULL) {
		free(sorted);
		free(hops);
		return -ENOMEM;
	}
	if (n > 0)
		memcpy(sorted, addrs, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_addrs);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !lb_addr_equal(&sorted[kept - 1], &sorted[i]))
			sorted[kept++] = sorted[i];
	for (size_t i = 0; i < kept; i++)
		hops[i] = lb_paths_next_hop_of(p, &sorted[i]);
	free(p->destinations);
	free(p->destination_hops);
	p->destinations = sorted;
	p->destination_hops = hops;
	p->n_destinations = kept;
	return 0;
}

uint32_t lb_paths_next_hop_of(const struct lb_paths *p, const struct lb_addr *destination)
{
	size_t i = find_destination(p->destinations, p->n_destinations, destination);

	return i == SIZE_MAX ? LB_NEXT_HOP_NONE : p->destination_hops[i];
}

/* --- settle --- */

static uint32_t hop_towards(struct lb_paths *p, const struct lb_addr *destination)
{
	const struct lb_path_route *r = find_route(p, destination, false);

	if (r == NULL)
		return LB_NEXT_HOP_NONE;
	return need_hop(p, r->iface, lb_addr_is_zero(&r->gateway) ? destination : &r->gateway);
}

/* A route whose gateway found no room is left out: without a next hop it would say "on the link".
 * Returns how many were made. */
static size_t make_route(struct lb_paths *p, const struct lb_path_route *from, struct lb_route *to)
{
	/* Field by field: the lists are compared by their bytes. */
	to->prefix.addr = from->prefix.addr;
	to->prefix.len = from->prefix.len;
	to->iface = (uint8_t)from->iface;
	to->next_hop = LB_NEXT_HOP_NONE;
	if (lb_addr_is_zero(&from->gateway))
		return 1;
	to->next_hop = need_hop(p, from->iface, &from->gateway);
	return to->next_hop == LB_NEXT_HOP_NONE ? 0 : 1;
}

int lb_paths_settle(struct lb_paths *p)
{
	struct lb_route *routes = calloc(p->n_wanted_routes + 1, sizeof(*routes));
	size_t n_routes = 0;

	if (routes == NULL)
		return -ENOMEM;
	memset(p->is_needed, 0, sizeof(p->is_needed));
	p->n_unused_hops = 0;
	for (size_t i = 0; i < p->n_wanted_routes; i++)
		n_routes += make_route(p, &p->wanted_routes[i], &routes[n_routes]);
	for (size_t i = 0; i < p->n_destinations; i++) {
		uint32_t id = hop_towards(p, &p->destinations[i]);

		if (p->destination_hops[i] != id)
			p->changes.destinations = true;
		p->destination_hops[i] = id;
	}
	free_unneeded(p);
	if (p->routes == NULL || p->n_routes != n_routes ||
	    memcmp(p->routes, routes, n_routes * sizeof(*routes)) != 0)
		p->changes.routes = true;
	free(p->routes);
	p->routes = routes;
	p->n_routes = n_routes;
	return 0;
}

struct lb_path_changes lb_paths_take_changes(struct lb_paths *p)
{
	struct lb_path_changes changes = p->changes;

	memset(&p->changes, 0, sizeof(p->changes));
	return changes;
}

struct lb_path_hop *lb_paths_hop(struct lb_paths *p, uint32_t id)
{
	return id == 0 || id >= p->hops_end ? NULL : &p->hops[id];
}

uint32_t lb_paths_hops_end(const struct lb_paths *p)
{
	return p->hops_end;
}

const struct lb_route *lb_paths_routes(const struct lb_paths *p, size_t *n)
{
	*n = p->n_routes;
	return p->routes;
}

size_t lb_paths_unused(const struct lb_paths *p)
{
	return p->n_unused_routes + p->n_unused_hops;
}
