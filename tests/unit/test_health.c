#include "health/health.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "random.h"

#define PROBES_MAX 600u

/* What has been heard of each probe so far. */
struct rig {
	struct event_base *base;
	struct lb_health *health;
	struct {
		uint32_t n;
		enum lb_health_state state;
		const char *reason;
	} heard[PROBES_MAX];
	uint32_t n_outstanding_max;
};

static void on_verdict(void *ctx, const struct lb_health_verdict *verdict)
{
	struct rig *g = ctx;
	struct lb_health_stats stats;

	cr_assert_lt(verdict->probe, PROBES_MAX);
	g->heard[verdict->probe].n++;
	g->heard[verdict->probe].state = verdict->state;
	g->heard[verdict->probe].reason = verdict->reason;
	lb_health_stats(g->health, &stats);
	if (stats.n_outstanding > g->n_outstanding_max)
		g->n_outstanding_max = stats.n_outstanding;
}

static void init_rig(struct rig *g)
{
	*g = (struct rig){.base = event_base_new()};
	cr_assert_eq(lb_health_create(g->base, test_seed("health"), on_verdict, g, &g->health), 0);
}

static void fini_rig(struct rig *g)
{
	lb_health_destroy(g->health);
	event_base_free(g->base);
}

static void want(struct rig *g, const struct lb_probe_spec *specs, uint32_t n)
{
	lb_health_begin(g->health);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(lb_health_want(g->health, &specs[i]), 0);
	lb_health_end(g->health);
}

static void wait_for(struct rig *g, uint32_t probe, enum lb_health_state state)
{
	while (g->heard[probe].n == 0 || g->heard[probe].state != state)
		event_base_loop(g->base, EVLOOP_ONCE);
}

static struct lb_addr loopback(bool is_v4)
{
	return is_v4 ? lb_addr_from_v4(RTE_BE32(0x7f000001))
		     : (struct lb_addr){{0, 0, 0, RTE_BE32(1)}};
}

/* A bound socket of loopback; *port 0 lets the kernel choose. */
static int bind_loopback(bool is_v4, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = rte_cpu_to_be_16(*port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = rte_cpu_to_be_16(*port)};
	struct sockaddr *sa = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	v4.sin_addr.s_addr = RTE_BE32(0x7f000001);
	v6.sin6_addr = in6addr_loopback;
	cr_assert_geq(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fd, sa, len), 0, "bind: %s", strerror(errno));
	cr_assert_eq(getsockname(fd, sa, &len), 0);
	*port = rte_be_to_cpu_16(is_v4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

static struct lb_probe_spec tcp_spec(uint32_t id, bool is_v4, uint16_t port)
{
	return (struct lb_probe_spec){.id = id,
				      .address = loopback(is_v4),
				      .type = LB_MONITOR_TCP,
				      .port = port,
				      .interval_ms = 20,
				      .timeout_ms = 2000,
				      .rise = 2,
				      .fall = 3,
				      .jitter_percent = 10};
}

/* Clients that fill the queue of a listener whose program never accepts: the kernel then leaves
 * further ones without an answer. */
static void fill_queue(bool is_v4, uint16_t port, int clients[8])
{
	for (int i = 0; i < 8; i++) {
		uint16_t own = 0;
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
					  .sin6_port = rte_cpu_to_be_16(port),
					  .sin6_addr = in6addr_loopback};
		struct sockaddr_in v4 = {.sin_family = AF_INET,
					 .sin_port = rte_cpu_to_be_16(port),
					 .sin_addr.s_addr = RTE_BE32(0x7f000001)};

		clients[i] = bind_loopback(is_v4, &own);
		(void)connect(clients[i], is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
			      is_v4 ? sizeof(v4) : sizeof(v6));
	}
}

Test(health, tells_what_a_port_says)
{
	static const struct {
		const char *name;
		bool is_v4;
		bool listens;
		bool is_full;
		enum lb_health_state state;
		const char *reason;
	} cases[] = {
		{"IPv4 listens", true, true, false, LB_HEALTH_UP, ""},
		{"IPv4 refuses", true, false, false, LB_HEALTH_DOWN, "connection refused"},
		{"IPv4 never answers", true, true, true, LB_HEALTH_DOWN, "no answer in time"},
		{"IPv6 listens", false, true, false, LB_HEALTH_UP, ""},
		{"IPv6 refuses", false, false, false, LB_HEALTH_DOWN, "connection refused"},
		{"IPv6 never answers", false, true, true, LB_HEALTH_DOWN, "no answer in time"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int clients[8] = {-1, -1, -1, -1, -1, -1, -1, -1}, server;
		struct lb_probe_spec spec;
		static struct rig g;
		uint16_t port = 0;

		init_rig(&g);
		server = bind_loopback(cases[i].is_v4, &port);
		if (cases[i].listens)
			cr_assert_eq(listen(server, cases[i].is_full ? 0 : 100), 0);
		if (cases[i].is_full)
			fill_queue(cases[i].is_v4, port, clients);
		spec = tcp_spec(7, cases[i].is_v4, port);
		if (cases[i].is_full)
			spec.timeout_ms = 50;
		want(&g, &spec, 1);
		wait_for(&g, 7, cases[i].state);
		cr_expect_str_eq(g.heard[7].reason, cases[i].reason, "case %s", cases[i].name);
		cr_expect_eq(g.heard[7].n, 1, "case %s", cases[i].name);
		fini_rig(&g);
		close(server);
		for (int c = 0; c < 8; c++)
			if (clients[c] >= 0)
				close(clients[c]);
	}
}

Test(health, follows_a_server_that_goes_and_comes_back)
{
	struct lb_probe_spec spec;
	static struct rig g;
	uint16_t port = 0;
	int server = bind_loopback(true, &port);

	init_rig(&g);
	cr_assert_eq(listen(server, 100), 0);
	spec = tcp_spec(1, true, port);
	want(&g, &spec, 1);
	wait_for(&g, 1, LB_HEALTH_UP);
	close(server);
	wait_for(&g, 1, LB_HEALTH_DOWN);
	server = bind_loopback(true, &port);
	cr_assert_eq(listen(server, 100), 0);
	wait_for(&g, 1, LB_HEALTH_UP);
	cr_assert_eq(g.heard[1].n, 3);
	fini_rig(&g);
	close(server);
}

Test(health, does_not_wake_the_program_that_it_probes)
{
	struct lb_health_stats stats = {0};
	struct lb_probe_spec spec;
	static struct rig g;
	uint16_t port = 0;
	int server = bind_loopback(true, &port);

	init_rig(&g);
	cr_assert_eq(listen(server, 100), 0);
	spec = tcp_spec(0, true, port);
	want(&g, &spec, 1);
	while (stats.n_up < 5) {
		event_base_loop(g.base, EVLOOP_ONCE);
		lb_health_stats(g.health, &stats);
	}
	cr_assert_eq(stats.n_down, 0);
	cr_assert_eq(accept(server, NULL, NULL), -1);
	cr_assert_eq(errno, EAGAIN);
	fini_rig(&g);
	close(server);
}

Test(health, keeps_unchanged_probes_and_ends_those_not_wanted)
{
	struct lb_probe_spec specs[3];
	struct lb_health_stats stats;
	static struct rig g;
	uint16_t port = 0;
	int server = bind_loopback(true, &port);

	init_rig(&g);
	cr_assert_eq(listen(server, 100), 0);
	for (uint32_t i = 0; i < 3; i++)
		specs[i] = tcp_spec(i, true, port);
	want(&g, specs, 2);
	wait_for(&g, 0, LB_HEALTH_UP);
	wait_for(&g, 1, LB_HEALTH_UP);
	/* 0 goes on, 1 asks for something else now, 2 is new and known to be up already. */
	specs[1].interval_ms++;
	specs[2].initial = LB_HEALTH_UP;
	want(&g, specs, 3);
	wait_for(&g, 1, LB_HEALTH_UP);
	while (g.heard[1].n < 2)
		event_base_loop(g.base, EVLOOP_ONCE);
	cr_assert_eq(g.heard[0].n, 1, "an unchanged probe began anew");
	close(server);
	for (uint32_t i = 0; i < 3; i++)
		wait_for(&g, i, LB_HEALTH_DOWN);
	cr_assert_eq(g.heard[2].n, 1, "a known verdict was found anew");
	want(&g, specs, 1);
	lb_health_stats(g.health, &stats);
	cr_assert_eq(stats.n_probes, 1);
	server = bind_loopback(true, &port);
	cr_assert_eq(listen(server, 100), 0);
	wait_for(&g, 0, LB_HEALTH_UP);
	cr_assert_eq(g.heard[1].state, LB_HEALTH_DOWN, "a probe outlived its end");
	want(&g, NULL, 0);
	cr_assert_eq(event_base_loop(g.base, EVLOOP_NONBLOCK), 0);
	lb_health_stats(g.health, &stats);
	cr_assert_eq(stats.n_probes | stats.n_outstanding, 0);
	fini_rig(&g);
	close(server);
}

Test(health, bounds_the_probes_under_way_and_makes_them_all)
{
	const struct rlimit few = {64, 64};
	static struct lb_probe_spec specs[500];
	int clients[8], server;
	struct lb_health_stats stats;
	static struct rig g;
	uint16_t port = 0;

	server = bind_loopback(true, &port);
	cr_assert_eq(listen(server, 0), 0);
	fill_queue(true, port, clients);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	init_rig(&g);
	for (uint32_t i = 0; i < 500; i++) {
		specs[i] = tcp_spec(i, true, port);
		specs[i].timeout_ms = 10;
	}
	want(&g, specs, 500);
	for (uint32_t i = 0; i < 500; i++)
		wait_for(&g, i, LB_HEALTH_DOWN);
	lb_health_stats(g.health, &stats);
	cr_assert_eq(stats.n_probes, 500);
	cr_assert_leq(g.n_outstanding_max, 33);
	cr_assert_gt(stats.n_delayed, 0);
	cr_assert_eq(stats.n_unable, 0);
	fini_rig(&g);
}

/* ---- ICMP, in a network of the test's own ---- */

static void set_loopback_up(bool is_up)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_geq(fd, 0);
	ifr.ifr_flags = is_up ? IFF_UP : 0;
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static void ignore_echo(bool is_v4, bool is_on)
{
	const char *path = is_v4 ? "/proc/sys/net/ipv4/icmp_echo_ignore_all"
				 : "/proc/sys/net/ipv6/icmp/echo_ignore_all";
	int fd = open(path, O_WRONLY);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(write(fd, is_on ? "1" : "0", 1), 1);
	close(fd);
}

static struct lb_probe_spec icmp_spec(uint32_t id, bool is_v4)
{
	struct lb_probe_spec spec = tcp_spec(id, is_v4, 0);

	spec.type = LB_MONITOR_ICMP;
	return spec;
}

static void enter_own_network(void)
{
	if (geteuid() != 0)
		cr_skip("needs root for a network namespace");
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	set_loopback_up(true);
}

static void drop_raw_sockets(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct caps[2];

	cr_assert_eq(syscall(SYS_capget, &head, caps), 0);
	caps[0].effective &= ~(1u << CAP_NET_RAW);
	cr_assert_eq(syscall(SYS_capset, &head, caps), 0);
}

Test(health, follows_a_host_that_stops_answering_echo_requests)
{
	enter_own_network();
	for (int is_v4 = 0; is_v4 < 2; is_v4++) {
		struct lb_probe_spec specs[2] = {icmp_spec(3, is_v4), icmp_spec(4, is_v4)};
		static struct rig g;

		specs[0].timeout_ms = 100;
		init_rig(&g);
		want(&g, specs, 2);
		wait_for(&g, 3, LB_HEALTH_UP);
		wait_for(&g, 4, LB_HEALTH_UP);
		ignore_echo(is_v4, true);
		wait_for(&g, 3, LB_HEALTH_DOWN);
		cr_expect_str_eq(g.heard[3].reason, "no answer in time");
		ignore_echo(is_v4, false);
		wait_for(&g, 3, LB_HEALTH_UP);
		set_loopback_up(false);
		wait_for(&g, 3, LB_HEALTH_DOWN);
		set_loopback_up(true);
		fini_rig(&g);
	}
}

Test(health, says_that_it_may_not_probe_rather_than_calling_a_server_up)
{
	struct lb_probe_spec spec = icmp_spec(5, true);
	static struct rig g;

	enter_own_network();
	drop_raw_sockets();
	init_rig(&g);
	want(&g, &spec, 1);
	wait_for(&g, 5, LB_HEALTH_CHECKING);
	cr_assert_neq(strstr(g.heard[5].reason, "CAP_NET_RAW"), NULL);
	cr_assert_neq(lb_health_error(g.health, 5), NULL);
	fini_rig(&g);
}

static bool way_of(void *ctx, const struct lb_probe_spec *spec, struct lb_vip_way *way,
		   struct lb_no_way *none)
{
	(void)spec;
	(void)way;
	*none = (struct lb_no_way){*(enum lb_probe_outcome *)ctx, "there is no way"};
	return false;
}

Test(health, a_vip_without_a_way_is_the_fault_of_whom_the_way_names)
{
	enum lb_probe_outcome outcome = LB_PROBE_UNABLE;
	struct lb_probe_spec spec = tcp_spec(3, true, 80);
	struct lb_health_stats stats;
	static struct rig g;

	spec.is_of_vip = true;
	spec.vip = loopback(true);
	init_rig(&g);
	want(&g, &spec, 1);
	while (g.heard[3].n == 0)
		event_base_loop(g.base, EVLOOP_ONCE);
	cr_expect_eq(g.heard[3].state, LB_HEALTH_CHECKING);
	cr_expect_str_eq(lb_health_error(g.health, 3), "cannot probe: there is no way to VIPs");
	lb_health_set_vip_way(g.health, way_of, &outcome);
	while (strcmp(lb_health_error(g.health, 3), "there is no way") != 0)
		event_base_loop(g.base, EVLOOP_ONCE);
	cr_expect_eq(g.heard[3].state, LB_HEALTH_CHECKING);
	outcome = LB_PROBE_DOWN;
	wait_for(&g, 3, LB_HEALTH_DOWN);
	cr_expect_str_eq(g.heard[3].reason, "there is no way");
	lb_health_stats(g.health, &stats);
	cr_expect_eq(stats.n_outstanding, 0);
	fini_rig(&g);
}
