/* The XDP program of a real server by itself: tunnels in, inner packets out, by the kernel's test
 * run. */
#include <criterion/criterion.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "decap.skel.h"
#include "frame.h"
#include "namespace.h"
#include "packet/encap.h"
#include "packet/parse.h"

#define GUE_PORT 6080

static struct decap_bpf *skel;
static uint8_t out[FRAME_BYTES_MAX];
static uint32_t n_out;

static void setup(void)
{
	static const char *const sources[] = {"192.0.2.2", "2001:db8::2"};
	uint8_t is_there = 1;

	skel = decap_bpf__open();
	cr_assert_not_null(skel);
	skel->rodata->gue_port = GUE_PORT;
	cr_assert_eq(decap_bpf__load(skel), 0);
	for (int i = 0; i < 2; i++) {
		struct lb_addr addr;

		cr_assert_eq(lb_addr_parse(sources[i], &addr), 0);
		cr_assert_eq(bpf_map__update_elem(skel->maps.decap_sources, &addr, sizeof(addr),
						  &is_there, sizeof(is_there), BPF_ANY),
			     0);
	}
}

static void teardown(void)
{
	decap_bpf__destroy(skel);
}

static uint32_t run(const uint8_t *bytes, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);

	cr_assert_eq(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ballast_decap), &opts), 0);
	n_out = opts.data_size_out;
	return opts.retval;
}

/* A client's packet with this traffic class; the frame builder's own MACs. */
static void inner(struct frame *f, bool is_v6, uint8_t class)
{
	frame_eth(f);
	if (is_v6)
		frame_ipv6(f, "2001:db8:1::7", "2001:db8::10");
	else
		frame_ipv4(f, "198.51.100.7", "192.0.2.10");
	frame_udp(f, 40000, 80);
	frame_text(f, "odd bytes");
	if (is_v6)
		frame_put16(f, 14, (uint16_t)(0x6000 | class << 4));
	else
		frame_put8(f, 15, class);
	frame_finish(f);
}

static struct lb_pkt wrap(struct frame *f, bool is_outer_v6, bool is_gue, const char *source)
{
	struct lb_encap e = {.dport_be = rte_cpu_to_be_16(GUE_PORT), .is_gue = is_gue};
	struct lb_pkt p = frame_view(f);

	lb_parse(&p);
	cr_assert_eq(lb_addr_parse(source, &e.src), 0);
	cr_assert_eq(lb_addr_parse(is_outer_v6 ? "2001:db8::11" : "192.0.2.11", &e.dst), 0);
	cr_assert(lb_encap_push(&p, &e));
	return p;
}

static const char *source_of(bool is_outer_v6)
{
	return is_outer_v6 ? "2001:db8::2" : "192.0.2.2";
}

TestSuite(decap_program, .init = setup, .fini = teardown);

Test(decap_program, both_families_come_out_of_both_tunnels_of_both_families)
{
	for (int i = 0; i < 8; i++) {
		struct frame f, before;
		struct lb_pkt p;

		inner(&f, i & 1, 0xb9);
		before = f;
		p = wrap(&f, i & 2, i & 4, source_of(i & 2));
		cr_assert_eq(run(p.data, p.len), XDP_PASS, "case %d", i);
		cr_assert_eq(n_out, before.len, "case %d", i);
		cr_expect_eq(memcmp(out, frame_at(&before, 0), n_out), 0, "case %d", i);
	}
}

/* Congestion that the tunnel met on its way: RFC 6040. */
Test(decap_program, a_congestion_mark_goes_on_to_the_inner_packet_or_is_a_drop)
{
	static const struct {
		uint8_t class;
		uint32_t action;
		uint8_t after;
	} cases[] = {{0xb8, XDP_DROP, 0},
		     {0xb9, XDP_PASS, 0xbb},
		     {0x02, XDP_PASS, 0x03},
		     {0x03, XDP_PASS, 0x03}};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (int i = 0; i < 4; i++) {
			struct frame f;
			struct lb_pkt p;
			uint8_t *ip;

			inner(&f, i & 1, cases[c].class);
			p = wrap(&f, i & 2, true, source_of(i & 2));
			ip = p.data + 14;
			if (i & 2)
				ip[1] |= 3 << 4;
			else
				ip[1] |= 3;
			cr_assert_eq(run(p.data, p.len), cases[c].action, "case %zu %d", c, i);
			if (cases[c].action == XDP_DROP)
				continue;
			cr_expect_eq(i & 1 ? (uint8_t)(out[14] << 4 | out[15] >> 4) : out[15],
				     cases[c].after, "case %zu %d", c, i);
			cr_expect_null(frame_verify(out, n_out), "case %zu %d: checksum", c, i);
		}
}

static void expect_untouched(const uint8_t *bytes, uint32_t len, const char *name)
{
	cr_expect_eq(run(bytes, len), XDP_PASS, "%s", name);
	cr_assert_eq(n_out, len, "%s", name);
	cr_expect_eq(memcmp(out, bytes, len), 0, "%s", name);
}

Test(decap_program, everything_else_is_the_kernels_as_it_is)
{
	for (int i = 0; i < 8; i++) {
		struct frame f;
		struct lb_pkt p;
		char name[32];

		snprintf(name, sizeof(name), "case %d", i);
		inner(&f, i & 1, 0);
		expect_untouched(frame_at(&f, 0), f.len, name);
		p = wrap(&f, i & 2, i & 4, i & 2 ? "2001:db8::66" : "192.0.2.66");
		expect_untouched(p.data, p.len, "from a stranger");
		inner(&f, i & 1, 0);
		p = wrap(&f, i & 2, i & 4, source_of(i & 2));
		p.data[p.len - f.len + 14] = 0x00;
		expect_untouched(p.data, p.len, "no IP inside");
		inner(&f, i & 1, 0);
		p = wrap(&f, i & 2, i & 4, source_of(i & 2));
		expect_untouched(p.data, p.len - f.len + 14 + 19, "cut short");
		if ((i & 2) == 0) {
			p.data[14 + 6] = 0x20;
			expect_untouched(p.data, p.len, "fragment of a tunnel");
		}
		if ((i & 4) == 0)
			continue;
		inner(&f, i & 1, 0);
		p = wrap(&f, i & 2, true, source_of(i & 2));
		p.data[14 + (i & 2 ? 40 : 20) + 3]++;
		expect_untouched(p.data, p.len, "another UDP port");
	}
}

int main(int argc, char **argv)
{
	return namespace_main(argc, argv, "decap_program");
}
