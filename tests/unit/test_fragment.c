#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/fragment.h"
#include "packet/key.h"
#include "packet/parse.h"
#include "parts.h"
#include "random.h"

#define SRC4 "198.51.100.1"
#define DST4 "192.0.2.10"
#define SRC6 "2001:db8:1::1"
#define DST6 "2001:db8::10"

static void begin(struct frame *f, bool is_v6)
{
	frame_eth(f);
	if (is_v6)
		frame_ipv6(f, SRC6, DST6);
	else
		frame_ipv4(f, SRC4, DST4);
}

static void mark(struct frame *f, uint16_t off, bool is_more)
{
	if (f->is_v6)
		frame_ipv6_fragment(f, off, is_more);
	else
		frame_ipv4_fragment(f, off, is_more);
}

/* The part that begins at `off` and has `n` bytes of `proto`, on a heap block of its own size. */
static struct lb_pkt part(bool is_v6, uint8_t proto, uint16_t off, uint32_t n, bool is_more)
{
	struct frame f;
	struct lb_pkt p;

	begin(&f, is_v6);
	mark(&f, off, is_more);
	frame_ip_proto(&f, proto);
	frame_fill(&f, n);
	frame_finish(&f);
	if (proto == IPPROTO_TCP && off == 0 && n > 12) {
		frame_put8(&f, f.len - n + 12, 0x60); /* 24 bytes */
		frame_put8(&f, f.len - n + 13, LB_TCP_SYN);
	}
	p = frame_exact(&f, f.len);
	lb_parse(&p);
	cr_assert_eq(p.kind, LB_PKT_FRAGMENT);
	return p;
}

Test(fragment, what_is_no_part_of_anything)
{
	static const struct {
		const char *name;
		uint8_t proto;
		uint16_t off;
		uint32_t n;
		bool is_more;
		enum lb_fragment_part part;
	} cases[] = {
		{"first udp", IPPROTO_UDP, 0, 8, true, LB_FRAGMENT_FIRST},
		{"first tcp", IPPROTO_TCP, 0, 24, true, LB_FRAGMENT_FIRST},
		{"first tcp, options cut", IPPROTO_TCP, 0, 16, true, LB_FRAGMENT_TINY},
		{"first tcp, ports only", IPPROTO_TCP, 0, 8, true, LB_FRAGMENT_TINY},
		{"later", IPPROTO_TCP, 8, 16, true, LB_FRAGMENT_LATER},
		{"last, odd", IPPROTO_UDP, 1480, 3, false, LB_FRAGMENT_LATER},
		{"empty", IPPROTO_UDP, 8, 0, true, LB_FRAGMENT_MALFORMED},
		{"empty and last", IPPROTO_UDP, 8, 0, false, LB_FRAGMENT_MALFORMED},
		{"empty and first", IPPROTO_UDP, 0, 0, true, LB_FRAGMENT_MALFORMED},
		{"odd, and more follow", IPPROTO_UDP, 8, 12, true, LB_FRAGMENT_MALFORMED},
		{"to the last byte", IPPROTO_UDP, 65520, 15, false, LB_FRAGMENT_LATER},
		{"past the last byte", IPPROTO_UDP, 65520, 16, false, LB_FRAGMENT_MALFORMED},
		{"at the last offset", IPPROTO_UDP, 65528, 16, true, LB_FRAGMENT_MALFORMED},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t c = i / 2;
		struct lb_pkt p = part(i % 2, cases[c].proto, cases[c].off, cases[c].n,
				       cases[c].is_more);
		struct lb_fragment f;

		lb_fragment_read(&p, &f);
		cr_expect_eq(p.fragment_part, cases[c].part, "case %s, IPv%u: %u", cases[c].name,
			     i % 2 ? 6 : 4, p.fragment_part);
		cr_expect_eq(f.off, cases[c].off, "case %s", cases[c].name);
		cr_expect_eq(f.n_bytes, cases[c].n, "case %s", cases[c].name);
		cr_expect_eq(f.is_last, !cases[c].is_more, "case %s", cases[c].name);
		cr_expect_eq(lb_fragment_is_first(&p), cases[c].off == 0);
		free(p.data);
	}
}

/* Builds what follows a fragment header of a first fragment. */
static void options(struct frame *f)
{
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	frame_udp(f, 1, 2);
}

static void options_of_ping(struct frame *f)
{
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	frame_icmp(f, 128, 0, 0);
}

static void waypoint(struct frame *f)
{
	frame_ipv6_extension(f, IPPROTO_ROUTING, 24);
	frame_put8(f, f->len - 21, 1);
	frame_udp(f, 1, 2);
}

static void many(struct frame *f)
{
	for (uint32_t i = 0; i <= LB_IPV6_EXTENSIONS_MAX; i++)
		frame_ipv6_extension(f, IPPROTO_DSTOPTS, 8);
	frame_udp(f, 1, 2);
}

static void cut(struct frame *f)
{
	frame_ipv6_extension(f, IPPROTO_DSTOPTS, 16);
	frame_put8(f, f->len - 15, 100);
	frame_udp(f, 1, 2);
}

static void authenticated(struct frame *f)
{
	frame_ipv6_extension(f, IPPROTO_AH, 24);
	frame_tcp(f, 1, 2, LB_TCP_ACK);
	frame_bytes(f, "four", 4);
}

Test(fragment, ports_behind_headers_behind_the_fragment_header)
{
	static const struct {
		const char *name;
		void (*build)(struct frame *f);
		enum lb_fragment_part part;
	} cases[] = {
		{"options", options, LB_FRAGMENT_FIRST},
		{"authentication", authenticated, LB_FRAGMENT_FIRST},
		{"options of a ping", options_of_ping, LB_FRAGMENT_FOREIGN},
		{"to a waypoint", waypoint, LB_FRAGMENT_FOREIGN},
		{"too many", many, LB_FRAGMENT_TINY},
		{"past the end", cut, LB_FRAGMENT_TINY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_fragment f;
		struct frame frame;
		struct lb_pkt p;

		begin(&frame, true);
		mark(&frame, 0, true);
		cases[i].build(&frame);
		frame_finish(&frame);
		p = frame_exact(&frame, frame.len);
		lb_parse(&p);
		cr_assert_eq(p.kind, LB_PKT_FRAGMENT, "case %s", cases[i].name);
		lb_fragment_read(&p, &f);
		cr_expect_eq(p.fragment_part, cases[i].part, "case %s: %u", cases[i].name,
			     p.fragment_part);
		if (cases[i].part == LB_FRAGMENT_FIRST) {
			cr_expect_eq(lb_key_sport(&p.key), rte_cpu_to_be_16(1));
			cr_expect_eq(lb_key_dport(&p.key), rte_cpu_to_be_16(2));
			cr_expect_eq(p.l4_off, frame.l4_off);
		}
		free(p.data);
	}
}

static void whole(struct frame *f, struct test_random *r)
{
	begin(f, test_random_below(r, 2));
	if (f->is_v6 && test_random_below(r, 2))
		frame_ipv6_extension(f, IPPROTO_DSTOPTS, 8 + 8 * test_random_below(r, 3));
	if (!f->is_v6 && test_random_below(r, 2))
		frame_ipv4_options(f, 4 * test_random_below(r, 11));
	if (test_random_below(r, 2)) {
		frame_tcp(f, (uint16_t)test_random(r), (uint16_t)test_random(r), LB_TCP_ACK);
	} else {
		frame_udp(f, (uint16_t)test_random(r), (uint16_t)test_random(r));
		if (!f->is_v6 && test_random_below(r, 4) == 0)
			frame_udp_without_checksum(f);
	}
	frame_fill(f, 80 + test_random_below(r, 600));
	frame_finish(f);
}

static struct lb_key any_key(struct test_random *r, bool is_v6)
{
	struct lb_key key = {.is_v6 = is_v6};
	rte_be32_t *words = is_v6 ? key.v6.src_be : &key.v4.src_be;

	/* Both addresses and the ports. */
	for (uint32_t i = 0; i < (is_v6 ? 9 : 3); i++)
		words[i] = test_random_word(r);
	return key;
}

/* Each part by itself is made to leave with new ends and a new name; what the receiver puts
 * together has them all, and its checksum. */
Test(fragment, parts_of_a_rewritten_packet_make_a_sound_packet)
{
	struct test_random r = {test_seed("fragment")};
	struct frame f, parts[PARTS_MAX], joined;

	for (uint32_t round = 0; round < 3000; round++) {
		struct lb_key shared = {0}, to;
		rte_be32_t new_id_be;
		const char *complaint;
		struct lb_pkt p;
		uint32_t n;

		whole(&f, &r);
		to = any_key(&r, f.is_v6);
		new_id_be = f.is_v6 ? test_random_word(&r) : (uint16_t)test_random_word(&r);
		n = parts_cut(&f, (uint32_t)test_random(&r), 64 + 8 * test_random_below(&r, 30),
			      parts);
		if (n == 1)
			continue;
		for (uint32_t i = 0; i < n; i++) {
			struct lb_fragment part;

			p = frame_view(&parts[i]);
			lb_parse(&p);
			cr_assert_eq(p.kind, LB_PKT_FRAGMENT);
			lb_fragment_read(&p, &part);
			cr_assert_eq(p.fragment_part,
				     i == 0 ? LB_FRAGMENT_FIRST : LB_FRAGMENT_LATER);
			if (i != 0)
				cr_assert_eq(memcmp(&shared, &part.id, sizeof(shared)), 0);
			shared = part.id;
			p.to = to;
			p.new_id_be = new_id_be;
			cr_assert(lb_rewrite_fragment(&p));
			cr_assert_null(frame_verify(p.data, p.len));
		}
		complaint = parts_join(parts, n, &joined);
		cr_assert_null(complaint, "round %u: %s", round, complaint);
		cr_assert_eq(joined.len, f.len);
		p = frame_view(&joined);
		lb_parse(&p);
		/* Random ends may be ones that no packet has; the checksums are sound. */
		if (p.kind != LB_PKT_FLOW)
			continue;
		cr_assert_eq(lb_key_sport(&p.key), lb_key_sport(&to));
		cr_assert_eq(lb_key_dport(&p.key), lb_key_dport(&to));
	}
}

Test(fragment, a_part_without_hops_left_stays_as_it_is)
{
	for (uint32_t i = 0; i < 8; i++) {
		struct frame f, before;
		struct lb_fragment part;
		struct lb_pkt p;

		begin(&f, i & 1);
		mark(&f, i & 2 ? 64 : 0, true);
		frame_ip_proto(&f, IPPROTO_UDP);
		frame_ttl(&f, i & 4 ? 1 : 0);
		frame_fill(&f, 64);
		frame_finish(&f);
		before = f;
		p = frame_view(&f);
		lb_parse(&p);
		lb_fragment_read(&p, &part);
		cr_expect_not(lb_rewrite_fragment(&p));
		cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
	}
}
