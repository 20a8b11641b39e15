/* The mirror of the kernel's network, and what Ballast puts into it, against a real kernel. */
#include "netlink.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "namespace.h"

#define WAIT_S 20

/* What the callbacks said last. */
struct told {
	struct lb_link link;
	uint32_t n_links;
	struct lb_next_hop hops[LB_NEXT_HOP_LEARNED];
	uint32_t n_told[LB_NEXT_HOP_LEARNED]; /* per id */
	struct lb_route *routes;
	size_t n_routes;
	struct lb_addr *locals;
	size_t n_locals;
	uint32_t n_paths;
	uint32_t n_settled;
};

static struct event_base *base;
static struct lb_netlink *nl;
static struct told told;
static struct lb_cfg_node node;
static char state_dir[64];
static int peer = -1;

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text, &a), 0, "%s", text);
	return a;
}

static void on_link(void *ctx, uint32_t iface, const struct lb_link *link)
{
	(void)ctx;
	cr_assert_eq(iface, 0u);
	told.link = *link;
	told.n_links++;
}

static void on_next_hop(void *ctx, uint32_t id, const struct lb_next_hop *next_hop)
{
	(void)ctx;
	cr_assert(id > 0 && id < LB_NEXT_HOP_LEARNED);
	told.hops[id] = *next_hop;
	told.n_told[id]++;
}

static void on_routes(void *ctx, const struct lb_route *routes, size_t n)
{
	(void)ctx;
	free(told.routes);
	told.routes = calloc(n + 1, sizeof(*routes));
	memcpy(told.routes, routes, n * sizeof(*routes));
	told.n_routes = n;
}

static void on_paths(void *ctx)
{
	(void)ctx;
	told.n_paths++;
}

static void on_locals(void *ctx, const struct lb_addr *addrs, size_t n)
{
	(void)ctx;
	free(told.locals);
	told.locals = calloc(n + 1, sizeof(*addrs));
	memcpy(told.locals, addrs, n * sizeof(*addrs));
	told.n_locals = n;
}

static void on_settled(void *ctx)
{
	(void)ctx;
	told.n_settled++;
}

static const struct lb_netlink_params *params(void)
{
	static struct lb_netlink_params p;

	p = (struct lb_netlink_params){
		.base = base,
		.node = &node,
		.events = {NULL, on_link, on_next_hop, on_routes, on_paths, on_locals, on_settled},
		.state_dir = state_dir,
	};
	return &p;
}

static void open_netlink(void)
{
	struct lb_error err = {0};

	cr_assert_eq(lb_netlink_open(params(), &nl, &err), 0, "%s %s", err.where, err.what);
	lb_netlink_start(nl);
}

/* eth1 (192.0.2.2/24, 2001:db8::2/64, default route to 192.0.2.1) and its peer with .11 and .12. */
static void setup(void)
{
	lb_log_set_level(NULL, LB_LOG_ERROR);
	namespace_enter();
	peer = namespace_peer("eth1", "peer1");
	namespace_run("ip addr add 192.0.2.2/24 dev eth1 && ip addr add 2001:db8::2/64 dev eth1 && "
		      "ip route add default via 192.0.2.1");
	strcpy(state_dir, "/tmp/bal-k-XXXXXX");
	cr_assert_not_null(mkdtemp(state_dir));
	node.n_interfaces = 1;
	snprintf(node.interfaces[0].name, sizeof(node.interfaces[0].name), "lan");
	snprintf(node.interfaces[0].device, sizeof(node.interfaces[0].device), "af_xdp:eth1");
	base = event_base_new();
}

static void setup_peer(void)
{
	int here = namespace_here();

	namespace_set(peer);
	namespace_run("ip addr add 192.0.2.11/24 dev peer1 && ip addr add 192.0.2.1/24 dev peer1 "
		      "&& ip addr add 2001:db8::11/64 dev peer1 && "
		      "ip link set peer1 address 02:00:00:00:00:11");
	namespace_set(here);
	close(here);
}

static void teardown(void)
{
	lb_netlink_close(nl);
	nl = NULL;
	event_base_free(base);
	(void)namespace_try("rm -rf %s", state_dir);
}

/* Runs the loop until the condition holds. */
static void wait_until(bool (*holds)(const void *arg), const void *arg, const char *what)
{
	time_t end = time(NULL) + WAIT_S;
	const struct timeval tick = {.tv_usec = 10000};

	while (!holds(arg)) {
		cr_assert_lt(time(NULL), end, "waited in vain: %s", what);
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static bool is_resolved(const void *arg)
{
	uint32_t id = lb_netlink_next_hop_of(nl, arg);

	return id != LB_NEXT_HOP_NONE && told.hops[id].resolved;
}

static bool is_told_unresolved(const void *arg)
{
	uint32_t id = lb_netlink_next_hop_of(nl, arg);

	return told.n_told[id] > 0 && !told.hops[id].resolved;
}

static const struct lb_route *told_route(const char *text)
{
	struct lb_prefix want;

	cr_assert_eq(lb_prefix_parse(text, &want), 0);
	for (size_t i = 0; i < told.n_routes; i++)
		if (told.routes[i].prefix.len == want.len &&
		    lb_addr_equal(&told.routes[i].prefix.addr, &want.addr))
			return &told.routes[i];
	return NULL;
}

static bool has_route(const void *arg)
{
	return told_route(arg) != NULL;
}

static bool has_no_route(const void *arg)
{
	return told_route(arg) == NULL;
}

static bool is_local(const void *arg)
{
	for (size_t i = 0; i < told.n_locals; i++)
		if (lb_addr_equal(&told.locals[i], arg))
			return true;
	return false;
}

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

static void expect_hop(const struct lb_addr *destination, const uint8_t mac[6])
{
	uint32_t id = lb_netlink_next_hop_of(nl, destination);
	struct lb_next_hop now = lb_netlink_next_hop(nl, id);

	cr_expect_arr_eq(told.hops[id].mac, mac, 6);
	cr_expect_arr_eq(now.mac, mac, 6);
	cr_expect_eq(now.iface, 0);
	cr_expect_eq(now.resolved, 1);
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

static struct lb_wanted_addr wanted_addr(const char *text, uint16_t first, uint16_t last)
{
	return (struct lb_wanted_addr){.addr = addr(text), .ports = {first, last}};
}

Test(netlink, addresses_are_added_and_taken_away_and_others_stay, .init = setup, .fini = teardown)
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

Test(netlink, what_a_killed_run_left_is_taken_away_or_taken_over, .init = setup, .fini = teardown)
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

Test(netlink, ports_are_reserved_only_where_the_kernel_uses_the_address, .init = setup,
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

Test(netlink, without_rights_the_mirror_works_and_the_report_says_what_is_off, .init = setup,
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

Test(netlink, lost_notifications_and_too_many_routes_end_in_a_full_mirror, .init = setup,
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

Test(netlink, an_interface_without_a_netdev_lives_by_the_configuration, .init = setup,
     .fini = teardown)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x42};
	struct lb_addr list[] = {addr("10.9.0.7"), addr("198.51.100.7")};
	struct lb_cfg_neighbor neighbors[] = {{.address = addr("10.9.0.7"), .interface = 0},
					      {.address = addr("10.9.0.1"), .interface = 0}};

	memcpy(neighbors[0].mac, mac, 6);
	memcpy(neighbors[1].mac, mac, 6);
	strcpy(node.interfaces[0].device, "vdev:net_pcap0,rx_pcap=in.pcap");
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

Test(netlink, a_netdev_that_is_missing_or_down_is_refused_by_name, .init = setup, .fini = teardown)
{
	struct lb_error err = {0};

	namespace_run("ip link set eth1 down");
	cr_expect_eq(lb_netlink_open(params(), &nl, &err), -ENETDOWN);
	cr_expect_str_eq(err.where, "/node/interfaces/0/device");
	cr_expect(strstr(err.what, "eth1") != NULL, "%s", err.what);
	strcpy(node.interfaces[0].device, "af_xdp:eth7");
	cr_expect_eq(lb_netlink_open(params(), &nl, &err), -ENODEV);
	cr_expect(strstr(err.what, "eth7") != NULL, "%s", err.what);
	cr_expect_null(nl);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "netlink");
}
