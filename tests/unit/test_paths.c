#include "paths.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "random.h"

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct lb_path_route route(const char *prefix, const char *gateway, uint32_t iface,
				  uint32_t metric)
{
	struct lb_path_route r = {.iface = iface, .metric = metric};

	cr_assert_eq(lb_prefix_parse(prefix, &r.prefix), 0, "%s", prefix);
	if (gateway != NULL)
		r.gateway = addr(gateway);
	return r;
}

static struct lb_paths *new_paths(void)
{
	struct lb_paths *p;

	cr_assert_eq(lb_paths_create(&p), 0);
	return p;
}

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 0xb};

Test(paths, destinations_lead_to_themselves_or_to_their_gateway)
{
	struct lb_path_route routes[] = {
		route("192.0.2.0/24", NULL, 0, 0),       route("0.0.0.0/0", "192.0.2.1", 0, 100),
		route("0.0.0.0/0", "192.0.2.9", 1, 200), route("203.0.113.0/24", "192.0.2.2", 1, 0),
		route("2001:db8::/64", NULL, 1, 0),      route("::/0", "fe80::1", 1, 0),
	};
	static const struct {
		const char *name, *destination, *hop;
		uint32_t iface;
	} cases[] = {
		{"on the link", "192.0.2.50", "192.0.2.50", 0},
		{"by the better default", "198.51.100.1", "192.0.2.1", 0},
		{"by the longer prefix", "203.0.113.7", "192.0.2.2", 1},
		{"IPv6 on the link", "2001:db8::7", "2001:db8::7", 1},
		{"IPv6 by the default", "2001:db8:1::7", "fe80::1", 1},
	};
	struct lb_paths *p = new_paths();
	struct lb_addr destinations[sizeof(cases) / sizeof(cases[0])];

	cr_assert_eq(lb_paths_set_routes(p, routes, 6), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		destinations[i] = addr(cases[i].destination);
	cr_assert_eq(lb_paths_set_destinations(p, destinations, 5), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_path_hop *hop = lb_paths_hop(p,
						       lb_paths_next_hop_of(p, &destinations[i]));
		struct lb_addr want = addr(cases[i].hop);

		cr_assert_not_null(hop, "case %s", cases[i].name);
		cr_expect(lb_addr_equal(&hop->addr, &want), "case %s", cases[i].name);
		cr_expect_eq(hop->iface, cases[i].iface, "case %s", cases[i].name);
		cr_expect_eq(hop->next_hop.resolved, 0, "case %s", cases[i].name);
	}
	lb_paths_destroy(p);
}

Test(paths, without_a_route_there_is_no_next_hop)
{
	struct lb_path_route only = route("192.0.2.0/24", NULL, 0, 0);
	struct lb_addr list[] = {addr("198.51.100.1"), addr("2001:db8::1")};
	struct lb_addr unknown = addr("192.0.2.1");
	struct lb_paths *p = new_paths();

	cr_assert_eq(lb_paths_set_routes(p, &only, 1), 0);
	cr_assert_eq(lb_paths_set_destinations(p, list, 2), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	cr_expect_eq(lb_paths_next_hop_of(p, &list[0]), LB_NEXT_HOP_NONE);
	cr_expect_eq(lb_paths_next_hop_of(p, &list[1]), LB_NEXT_HOP_NONE);
	cr_expect_eq(lb_paths_next_hop_of(p, &unknown), LB_NEXT_HOP_NONE, "not of the set");
	cr_expect_eq(lb_paths_iface_of(p, &unknown, true), 0u);
	cr_expect_eq(lb_paths_iface_of(p, &list[0], true), UINT32_MAX);
	lb_paths_destroy(p);
}

Test(paths, a_new_next_hop_is_told_when_its_state_is_heard_and_only_then)
{
	struct lb_path_route only = route("192.0.2.0/24", NULL, 0, 0);
	struct lb_addr a = addr("192.0.2.50");
	struct lb_paths *p = new_paths();
	struct lb_path_hop *hop;

	cr_assert_eq(lb_paths_set_routes(p, &only, 1), 0);
	cr_assert_eq(lb_paths_set_destinations(p, &a, 1), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	hop = lb_paths_hop(p, lb_paths_next_hop_of(p, &a));
	cr_expect_not(hop->is_changed);
	lb_paths_set_mac(p, 0, &a, NULL);
	cr_expect(hop->is_changed, "nobody answers: that is news though the bytes are the same");
	hop->is_changed = false;
	lb_paths_set_mac(p, 0, &a, NULL);
	cr_expect_not(hop->is_changed);
	lb_paths_set_mac(p, 0, &a, mac_a);
	cr_expect(hop->is_changed && hop->next_hop.resolved == 1);
	cr_expect_arr_eq(hop->next_hop.mac, mac_a, 6);
	hop->is_changed = false;
	lb_paths_set_mac(p, 0, &a, mac_a);
	cr_expect_not(hop->is_changed);
	lb_paths_set_mac(p, 1, &a, mac_b);
	cr_expect_not(hop->is_changed, "another interface");
	lb_paths_set_mac(p, 0, &a, mac_b);
	cr_expect(hop->is_changed);
	lb_paths_destroy(p);
}

Test(paths, static_neighbours_are_resolved_and_the_kernel_does_not_change_them)
{
	struct lb_path_route only = route("192.0.2.0/24", NULL, 0, 0);
	struct lb_addr a = addr("192.0.2.50");
	struct lb_paths *p = new_paths();
	struct lb_path_hop *hop;

	cr_assert_eq(lb_paths_add_static(p, 0, &a, mac_a), 0);
	cr_assert_eq(lb_paths_set_routes(p, &only, 1), 0);
	cr_assert_eq(lb_paths_set_destinations(p, &a, 1), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	hop = lb_paths_hop(p, lb_paths_next_hop_of(p, &a));
	cr_expect(hop->is_changed && hop->next_hop.resolved == 1);
	lb_paths_set_mac(p, 0, &a, mac_b);
	cr_expect_arr_eq(hop->next_hop.mac, mac_a, 6);
	lb_paths_destroy(p);
}

Test(paths, ids_stay_while_needed_and_come_back_last_when_freed)
{
	struct lb_path_route only = route("192.0.2.0/24", NULL, 0, 0);
	struct lb_addr both[] = {addr("192.0.2.50"), addr("192.0.2.51")};
	struct lb_addr later[] = {addr("192.0.2.51"), addr("192.0.2.52")};
	struct lb_paths *p = new_paths();
	uint32_t first, second;

	cr_assert_eq(lb_paths_set_routes(p, &only, 1), 0);
	cr_assert_eq(lb_paths_set_destinations(p, both, 2), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	first = lb_paths_next_hop_of(p, &both[0]);
	second = lb_paths_next_hop_of(p, &both[1]);
	lb_paths_set_mac(p, 0, &both[0], mac_a);
	cr_assert_eq(lb_paths_set_destinations(p, later, 2), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	cr_expect_eq(lb_paths_next_hop_of(p, &both[1]), second);
	cr_expect_neq(lb_paths_next_hop_of(p, &later[1]), first);
	cr_expect_not(lb_paths_hop(p, first)->in_use);
	cr_expect(lb_paths_hop(p, first)->is_changed);
	cr_expect_eq(lb_paths_hop(p, first)->next_hop.resolved, 0);
	cr_expect_eq(lb_paths_find(p, 0, &both[0]), LB_NEXT_HOP_NONE);
	lb_paths_destroy(p);
}

Test(paths, past_the_bound_the_rest_has_no_next_hop_and_is_counted)
{
	struct lb_path_route only = route("10.0.0.0/8", NULL, 0, 0);
	size_t n = LB_NEXT_HOP_LEARNED + 10, with = 0;
	struct lb_addr *list = calloc(n, sizeof(*list));
	struct lb_paths *p = new_paths();

	for (size_t i = 0; i < n; i++)
		list[i] = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000u + (uint32_t)i));
	cr_assert_eq(lb_paths_set_routes(p, &only, 1), 0);
	cr_assert_eq(lb_paths_set_destinations(p, list, n), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	for (size_t i = 0; i < n; i++)
		with += lb_paths_next_hop_of(p, &list[i]) != LB_NEXT_HOP_NONE;
	cr_expect_eq(with, LB_NEXT_HOP_LEARNED - 1);
	cr_expect_eq(lb_paths_unused(p), n - with);
	free(list);
	lb_paths_destroy(p);
}

Test(paths, too_many_routes_leave_out_the_longest_prefixes)
{
	size_t n = LB_ROUTES_MAX + 5, n_kept;
	struct lb_path_route *list = calloc(n, sizeof(*list));
	struct lb_paths *p = new_paths();
	struct lb_addr far = addr("198.51.100.1");

	list[0] = route("0.0.0.0/0", "192.0.2.1", 0, 0);
	for (size_t i = 1; i < n; i++) {
		list[i] = route("10.0.0.0/32", NULL, 0, 0);
		list[i].prefix.addr = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000u + (uint32_t)i));
	}
	cr_assert_eq(lb_paths_set_routes(p, list, n), 0);
	cr_assert_eq(lb_paths_set_destinations(p, &far, 1), 0);
	cr_assert_eq(lb_paths_settle(p), 0);
	(void)lb_paths_routes(p, &n_kept);
	cr_expect_eq(n_kept, LB_ROUTES_MAX);
	cr_expect_eq(lb_paths_unused(p), 5u);
	cr_expect_neq(lb_paths_next_hop_of(p, &far), LB_NEXT_HOP_NONE);
	free(list);
	lb_paths_destroy(p);
}

/* The obvious way: every route is looked at. */
static const struct lb_path_route *naive_route(const struct lb_path_route *routes, size_t n,
					       const struct lb_addr *a)
{
	const struct lb_path_route *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!lb_prefix_contains(&routes[i].prefix, a))
			continue;
		if (best == NULL || routes[i].prefix.len > best->prefix.len ||
		    (routes[i].prefix.len == best->prefix.len && routes[i].metric < best->metric))
			best = &routes[i];
	}
	return best;
}

static struct lb_addr random_addr(void)
{
	if (random() % 2)
		return lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000u | (uint32_t)random() % 1024));
	return (struct lb_addr){
		{RTE_BE32(0x20010db8), 0, 0, rte_cpu_to_be_32((uint32_t)random() % 1024)}};
}

static size_t random_routes(struct lb_path_route *routes, size_t max)
{
	size_t n = (size_t)random() % max;

	for (size_t i = 0; i < n; i++) {
		struct lb_addr a = random_addr();
		uint8_t whole = lb_addr_is_v4(&a) ? 32 : 128;

		memset(&routes[i], 0, sizeof(routes[i]));
		routes[i].prefix.len = (uint8_t)(random() % 12 == 0 ? 0 : whole - random() % 11);
		routes[i].prefix.addr = lb_addr_mask(&a, routes[i].prefix.len);
		routes[i].iface = (uint32_t)random() % 3;
		routes[i].metric = (uint32_t)i; /* no two are equal */
		if (random() % 2)
			routes[i].gateway = random_addr();
	}
	return n;
}

Test(paths, random_routes_lead_where_a_linear_search_leads)
{
	unsigned int seed = (unsigned int)test_seed("paths");
	struct lb_path_route routes[40];
	struct lb_addr list[50];
	struct lb_paths *p = new_paths();

	srandom(seed);
	for (int round = 0; round < 300; round++) {
		size_t n = random_routes(routes, 40);

		for (size_t i = 0; i < 50; i++)
			list[i] = random_addr();
		cr_assert_eq(lb_paths_set_routes(p, routes, n), 0);
		cr_assert_eq(lb_paths_set_destinations(p, list, 50), 0);
		cr_assert_eq(lb_paths_settle(p), 0);
		for (size_t i = 0; i < 50; i++) {
			const struct lb_path_route *want = naive_route(routes, n, &list[i]);
			uint32_t id = lb_paths_next_hop_of(p, &list[i]);
			const struct lb_path_hop *hop = lb_paths_hop(p, id);
			const struct lb_addr *via;

			cr_assert_eq(want == NULL, id == LB_NEXT_HOP_NONE, "seed %u round %d", seed,
				     round);
			if (want == NULL)
				continue;
			via = lb_addr_is_zero(&want->gateway) ? &list[i] : &want->gateway;
			cr_assert(hop->in_use && hop->iface == want->iface &&
					  lb_addr_equal(&hop->addr, via),
				  "seed %u round %d", seed, round);
			cr_assert_eq(lb_paths_find(p, hop->iface, via), id);
		}
	}
	lb_paths_destroy(p);
}
