/* Addresses, rights and bounds of the netlink mirror. */
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

Test(netlink_bounds, addresses_are_added_and_taken_away_and_others_stay, .init = setup,
     .fini = teardown)
{
	struct lb_addr vip = addr("192.0.2.10");
	struct lb_wanted_addr wanted[] = {
		wanted_addr("192.0.2.10", 0, 0),  wanted_addr("2001:db8::10", 0, 0),
		wanted_addr("192.0.2.2", 0, 0),   wanted_addr("192.0.2.10", 0, 0),
		wanted_addr("2001:db8::2", 0, 0),
	};

	open_netlink();
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted, 5), 0u);
	namespace_run("ip addr show dev eth1 | grep -q 'inet 192.0.2.10/32'");
	namespace_run("ip addr show dev eth1 | grep 'inet6 2001:db8::10/128' | "
		      "grep nodad | grep -q deprecated");
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '192.0.2.2/32'"), 0);
	wait_until(is_local, &vip, "the VIP is told as local");
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted + 1, 2), 0u);
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '192.0.2.10'"), 0);
	namespace_run("ip addr show dev eth1 | grep -q '2001:db8::10/128'");
	lb_netlink_close(nl);
	nl = NULL;
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '2001:db8::10'"), 0);
	namespace_run("ip addr show dev eth1 | grep -q '192.0.2.2/24'");
	namespace_run("ip addr show dev eth1 | grep -q '2001:db8::2/64'");
}

/* A run of Ballast that ends by SIGKILL, with everything in the kernel. */
static void killed_run(const struct lb_wanted_addr *wanted, size_t n,
		       const struct lb_addr *destination)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		event_reinit(base);
		if (lb_netlink_open(params(), &nl, NULL) != 0)
			_exit(1);
		lb_netlink_start(nl);
		if (lb_netlink_set_addresses(nl, wanted, n) != 0)
			_exit(2);
		if (lb_netlink_set_destinations(nl, destination, 1) != 0)
			_exit(3);
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
}

Test(netlink_bounds, what_a_killed_run_left_is_taken_away_or_taken_over, .init = setup,
     .fini = teardown)
{
	struct lb_wanted_addr first[] = {
		wanted_addr("192.0.2.10", 0, 0), wanted_addr("2001:db8::10", 0, 0),
		wanted_addr("192.0.2.20", 0, 0), wanted_addr("192.0.2.2", 20000, 49999)};
	struct lb_addr real = addr("192.0.2.11");

	namespace_run("echo 25000,60000 > /proc/sys/net/ipv4/ip_local_reserved_ports");
	killed_run(first, 4, &real);
	namespace_run("ip addr show dev eth1 | grep -q '192.0.2.10/32'");
	namespace_run("ip neigh show dev eth1 | grep '^192.0.2.11 ' | grep -q managed");
	namespace_run("grep -qx '20000-49999,60000' /proc/sys/net/ipv4/ip_local_reserved_ports");
	namespace_run("ip addr add 192.0.2.30/32 dev eth1");
	open_netlink();
	cr_expect_neq(namespace_try("ip neigh show dev eth1 | grep '^192.0.2.11 ' | "
				    "grep -q managed"),
		      0);
	namespace_run("grep -qx '25000,60000' /proc/sys/net/ipv4/ip_local_reserved_ports");
	cr_assert_eq(lb_netlink_set_addresses(nl, first + 2, 1), 0u);
	namespace_run("ip addr show dev eth1 | grep -q '192.0.2.20/32'");
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '192.0.2.10'"), 0);
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '2001:db8::10'"), 0);
	lb_netlink_close(nl);
	nl = NULL;
	cr_expect_neq(namespace_try("ip addr show dev eth1 | grep -q '192.0.2.20'"), 0);
	namespace_run("ip addr show dev eth1 | grep -q '192.0.2.30/32'");
	namespace_run("ip addr show dev eth1 | grep -q '192.0.2.2/24'");
}

Test(netlink_bounds, ports_are_reserved_only_where_the_kernel_uses_the_address, .init = setup,
     .fini = teardown)
{
	struct lb_wanted_addr own = wanted_addr("192.0.2.20", 20000, 20999);
	struct lb_wanted_addr both[] = {own, wanted_addr("192.0.2.2", 30000, 30999)};

	namespace_run("echo 30500 > /proc/sys/net/ipv4/ip_local_reserved_ports");
	open_netlink();
	cr_assert_eq(lb_netlink_set_addresses(nl, &own, 1), 0u);
	namespace_run("grep -qx 30500 /proc/sys/net/ipv4/ip_local_reserved_ports");
	cr_assert_eq(lb_netlink_set_addresses(nl, both, 2), 0u);
	namespace_run("grep -qx 30000-30999 /proc/sys/net/ipv4/ip_local_reserved_ports");
	lb_netlink_close(nl);
	nl = NULL;
	namespace_run("grep -qx 30500 /proc/sys/net/ipv4/ip_local_reserved_ports");
	cr_expect_neq(namespace_try("test -e %s/reserved_ports", state_dir), 0);
}

static bool part(const char *name, struct lb_netlink_part *out)
{
	for (uint32_t i = 0; lb_netlink_report(nl, i, out); i++)
		if (strcmp(out->name, name) == 0)
			return true;
	return false;
}

Test(netlink_bounds, addresses_that_the_system_has_not_set_are_named, .init = setup,
     .fini = teardown)
{
	struct lb_cfg_interface *lan = &node.interfaces[0];
	struct lb_netlink_part p;

	cr_assert_eq(lb_prefix_parse("192.0.2.2/24", &lan->addresses[0]), 0);
	cr_assert_eq(lb_prefix_parse("2001:db8::2/64", &lan->addresses[1]), 0);
	lan->n_addresses = 2;
	open_netlink();
	cr_assert(part("node_addresses", &p));
	cr_expect(p.is_on, "%s", p.text);
	lb_netlink_close(nl);
	/* On another netdev it is the host's, but not this interface's. */
	cr_assert_eq(lb_prefix_parse("127.0.0.1/8", &lan->addresses[0]), 0);
	cr_assert_eq(lb_prefix_parse("192.0.2.77/24", &lan->addresses[1]), 0);
	open_netlink();
	cr_assert(part("node_addresses", &p));
	cr_expect(!p.is_on);
	cr_expect_not_null(strstr(p.text, "127.0.0.1 is not on eth1, and 1 more"), "%s", p.text);
}

Test(netlink_bounds, without_rights_the_mirror_works_and_the_report_says_what_is_off, .init = setup,
     .fini = teardown)
{
	struct lb_wanted_addr wanted = wanted_addr("192.0.2.10", 0, 0);
	struct lb_addr a = addr("192.0.2.11"), own = addr("192.0.2.2");
	struct lb_netlink_part p;

	setup_peer();
	namespace_run("ping -c 1 -W 5 192.0.2.11 > /dev/null");
	cr_assert_eq(seteuid(65534), 0);
	open_netlink();
	cr_expect_eq(lb_netlink_set_addresses(nl, &wanted, 1), 1u);
	cr_assert_eq(lb_netlink_set_destinations(nl, &a, 1), 0);
	wait_until(is_resolved, &a, "resolved: the kernel knew it already");
	cr_expect(is_local(&own));
	cr_assert(part("addresses", &p));
	cr_expect(!p.is_on && strncmp(p.text, "off because", 11) == 0, "%s", p.text);
	cr_assert(part("neighbours", &p));
	cr_expect(!p.is_on && strncmp(p.text, "off because", 11) == 0, "%s", p.text);
	cr_assert(part("routes", &p));
	cr_expect(p.is_on, "%s", p.text);
	cr_assert_eq(seteuid(0), 0);
}

static bool all_routes_told(const void *arg)
{
	return told.n_routes >= *(const size_t *)arg;
}

static void add_many_routes(uint32_t n)
{
	char path[96];
	FILE *batch;

	snprintf(path, sizeof(path), "%s/batch", state_dir);
	batch = fopen(path, "w");
	cr_assert_not_null(batch);
	for (uint32_t i = 0; i < n; i++)
		fprintf(batch, "route add 10.%u.%u.0/24 via 192.0.2.1\n", i >> 8, i & 255);
	fclose(batch);
	namespace_run("ip -batch %s", path);
}

Test(netlink_bounds, lost_notifications_and_too_many_routes_end_in_a_full_mirror, .init = setup,
     .fini = teardown)
{
	size_t max = LB_ROUTES_MAX;
	struct lb_netlink_part p;

	open_netlink();
	/* More than the socket holds, while nobody reads. */
	add_many_routes(20000);
	namespace_run("ip link set eth1 mtu 1300");
	wait_until(all_routes_told, &max, "all routes that find room");
	cr_expect_eq(told.n_routes, LB_ROUTES_MAX);
	cr_expect(has_route("0.0.0.0/0"));
	cr_expect_eq(told.link.mtu, 1300);
	cr_assert(part("routes", &p));
	cr_expect(strstr(p.text, "found no room") != NULL, "%s", p.text);
}

Test(netlink_bounds, an_interface_without_a_netdev_lives_by_the_configuration, .init = setup,
     .fini = teardown)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x42};
	struct lb_addr list[] = {addr("10.9.0.7"), addr("198.51.100.7")};
	struct lb_cfg_neighbor neighbors[] = {{.address = addr("10.9.0.7"), .interface = 0},
					      {.address = addr("10.9.0.1"), .interface = 0}};

	memcpy(neighbors[0].mac, mac, 6);
	memcpy(neighbors[1].mac, mac, 6);
	snprintf(node.interfaces[0].device, sizeof(node.interfaces[0].device),
		 "vdev:net_pcap0,rx_pcap=in.pcap");
	cr_assert_eq(lb_prefix_parse("10.9.0.2/24", &node.interfaces[0].addresses[0]), 0);
	node.interfaces[0].n_addresses = 1;
	node.interfaces[0].gateway = addr("10.9.0.1");
	node.neighbors = neighbors;
	node.n_neighbors = 2;
	open_netlink();
	cr_assert_eq(lb_netlink_set_destinations(nl, list, 2), 0);
	for (int i = 0; i < 2; i++) {
		wait_until(is_resolved, &list[i], "resolved by the configuration");
		expect_hop(&list[i], mac);
	}
	cr_expect_neq(lb_netlink_next_hop_of(nl, &list[0]), lb_netlink_next_hop_of(nl, &list[1]));
	cr_expect(has_route("10.9.0.0/24") && has_route("0.0.0.0/0"));
}

Test(netlink_bounds, a_netdev_that_is_missing_or_down_is_refused_by_name, .init = setup,
     .fini = teardown)
{
	struct lb_error err = {0};

	namespace_run("ip link set eth1 down");
	cr_expect_eq(lb_netlink_open(params(), &nl, &err), -ENETDOWN);
	cr_expect_str_eq(err.where, "/node/interfaces/0/device");
	cr_expect(strstr(err.what, "eth1") != NULL, "%s", err.what);
	snprintf(node.interfaces[0].device, sizeof(node.interfaces[0].device), "af_xdp:eth7");
	cr_expect_eq(lb_netlink_open(params(), &nl, &err), -ENODEV);
	cr_expect(strstr(err.what, "eth7") != NULL, "%s", err.what);
	cr_expect_null(nl);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "netlink_bounds");
}
