#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "packet/checksum.h"
#include "packet/encap_plain.h"
#include "packet/encap_plain6.h"
#include "packet/parse.h"
#include "random.h"

static const char CLIENT[] = "198.51.100.7", VIP[] = "192.0.2.10";
static const char CLIENT6[] = "2001:db8:1::7", VIP6[] = "2001:db8::10";

static void start(struct frame *f, bool is_v6)
{
	frame_eth(f);
	if (is_v6)
		frame_ipv6(f, CLIENT6, VIP6);
	else
		frame_ipv4(f, CLIENT, VIP);
}

static void tcp(struct frame *f, bool is_v6, uint32_t n)
{
	start(f, is_v6);
	frame_tcp(f, 40000, 80, LB_TCP_ACK);
	frame_fill(f, n);
	frame_finish(f);
}

static void tcp_behind_options(struct frame *f, bool is_v6, uint32_t n)
{
	start(f, is_v6);
	if (is_v6)
		frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	else
		frame_ipv4_options(f, 8);
	frame_tcp(f, 40000, 80, LB_TCP_ACK);
	frame_fill(f, n);
	frame_finish(f);
}

static void udp(struct frame *f, bool is_v6, uint32_t n)
{
	start(f, is_v6);
	frame_udp(f, 40000, 80);
	frame_fill(f, n);
	frame_finish(f);
}

static void udp_without_checksum(struct frame *f, bool is_v6, uint32_t n)
{
	start(f, is_v6);
	frame_udp(f, 40000, 80);
	if (!is_v6)
		frame_udp_without_checksum(f);
	frame_fill(f, n);
	frame_finish(f);
}

static void icmp_error(struct frame *f, bool is_v6, uint32_t n)
{
	struct frame quoted;

	udp(&quoted, is_v6, n);
	start(f, is_v6);
	if (is_v6)
		frame_icmp(f, FRAME_ICMP6_TOO_BIG, 0, 1400);
	else
		frame_icmp(f, FRAME_ICMP4_UNREACHABLE, 4, 1400);
	frame_quote(f, &quoted, 500);
	frame_finish(f);
}

static void fragment(struct frame *f, bool is_v6, uint32_t n)
{
	start(f, is_v6);
	if (is_v6)
		frame_ipv6_fragment(f, 0, true);
	else
		frame_ipv4_fragment(f, 0, true);
	frame_udp(f, 40000, 80);
	frame_fill(f, n);
	frame_finish(f);
}

static const struct {
	const char *name;
	void (*build)(struct frame *f, bool is_v6, uint32_t n);
	bool is_padded;
} shapes[] = {
	{"TCP", tcp, false},
	{"TCP behind options", tcp_behind_options, false},
	{"UDP", udp, false},
	{"UDP without checksum", udp_without_checksum, false},
	{"ICMP error", icmp_error, false},
	{"fragment", fragment, false},
	{"TCP in a padded frame", tcp, true},
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static struct lb_encap outer(bool is_v6, bool is_gue)
{
	struct lb_encap e = {
		.flow_hash = 0xfedcba98, .dport_be = rte_cpu_to_be_16(9886), .is_gue = is_gue};

	lb_addr_parse(is_v6 ? "2001:db8::2" : "192.0.2.2", &e.src);
	lb_addr_parse(is_v6 ? "2001:db8::11" : "192.0.2.11", &e.dst);
	return e;
}

static struct lb_pkt parsed(struct frame *f)
{
	struct lb_pkt p = frame_view(f);

	lb_parse(&p);
	return p;
}

static void check_outer(const uint8_t *ip, bool is_v6, uint8_t proto, uint32_t n, uint8_t class,
			const char *name)
{
	static const uint8_t v4[] = {192, 0, 2, 2, 192, 0, 2, 11};

	if (is_v6) {
		cr_expect_eq(lb_load_u32(ip), 6u << 28 | (uint32_t) class << 20 | 0xcba98, "%s",
			     name);
		cr_expect_eq(lb_load_u16(ip + 4), n - 40, "%s: length", name);
		cr_expect_eq(ip[6], proto, "%s: next header", name);
		cr_expect_eq(ip[7], 64, "%s: hop limit", name);
		cr_expect_eq(ip[8 + 15], 2, "%s: source", name);
		cr_expect_eq(ip[24 + 15], 0x11, "%s: destination", name);
		return;
	}
	cr_expect_eq(ip[0], 0x45, "%s", name);
	cr_expect_eq(ip[1], class, "%s: traffic class", name);
	cr_expect_eq(lb_load_u16(ip + 2), n, "%s: length", name);
	cr_expect_eq(lb_load_u32(ip + 4), 0x4000, "%s: identification 0, DF", name);
	cr_expect_eq(ip[8], 64, "%s: TTL", name);
	cr_expect_eq(ip[9], proto, "%s: protocol", name);
	cr_expect_eq(memcmp(ip + 12, v4, 8), 0, "%s: addresses", name);
}

static void check_push(size_t shape, bool is_v6, bool is_outer_v6, bool is_gue, uint32_t n)
{
	uint32_t n_more = (is_outer_v6 ? 40u : 20u) + (is_gue ? 8u : 0u);
	struct lb_encap e = outer(is_outer_v6, is_gue);
	struct frame f, before;
	struct lb_pkt p;
	char name[128];
	uint16_t n_ip;
	const char *complaint;

	snprintf(name, sizeof(name), "%s, %u bytes, IPv%d in IPv%d%s", shapes[shape].name, n,
		 is_v6 ? 6 : 4, is_outer_v6 ? 6 : 4, is_gue ? ", GUE" : "");
	shapes[shape].build(&f, is_v6, n);
	if (is_v6) /* traffic class 0xb9: EF, ECT(1) */
		frame_put16(&f, 14, 0x6b90);
	else
		frame_put8(&f, 15, 0xb9);
	frame_checksums(&f);
	if (shapes[shape].is_padded) {
		frame_pad(&f, f.len + 7);
		frame_put8(&f, f.len - 1, 0xee);
	}
	before = f;
	p = parsed(&f);
	n_ip = p.ip_len;
	cr_assert_eq(lb_encap_bytes(lb_addr_is_v4(&e.dst), e.is_gue), n_more, "%s", name);
	cr_assert(lb_encap_push(&p, &e), "%s", name);
	cr_assert_eq(p.len, 14 + n_more + n_ip, "%s: without padding", name);
	cr_expect_eq(p.headroom, FRAME_HEADROOM - n_more, "%s", name);
	cr_expect_eq(p.headroom + p.len + p.tailroom,
		     FRAME_HEADROOM + before.len + frame_view(&before).tailroom, "%s", name);
	cr_expect_eq(memcmp(p.data, frame_at(&before, 0), 12), 0, "%s: MACs", name);
	cr_expect_eq(lb_load_u16(p.data + 12), is_outer_v6 ? 0x86dd : 0x0800, "%s", name);
	check_outer(p.data + 14, is_outer_v6,
		    is_gue  ? 17
		    : is_v6 ? 41
			    : 4,
		    n_more + n_ip, 0xb9, name);
	if (is_gue)
		cr_expect_eq(lb_load_u32(p.data + 14 + n_more - 8), (49152u + 0x3a98) << 16 | 9886,
			     "%s: ports", name);
	cr_expect_eq(memcmp(p.data + 14 + n_more, frame_at(&before, 14), n_ip), 0,
		     "%s: the inner packet is as it was", name);
	/* Full sums, UDP's over the whole inner packet. */
	complaint = frame_verify(p.data, p.len);
	cr_expect_null(complaint, "%s: %s", name, complaint);
	if (is_gue)
		cr_expect_neq(lb_load_be16(p.data + 14 + n_more - 2), 0, "%s: a checksum", name);
}

Test(encap, every_packet_in_every_tunnel)
{
	static const uint32_t sizes[] = {0, 1, 2, 7, 64, 1001};

	for (size_t shape = 0; shape < N_SHAPES; shape++)
		for (uint32_t i = 0; i < 8; i++)
			for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
				check_push(shape, i & 1, i & 2, i & 4, sizes[s]);
}

/* Against the full sum; among random contents are those whose sums are 0 and 0xffff. */
Test(encap, the_inner_sum_is_derived_as_it_would_be_summed)
{
	struct test_random r = {test_seed("encap")};

	for (uint32_t i = 0; i < 20000; i++) {
		size_t shape = (size_t)test_random_below(&r, N_SHAPES);
		bool is_v6 = test_random_below(&r, 2) != 0;
		struct frame f;
		struct lb_pkt p;
		uint16_t derived, summed;

		shapes[shape].build(&f, is_v6, (uint32_t)test_random_below(&r, 40));
		/* Two bytes of payload or of numbers, and the ports. */
		frame_put16(&f, f.l4_off, (uint16_t)test_random_below(&r, 65536));
		frame_checksums(&f);
		p = parsed(&f);
		if (p.verdict != LB_VERDICT_CONTINUE)
			continue;
		derived = lb_checksum_fold(lb_encap_inner_sum(&p));
		summed = lb_checksum_fold(lb_checksum_sum(0, p.data + p.l3_off, p.ip_len));
		/* 0 and 0xffff are one number; which of them it is does not matter to a sum that
		 * goes on with other words. */
		cr_assert_eq(derived % 0xffff, summed % 0xffff, "%s, IPv%d", shapes[shape].name,
			     is_v6 ? 6 : 4);
	}
}

Test(encap, a_wrong_inner_checksum_stays_wrong_outside)
{
	struct lb_encap e = outer(false, true);
	struct frame f;
	struct lb_pkt p;

	udp(&f, false, 100);
	frame_put8(&f, f.len - 1, (uint8_t)(*frame_at(&f, f.len - 1) + 1));
	p = parsed(&f);
	cr_assert(lb_encap_push(&p, &e));
	cr_expect_not_null(frame_verify(p.data, p.len));
}

Test(encap, without_room_nothing_is_written)
{
	for (uint32_t i = 0; i < 4; i++) {
		struct lb_encap e = outer(i & 1, i & 2);
		struct frame f, before;
		struct lb_pkt p, same;

		tcp(&f, false, 10);
		before = f;
		p = parsed(&f);
		p.headroom = lb_encap_bytes(lb_addr_is_v4(&e.dst), e.is_gue) - 1;
		same = p;
		cr_expect_not(lb_encap_push(&p, &e));
		cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
		cr_expect_eq(p.data, same.data);
		cr_expect_eq(p.len, same.len);
		p.headroom++;
		cr_expect(lb_encap_push(&p, &e));
		cr_expect_eq(p.headroom, 0);
	}
	cr_expect_leq(LB_ENCAP_BYTES_MAX, FRAME_HEADROOM);
}

/* Fields that a view has before and after, as both ways leave them. */
static void check_same_view(const struct lb_pkt *a, const struct lb_pkt *b, const char *name)
{
	cr_expect_eq(a->headroom, b->headroom, "%s: headroom", name);
	cr_expect_eq(a->tailroom, b->tailroom, "%s: tailroom", name);
	cr_expect_eq(a->len, b->len, "%s: length", name);
	cr_expect_eq(a->rest, b->rest, "%s: rest", name);
	cr_expect_eq(a->ip_len, b->ip_len, "%s: IP length", name);
	cr_expect_eq(a->l3_off, b->l3_off, "%s: IP header", name);
	cr_expect_eq(a->l4_off, b->l4_off, "%s: transport header", name);
}

/* One packet by both ways; the straight one leaves the addresses of the link to who comes next. */
static bool check_plain(struct frame *f, const struct lb_encap *e, const char *name)
{
	struct frame twin = *f;
	struct lb_pkt p = parsed(f), q = parsed(&twin);

	if (p.verdict != LB_VERDICT_CONTINUE || !lb_encap_is_plain(&p) ||
	    (e->is_gue && !lb_encap_is_plain_gue(&p)))
		return false;
	if (e->is_gue)
		lb_encap_push_plain_gue4(&p, lb_addr_v4(&e->src), lb_addr_v4(&e->dst), e->flow_hash,
					 e->dport_be);
	else
		lb_encap_push_plain_ipip4(&p, lb_addr_v4(&e->src), lb_addr_v4(&e->dst));
	cr_assert(lb_encap_push(&q, e), "%s", name);
	check_same_view(&p, &q, name);
	cr_assert_eq(p.len, q.len, "%s", name);
	cr_expect_eq(memcmp(p.data + 12, q.data + 12, q.len - 12), 0, "%s: bytes", name);
	return true;
}

/* The same over IPv6. */
static bool check_plain6(struct frame *f, const struct lb_encap *e, const char *name)
{
	struct frame twin = *f;
	struct lb_pkt p = parsed(f), q = parsed(&twin);

	if (p.verdict != LB_VERDICT_CONTINUE || !lb_encap_is_plain6(&p) ||
	    (e->is_gue && !lb_encap_is_plain_gue(&p)))
		return false;
	if (e->is_gue)
		lb_encap_push_plain_gue6(&p, e);
	else
		lb_encap_push_plain_ipip6(&p, e);
	cr_assert(lb_encap_push(&q, e), "%s", name);
	check_same_view(&p, &q, name);
	cr_assert_eq(p.len, q.len, "%s", name);
	cr_expect_eq(memcmp(p.data + 12, q.data + 12, q.len - 12), 0, "%s: bytes", name);
	return true;
}

Test(encap, the_straight_way_over_ipv6_writes_the_same)
{
	struct test_random r = {test_seed("encap")};
	uint32_t n_plain = 0;

	for (uint32_t i = 0; i < 40000; i++) {
		size_t shape = (size_t)test_random_below(&r, N_SHAPES);
		struct lb_encap e = outer(true, test_random_below(&r, 2) != 0);
		bool is_v6 = test_random_below(&r, 8) != 0;
		struct frame f;

		for (uint32_t word = 0; word < 4; word++) {
			e.src.word_be[word] = test_random_word(&r) | 1;
			e.dst.word_be[word] = test_random_word(&r) | 1;
		}
		e.flow_hash = test_random_word(&r);
		e.dport_be = (rte_be16_t)test_random_word(&r);
		shapes[shape].build(&f, is_v6, test_random_below(&r, 1400));
		if (is_v6)
			frame_put32(&f, 14, 6u << 28 | test_random_word(&r) >> 4);
		frame_put16(&f, f.l4_off, (uint16_t)test_random_word(&r));
		frame_checksums(&f);
		if (shapes[shape].is_padded)
			frame_pad(&f, f.len + test_random_below(&r, 40));
		n_plain += check_plain6(&f, &e, shapes[shape].name);
	}
	cr_expect_gt(n_plain, 10000);
}

Test(encap, the_straight_way_writes_the_same)
{
	struct test_random r = {test_seed("encap")};
	uint32_t n_plain = 0;

	for (uint32_t i = 0; i < 40000; i++) {
		size_t shape = (size_t)test_random_below(&r, N_SHAPES);
		struct lb_encap e = outer(false, test_random_below(&r, 2) != 0);
		bool is_v6 = test_random_below(&r, 8) == 0;
		struct frame f;

		e.src = lb_addr_from_v4(test_random_word(&r));
		e.dst = lb_addr_from_v4(test_random_word(&r));
		e.flow_hash = test_random_word(&r);
		e.dport_be = (rte_be16_t)test_random_word(&r);
		shapes[shape].build(&f, is_v6, test_random_below(&r, 1400));
		if (!is_v6) {
			frame_put8(&f, 15, (uint8_t)test_random_word(&r));
			frame_put16(&f, 14 + 12 + 2, (uint16_t)test_random_word(&r));
		}
		frame_put16(&f, f.l4_off, (uint16_t)test_random_word(&r));
		frame_checksums(&f);
		if (shapes[shape].is_padded)
			frame_pad(&f, f.len + test_random_below(&r, 40));
		n_plain += check_plain(&f, &e, shapes[shape].name);
	}
	cr_expect_gt(n_plain, 10000);
}
