#include "health/vip_probe.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lb/service.h"
#include "namespace.h"

/* The kernel itself answers here: what is sent to lo's own link-layer address arrives there. The
 * VIP is one of its addresses, as at a server. */
struct rig {
	struct event_base *base;
	struct lb_vip_probes *vips;
	uint16_t number; /* under way */
	uint32_t n;
	uint32_t probe;
	enum lb_probe_outcome outcome;
	const char *reason;
};

static void on_answer(void *ctx, uint32_t probe, enum lb_probe_outcome outcome, const char *reason)
{
	struct rig *g = ctx;

	g->n++;
	g->probe = probe;
	g->outcome = outcome;
	g->reason = reason;
	lb_vip_probe_end(g->vips, g->number);
}

static void init_rig(struct rig *g)
{
	*g = (struct rig){.base = event_base_new()};
	namespace_enter();
	/* What another machine sends from its own address comes from one of ours here. */
	namespace_run("sysctl -qw net.ipv4.conf.all.route_localnet=1 "
		      "net.ipv4.conf.all.accept_local=1");
	cr_assert_eq(lb_vip_probes_create(g->base, 1, on_answer, g, &g->vips), 0);
}

static void fini_rig(struct rig *g)
{
	lb_vip_probes_destroy(g->vips);
	event_base_free(g->base);
}

static struct lb_vip_question ask(bool is_v4, uint16_t port)
{
	const struct lb_addr six = {{0, 0, 0, RTE_BE32(1)}};
	struct lb_addr vip = is_v4 ? lb_addr_from_v4(RTE_BE32(0x7f00004d)) : six;

	return (struct lb_vip_question){
		.way = {.packet = {.vip = vip,
				   .source = is_v4 ? lb_addr_from_v4(RTE_BE32(0x7f000001)) : six,
				   .server = vip,
				   .forwarding = LB_FORWARD_DSR},
			.ifindex = if_nametoindex("lo")},
		.probe = 42,
		.port = port};
}

/* Listens at every address; *port is chosen by the kernel. */
static int listen_anywhere(bool is_v4, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr *sa = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(bind(fd, sa, len), 0, "%s", strerror(errno));
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, sa, &len), 0);
	*port = rte_be_to_cpu_16(is_v4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

static void probe(struct rig *g, struct lb_vip_question q)
{
	uint32_t n = g->n;

	cr_assert_eq(lb_vip_probe_start(g->vips, &q, &g->number, &g->reason), LB_PROBE_PENDING,
		     "%s", g->reason);
	while (g->n == n)
		event_base_loop(g->base, EVLOOP_ONCE);
	cr_assert_eq(g->probe, 42);
}

Test(vip_answer, tells_what_the_vip_says)
{
	struct rig g;

	init_rig(&g);
	for (int v = 0; v < 2; v++) {
		bool is_v4 = v == 0;
		uint16_t port;
		int server = listen_anywhere(is_v4, &port);

		probe(&g, ask(is_v4, port));
		cr_expect_eq(g.outcome, LB_PROBE_UP);
		/* The reset came in place of the last acknowledgement: nothing to accept. */
		probe(&g, ask(is_v4, port));
		cr_expect_lt(accept(server, NULL, NULL), 0, "the program was woken");
		close(server);
		probe(&g, ask(is_v4, port));
		cr_expect_eq(g.outcome, LB_PROBE_DOWN);
		cr_expect_str_eq(g.reason, "connection refused");
		probe(&g, ask(is_v4, 0));
		cr_expect_eq(g.outcome, LB_PROBE_UP, "echo");
	}
	fini_rig(&g);
}

Test(vip_answer, an_interface_that_has_gone_is_down)
{
	struct lb_vip_question q = ask(true, 80);
	uint16_t number = 7;
	const char *reason;
	struct rig g;

	init_rig(&g);
	q.way.ifindex = 0x7fffffff;
	cr_expect_eq(lb_vip_probe_start(g.vips, &q, &number, &reason), LB_PROBE_DOWN);
	cr_expect_str_eq(reason, "network is down");
	cr_expect_eq(number, 0);
	fini_rig(&g);
}

Test(vip_answer, without_the_right_it_says_so)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	struct lb_vip_question q = ask(true, 80);
	const char *reason;
	uint16_t number;
	struct rig g;

	g = (struct rig){.base = event_base_new()};
	cr_assert_eq(syscall(SYS_capset, &head, none), 0);
	cr_assert_eq(lb_vip_probes_create(g.base, 1, on_answer, &g, &g.vips), 0);
	cr_expect_eq(lb_vip_probe_start(g.vips, &q, &number, &reason), LB_PROBE_UNABLE);
	cr_expect_str_eq(reason, "cannot probe: packets to a VIP need CAP_NET_RAW");
	fini_rig(&g);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "vip_answer");
}
