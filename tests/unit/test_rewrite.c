#include <criterion/criterion.h>
#include <inttypes.h>
#include <netinet/in.h>

#include "packet/key.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "random.h"
#include "shapes.h"

static struct lb_addr random_addr(struct test_random *r, bool is_v6)
{
	struct lb_addr a;

	if (!is_v6)
		return lb_addr_from_v4(test_random_word(r));
	for (uint32_t i = 0; i < 4; i++)
		a.word_be[i] = test_random_word(r);
	return a;
}

static struct lb_icmp_quote random_ends(struct test_random *r, bool is_v6)
{
	return (struct lb_icmp_quote){random_addr(r, is_v6), random_addr(r, is_v6),
				      (rte_be16_t)test_random_word(r),
				      (rte_be16_t)test_random_word(r)};
}

static void aim(struct lb_pkt *p, const struct lb_icmp_quote *at)
{
	p->to = p->key;
	if (p->key.is_v6) {
		memcpy(p->to.v6.src_be, &at->src, 16);
		memcpy(p->to.v6.dst_be, &at->dst, 16);
		p->to.v6.ports_be = lb_ports(at->sport_be, at->dport_be);
	} else {
		p->to.v4.src_be = lb_addr_v4(&at->src);
		p->to.v4.dst_be = lb_addr_v4(&at->dst);
		p->to.v4.ports_be = lb_ports(at->sport_be, at->dport_be);
	}
}

static void random_target(struct test_random *r, struct lb_pkt *p)
{
	struct lb_icmp_quote ends = random_ends(r, p->key.is_v6);

	aim(p, &ends);
}

static const char *verify(const struct lb_pkt *p)
{
	const char *why = frame_verify(p->data, p->len);

	return why == NULL ? "nothing" : why;
}

/* Addresses of the IP header and the ports at `l4`, put in the obvious way. */
static void put_expected(uint8_t *ip, uint8_t *l4, bool is_v6, const struct lb_icmp_quote *now)
{
	memcpy(ip + (is_v6 ? 8 : 12), &now->src.word_be[is_v6 ? 0 : 3], is_v6 ? 16 : 4);
	memcpy(ip + (is_v6 ? 24 : 16), &now->dst.word_be[is_v6 ? 0 : 3], is_v6 ? 16 : 4);
	memcpy(l4, &now->sport_be, 2);
	memcpy(l4 + 2, &now->dport_be, 2);
}

/* Rewritten incrementally and built anew, the frame is the same in every byte. */
Test(rewrite, a_flow_equals_the_frame_built_with_the_new_addresses)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t round = 0; round < 40000; round++) {
		const struct shape *shape = &shapes[test_random(&r) % n_shapes];
		struct frame f, want;
		struct lb_pkt p;
		struct lb_icmp_quote now;

		if (shape->kind != LB_PKT_FLOW)
			continue;
		shape->build(&f);
		want = f;
		p = frame_view(&f);
		lb_parse(&p);
		now = random_ends(&r, p.key.is_v6);
		aim(&p, &now);
		put_expected(frame_at(&want, want.l3_off), frame_at(&want, want.l4_off), want.is_v6,
			     &now);
		(*frame_at(&want, want.l3_off + (want.is_v6 ? 7 : 8)))--;
		want.len = p.l3_off + p.ip_len; /* padding has no part in checksums */
		frame_checksums(&want);
		cr_assert(lb_rewrite_flow(&p));
		cr_assert(memcmp(p.data, frame_at(&want, 0), want.len) == 0,
			  "case %s round %u seed %" PRIu64 ": %s wrong", shape->name, round, seed,
			  verify(&p));
	}
}

/* A packet is rewritten once on its way there and its reply once on its way back. */
Test(rewrite, there_and_back_again_costs_two_hops_and_no_more)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f, before;
		struct lb_pkt p;
		struct lb_pkt back;

		if (shapes[i].kind != LB_PKT_FLOW)
			continue;
		shapes[i].build(&f);
		before = f;
		p = frame_view(&f);
		lb_parse(&p);
		back = p;
		random_target(&r, &p);
		cr_assert(lb_rewrite_flow(&p));
		back.to = p.key;
		back.key = p.to;
		cr_assert(lb_rewrite_flow(&back));
		*frame_at(&before, before.l3_off + (before.is_v6 ? 7 : 8)) -= 2;
		before.len = p.l3_off + p.ip_len;
		frame_checksums(&before);
		cr_expect_arr_eq(p.data, frame_at(&before, 0), before.len, "case %s seed %" PRIu64,
				 shapes[i].name, seed);
	}
}

/* Finds the port that brings the transport checksum to `want` and builds the frame with it. */
static bool build_with_checksum(struct frame *f, bool is_v6, bool is_udp, uint16_t want)
{
	uint32_t off = is_udp ? 6 : 16;

	for (uint32_t port = 0; port < 65536; port++) {
		frame_eth(f);
		if (is_v6)
			frame_ipv6(f, SHAPE_CLIENT6, SHAPE_VIP6);
		else
			frame_ipv4(f, SHAPE_CLIENT4, SHAPE_VIP4);
		if (is_udp)
			frame_udp(f, (uint16_t)port, SHAPE_DPORT);
		else
			frame_tcp(f, (uint16_t)port, SHAPE_DPORT, LB_TCP_ACK);
		frame_finish(f);
		if (frame_get16(f, f->l4_off + off) == want)
			return true;
	}
	return false;
}

/* A full sum of 0 is written as 0 by TCP and as 0xffff by UDP, there and here. */
Test(rewrite, a_checksum_that_comes_out_as_zero)
{
	for (uint32_t i = 0; i < 4; i++) {
		bool is_v6 = i % 2 == 1, is_udp = i / 2 == 1;
		struct frame f, want;
		struct lb_pkt p;

		cr_assert(build_with_checksum(&want, is_v6, is_udp, is_udp ? 0xffff : 0));
		f = want;
		frame_put16(&f, f.l4_off, 1); /* another port: rewritten to the one found above */
		frame_checksums(&f);
		p = frame_view(&f);
		lb_parse(&p);
		p.to = p.key;
		memcpy(is_v6 ? &p.to.v6.ports_be : &p.to.v4.ports_be, frame_at(&want, want.l4_off),
		       4);
		cr_assert(lb_rewrite_flow(&p));
		(*frame_at(&want, want.l3_off + (is_v6 ? 7 : 8)))--;
		frame_checksums(&want);
		cr_expect_eq(frame_get16(&f, f.l4_off + (is_udp ? 6 : 16)), is_udp ? 0xffff : 0,
			     "case %u", i);
		cr_expect_arr_eq(p.data, frame_at(&want, 0), want.len, "case %u", i);
	}
}

Test(rewrite, udp_without_checksum_stays_without)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t round = 0; round < 1000; round++) {
		struct frame f;
		struct lb_pkt p;

		shape_ip(&f, false);
		frame_udp(&f, SHAPE_SPORT, SHAPE_DPORT);
		frame_udp_without_checksum(&f);
		frame_finish(&f);
		p = frame_view(&f);
		lb_parse(&p);
		random_target(&r, &p);
		lb_rewrite_flow(&p);
		cr_assert_eq(frame_get16(&f, f.l4_off + 6), 0, "seed %" PRIu64, seed);
		cr_assert_null(frame_verify(p.data, p.len), "seed %" PRIu64, seed);
	}
}

/* A packet that was wrong stays wrong: the receiver has to be able to see it. */
Test(rewrite, a_wrong_checksum_is_not_made_right)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t i = 0; i < n_shapes; i++) {
		struct frame f;
		struct lb_pkt p;

		if (shapes[i].kind != LB_PKT_FLOW ||
		    strcmp(shapes[i].name, "udp4_without_checksum") == 0)
			continue;
		shapes[i].build(&f);
		*frame_at(&f, f.l4_off + 4 + (shapes[i].proto == IPPROTO_UDP ? 2 : 0)) ^= 0x10;
		p = frame_view(&f);
		lb_parse(&p);
		random_target(&r, &p);
		lb_rewrite_flow(&p);
		cr_expect_not_null(frame_verify(p.data, p.len), "case %s", shapes[i].name);
	}
}

Test(rewrite, ttl_counts_down_to_one_and_no_further)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		for (uint32_t ttl = 0; ttl < 256; ttl++) {
			struct frame f, before;
			struct lb_pkt p;
			uint8_t *at;

			if (shapes[i].kind == LB_PKT_OTHER)
				break;
			shapes[i].build(&f);
			frame_ttl(&f, (uint8_t)ttl);
			if (!f.is_v6) {
				frame_put16(&f, f.l3_off + 10, 0);
				frame_put16(&f, f.l3_off + 10,
					    (uint16_t)~frame_sum(
						    frame_at(&f, f.l3_off),
						    (*frame_at(&f, f.l3_off) & 15u) * 4, 0));
			}
			before = f;
			p = frame_view(&f);
			lb_parse(&p);
			cr_assert_eq(p.kind, shapes[i].kind);
			cr_expect_eq(lb_rewrite_ttl(&p), ttl > 1);
			at = frame_at(&f, f.l3_off + (f.is_v6 ? 7 : 8));
			cr_expect_eq(*at, ttl > 1 ? ttl - 1 : ttl, "case %s", shapes[i].name);
			cr_expect_null(frame_verify(p.data, p.len), "case %s ttl %u: %s",
				       shapes[i].name, ttl, verify(&p));
			*at = (uint8_t)ttl;
			frame_put16(&f, f.l3_off + 10, frame_get16(&before, f.l3_off + 10));
			cr_expect_arr_eq(frame_at(&f, 0), frame_at(&before, 0), f.len);
		}
	}
}

Test(rewrite, link_layer_addresses_and_nothing_else)
{
	static const uint8_t dst[6] = {2, 1, 2, 3, 4, 5}, src[6] = {2, 6, 7, 8, 9, 10};
	struct frame f, before;
	struct lb_pkt p;

	shapes[0].build(&f);
	before = f;
	p = frame_view(&f);
	lb_parse(&p);
	lb_rewrite_link(p.data, dst, src);
	cr_expect_arr_eq(p.data, dst, 6);
	cr_expect_arr_eq(p.data + 6, src, 6);
	cr_expect_arr_eq(p.data + 12, frame_at(&before, 12), before.len - 12);
}

/* Bytes that a translation may touch become what they would be, had the router seen the other
 * side's packet; the quoted transport checksum is compared where the quote holds the whole packet
 * (frame_verify) and by its own update in the next test. */
Test(rewrite, icmp_errors_stay_valid_and_name_the_other_side)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t round = 0; round < 40000; round++) {
		const struct shape *shape = &shapes[test_random(&r) % n_shapes];
		struct frame f, before;
		struct lb_icmp_quote quote, outer;
		struct lb_pkt p;

		if (shape->kind != LB_PKT_ICMP_ERROR)
			continue;
		shape->build(&f);
		before = f;
		p = frame_view(&f);
		lb_parse(&p);
		outer = random_ends(&r, f.is_v6);
		quote = random_ends(&r, f.is_v6);
		lb_rewrite_icmp_error(&p, &outer.src, &outer.dst, &quote);
		cr_assert_null(frame_verify(p.data, p.len), "case %s seed %" PRIu64 ": %s",
			       shape->name, seed, verify(&p));
		put_expected(frame_at(&before, p.quote_off), frame_at(&before, p.quote_l4_off),
			     f.is_v6, &quote);
		cr_assert(memcmp(p.data + p.quote_l4_off, frame_at(&before, p.quote_l4_off), 4) ==
			  0);
		cr_assert(memcmp(p.data + p.quote_off + 12, frame_at(&before, p.quote_off + 12),
				 f.is_v6 ? 28 : 8) == 0);
		cr_assert(memcmp(p.data + p.l3_off + (f.is_v6 ? 8 : 12),
				 &outer.src.word_be[f.is_v6 ? 0 : 3], f.is_v6 ? 16 : 4) == 0);
		cr_assert(memcmp(p.data + p.l3_off + (f.is_v6 ? 24 : 16),
				 &outer.dst.word_be[f.is_v6 ? 0 : 3], f.is_v6 ? 16 : 4) == 0);
	}
}

/* The way a real error comes about: the flow is rewritten towards the server, a router quotes
 * that, and the client gets an error about the packet that it had sent, byte for byte. */
Test(rewrite, an_error_about_a_rewritten_packet_quotes_the_original)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t i = 0; i < n_shapes; i++) {
		for (uint32_t n_l4 = 4; n_l4 < 60; n_l4++) {
			struct frame original, sent, f, want;
			struct lb_icmp_quote quote;
			struct lb_addr router, client;
			struct lb_pkt p;
			uint32_t n;

			if (shapes[i].kind != LB_PKT_FLOW)
				break;
			/* Half a checksum cannot be translated: that byte stays. */
			if (n_l4 == (shapes[i].proto == IPPROTO_TCP ? 17 : 7))
				continue;
			shapes[i].build(&original);
			sent = original;
			p = frame_view(&sent);
			lb_parse(&p);
			quote.sport_be = rte_cpu_to_be_16(SHAPE_SPORT);
			quote.dport_be = rte_cpu_to_be_16(SHAPE_DPORT);
			lb_addr_parse(p.key.is_v6 ? SHAPE_CLIENT6 : SHAPE_CLIENT4, &quote.src);
			lb_addr_parse(p.key.is_v6 ? SHAPE_VIP6 : SHAPE_VIP4, &quote.dst);
			random_target(&r, &p);
			cr_assert(lb_rewrite_flow(&p));
			/* The quote keeps the TTL of where the packet died. */
			(*frame_at(&original, original.l3_off + (original.is_v6 ? 7 : 8)))--;
			original.len = p.l3_off + p.ip_len;
			frame_checksums(&original);
			n = p.l4_off - p.l3_off + n_l4;
			if (n > p.ip_len)
				n = p.ip_len;
			shape_icmp_error(&f, &sent, n);
			shape_icmp_error(&want, &original, n);
			p = frame_view(&f);
			lb_parse(&p);
			cr_assert_eq(p.kind, LB_PKT_ICMP_ERROR);
			lb_addr_parse(p.key.is_v6 ? SHAPE_ROUTER6 : SHAPE_ROUTER4, &router);
			lb_addr_parse(p.key.is_v6 ? SHAPE_CLIENT6 : SHAPE_CLIENT4, &client);
			lb_rewrite_icmp_error(&p, &router, &client, &quote);
			cr_assert(memcmp(p.data, frame_at(&want, 0), want.len) == 0,
				  "case %s quote of %u seed %" PRIu64, shapes[i].name, n, seed);
		}
	}
}

Test(rewrite, a_wrong_icmp_checksum_stays_wrong)
{
	uint64_t seed = test_seed("rewrite");
	struct test_random r = {seed};

	for (uint32_t i = 0; i < n_shapes; i++) {
		struct lb_icmp_quote quote;
		struct frame f;
		struct lb_pkt p;

		if (shapes[i].kind != LB_PKT_ICMP_ERROR)
			continue;
		shapes[i].build(&f);
		*frame_at(&f, f.l4_off + 2) ^= 0x10;
		p = frame_view(&f);
		lb_parse(&p);
		quote = random_ends(&r, p.key.is_v6);
		lb_rewrite_icmp_error(&p, &quote.src, &quote.dst, &quote);
		cr_expect_str_eq(verify(&p), "ICMP checksum wrong", "case %s", shapes[i].name);
	}
}
