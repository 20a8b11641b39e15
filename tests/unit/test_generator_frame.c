/* What the generator sends is right by another's judgement, and it sees every wrong bit. */
#include "frame.h"
#include "inspect.h"
#include "random.h"
#include "template.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

#define ETH 14u

static const uint8_t dut_mac[6] = {2, 0, 0, 3, 0, 0};

struct made {
	struct gen_plan plan;
	uint32_t flow, len, l4_off;
	uint8_t bytes[GEN_SIZE_MAX];
};

static struct gen_plan any_plan(struct test_random *r, enum gen_forwarding forwarding)
{
	return (struct gen_plan){
		.forwarding = forwarding,
		.is_v6 = test_random_below(r, 2),
		.is_tcp = test_random_below(r, 2),
		.n_clients = 1 + test_random_below(r, GEN_CLIENTS_MAX),
		.n_services = 1 + test_random_below(r, GEN_SERVICES_MAX),
		.n_servers = 1 + test_random_below(r, GEN_SERVERS_MAX),
	};
}

static void make(struct made *m, struct test_random *r, enum gen_forwarding forwarding)
{
	struct gen_template_shape shape = {
		.size = GEN_SIZE_MIN + test_random_below(r, GEN_SIZE_MAX - GEN_SIZE_MIN + 1),
		.tcp_flags = test_random_below(r, 2) ? 0x02 : 0x10,
		.dst_mac = dut_mac,
	};
	struct gen_template t;

	m->plan = any_plan(r, forwarding);
	m->flow = test_random_below(r, GEN_FLOWS_MAX);
	gen_template_init(&t, &m->plan, &shape);
	gen_template_write(&t, &m->plan, m->flow, (uint32_t)test_random(r), m->bytes);
	m->len = t.len;
	m->l4_off = t.l4_off;
	cr_assert_geq(t.len + GEN_FCS_BYTES, shape.size);
}

/* As a balancer sends it on: to a server of the plan. */
static uint32_t to_server(struct made *m, struct test_random *r)
{
	uint32_t server = 1 + test_random_below(r, m->plan.n_servers);

	gen_plan_server_mac(server, m->bytes);
	return server;
}

static struct gen_seen see(const struct made *m)
{
	struct gen_seen seen;

	gen_inspect(&m->plan, m->bytes, m->len, &seen);
	return seen;
}

static const char *complain(const struct made *m)
{
	struct gen_seen seen = see(m);

	return seen.place == GEN_NOWHERE ? "nowhere"
					 : gen_inspect_complain(&m->plan, m->bytes, m->len, &seen);
}

Test(generator_frame, every_frame_is_right_by_the_other_judge)
{
	struct test_random r = {test_seed("every_frame")};
	struct made m;

	for (int i = 0; i < 20000; i++) {
		make(&m, &r, GEN_DSR);
		cr_assert_null(frame_verify(m.bytes, m.len), "%s", frame_verify(m.bytes, m.len));
	}
}

Test(generator_frame, a_checksum_that_comes_out_as_zero_is_sent)
{
	struct gen_plan plan = {GEN_DSR, false, false, 1, 1, 1};
	struct gen_template_shape shape = {64, 0, dut_mac};
	uint8_t bytes[GEN_SIZE_MAX];
	struct gen_template t;
	int n_ones = 0;

	/* The time runs through all words once, so that one of them ends in zero. */
	gen_template_init(&t, &plan, &shape);
	for (uint32_t time = 0; time <= 0xffff; time++) {
		gen_template_write(&t, &plan, 0, time, bytes);
		cr_assert(bytes[40] != 0 || bytes[41] != 0, "time %u", time);
		n_ones += bytes[40] == 0xff && bytes[41] == 0xff;
		cr_assert_null(frame_verify(bytes, t.len));
	}
	cr_expect_geq(n_ones, 1);
}

Test(generator_frame, flows_keep_their_ends_and_differ)
{
	struct gen_plan plan = {GEN_DSR, false, false, 7, 3, 1};
	struct gen_flow a, b;

	for (uint32_t i = 0; i < 500; i++) {
		gen_plan_flow(&plan, i, &a);
		for (uint32_t j = 0; j < i; j++) {
			gen_plan_flow(&plan, j, &b);
			cr_assert(memcmp(a.client, b.client, 4) != 0 ||
					  a.client_port != b.client_port,
				  "%u and %u", i, j);
		}
		gen_plan_flow(&plan, i | GEN_FLOOD, &b);
		cr_assert_neq(memcmp(a.client, b.client, 4), 0);
	}
}

Test(generator_frame, a_walk_meets_each_flow_once)
{
	static const uint32_t sizes[] = {1, 2, 3, 5, 64, 1000, 4097, 65536, 100003};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t n = sizes[i], n_met = 0;
		uint8_t *met = calloc(n, 1);

		for (uint32_t at = 0; at < gen_plan_walk_length(n); at++) {
			uint32_t flow = gen_plan_walk(n, at);

			if (flow == UINT32_MAX)
				continue;
			cr_assert_lt(flow, n);
			cr_assert_eq(met[flow]++, 0, "flow %u of %u twice", flow, n);
			n_met++;
		}
		cr_assert_eq(n_met, n);
		free(met);
	}
}

Test(generator_frame, what_a_server_got_is_known)
{
	struct test_random r = {test_seed("what_a_server_got")};
	struct made m;

	for (int i = 0; i < 5000; i++) {
		make(&m, &r, GEN_DSR);
		uint32_t server = to_server(&m, &r);
		struct gen_seen seen = see(&m);

		cr_assert_eq(seen.place, GEN_AT_SERVER);
		cr_assert_eq(seen.server, server);
		cr_assert_eq(seen.flow, m.flow);
		cr_assert_null(complain(&m), "%s", complain(&m));
	}
}

/* Bits that no checksum and no length covers: MACs but the server's, and of IPv6 the traffic class,
 * flow label and hop limit; of IPv4 the bits are covered by the header's checksum. */
static bool is_covered(const struct made *m, uint32_t byte)
{
	uint32_t ip = byte - ETH;

	if (byte < ETH)
		return false;
	return !m->plan.is_v6 || (ip != 7 && (ip >= 4 || ip == 0));
}

Test(generator_frame, every_flipped_bit_is_seen)
{
	struct test_random r = {test_seed("every_flipped_bit")};
	struct made m;

	for (int i = 0; i < 200; i++) {
		make(&m, &r, GEN_DSR);
		to_server(&m, &r);
		for (uint32_t bit = 8 * ETH; bit < 8 * m.len; bit += 1 + test_random_below(&r, 5)) {
			if (!is_covered(&m, bit / 8) ||
			    (m.plan.is_v6 && bit / 8 == ETH && bit % 8 < 4))
				continue;
			m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_not_null(complain(&m), "byte %u bit %u", bit / 8, bit % 8);
			m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

Test(generator_frame, no_length_is_read_past)
{
	struct test_random r = {test_seed("no_length")};
	struct made m;

	for (int i = 0; i < 2000; i++) {
		make(&m, &r, (enum gen_forwarding)test_random_below(&r, GEN_FORWARDING_N));
		to_server(&m, &r);
		uint32_t len = test_random_below(&r, m.len + 1);
		uint8_t *exact = malloc(len + 1);
		struct gen_seen seen;

		memcpy(exact, m.bytes, len);
		gen_inspect(&m.plan, exact, len, &seen);
		if (seen.place != GEN_NOWHERE)
			gen_inspect_complain(&m.plan, exact, len, &seen);
		free(exact);
	}
}

Test(generator_frame, the_wrong_server_is_seen)
{
	struct test_random r = {test_seed("the_wrong_server")};
	struct made m;

	make(&m, &r, GEN_DSR);
	gen_plan_server_mac(m.plan.n_servers + 1, m.bytes);
	cr_expect_str_eq(complain(&m), "to a server that there is not");
	make(&m, &r, GEN_NAT);
	to_server(&m, &r);
	cr_expect_str_eq(complain(&m), "to another server than its MAC");
	make(&m, &r, GEN_IPIP);
	to_server(&m, &r);
	cr_expect_str_eq(complain(&m), "no tunnel around it");
	make(&m, &r, GEN_DSR);
	to_server(&m, &r);
	m.plan.is_tcp = !m.plan.is_tcp;
	cr_expect_str_eq(complain(&m), "of the other protocol");
	cr_expect_eq(see(&m).flow, m.flow);
	m.plan.is_v6 = !m.plan.is_v6;
	cr_expect_str_eq(complain(&m), "of the other family");
	make(&m, &r, GEN_FULLNAT);
	memcpy(m.bytes, gen_gateway_mac, 6);
	cr_expect_str_eq(complain(&m), "answer not from the service");
}

static void put_tunnel(struct frame *f, const struct made *m, const char *to, bool is_gue)
{
	uint8_t mac[6];

	gen_plan_server_mac(3, mac);
	frame_eth_macs(f, mac, dut_mac);
	frame_ipv4(f, "198.19.127.254", to);
	if (is_gue)
		frame_udp(f, 50000, 9886);
	else
		frame_ip_proto(f, IPPROTO_IPIP);
	frame_bytes(f, m->bytes + ETH, m->len - ETH);
	frame_finish(f);
}

Test(generator_frame, tunnels_are_opened_and_judged)
{
	struct test_random r = {test_seed("tunnels")};
	struct gen_template_shape shape = {512, 0x10, dut_mac};
	struct gen_template t;
	struct frame f;
	struct made m;

	for (int is_gue = 0; is_gue < 2; is_gue++) {
		m.plan = (struct gen_plan){is_gue ? GEN_GUE : GEN_IPIP, false, is_gue, 9, 9, 9};
		gen_template_init(&t, &m.plan, &shape);
		gen_template_write(&t, &m.plan, 77, (uint32_t)test_random(&r), m.bytes);
		m.len = t.len;
		put_tunnel(&f, &m, "198.19.1.3", is_gue);
		struct made outer = m;

		outer.len = f.len;
		memcpy(outer.bytes, frame_at(&f, 0), f.len);
		cr_expect_null(complain(&outer), "%s", complain(&outer));
		cr_expect_eq(see(&outer).flow, 77);
		cr_expect_eq(see(&outer).server, 3);
		outer.bytes[f.len - 1] ^= 1;
		cr_expect_not_null(complain(&outer));
		put_tunnel(&f, &m, "198.19.1.4", is_gue);
		memcpy(outer.bytes, frame_at(&f, 0), f.len);
		cr_expect_str_eq(complain(&outer), "tunnel to another server than its MAC");
	}
}

Test(generator_frame, a_reply_is_right_and_goes_back)
{
	struct test_random r = {test_seed("a_reply")};
	struct made m;

	for (int i = 0; i < 5000; i++) {
		make(&m, &r, GEN_NAT);
		uint8_t before[GEN_SIZE_MAX];
		uint32_t n = m.plan.is_v6 ? 16 : 4, at = ETH + (m.plan.is_v6 ? 8 : 12);

		memcpy(before, m.bytes, m.len);
		gen_reply(m.bytes, dut_mac);
		cr_assert_null(frame_verify(m.bytes, m.len), "%s", frame_verify(m.bytes, m.len));
		cr_assert_eq(memcmp(m.bytes + at, before + at + n, n), 0);
		cr_assert_eq(memcmp(m.bytes + m.l4_off, before + m.l4_off + 2, 2), 0);
		if (m.plan.is_tcp)
			cr_assert_eq(m.bytes[m.l4_off + 13] & 0x10, 0x10, "a server acknowledges");
		/* At the client, when the balancer has taken it there unchanged. */
		memcpy(m.bytes, gen_gateway_mac, 6);
		cr_assert_null(complain(&m), "%s", complain(&m));
		cr_assert_eq(see(&m).flow, m.flow);
	}
}
