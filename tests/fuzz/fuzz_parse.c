/* Any bytes as a frame: parsed, then everything that may be done with what parsed. Runs twice, as
 * given and with its checksums made right, because the first wrong one ends the way. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet/fragment.h"
#include "packet/icmp_error.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "packet/wire.h"
#include "random.h"
#include "shapes.h"

#define ROOM 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

/* The bytes again, in a block with exactly the room that the view claims. */
struct bench {
	uint8_t *block;
	struct lb_pkt p;
};

static struct bench lay_out(const uint8_t *data, size_t size, uint32_t headroom, uint32_t tailroom)
{
	struct bench b;
	size_t n;

	memset(&b.p, 0, sizeof(b.p));
	n = headroom + size + tailroom;
	b.block = malloc(n + (n == 0));
	require(b.block != NULL, "memory");
	b.p.data = b.block + headroom;
	b.p.len = (uint32_t)size;
	b.p.headroom = headroom;
	b.p.tailroom = tailroom;
	if (size > 0)
		memcpy(b.p.data, data, size);
	lb_parse(&b.p);
	return b;
}

static const char *verify(const struct lb_pkt *p)
{
	return frame_verify(p->data, p->len);
}

static void check_offsets(const struct lb_pkt *p)
{
	uint32_t end = p->l3_off + p->ip_len;

	if (p->verdict == LB_VERDICT_DROP) {
		require(lb_counter_info[p->drop_reason].kind == LB_COUNTER_DROP, "drop has a name");
		return;
	}
	require(p->verdict == LB_VERDICT_CONTINUE, "verdict is continue or drop");
	if (p->kind == LB_PKT_OTHER)
		return;
	require(end <= p->len, "packet ends in the frame");
	require(p->l4_off <= end, "transport header begins in the packet");
	if (p->kind == LB_PKT_FLOW)
		require(p->l4_off + (p->proto == IPPROTO_TCP ? 20u : 8u) <= end, "headers whole");
	if (p->kind == LB_PKT_ICMP_ERROR) {
		require(p->quote_end <= end, "quote ends in the packet");
		require(p->quote_off < p->quote_l4_off, "quote has an IP header");
		require(p->quote_l4_off + 4u <= p->quote_end, "quote has ports");
	}
}

/* Reads what a fragment is; false: it is none of a sound packet. */
static bool is_part(struct lb_pkt *p)
{
	uint32_t end = p->l3_off + p->ip_len;
	struct lb_fragment f;

	lb_fragment_read(p, &f);
	require(p->fragment_part <= LB_FRAGMENT_MALFORMED, "every fragment is some part");
	require((f.off == 0) == lb_fragment_is_first(p), "the first is the first");
	require(f.n_bytes <= p->ip_len, "bytes are in the packet");
	if (p->fragment_part == LB_FRAGMENT_FIRST)
		require(p->l4_off + (p->proto == IPPROTO_TCP ? 20u : 8u) <= end, "headers whole");
	return p->fragment_part == LB_FRAGMENT_FIRST || p->fragment_part == LB_FRAGMENT_LATER;
}

/* Checksums made right where the parser found what they cover. */
static void repair(uint8_t *data, size_t size)
{
	uint32_t header;
	struct frame f;
	struct lb_pkt p;

	if (size < LB_ETH_BYTES + LB_IPV4_BYTES || size > FRAME_BYTES_MAX)
		return;
	header = (data[14] & 15u) * 4;
	if (data[12] == 8 && data[13] == 0 && header >= 20 && LB_ETH_BYTES + header <= size) {
		lb_store_u16(data + 24, 0);
		lb_store_u16(data + 24, (uint16_t)~frame_sum(data + 14, header, 0));
	}
	memset(&f, 0, sizeof(f));
	frame_bytes(&f, data, (uint32_t)size);
	p = frame_view(&f);
	lb_parse(&p);
	if (p.verdict != LB_VERDICT_CONTINUE || p.kind == LB_PKT_OTHER || p.kind == LB_PKT_FRAGMENT)
		return;
	f.len = p.l3_off + p.ip_len;
	f.l3_off = p.l3_off;
	f.l4_off = p.l4_off;
	f.proto = p.proto;
	f.is_v6 = p.key.is_v6;
	f.has_udp_checksum = true;
	frame_checksums(&f);
	memcpy(data, frame_at(&f, 0), f.len);
}

static struct lb_addr random_addr(struct test_random *r, bool is_v6)
{
	struct lb_addr a;

	if (!is_v6)
		return lb_addr_from_v4(test_random_word(r));
	for (uint32_t i = 0; i < 4; i++)
		a.word_be[i] = test_random_word(r);
	return a;
}

/* The quote's transport checksum lies where RFC 4884 has ended the quote already. */
static bool is_checksum_unquoted(const struct lb_pkt *p)
{
	uint32_t proto = p->key.is_v6 ? p->key.v6.proto : p->key.v4.proto;
	uint32_t off = proto == IPPROTO_TCP ? LB_TCP_CHECKSUM_OFF : LB_UDP_CHECKSUM_OFF;

	return p->kind == LB_PKT_ICMP_ERROR && p->quote_l4_off + off + 2 > p->quote_end;
}

static void check_rewrites(const uint8_t *data, size_t size, struct test_random *r)
{
	struct bench b = lay_out(data, size, 0, 0);
	struct lb_pkt *p = &b.p;
	bool was_valid = verify(p) == NULL;
	struct lb_icmp_quote quote;

	quote.src = random_addr(r, p->key.is_v6);
	quote.dst = random_addr(r, p->key.is_v6);
	quote.sport_be = (rte_be16_t)test_random_word(r);
	quote.dport_be = (rte_be16_t)test_random_word(r);
	p->to = p->key;
	for (uint32_t i = 0; i < sizeof(p->to.v6.src_be) / 4; i++) {
		p->to.v6.src_be[i] = test_random_word(r);
		p->to.v6.dst_be[i] = test_random_word(r);
	}
	p->to.v6.ports_be = test_random_word(r);
	if (p->verdict == LB_VERDICT_CONTINUE && p->kind != LB_PKT_OTHER) {
		if (p->kind == LB_PKT_FLOW)
			lb_rewrite_flow(p);
		if (p->kind == LB_PKT_FRAGMENT && is_part(p))
			lb_rewrite_fragment(p);
		if (p->kind == LB_PKT_ICMP_ERROR)
			lb_rewrite_icmp_error(p, &quote.dst, &quote.src, &quote);
		require(!was_valid || verify(p) == NULL || is_checksum_unquoted(p),
			"a valid frame stays valid when rewritten");
		was_valid = verify(p) == NULL;
		if (lb_rewrite_ttl(p))
			require(!was_valid || verify(p) == NULL,
				"a valid frame stays valid with a lower TTL");
	}
	free(b.block);
}

static void check_replies(const uint8_t *data, size_t size, struct test_random *r)
{
	struct lb_addr src;

	for (uint32_t i = 0; i < 3; i++) {
		uint32_t headroom = test_random(r) % ROOM, tailroom = test_random(r) % ROOM;
		struct bench b = lay_out(data, size, headroom, tailroom);
		bool was_valid = verify(&b.p) == NULL, is_sent = false;
		const char *why;

		src = random_addr(r, false);
		if (b.p.key.is_v6)
			lb_addr_parse(SHAPE_ROUTER6, &src);
		if (b.p.verdict == LB_VERDICT_CONTINUE)
			is_sent = i == 0   ? lb_reply_tcp_reset(&b.p)
				  : i == 1 ? lb_reply_icmp_error(&b.p, &src,
								 LB_ICMP_PORT_UNREACHABLE)
					   : lb_reply_icmp_error(&b.p, &src, LB_ICMP_TTL_EXCEEDED);
		if (is_sent) {
			why = verify(&b.p);
			require(why == NULL ||
					(!was_valid && i > 0 && strncmp(why, "quoted", 6) == 0),
				"answers are valid");
			require(b.p.data >= b.block && b.p.headroom + b.p.len + b.p.tailroom ==
							       headroom + size + tailroom,
				"answers keep to their room");
		}
		free(b.block);
	}
}

static void check(const uint8_t *data, size_t size)
{
	struct test_random r = {size};
	struct bench b = lay_out(data, size, 0, 0);

	for (size_t i = 0; i < size; i++)
		r.state = (r.state ^ data[i]) * 0x100000001b3u;
	require(size == 0 || memcmp(b.p.data, data, size) == 0, "parsing writes nothing");
	check_offsets(&b.p);
	free(b.block);
	check_rewrites(data, size, &r);
	check_replies(data, size, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *repaired = malloc(size + (size == 0));

	require(repaired != NULL, "memory");
	if (size > 0)
		memcpy(repaired, data, size);
	check(repaired, size);
	repair(repaired, size);
	check(repaired, size);
	free(repaired);
	return 0;
}
