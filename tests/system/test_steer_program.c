/* The XDP program by itself: frames in, actions out, by the kernel's test run. */
#include "steering.h"

#include <criterion/criterion.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"
#include "lb/vlan.h"
#include "namespace.h"
#include "xsk.h"

static struct lb_steering *st;
static int program_fd = -1;

static struct lb_steer_rule rule(uint8_t kind, const char *addr, uint8_t proto, uint16_t first,
				 uint16_t last)
{
	struct lb_steer_rule r = {.kind = kind, .protocol = proto, .ports = {first, last}};

	cr_assert_eq(lb_addr_parse(addr, &r.addr), 0);
	return r;
}

static void add_rules(void)
{
	struct lb_steer_rule rules[] = {
		rule(LB_STEER_SERVICE, "192.0.2.10", IPPROTO_TCP, 135, 135),
		rule(LB_STEER_SERVICE, "192.0.2.12", IPPROTO_TCP, 6005, 59530),
		rule(LB_STEER_SERVICE, "192.0.2.13", IPPROTO_UDP, 0, 65535),
		rule(LB_STEER_SERVICE, "2001:db8::10", IPPROTO_TCP, 443, 443),
		rule(LB_STEER_SERVICE, "2001:db8::10", IPPROTO_UDP, 5000, 5003),
		rule(LB_STEER_NAT_SOURCE, "192.0.2.20", 0, 20000, 49999),
		rule(LB_STEER_NAT_SOURCE, "2001:db8::20", 0, 20000, 49999),
		rule(LB_STEER_REPLY, "192.0.2.50", IPPROTO_TCP, 80, 80),
		rule(LB_STEER_REPLY, "2001:db8::50", IPPROTO_UDP, 53, 53),
		rule(LB_STEER_LOCAL, "192.0.2.2", 0, 0, 0),
		rule(LB_STEER_LOCAL, "192.0.2.10", 0, 0, 0),
		rule(LB_STEER_LOCAL, "2001:db8::2", 0, 0, 0),
	};

	cr_assert_eq(lb_steering_extend(st, rules, sizeof(rules) / sizeof(rules[0]), NULL), 0);
}

static void setup(void)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1}; /* where the frame builder sends to */
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct lb_error err = {0};

	namespace_enter();
	cr_assert_eq(lb_steering_open(&st, &err), 0, "%s", err.what);
	cr_assert_eq(lb_steering_attach(st, 0, "lo", &err), 0, "%s", err.what);
	cr_assert_eq(lb_steering_set_mac(st, 0, mac), 0);
	add_rules();
	cr_assert_eq(bpf_xdp_query((int)if_nametoindex("lo"), 0, &query), 0);
	program_fd = bpf_prog_get_fd_by_id(query.prog_id);
	cr_assert_geq(program_fd, 0);
}

static void teardown(void)
{
	close(program_fd);
	lb_steering_close(st);
}

static uint32_t run(const uint8_t *bytes, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = len, .repeat = 1);

	cr_assert_eq(bpf_prog_test_run_opts(program_fd, &opts), 0);
	return opts.retval;
}

/* --- frames --- */

struct words {
	const char *src, *dst;
	uint16_t sport, dport;
};

static void l3(struct frame *f, const char *src, const char *dst)
{
	frame_eth(f);
	if (strchr(src, ':') != NULL)
		frame_ipv6(f, src, dst);
	else
		frame_ipv4(f, src, dst);
}

static void tcp(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void udp(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_udp(f, w->sport, w->dport);
	frame_text(f, "hello");
	frame_finish(f);
}

static void options(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_ipv4_options(f, 40);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void extensions(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_ipv6_extension(f, IPPROTO_HOPOPTS, 8);
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 24);
	frame_ipv6_extension(f, IPPROTO_AH, 24);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void extensions_n(struct frame *f, const struct words *w, int n)
{
	l3(f, w->src, w->dst);
	for (int i = 0; i < n; i++)
		frame_ipv6_extension(f, IPPROTO_DSTOPTS, 8);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void extensions_8(struct frame *f, const struct words *w)
{
	extensions_n(f, w, 8);
}

static void extensions_9(struct frame *f, const struct words *w)
{
	extensions_n(f, w, 9);
}

static void first_fragment(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	if (f->is_v6)
		frame_ipv6_fragment(f, 0, true);
	else
		frame_ipv4_fragment(f, 0, true);
	frame_udp(f, w->sport, w->dport);
	frame_fill(f, 64);
	frame_finish(f);
}

static void later_fragment_of(struct frame *f, const struct words *w, uint8_t proto)
{
	l3(f, w->src, w->dst);
	if (f->is_v6)
		frame_ipv6_fragment(f, 64, false);
	else
		frame_ipv4_fragment(f, 64, false);
	frame_ip_proto(f, proto);
	frame_fill(f, 32);
	frame_finish(f);
}

static void later_fragment(struct frame *f, const struct words *w)
{
	later_fragment_of(f, w, IPPROTO_UDP);
}

static void later_tcp_fragment(struct frame *f, const struct words *w)
{
	later_fragment_of(f, w, IPPROTO_TCP);
}

static void later_ping_fragment(struct frame *f, const struct words *w)
{
	later_fragment_of(f, w, strchr(w->src, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static void atomic_fragment(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_ipv6_fragment(f, 0, false);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void ping(struct frame *f, const struct words *w)
{
	l3(f, w->src, w->dst);
	frame_icmp(f, f->is_v6 ? 128 : 8, 0, 0);
	frame_text(f, "12345678");
	frame_finish(f);
}

/* w is the quoted packet; the error comes from a router to its source. */
static void icmp_error_of(struct frame *f, const struct words *w, uint8_t proto, uint32_t n_l4)
{
	struct frame quoted;

	if (proto == IPPROTO_TCP)
		tcp(&quoted, w);
	else
		udp(&quoted, w);
	l3(f, quoted.is_v6 ? "2001:db8::99" : "192.0.2.99", w->src);
	frame_icmp(f, f->is_v6 ? FRAME_ICMP6_TOO_BIG : FRAME_ICMP4_UNREACHABLE, 0, 1400);
	frame_quote(f, &quoted, (quoted.is_v6 ? 40 : 20) + n_l4);
	frame_finish(f);
}

static void tcp_error(struct frame *f, const struct words *w)
{
	icmp_error_of(f, w, IPPROTO_TCP, 8);
}

static void udp_error(struct frame *f, const struct words *w)
{
	icmp_error_of(f, w, IPPROTO_UDP, 13);
}

/* w is the packet in the tunnel from this host to a server. */
static void tunnel_error(struct frame *f, const struct words *w, bool is_gue)
{
	struct frame inner, outer;

	tcp(&inner, w);
	l3(&outer, "192.0.2.2", "192.0.2.50");
	if (is_gue)
		frame_udp(&outer, 50000, 9886);
	else
		frame_ip_proto(&outer, inner.is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
	frame_bytes(&outer, frame_at(&inner, inner.l3_off), (inner.is_v6 ? 40 : 20) + 4);
	frame_finish(&outer);
	l3(f, "192.0.2.99", "192.0.2.2");
	frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 4, 1400);
	frame_quote(f, &outer, FRAME_BYTES_MAX);
	frame_finish(f);
}

static void ipip_error(struct frame *f, const struct words *w)
{
	tunnel_error(f, w, false);
}

static void gue_error(struct frame *f, const struct words *w)
{
	tunnel_error(f, w, true);
}

static void error_to_another(struct frame *f, const struct words *w)
{
	struct frame quoted;

	tcp(&quoted, w);
	l3(f, "192.0.2.99", "192.0.2.77");
	frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 0, 0);
	frame_quote(f, &quoted, 28);
	frame_finish(f);
}

static void redirect_error(struct frame *f, const struct words *w)
{
	struct frame quoted;

	tcp(&quoted, w);
	l3(f, "192.0.2.99", w->src);
	frame_icmp(f, 5, 1, 0);
	frame_quote(f, &quoted, 28);
	frame_finish(f);
}

static void to_another_mac(struct frame *f, const struct words *w)
{
	tcp(f, w);
	frame_put8(f, 5, 7);
}

static void broadcast(struct frame *f, const struct words *w)
{
	udp(f, w);
	memset(frame_at(f, 0), 0xff, 6);
}

static void vlan(struct frame *f, const struct words *w)
{
	frame_eth(f);
	frame_vlan(f, 5);
	frame_ipv4(f, w->src, w->dst);
	frame_tcp(f, w->sport, w->dport, LB_TCP_SYN);
	frame_finish(f);
}

static void arp(struct frame *f, const struct words *w)
{
	(void)w;
	frame_eth(f);
	frame_ethertype(f, 0x0806);
	frame_fill(f, 28);
}

static void bad_ihl(struct frame *f, const struct words *w)
{
	tcp(f, w);
	frame_put8(f, 14, 0x44);
}

static void bad_version(struct frame *f, const struct words *w)
{
	tcp(f, w);
	frame_put8(f, 14, 0x65);
}

/* `ours`: 0 for a frame that the kernel gets; otherwise the fewest bytes by which it is known to
 * be ours, so that a frame cut below that passes. */
static const struct {
	const char *name;
	void (*build)(struct frame *f, const struct words *w);
	struct words w;
	uint32_t ours;
} cases[] = {
	{"tcp to a service", tcp, {"198.51.100.1", "192.0.2.10", 40000, 135}, 38},
	{"another port of its VIP", tcp, {"198.51.100.1", "192.0.2.10", 40000, 136}, 0},
	{"another protocol of its VIP", udp, {"198.51.100.1", "192.0.2.10", 40000, 135}, 0},
	{"another address", tcp, {"198.51.100.1", "192.0.2.11", 40000, 135}, 0},
	{"service's port as source", tcp, {"198.51.100.1", "192.0.2.10", 135, 40000}, 0},
	{"from a VIP", tcp, {"192.0.2.10", "198.51.100.1", 135, 40000}, 0},
	{"range, below", tcp, {"198.51.100.1", "192.0.2.12", 40000, 6004}, 0},
	{"range, first", tcp, {"198.51.100.1", "192.0.2.12", 40000, 6005}, 38},
	{"range, inside", tcp, {"198.51.100.1", "192.0.2.12", 40000, 32768}, 38},
	{"range, last", tcp, {"198.51.100.1", "192.0.2.12", 40000, 59530}, 38},
	{"range, above", tcp, {"198.51.100.1", "192.0.2.12", 40000, 59531}, 0},
	{"any, lowest", udp, {"198.51.100.1", "192.0.2.13", 40000, 0}, 38},
	{"any, highest", udp, {"198.51.100.1", "192.0.2.13", 40000, 65535}, 38},
	{"any, other protocol", tcp, {"198.51.100.1", "192.0.2.13", 40000, 80}, 0},
	{"IPv6 tcp", tcp, {"2001:db8:1::1", "2001:db8::10", 40000, 443}, 58},
	{"IPv6 udp", udp, {"2001:db8:1::1", "2001:db8::10", 40000, 5003}, 58},
	{"IPv6 udp, above", udp, {"2001:db8:1::1", "2001:db8::10", 40000, 5004}, 0},
	{"IPv6 other address", tcp, {"2001:db8:1::1", "2001:db8::11", 40000, 443}, 0},
	{"to a NAT source, tcp", tcp, {"192.0.2.50", "192.0.2.20", 443, 20000}, 38},
	{"to a NAT source, udp", udp, {"192.0.2.50", "192.0.2.20", 443, 49999}, 38},
	{"to a NAT source, below", tcp, {"192.0.2.50", "192.0.2.20", 443, 19999}, 0},
	{"to a NAT source, above", udp, {"192.0.2.50", "192.0.2.20", 443, 50000}, 0},
	{"IPv6 NAT source", tcp, {"2001:db8::50", "2001:db8::20", 443, 33333}, 58},
	{"reply", tcp, {"192.0.2.50", "198.51.100.1", 80, 40000}, 38},
	{"reply to this host", tcp, {"192.0.2.50", "192.0.2.2", 80, 40000}, 0},
	{"reply to a VIP, which is local", tcp, {"192.0.2.50", "192.0.2.10", 80, 40000}, 0},
	{"reply from another port", tcp, {"192.0.2.50", "198.51.100.1", 81, 40000}, 0},
	{"reply, other protocol", udp, {"192.0.2.50", "198.51.100.1", 80, 40000}, 0},
	{"IPv6 reply", udp, {"2001:db8::50", "2001:db8:1::1", 53, 40000}, 58},
	{"IPv6 reply to this host", udp, {"2001:db8::50", "2001:db8::2", 53, 40000}, 0},
	{"to a real server", tcp, {"198.51.100.1", "192.0.2.50", 40000, 80}, 0},
	{"behind 40 bytes of options", options, {"198.51.100.1", "192.0.2.10", 4, 135}, 78},
	{"options, another port", options, {"198.51.100.1", "192.0.2.10", 4, 136}, 0},
	{"behind extension headers", extensions, {"2001:db8:1::1", "2001:db8::10", 4, 443}, 114},
	{"extensions, another port", extensions, {"2001:db8:1::1", "2001:db8::10", 4, 444}, 0},
	{"8 extensions", extensions_8, {"2001:db8:1::1", "2001:db8::10", 4, 443}, 122},
	{"8 extensions, another port", extensions_8, {"2001:db8:1::1", "2001:db8::10", 4, 4}, 0},
	/* Nobody walks further: the address alone decides, so that the kernel does not answer. */
	{"9 extensions", extensions_9, {"2001:db8:1::1", "2001:db8::10", 4, 4}, 118},
	{"9 extensions, another address",
	 extensions_9,
	 {"2001:db8:1::1", "2001:db8::11", 4, 443},
	 0},
	{"first fragment", first_fragment, {"198.51.100.1", "192.0.2.13", 4, 9}, 34},
	{"later fragment", later_fragment, {"198.51.100.1", "192.0.2.13", 0, 0}, 34},
	{"fragment of another protocol",
	 later_tcp_fragment,
	 {"198.51.100.1", "192.0.2.13", 0, 0},
	 0},
	{"fragment of a ping", later_ping_fragment, {"198.51.100.1", "192.0.2.13", 0, 0}, 0},
	{"fragment elsewhere", later_fragment, {"198.51.100.1", "192.0.2.14", 0, 0}, 0},
	{"fragment of a reply", later_tcp_fragment, {"192.0.2.50", "198.51.100.1", 0, 0}, 34},
	{"fragment of a reply to us", later_tcp_fragment, {"192.0.2.50", "192.0.2.2", 0, 0}, 0},
	{"IPv6 first fragment", first_fragment, {"2001:db8:1::1", "2001:db8::10", 4, 9}, 62},
	{"IPv6 later fragment", later_fragment, {"2001:db8:1::1", "2001:db8::10", 0, 0}, 62},
	{"IPv6 fragment of a ping",
	 later_ping_fragment,
	 {"2001:db8:1::1", "2001:db8::10", 0, 0},
	 0},
	{"IPv6 fragment elsewhere", later_fragment, {"2001:db8:1::1", "2001:db8::11", 0, 0}, 0},
	{"atomic fragment", atomic_fragment, {"2001:db8:1::1", "2001:db8::10", 4, 443}, 66},
	{"atomic fragment, another port",
	 atomic_fragment,
	 {"2001:db8:1::1", "2001:db8::10", 4, 4},
	 0},
	{"error about what a VIP sent", tcp_error, {"192.0.2.10", "198.51.100.1", 135, 40000}, 66},
	{"error about another port", tcp_error, {"192.0.2.10", "198.51.100.1", 136, 40000}, 0},
	{"error about another protocol", udp_error, {"192.0.2.10", "198.51.100.1", 135, 4}, 0},
	{"error about a NAT source", udp_error, {"192.0.2.20", "192.0.2.50", 33333, 443}, 66},
	{"error about a client's packet", tcp_error, {"198.51.100.1", "192.0.2.50", 40000, 80}, 66},
	{"error about our own probe", tcp_error, {"192.0.2.2", "192.0.2.50", 40000, 80}, 0},
	{"error to another than quoted",
	 error_to_another,
	 {"192.0.2.10", "198.51.100.1", 135, 4},
	 0},
	{"error about a tunnel", ipip_error, {"198.51.100.1", "192.0.2.10", 40000, 135}, 86},
	{"error about a tunnel, IPv6", ipip_error, {"2001:db8:1::1", "2001:db8::10", 4, 443}, 106},
	{"error about GUE", gue_error, {"198.51.100.1", "192.0.2.10", 40000, 135}, 94},
	{"error about a strange tunnel", ipip_error, {"198.51.100.1", "192.0.2.10", 4, 136}, 0},
	{"error about strange GUE", gue_error, {"198.51.100.1", "192.0.2.11", 40000, 135}, 0},
	{"ICMP redirect", redirect_error, {"192.0.2.10", "198.51.100.1", 135, 40000}, 0},
	{"IPv6 error about a VIP", tcp_error, {"2001:db8::10", "2001:db8:1::1", 443, 4}, 106},
	{"IPv6 error about a client's", udp_error, {"2001:db8:1::1", "2001:db8::50", 4, 53}, 106},
	{"IPv6 error, another port", tcp_error, {"2001:db8::10", "2001:db8:1::1", 444, 4}, 0},
	{"ping of a VIP", ping, {"198.51.100.1", "192.0.2.10", 0, 0}, 0},
	{"IPv6 ping of a VIP", ping, {"2001:db8:1::1", "2001:db8::10", 0, 0}, 0},
	{"to another MAC", to_another_mac, {"198.51.100.1", "192.0.2.10", 40000, 135}, 0},
	{"to the broadcast MAC", broadcast, {"198.51.100.1", "192.0.2.13", 40000, 135}, 0},
	{"tagged", vlan, {"198.51.100.1", "192.0.2.10", 40000, 135}, 0},
	{"ARP", arp, {"", "", 0, 0}, 0},
	{"header length below 20", bad_ihl, {"198.51.100.1", "192.0.2.10", 40000, 135}, 0},
	{"version 6 in an IPv4 frame", bad_version, {"198.51.100.1", "192.0.2.10", 40000, 135}, 0},
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

/* `n` bytes of tags between addresses and type. */
static void put_tags(struct frame *f, const uint8_t *tags, uint32_t n)
{
	uint8_t *from = frame_at(f, 12);

	memmove(from + n, from, f->len - 12);
	if (n > 0)
		memcpy(from, tags, n);
	f->len += n;
}

/* Every case at every length that the kernel's test run takes. */
static void run_tagged_cases(uint32_t ours_action, const uint8_t *tags, uint32_t n)
{
	for (size_t i = 0; i < N_CASES; i++) {
		struct frame f;
		struct lb_pkt p;

		cases[i].build(&f, &cases[i].w);
		put_tags(&f, tags, n);
		p = frame_view(&f);
		for (uint32_t len = 14; len <= p.len; len++) {
			bool is_ours = cases[i].ours != 0 && len >= cases[i].ours + n;
			uint32_t want = is_ours ? ours_action : XDP_PASS;

			cr_expect_eq(run(p.data, len), want, "case %s, %u tags: %u of %u bytes",
				     cases[i].name, n / 4, len, p.len);
		}
	}
}

static void run_cases(uint32_t ours_action)
{
	run_tagged_cases(ours_action, NULL, 0);
}

#define C100 ((uint32_t)LB_VLAN_8100 << 12 | 100u)
#define S200 ((uint32_t)LB_VLAN_88A8 << 12 | 200u)
#define OLD9 ((uint32_t)LB_VLAN_9100 << 12 | 9u)

Test(steer_program, looks_behind_the_tags_of_our_vlans_only, .init = setup, .fini = teardown)
{
	static const uint32_t ours[] = {C100, S200 << 16 | C100, OLD9};
	static const struct {
		uint8_t bytes[8];
		uint32_t n;
		bool is_ours;
	} tags[] = {
		{{0x81, 0, 0, 100}, 4, true},
		{{0x81, 0, 0xf0, 100}, 4, true}, /* any priority */
		{{0x88, 0xa8, 0, 200, 0x81, 0, 0x20, 100}, 8, true},
		{{0x91, 0, 0, 9}, 4, true},
		{{0x81, 0, 0xe0, 0, 0x81, 0, 0, 100}, 8, true}, /* id 0: a priority only */
		{{0x91, 0, 0, 9, 0x81, 0, 0, 0}, 8, true},
		{{0x88, 0xa8, 0, 0, 0x81, 0, 0, 100}, 8, false}, /* the mark of punt.bpf.c */
		{{0}, 0, false},
		{{0x81, 0, 0, 101}, 4, false},
		{{0x88, 0xa8, 0, 100}, 4, false},
		{{0x88, 0xa8, 0, 200}, 4, false},
		{{0x81, 0, 0, 0}, 4, false},
		{{0x81, 0, 0, 100, 0x88, 0xa8, 0, 200}, 8, false},
		{{0x81, 0, 0, 200, 0x81, 0, 0, 100}, 8, false},
	};
	struct words w = {"198.51.100.1", "192.0.2.10", 40000, 135};
	static const uint8_t three[] = {0x81, 0, 0, 0, 0x81, 0, 0, 0, 0x81, 0, 0, 100};
	struct xsk *xsk = xsk_open("lo", 0);
	struct frame f;

	cr_assert_eq(lb_steering_set_tags(st, 0, ours, 3), 0);
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		run_tagged_cases(tags[i].is_ours ? XDP_REDIRECT : XDP_PASS, tags[i].bytes,
				 tags[i].n);
	tcp(&f, &w);
	put_tags(&f, three, sizeof(three));
	cr_expect_eq(run(frame_at(&f, 0), f.len), XDP_PASS);
	/* Untagged ones as well: a tag of id 0 names no VLAN. */
	cr_assert_eq(lb_steering_set_tags(st, 0, (const uint32_t[]){0, C100}, 2), 0);
	run_tagged_cases(XDP_REDIRECT, NULL, 0);
	run_tagged_cases(XDP_REDIRECT, (const uint8_t[]){0x81, 0, 0xe0, 0}, 4);
	run_tagged_cases(XDP_REDIRECT, (const uint8_t[]){0x81, 0, 0, 100}, 4);
	run_tagged_cases(XDP_PASS, (const uint8_t[]){0x91, 0, 0, 9}, 4);
	xsk_close(xsk);
}

Test(steer_program, gives_ours_to_the_socket_and_the_rest_to_the_kernel, .init = setup,
     .fini = teardown)
{
	struct xsk *xsk = xsk_open("lo", 0);

	run_cases(XDP_REDIRECT);
	xsk_close(xsk);
}

Test(steer_program, drops_ours_without_a_socket, .init = setup, .fini = teardown)
{
	uint64_t stats[LB_STEER_STAT_N];

	run_cases(XDP_DROP);
	cr_assert_eq(lb_steering_stats(st, 0, stats), 0);
	cr_expect_eq(stats[LB_STEER_REDIRECTED], 0u);
	cr_expect_gt(stats[LB_STEER_NO_SOCKET], 0u);
	cr_expect_gt(stats[LB_STEER_PASSED], 0u);
}

Test(steer_program, counts_each_frame_once, .init = setup, .fini = teardown)
{
	uint64_t before[LB_STEER_STAT_N], after[LB_STEER_STAT_N];
	struct words ours = {"198.51.100.1", "192.0.2.10", 40000, 135};
	struct words other = {"198.51.100.1", "192.0.2.10", 40000, 139};
	struct xsk *xsk;
	struct frame f;

	cr_assert_eq(lb_steering_stats(st, 0, before), 0);
	tcp(&f, &ours);
	for (int i = 0; i < 3; i++)
		run(frame_view(&f).data, f.len);
	xsk = xsk_open("lo", 0);
	for (int i = 0; i < 5; i++)
		run(frame_view(&f).data, f.len);
	tcp(&f, &other);
	for (int i = 0; i < 7; i++)
		run(frame_view(&f).data, f.len);
	cr_assert_eq(lb_steering_stats(st, 0, after), 0);
	cr_expect_eq(after[LB_STEER_NO_SOCKET] - before[LB_STEER_NO_SOCKET], 3u);
	cr_expect_eq(after[LB_STEER_REDIRECTED] - before[LB_STEER_REDIRECTED], 5u);
	cr_expect_eq(after[LB_STEER_PASSED] - before[LB_STEER_PASSED], 7u);
	xsk_close(xsk);
}

Test(steer_program, restrict_and_extend_change_only_the_difference, .init = setup, .fini = teardown)
{
	struct words kept = {"198.51.100.1", "192.0.2.10", 40000, 135};
	struct words gone = {"198.51.100.1", "192.0.2.12", 40000, 7000};
	struct words added = {"198.51.100.1", "192.0.2.12", 40000, 443};
	struct lb_steer_rule rules[] = {
		rule(LB_STEER_SERVICE, "192.0.2.10", IPPROTO_TCP, 135, 135),
		rule(LB_STEER_SERVICE, "192.0.2.12", IPPROTO_TCP, 443, 443),
	};
	struct frame a, b, c;

	tcp(&a, &kept);
	tcp(&b, &gone);
	tcp(&c, &added);
	cr_expect_eq(run(frame_view(&b).data, b.len), XDP_DROP);
	cr_assert_eq(lb_steering_restrict(st, rules, 2, NULL), 0);
	cr_expect_eq(run(frame_view(&a).data, a.len), XDP_DROP);
	cr_expect_eq(run(frame_view(&b).data, b.len), XDP_PASS);
	cr_expect_eq(run(frame_view(&c).data, c.len), XDP_PASS);
	cr_assert_eq(lb_steering_extend(st, rules, 2, NULL), 0);
	cr_expect_eq(run(frame_view(&a).data, a.len), XDP_DROP);
	cr_expect_eq(run(frame_view(&b).data, b.len), XDP_PASS);
	cr_expect_eq(run(frame_view(&c).data, c.len), XDP_DROP);
	cr_assert_eq(lb_steering_restrict(st, NULL, 0, NULL), 0);
	cr_expect_eq(run(frame_view(&a).data, a.len), XDP_PASS);
	cr_expect_eq(run(frame_view(&c).data, c.len), XDP_PASS);
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "steer_program");
}
