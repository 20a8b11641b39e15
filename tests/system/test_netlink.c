/* The mirror of the kernel's network, and what Ballast puts into it, against a real kernel. */
#include "netlink_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "namespace.h"

Test(netlink, tells_links_routes_and_local_addresses_at_the_start, .init = setup, .fini = teardown)
{
	struct lb_addr own = addr("192.0.2.2"), own6 = addr("2001:db8::2");
	struct lb_addr loopback = addr("127.0.0.1"), near = addr("192.0.2.99");
	struct lb_addr far = addr("203.0.113.1");
	const struct lb_route *r;

	namespace_run("ip link set eth1 address 02:00:00:00:00:02");
	open_netlink();
	cr_expect_eq(told.n_links, 1u);
	cr_expect_str_eq(told.link.netdev, "eth1");
	cr_expect_arr_eq(told.link.mac, ((uint8_t[]){2, 0, 0, 0, 0, 2}), 6);
	cr_expect_eq(told.link.mtu, 1500);
	cr_expect(told.link.is_up && told.link.has_carrier);
	r = told_route("192.0.2.0/24");
	cr_assert_not_null(r);
	cr_expect_eq(r->next_hop, LB_NEXT_HOP_NONE);
	r = told_route("0.0.0.0/0");
	cr_assert_not_null(r);
	cr_expect_neq(r->next_hop, LB_NEXT_HOP_NONE);
	cr_expect(has_route("2001:db8::/64"));
	cr_expect(is_local(&own) && is_local(&own6) && is_local(&loopback));
	cr_expect_not(is_local(&near));
	cr_expect_eq(told.n_settled, 1u);
	cr_expect_eq(lb_netlink_iface_of(nl, &near), 0u);
	cr_expect_eq(lb_netlink_iface_of(nl, &far), UINT32_MAX, "behind a gateway");
}

Test(netlink, next_hops_are_resolved_and_kept, .init = setup, .fini = teardown)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x11}, other[6] = {2, 0, 0, 0, 0, 0x99};
	struct lb_addr list[] = {addr("192.0.2.11"), addr("198.51.100.7"), addr("2001:db8::11"),
				 addr("2001:db8:ffff::1")};

	setup_peer();
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, list, 4), 0);
	cr_expect_eq(lb_netlink_next_hop_of(nl, &list[3]), LB_NEXT_HOP_NONE, "no route");
	for (int i = 0; i < 3; i++) {
		wait_until(is_resolved, &list[i], "resolved");
		expect_hop(&list[i], mac);
	}
	cr_expect_geq(told.n_paths, 1u);
	cr_expect_eq(namespace_try("ip neigh show dev eth1 | grep '^192.0.2.11 ' | "
				   "grep -q managed"),
		     0);
	cr_expect_eq(namespace_try("ip neigh show dev eth1 | grep '^192.0.2.1 ' | "
				   "grep -q managed"),
		     0, "the gateway too");
	/* Somebody else's word about the address comes through. */
	namespace_run("ip neigh change 192.0.2.11 lladdr 02:00:00:00:00:99 dev eth1 nud reachable");
	told.n_told[lb_netlink_next_hop_of(nl, &list[0])] = 0;
	while (memcmp(told.hops[lb_netlink_next_hop_of(nl, &list[0])].mac, other, 6) != 0)
		event_base_loop(base, EVLOOP_ONCE);
	lb_netlink_close(nl);
	nl = NULL;
	cr_expect_neq(namespace_try("ip neigh show dev eth1 | grep -q managed"), 0);
}

static bool is_managed_again(const void *arg)
{
	return namespace_try("ip neigh show dev eth1 | grep '^%s ' | grep managed | "
			     "grep -q lladdr",
			     (const char *)arg) == 0;
}

Test(netlink, a_flush_is_no_failure_and_the_neighbour_is_managed_again, .init = setup,
     .fini = teardown)
{
	struct lb_addr a = addr("192.0.2.11");
	uint32_t id, n;

	setup_peer();
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, &a, 1), 0);
	wait_until(is_resolved, &a, "resolved");
	id = lb_netlink_next_hop_of(nl, &a);
	n = told.n_told[id];
	namespace_run("ip neigh del 192.0.2.11 dev eth1");
	wait_until(is_managed_again, "192.0.2.11", "managed again");
	cr_expect_eq(told.n_told[id], n, "nothing to tell: the machine did not fail");
}

Test(netlink, a_neighbour_that_does_not_answer_is_told_and_can_be_asked_for, .init = setup,
     .fini = teardown)
{
	struct lb_addr a = addr("192.0.2.77");
	int here;

	setup_peer();
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, &a, 1), 0);
	cr_expect_eq(told.n_told[lb_netlink_next_hop_of(nl, &a)], 0u, "not before it is known");
	wait_until(is_told_unresolved, &a, "told that nobody answers");
	here = namespace_here();
	namespace_set(peer);
	namespace_run("ip addr add 192.0.2.77/24 dev peer1");
	namespace_set(here);
	close(here);
	lb_netlink_resolve(nl, lb_netlink_next_hop_of(nl, &a));
	wait_until(is_resolved, &a, "resolved on request");
}

Test(netlink, neighbours_of_others_are_followed_and_left_alone, .init = setup, .fini = teardown)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x55};
	struct lb_addr a = addr("192.0.2.55");

	namespace_run("ip neigh add 192.0.2.55 lladdr 02:00:00:00:00:55 dev eth1 nud permanent");
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, &a, 1), 0);
	wait_until(is_resolved, &a, "resolved");
	expect_hop(&a, mac);
	lb_netlink_resolve(nl, lb_netlink_next_hop_of(nl, &a));
	lb_netlink_close(nl);
	nl = NULL;
	cr_expect_eq(namespace_try("ip neigh show dev eth1 | grep '^192.0.2.55 ' | "
				   "grep -q PERMANENT"),
		     0);
}

static bool paths_told(const void *arg)
{
	return told.n_paths > *(const uint32_t *)arg;
}

Test(netlink, a_new_route_moves_destinations_to_another_next_hop, .init = setup, .fini = teardown)
{
	struct lb_addr far = addr("203.0.113.5");
	uint32_t before, n;

	setup_peer();
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, &far, 1), 0);
	wait_until(is_resolved, &far, "resolved by the default route");
	before = lb_netlink_next_hop_of(nl, &far);
	n = told.n_paths;
	namespace_run("ip route add 203.0.113.0/24 via 192.0.2.11");
	wait_until(has_route, "203.0.113.0/24", "the new route");
	wait_until(paths_told, &n, "told that paths changed");
	cr_expect_neq(lb_netlink_next_hop_of(nl, &far), before);
	cr_expect_eq(told_route("203.0.113.0/24")->next_hop, lb_netlink_next_hop_of(nl, &far));
	wait_until(is_resolved, &far, "resolved by the new route");
	namespace_run("ip route del 203.0.113.0/24");
	wait_until(has_no_route, "203.0.113.0/24", "the route gone");
	cr_expect_eq(lb_netlink_next_hop_of(nl, &far), before);
}

static bool has_mtu(const void *arg)
{
	return told.link.mtu == *(const uint16_t *)arg;
}

static bool is_down(const void *arg)
{
	(void)arg;
	return !told.link.is_up;
}

static bool is_up(const void *arg)
{
	(void)arg;
	return told.link.is_up && told.link.has_carrier;
}

static bool has_no_carrier(const void *arg)
{
	(void)arg;
	return told.link.is_up && !told.link.has_carrier;
}

static bool command_succeeds(const void *arg)
{
	return namespace_try("%s", (const char *)arg) == 0;
}

Test(netlink, link_changes_are_told_and_addresses_come_back_with_it, .init = setup,
     .fini = teardown)
{
	struct lb_wanted_addr wanted = {.addr = addr("2001:db8::10")};
	uint16_t mtu = 1400;
	int here;

	open_netlink();
	cr_assert_eq(lb_netlink_set_addresses(nl, &wanted, 1), 0u);
	namespace_run("ip link set eth1 mtu 1400");
	wait_until(has_mtu, &mtu, "the new MTU");
	namespace_run("ip link set eth1 address 02:00:00:00:00:33");
	while (told.link.mac[5] != 0x33)
		event_base_loop(base, EVLOOP_ONCE);
	here = namespace_here();
	namespace_set(peer);
	namespace_run("ip link set peer1 down");
	namespace_set(here);
	wait_until(has_no_carrier, NULL, "no carrier");
	namespace_set(peer);
	namespace_run("ip link set peer1 up");
	namespace_set(here);
	close(here);
	wait_until(is_up, NULL, "carrier again");
	namespace_run("ip link set eth1 down");
	wait_until(is_down, NULL, "down");
	wait_until(has_no_route, "192.0.2.0/24", "routes gone without a word from the kernel");
	namespace_run("ip link set eth1 up");
	wait_until(is_up, NULL, "up");
	wait_until(has_route, "192.0.2.0/24", "the connected route again");
	wait_until(command_succeeds, "ip -6 addr show dev eth1 | grep -q '2001:db8::10/128'",
		   "the VIP that went with the link");
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "netlink");
}
