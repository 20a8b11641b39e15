#include "lb/probe_packet.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "lb/service.h"
#include "packet/wire.h"
#include "random.h"

#define GUE_PORT 6080
#define PORT 8443

static struct lb_addr addr(const char *text)
{
	struct lb_addr out;

	cr_assert_eq(lb_addr_parse(text, &out), 0);
	return out;
}

static struct lb_probe_way make_way(uint8_t forwarding, bool vip_v4, bool server_v4)
{
	return (struct lb_probe_way){
		.vip = addr(vip_v4 ? "192.0.2.10" : "2001:db8::10"),
		.source = addr(vip_v4 ? "192.0.2.2" : "2001:db8::2"),
		.server = addr(server_v4 ? "198.51.100.11" : "2001:db8:1::11"),
		.tunnel_source = addr(server_v4 ? "198.51.100.2" : "2001:db8:1::2"),
		.gue_port = GUE_PORT,
		.forwarding = forwarding,
	};
}

/* Puts an Ethernet header in front, so that what judges frames can judge it. */
static void check_sound(const char *what, const uint8_t *ip, size_t n)
{
	uint8_t frame[LB_ETH_BYTES + LB_PROBE_PACKET_MAX] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	const char *complaint;

	lb_store_u16(frame + 12, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	memcpy(frame + LB_ETH_BYTES, ip, n);
	complaint = frame_verify(frame, (uint32_t)(LB_ETH_BYTES + n));
	cr_expect_null(complaint, "%s: %s", what, complaint);
}

static struct lb_addr address_at(const uint8_t *ip, bool is_dst)
{
	struct lb_addr out;

	if (ip[0] >> 4 == 4)
		return lb_addr_from_v4(lb_load_be32(ip + (is_dst ? 16 : 12)));
	memcpy(&out, ip + (is_dst ? 24 : 8), sizeof(out));
	return out;
}

/* The inner packet; checks what is outside of it. */
static const uint8_t *unwrap(const struct lb_probe_way *way, const uint8_t *ip, size_t *n)
{
	bool is_v4 = ip[0] >> 4 == 4;
	uint32_t header = is_v4 ? 20 : 40;
	uint8_t proto = ip[is_v4 ? 9 : 6];
	struct lb_addr src = address_at(ip, false), dst = address_at(ip, true);

	if (way->forwarding == LB_FORWARD_DSR)
		return ip;
	cr_expect(lb_addr_equal(&src, &way->tunnel_source));
	cr_expect(lb_addr_equal(&dst, &way->server));
	if (way->forwarding == LB_FORWARD_GUE) {
		cr_expect_eq(proto, IPPROTO_UDP);
		cr_expect_eq(lb_load_u16(ip + header + 2), GUE_PORT);
		cr_expect_neq(lb_load_u16(ip + header + 6), 0, "an outer checksum is always there");
		header += 8;
	} else {
		cr_expect_eq(proto, lb_addr_is_v4(&way->vip) ? IPPROTO_IPIP : IPPROTO_IPV6);
	}
	*n -= header;
	return ip + header;
}

static void check_inner(const struct lb_probe_way *way, enum lb_probe_packet_type type,
			struct lb_probe_mark mark, const uint8_t *ip)
{
	bool is_v4 = ip[0] >> 4 == 4;
	const uint8_t *l4 = ip + (is_v4 ? 20 : 40);
	struct lb_addr src = address_at(ip, false), dst = address_at(ip, true);

	cr_expect(lb_addr_equal(&src, &way->source));
	cr_expect(lb_addr_equal(&dst, &way->vip));
	if (type == LB_PROBE_ECHO) {
		cr_expect_eq(l4[0], is_v4 ? 8 : 128);
		cr_expect_eq(lb_load_u16(l4 + 4), mark.number);
		cr_expect_eq(lb_load_u32(l4 + 8), mark.token);
		return;
	}
	cr_expect_eq(lb_load_u16(l4), mark.number);
	cr_expect_eq(lb_load_u16(l4 + 2), PORT);
	cr_expect_eq(l4[13], type == LB_PROBE_SYN ? LB_TCP_SYN : LB_TCP_RST);
	cr_expect_eq(lb_load_u32(l4 + 4), mark.token + (type == LB_PROBE_RESET),
		     "a reset stands where the acknowledgement would");
}

Test(probe_packet, is_sound_in_every_way)
{
	static const uint8_t modes[] = {LB_FORWARD_DSR, LB_FORWARD_IPIP, LB_FORWARD_GUE};
	struct test_random random = {test_seed("probe_packet")};
	char what[80];

	for (uint32_t i = 0; i < 3 * 2 * 2 * 3 * 20; i++) {
		uint8_t packet[LB_PROBE_PACKET_MAX];
		enum lb_probe_packet_type type = (enum lb_probe_packet_type)(i / 12 % 3);
		struct lb_probe_way way = make_way(modes[i % 3], i / 3 % 2 == 0, i / 6 % 2 == 0);
		struct lb_probe_mark mark = {(uint16_t)(61000 + test_random_below(&random, 4096)),
					     (uint32_t)test_random(&random)};
		size_t n = lb_probe_packet_write(&way, type, PORT, mark, packet);
		const uint8_t *inner;

		snprintf(what, sizeof(what), "mode %u vip v4 %u server v4 %u type %u",
			 way.forwarding, i / 3 % 2 == 0, i / 6 % 2 == 0, type);
		cr_assert_leq(n, LB_PROBE_PACKET_MAX, "%s", what);
		check_sound(what, packet, n);
		inner = unwrap(&way, packet, &n);
		check_sound(what, inner, n);
		check_inner(&way, type, mark, inner);
	}
}

/* --- answers --- */

#define NUMBER 61234u
#define TOKEN 0xfffffffeu

static void start(struct frame *f, bool is_v4)
{
	frame_eth(f);
	if (is_v4)
		frame_ipv4(f, "192.0.2.10", "192.0.2.2");
	else
		frame_ipv6(f, "2001:db8::10", "2001:db8::2");
}

static void tcp_answer(struct frame *f, bool is_v4, uint8_t flags)
{
	start(f, is_v4);
	frame_tcp(f, PORT, NUMBER, flags);
	frame_tcp_numbers(f, 7, TOKEN + 1);
	frame_finish(f);
}

static void echo_answer(struct frame *f, bool is_v4, uint8_t type)
{
	const uint8_t token[] = {0xff, 0xff, 0xff, 0xfe};

	start(f, is_v4);
	frame_icmp(f, type, 0, NUMBER << 16);
	frame_bytes(f, token, sizeof(token));
	frame_finish(f);
}

static bool read_frame(const struct frame *f, uint32_t len, struct lb_probe_answer *out)
{
	struct lb_pkt p = frame_exact(f, len);
	bool is_answer = lb_probe_packet_read(p.data + LB_ETH_BYTES, p.len - LB_ETH_BYTES, out);

	free(p.data);
	return is_answer;
}

static void check_answer(const char *what, const struct frame *f, bool is_v4,
			 enum lb_probe_answer_type type)
{
	struct lb_addr vip = addr(is_v4 ? "192.0.2.10" : "2001:db8::10");
	struct lb_addr own = addr(is_v4 ? "192.0.2.2" : "2001:db8::2");
	struct lb_probe_answer a;

	cr_assert(read_frame(f, f->len, &a), "%s", what);
	cr_expect_eq(a.type, type, "%s", what);
	cr_expect(lb_addr_equal(&a.from, &vip) && lb_addr_equal(&a.to, &own), "%s", what);
	cr_expect_eq(a.port, type == LB_PROBE_ECHOED ? 0 : PORT, "%s", what);
	cr_expect_eq(a.mark.number, NUMBER, "%s", what);
	cr_expect_eq(a.mark.token, TOKEN, "%s", what);
	/* Nothing of it may be missing, and nothing past its end is read. */
	for (uint32_t len = LB_ETH_BYTES; len < f->len; len++)
		cr_expect_not(read_frame(f, len, &a), "%s cut to %u", what, len);
}

Test(probe_packet, tells_answers_from_everything_else)
{
	static const uint8_t strangers[] = {
		LB_TCP_SYN, LB_TCP_ACK, LB_TCP_RST, LB_TCP_FIN, LB_TCP_FIN | LB_TCP_ACK, 0};
	static struct frame f;
	struct lb_probe_answer a;

	for (int v = 0; v < 2; v++) {
		bool is_v4 = v == 0;

		tcp_answer(&f, is_v4, LB_TCP_SYN | LB_TCP_ACK);
		check_answer("accepted", &f, is_v4, LB_PROBE_ACCEPTED);
		tcp_answer(&f, is_v4, LB_TCP_RST | LB_TCP_ACK);
		check_answer("refused", &f, is_v4, LB_PROBE_REFUSED);
		echo_answer(&f, is_v4, is_v4 ? 0 : 129);
		check_answer("echoed", &f, is_v4, LB_PROBE_ECHOED);
		echo_answer(&f, is_v4, is_v4 ? 8 : 128);
		cr_expect_not(read_frame(&f, f.len, &a), "an echo request");
		for (size_t i = 0; i < sizeof(strangers); i++) {
			tcp_answer(&f, is_v4, strangers[i]);
			cr_expect_not(read_frame(&f, f.len, &a), "flags %#x", strangers[i]);
		}
		start(&f, is_v4);
		frame_udp(&f, PORT, NUMBER);
		frame_fill(&f, 40);
		frame_finish(&f);
		cr_expect_not(read_frame(&f, f.len, &a), "UDP");
	}
	tcp_answer(&f, true, LB_TCP_SYN | LB_TCP_ACK);
	frame_put16(&f, LB_ETH_BYTES + 6, 0x2000);
	cr_expect_not(read_frame(&f, f.len, &a), "a fragment");
	frame_put16(&f, LB_ETH_BYTES + 6, 0x4000);
	frame_put8(&f, LB_ETH_BYTES, 0x46);
	cr_expect_not(read_frame(&f, f.len, &a), "options");
}
