#include <criterion/criterion.h>
#include <netinet/in.h>

#include "packet/icmp_error.h"
#include "packet/parse.h"
#include "packet/wire.h"
#include "shapes.h"

static struct lb_addr vip(bool is_v6)
{
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(is_v6 ? SHAPE_VIP6 : SHAPE_VIP4, &a), 0);
	return a;
}

static struct lb_pkt parsed(struct frame *f)
{
	struct lb_pkt p = frame_view(f);

	lb_parse(&p);
	return p;
}

/* Room, lengths and link-layer addresses of an answer to what `before` shows. */
static void expect_answer(const struct frame *f, const struct lb_pkt *p, const struct frame *before,
			  const char *name)
{
	static const uint8_t dst[6] = {2, 0, 0, 0, 0, 2}, src[6] = {2, 0, 0, 0, 0, 1};
	struct frame unused = *before;
	struct lb_pkt old = frame_view(&unused);
	struct lb_pkt anew = *p;

	cr_expect(p->is_originated, "case %s", name);
	cr_expect_eq(p->data - p->headroom, f->room, "case %s", name);
	cr_expect_eq(p->headroom + p->len + p->tailroom, old.headroom + old.len + old.tailroom,
		     "case %s", name);
	cr_expect_arr_eq(p->data, dst, 6, "case %s", name);
	cr_expect_arr_eq(p->data + 6, src, 6, "case %s", name);
	cr_expect_null(frame_verify(p->data, p->len), "case %s: %s", name,
		       frame_verify(p->data, p->len));
	lb_parse(&anew);
	cr_expect_eq(anew.l4_off, p->l4_off, "case %s", name);
	cr_expect_eq(anew.ip_len, p->ip_len, "case %s", name);
	cr_expect_eq(anew.proto, p->proto, "case %s", name);
	cr_expect_eq(p->len, anew.l3_off + p->ip_len, "case %s: padding", name);
	cr_expect_eq(anew.tags, p->tags, "case %s: tags", name);
	cr_expect_eq(p->data[anew.l3_off + (f->is_v6 ? 7 : 8)], 64, "case %s", name);
}

static const struct {
	const char *name;
	uint8_t flags;
	uint32_t n_payload;
	uint32_t seq, ack;
	bool has_answer;
	uint8_t want_flags;
	uint32_t want_seq, want_ack;
} resets[] = {
	{"syn", LB_TCP_SYN, 0, 1000, 0, true, LB_TCP_RST | LB_TCP_ACK, 0, 1001},
	{"syn with data", LB_TCP_SYN, 10, 1000, 0, true, LB_TCP_RST | LB_TCP_ACK, 0, 1011},
	{"syn, wrapping", LB_TCP_SYN, 0, 0xffffffff, 0, true, LB_TCP_RST | LB_TCP_ACK, 0, 0},
	{"fin without ack", LB_TCP_FIN, 3, 7, 9, true, LB_TCP_RST | LB_TCP_ACK, 0, 11},
	{"nothing set", 0, 5, 7, 9, true, LB_TCP_RST | LB_TCP_ACK, 0, 12},
	{"syn and fin", LB_TCP_SYN | LB_TCP_FIN, 0, 7, 0, true, LB_TCP_RST | LB_TCP_ACK, 0, 9},
	{"ack", LB_TCP_ACK, 0, 1000, 0x89abcdef, true, LB_TCP_RST, 0x89abcdef, 0},
	{"ack with data", LB_TCP_ACK | 0x08, 100, 1000, 2000, true, LB_TCP_RST, 2000, 0},
	{"syn-ack", LB_TCP_SYN | LB_TCP_ACK, 0, 1000, 2000, true, LB_TCP_RST, 2000, 0},
	{"fin-ack", LB_TCP_FIN | LB_TCP_ACK, 0, 1000, 2000, true, LB_TCP_RST, 2000, 0},
	{"rst", LB_TCP_RST, 0, 1000, 2000, false, 0, 0, 0},
	{"rst-ack", LB_TCP_RST | LB_TCP_ACK, 0, 1000, 2000, false, 0, 0, 0},
};

/* RFC 9293 3.10.7.1 */
Test(icmp_error, resets_carry_the_numbers_that_the_sender_believes)
{
	for (size_t i = 0; i < 2 * sizeof(resets) / sizeof(resets[0]); i++) {
		size_t c = i / 2;
		struct frame f, before;
		struct lb_pkt p;
		uint8_t *tcp;

		shape_ip(&f, i % 2 == 1);
		frame_tcp(&f, SHAPE_SPORT, SHAPE_DPORT, resets[c].flags);
		frame_tcp_numbers(&f, resets[c].seq, resets[c].ack);
		frame_tcp_options(&f, 8);
		frame_fill(&f, resets[c].n_payload);
		frame_finish(&f);
		frame_pad(&f, 100);
		before = f;
		p = parsed(&f);
		cr_assert_eq(lb_reply_tcp_reset(&p), resets[c].has_answer, "case %s",
			     resets[c].name);
		if (!resets[c].has_answer) {
			cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
			cr_expect_not(p.is_originated);
			continue;
		}
		expect_answer(&f, &p, &before, resets[c].name);
		tcp = p.data + p.l4_off;
		cr_expect_eq(p.tcp_flags, resets[c].want_flags, "case %s", resets[c].name);
		cr_expect_eq(tcp[13], resets[c].want_flags, "case %s", resets[c].name);
		cr_expect_eq(lb_load_u16(tcp), SHAPE_DPORT, "case %s", resets[c].name);
		cr_expect_eq(lb_load_u16(tcp + 2), SHAPE_SPORT, "case %s", resets[c].name);
		cr_expect_eq(lb_load_u32(tcp + 4), resets[c].want_seq, "case %s", resets[c].name);
		cr_expect_eq(lb_load_u32(tcp + 8), resets[c].want_ack, "case %s", resets[c].name);
	}
}

static void expect_from_vip_to_client(const struct lb_pkt *p, const char *name)
{
	struct lb_addr client, from = vip(p->key.is_v6);
	const uint8_t *ip = p->data + p->l3_off;

	lb_addr_parse(p->key.is_v6 ? SHAPE_CLIENT6 : SHAPE_CLIENT4, &client);
	if (p->key.is_v6) {
		cr_expect_arr_eq(ip + 8, from.word_be, 16, "case %s", name);
		cr_expect_arr_eq(ip + 24, client.word_be, 16, "case %s", name);
	} else {
		cr_expect_arr_eq(ip + 12, &from.word_be[3], 4, "case %s", name);
		cr_expect_arr_eq(ip + 16, &client.word_be[3], 4, "case %s", name);
	}
}

Test(icmp_error, every_tcp_flow_can_be_reset_and_nothing_else)
{
	for (uint32_t i = 0; i < n_shapes; i++) {
		bool is_tcp = shapes[i].kind == LB_PKT_FLOW && shapes[i].proto == IPPROTO_TCP;
		struct frame f, before;
		struct lb_pkt p;

		shapes[i].build(&f);
		before = f;
		p = parsed(&f);
		cr_assert_eq(lb_reply_tcp_reset(&p), is_tcp, "case %s", shapes[i].name);
		if (!is_tcp) {
			cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
			continue;
		}
		expect_answer(&f, &p, &before, shapes[i].name);
		expect_from_vip_to_client(&p, shapes[i].name);
	}
}

/* Whole packets and first fragments may be the subject of an error. */
static bool may_be_answered(const struct shape *s)
{
	return s->kind == LB_PKT_FLOW ||
	       (s->kind == LB_PKT_FRAGMENT && strstr(s->name, "first") != NULL);
}

static const struct {
	enum lb_icmp_why why;
	uint16_t words4, words6;
} errors[] = {
	{LB_ICMP_PORT_UNREACHABLE, 0x0303, 0x0104},
	{LB_ICMP_TTL_EXCEEDED, 0x0b00, 0x0300},
};

static void check_error(const struct shape *shape, size_t e, uint32_t headroom)
{
	struct frame f, before;
	struct lb_addr src;
	struct lb_pkt p;
	uint32_t n_header;

	shape->build(&f);
	before = f;
	p = parsed(&f);
	p.headroom = headroom;
	src = vip(f.is_v6);
	cr_assert_eq(lb_reply_icmp_error(&p, &src, errors[e].why), may_be_answered(shape),
		     "case %s", shape->name);
	if (!may_be_answered(shape)) {
		cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
		return;
	}
	p.headroom += FRAME_HEADROOM - headroom;
	expect_answer(&f, &p, &before, shape->name);
	expect_from_vip_to_client(&p, shape->name);
	n_header = f.is_v6 ? 40 : 20;
	cr_expect_eq(lb_load_u16(p.data + p.l3_off + n_header),
		     f.is_v6 ? errors[e].words6 : errors[e].words4);
	cr_expect_eq(lb_load_u32(p.data + p.l3_off + n_header + 4), 0);
	cr_expect_arr_eq(p.data + p.l3_off + n_header + 8, frame_at(&before, before.l3_off),
			 p.ip_len - n_header - 8, "case %s: quote", shape->name);
	cr_expect_eq(p.proto, f.is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

Test(icmp_error, errors_quote_what_they_are_about)
{
	for (uint32_t i = 0; i < n_shapes; i++)
		for (size_t e = 0; e < 2; e++) {
			check_error(&shapes[i], e, FRAME_HEADROOM);
			check_error(&shapes[i], e, 0); /* makes its room behind */
			check_error(&shapes[i], e, 27);
		}
}

static void build_udp(struct frame *f, bool is_v6, uint32_t n)
{
	shape_ip(f, is_v6);
	frame_udp(f, SHAPE_SPORT, SHAPE_DPORT);
	frame_fill(f, n);
	frame_finish(f);
}

Test(icmp_error, messages_are_as_long_as_allowed_and_no_longer)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t max = i == 1 ? 1280 : 576, n_before = i == 1 ? 48 : 28;

		for (uint32_t n = 0; n < 1400; n++) {
			struct lb_addr src = vip(i == 1);
			struct frame f;
			struct lb_pkt p;
			uint32_t before;

			build_udp(&f, i == 1, n);
			p = parsed(&f);
			before = p.ip_len;
			cr_assert(lb_reply_icmp_error(&p, &src, LB_ICMP_PORT_UNREACHABLE));
			cr_expect_eq(p.ip_len, before + n_before < max ? before + n_before : max,
				     "payload %u", n);
			cr_expect_null(frame_verify(p.data, p.len), "payload %u", n);
		}
	}
}

/* Padding may be overwritten: it is nobody's. */
Test(icmp_error, what_does_not_fit_is_not_answered)
{
	for (uint32_t room = 0; room < 60; room++) {
		struct lb_addr src = vip(false);
		struct frame f, before;
		struct lb_pkt p;
		bool answered;

		build_udp(&f, false, 0);
		frame_pad(&f, 60);
		before = f;
		p = parsed(&f);
		p.headroom = 0;
		p.tailroom = room;
		answered = lb_reply_icmp_error(&p, &src, LB_ICMP_PORT_UNREACHABLE);
		/* 14 + 28 + 28 bytes are needed, 60 are there. */
		cr_expect_eq(answered, room >= 10, "room %u", room);
		if (answered)
			cr_expect_eq(p.len + p.tailroom, 60 + room);
		else
			cr_expect_arr_eq(f.room, before.room, sizeof(f.room));
		cr_expect_arr_eq(f.room, before.room, FRAME_HEADROOM);
		cr_expect_arr_eq(frame_at(&f, 60 + room), frame_at(&before, 60 + room), 100);
	}
}

Test(icmp_error, nobody_answers_what_was_sent_to_all)
{
	struct lb_addr src = vip(false), src6 = vip(true);
	struct frame f;
	struct lb_pkt p;

	for (uint32_t first = 1; first < 256; first += 254) {
		build_udp(&f, false, 4);
		frame_put8(&f, 0, (uint8_t)first);
		p = parsed(&f);
		cr_expect_not(lb_reply_icmp_error(&p, &src, LB_ICMP_PORT_UNREACHABLE));
		shapes[0].build(&f);
		frame_put8(&f, 0, (uint8_t)first);
		p = parsed(&f);
		cr_expect_not(lb_reply_tcp_reset(&p));
	}
	build_udp(&f, false, 4);
	frame_put8(&f, 14 + 12, 240); /* class E: no single host */
	frame_checksums(&f);
	p = parsed(&f);
	cr_assert_eq(p.kind, LB_PKT_FLOW);
	cr_expect_not(lb_reply_icmp_error(&p, &src, LB_ICMP_PORT_UNREACHABLE));
	build_udp(&f, false, 4);
	p = parsed(&f);
	cr_expect_not(lb_reply_icmp_error(&p, &src6, LB_ICMP_PORT_UNREACHABLE), "other family");
	cr_expect(lb_reply_icmp_error(&p, &src, LB_ICMP_PORT_UNREACHABLE));
}

/* Answers to answers would never end. */
Test(icmp_error, an_answer_is_never_answered_by_an_icmp_error)
{
	struct lb_addr src = vip(false);
	struct frame f;
	struct lb_pkt p;

	build_udp(&f, false, 4);
	p = parsed(&f);
	cr_assert(lb_reply_icmp_error(&p, &src, LB_ICMP_TTL_EXCEEDED));
	lb_parse(&p);
	cr_expect_eq(p.kind, LB_PKT_ICMP_ERROR);
	cr_expect_not(lb_reply_icmp_error(&p, &src, LB_ICMP_TTL_EXCEEDED));
	cr_expect_not(lb_reply_tcp_reset(&p));
}
