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

struct event_base *base;
struct lb_netlink *nl;
struct told told;
struct lb_cfg_node node;
char state_dir[64];
int peer = -1;

struct lb_addr addr(const char *text)
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

const struct lb_netlink_params *params(void)
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

void open_netlink(void)
{
	struct lb_error err = {0};

	cr_assert_eq(lb_netlink_open(params(), &nl, &err), 0, "%s %s", err.where, err.what);
	lb_netlink_start(nl);
}

/* eth1 (192.0.2.2/24, 2001:db8::2/64, default route to 192.0.2.1) and its peer with .11 and .12. */
void setup(void)
{
	lb_log_set_level(NULL, LB_LOG_ERROR);
	namespace_enter();
	peer = namespace_peer("eth1", "peer1");
	namespace_run("ip addr add 192.0.2.2/24 dev eth1 && ip addr add 2001:db8::2/64 dev eth1 && "
		      "ip route add default via 192.0.2.1");
	snprintf(state_dir, sizeof(state_dir), "/tmp/bal-k-XXXXXX");
	cr_assert_not_null(mkdtemp(state_dir));
	node.n_interfaces = 1;
	snprintf(node.interfaces[0].name, sizeof(node.interfaces[0].name), "lan");
	snprintf(node.interfaces[0].device, sizeof(node.interfaces[0].device), "af_xdp:eth1");
	base = event_base_new();
}

void setup_peer(void)
{
	int here = namespace_here();

	namespace_set(peer);
	namespace_run("ip addr add 192.0.2.11/24 dev peer1 && ip addr add 192.0.2.1/24 dev peer1 "
		      "&& ip addr add 2001:db8::11/64 dev peer1 && "
		      "ip link set peer1 address 02:00:00:00:00:11");
	namespace_set(here);
	close(here);
}

void teardown(void)
{
	lb_netlink_close(nl);
	nl = NULL;
	event_base_free(base);
	(void)namespace_try("rm -rf %s", state_dir);
}

/* Runs the loop until the condition holds. */
void wait_until(bool (*holds)(const void *arg), const void *arg, const char *what)
{
	time_t end = time(NULL) + NETLINK_WAIT_S;
	const struct timeval tick = {.tv_usec = 10000};

	while (!holds(arg)) {
		cr_assert_lt(time(NULL), end, "waited in vain: %s", what);
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

bool is_resolved(const void *arg)
{
	uint32_t id = lb_netlink_next_hop_of(nl, arg);

	return id != LB_NEXT_HOP_NONE && told.hops[id].resolved;
}

bool is_told_unresolved(const void *arg)
{
	uint32_t id = lb_netlink_next_hop_of(nl, arg);

	return told.n_told[id] > 0 && !told.hops[id].resolved;
}

const struct lb_route *told_route(const char *text)
{
	struct lb_prefix want;

	cr_assert_eq(lb_prefix_parse(text, &want), 0);
	for (size_t i = 0; i < told.n_routes; i++)
		if (told.routes[i].prefix.len == want.len &&
		    lb_addr_equal(&told.routes[i].prefix.addr, &want.addr))
			return &told.routes[i];
	return NULL;
}

bool has_route(const void *arg)
{
	return told_route(arg) != NULL;
}

bool has_no_route(const void *arg)
{
	return told_route(arg) == NULL;
}

bool is_local(const void *arg)
{
	for (size_t i = 0; i < told.n_locals; i++)
		if (lb_addr_equal(&told.locals[i], arg))
			return true;
	return false;
}

void expect_hop(const struct lb_addr *destination, const uint8_t mac[6])
{
	uint32_t id = lb_netlink_next_hop_of(nl, destination);
	struct lb_next_hop now = lb_netlink_next_hop(nl, id);

	cr_expect_arr_eq(told.hops[id].mac, mac, 6);
	cr_expect_arr_eq(now.mac, mac, 6);
	cr_expect_eq(now.iface, 0);
	cr_expect_eq(now.resolved, 1);
}

struct lb_wanted_addr wanted_addr(const char *text, uint16_t first, uint16_t last)
{
	return (struct lb_wanted_addr){.addr = addr(text), .ports = {first, last}};
}
