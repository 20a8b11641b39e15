#include "packet/icmp_error.h"

#include <assert.h>
#include <netinet/in.h>

#include <rte_common.h>

#include "packet/checksum.h"
#include "packet/fragment.h"

#define TTL 64u
#define ICMP4_MESSAGE_MAX 576u  /* RFC 1812 4.3.2.3, IP header included */
#define ICMP6_MESSAGE_MAX 1280u /* RFC 4443 2.4 (c), IP header included */
#define IPV6_MTU_MIN 1280u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_INTERNETWORK_CONTROL 0xc0u /* precedence of errors, RFC 1812 4.3.2.5 */

struct icmp_words {
	uint8_t type;
	uint8_t code;
};

static const struct icmp_words icmp4_words[] = {
	[LB_ICMP_PORT_UNREACHABLE] = {3, 3},
	[LB_ICMP_TTL_EXCEEDED] = {11, 0},
};

static const struct icmp_words icmp6_words[] = {
	[LB_ICMP_PORT_UNREACHABLE] = {1, 4},
	[LB_ICMP_TTL_EXCEEDED] = {3, 0},
};

/* What lb_parse lets through as FLOW or FRAGMENT has one host as its source, but for class E; what
 * was broadcast on the link is answered by nobody. */
static bool is_answerable(const struct lb_pkt *p)
{
	if ((p->data[0] & 1) != 0)
		return false;
	return p->key.is_v6 || rte_be_to_cpu_32(p->key.v4.src_be) >> 28 != 0xf;
}

/* The link-layer header of `n` bytes, back to where it came from: with the tags that it has. */
static void turn_link(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint8_t dst[6];

	memcpy(dst, from, 6);
	memmove(to, from + 6, 6);
	memcpy(to + 6, dst, 6);
	memmove(to + 12, from + 12, n - 12);
}

/* The IP header of a packet of ours with `n` bytes behind the header. */
static void write_ipv4(uint8_t *ip, rte_be32_t src_be, rte_be32_t dst_be, uint8_t proto, uint32_t n)
{
	memset(ip, 0, LB_IPV4_BYTES);
	ip[0] = 0x45;
	ip[1] = proto == IPPROTO_ICMP ? IPV4_INTERNETWORK_CONTROL : 0;
	lb_store_u16(ip + 2, (uint16_t)(LB_IPV4_BYTES + n));
	lb_store_u16(ip + 6, IPV4_DONT_FRAGMENT);
	ip[LB_IPV4_TTL_OFF] = TTL;
	ip[9] = proto;
	lb_store_be32(ip + LB_IPV4_SRC_OFF, src_be);
	lb_store_be32(ip + LB_IPV4_DST_OFF, dst_be);
	lb_store_be16(ip + LB_IPV4_CHECKSUM_OFF,
		      lb_checksum_of(lb_checksum_sum(0, ip, LB_IPV4_BYTES)));
}

static void write_ipv6(uint8_t *ip, const rte_be32_t src_be[4], const rte_be32_t dst_be[4],
		       uint8_t proto, uint32_t n)
{
	memset(ip, 0, LB_IPV6_BYTES);
	ip[0] = 0x60;
	lb_store_u16(ip + 4, (uint16_t)n);
	ip[6] = proto;
	ip[LB_IPV6_HOP_LIMIT_OFF] = TTL;
	memcpy(ip + LB_IPV6_SRC_OFF, src_be, 16);
	memcpy(ip + LB_IPV6_DST_OFF, dst_be, 16);
}

/* The sum of a transport header and what follows, pseudo header included. */
static uint64_t l4_sum(const uint8_t *ip, bool is_v6, uint8_t proto, uint32_t n)
{
	uint32_t header = is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES;
	uint32_t addrs = is_v6 ? LB_IPV6_SRC_OFF : LB_IPV4_SRC_OFF;
	uint64_t sum = (uint64_t)rte_cpu_to_be_32(n) + rte_cpu_to_be_32(proto);

	sum = lb_checksum_sum(sum, ip + addrs, header - addrs);
	return lb_checksum_sum(sum, ip + header, n);
}

/* The view now begins at `data` and holds an IP packet of `ip_len` bytes with a plain header. */
static void take(struct lb_pkt *p, uint8_t *data, uint32_t ip_len, uint8_t proto)
{
	uint8_t *first = p->data - p->headroom, *end = p->data + p->len + p->tailroom;

	p->data = data;
	p->len = p->l3_off + ip_len;
	p->rest = 0;
	p->headroom = (uint32_t)(data - first);
	p->tailroom = (uint32_t)(end - data) - p->len;
	p->l4_off = (uint16_t)(p->l3_off + (p->key.is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES));
	p->ip_len = (uint16_t)ip_len;
	p->proto = proto;
	p->is_originated = true;
}

bool lb_reply_tcp_reset(struct lb_pkt *p)
{
	uint32_t n_header = p->key.is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES;
	const uint8_t *tcp = p->data + p->l4_off;
	uint8_t *ip = p->data + p->l3_off, *rst = ip + n_header;
	uint32_t seq, ack, seg_len;
	uint8_t flags = p->tcp_flags;
	rte_be16_t sport_be, dport_be;

	if (p->kind != LB_PKT_FLOW || p->proto != IPPROTO_TCP || (flags & LB_TCP_RST) != 0 ||
	    !is_answerable(p))
		return false;
	seg_len = p->l3_off + p->ip_len - p->l4_off - (uint32_t)(tcp[12] >> 4) * 4;
	seg_len += (flags & LB_TCP_SYN ? 1 : 0) + (flags & LB_TCP_FIN ? 1 : 0);
	seq = lb_load_u32(tcp + 4);
	ack = lb_load_u32(tcp + 8);
	sport_be = lb_load_be16(tcp);
	dport_be = lb_load_be16(tcp + 2);

	/* From here on the packet is overwritten: what is needed of it has been read. */
	turn_link(p->data, p->data, p->l3_off);
	if (p->key.is_v6)
		write_ipv6(ip, p->key.v6.dst_be, p->key.v6.src_be, IPPROTO_TCP, LB_TCP_BYTES);
	else
		write_ipv4(ip, p->key.v4.dst_be, p->key.v4.src_be, IPPROTO_TCP, LB_TCP_BYTES);
	memset(rst, 0, LB_TCP_BYTES);
	lb_store_be16(rst, dport_be);
	lb_store_be16(rst + 2, sport_be);
	if ((flags & LB_TCP_ACK) != 0)
		lb_store_u32(rst + 4, ack);
	else
		lb_store_u32(rst + 8, seq + seg_len);
	p->tcp_flags = (flags & LB_TCP_ACK) != 0 ? LB_TCP_RST : LB_TCP_RST | LB_TCP_ACK;
	rst[12] = LB_TCP_BYTES / 4 << 4;
	rst[13] = p->tcp_flags;
	lb_store_be16(rst + LB_TCP_CHECKSUM_OFF,
		      lb_checksum_of(l4_sum(ip, p->key.is_v6, IPPROTO_TCP, LB_TCP_BYTES)));
	take(p, p->data, n_header + LB_TCP_BYTES, IPPROTO_TCP);
	return true;
}

uint32_t lb_tcp_question(uint8_t *ip, const struct lb_key *key, uint32_t seq)
{
	uint32_t n_header = key->is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES;
	uint8_t *tcp = ip + n_header;

	static_assert(LB_TCP_QUESTION_BYTES_MAX == LB_IPV6_BYTES + LB_TCP_BYTES, "the larger");

	if (key->is_v6)
		write_ipv6(ip, key->v6.src_be, key->v6.dst_be, IPPROTO_TCP, LB_TCP_BYTES);
	else
		write_ipv4(ip, key->v4.src_be, key->v4.dst_be, IPPROTO_TCP, LB_TCP_BYTES);
	memset(tcp, 0, LB_TCP_BYTES);
	lb_store_be32(tcp, key->is_v6 ? key->v6.ports_be : key->v4.ports_be);
	lb_store_u32(tcp + LB_TCP_SEQ_OFF, seq);
	tcp[12] = LB_TCP_BYTES / 4 << 4;
	tcp[13] = LB_TCP_ACK;
	lb_store_be16(tcp + LB_TCP_CHECKSUM_OFF,
		      lb_checksum_of(l4_sum(ip, key->is_v6, IPPROTO_TCP, LB_TCP_BYTES)));
	return n_header + LB_TCP_BYTES;
}

/* A packet that may be the subject of an error: whole, or the first of its fragments. */
static bool is_first_or_whole(const struct lb_pkt *p)
{
	return p->kind == LB_PKT_FLOW || (p->kind == LB_PKT_FRAGMENT && lb_fragment_is_first(p));
}

/* Makes the packet's first `n` bytes the quote of a message with `n_before` bytes of headers.
 * Returns the new start of the frame, NULL: there is no room. */
static uint8_t *make_room(struct lb_pkt *p, uint32_t n_before, uint32_t n)
{
	uint8_t *ip = p->data + p->l3_off, *data;

	if (p->headroom >= n_before) {
		data = p->data - n_before;
		turn_link(data, p->data, p->l3_off);
		return data;
	}
	if (p->l3_off + n_before + n > p->len + p->tailroom)
		return NULL;
	memmove(ip + n_before, ip, n);
	turn_link(p->data, p->data, p->l3_off);
	return p->data;
}

/* `rest` is the second word of the ICMP header. */
static bool reply(struct lb_pkt *p, const struct lb_addr *src, struct icmp_words words,
		  uint32_t rest)
{
	bool is_v6 = p->key.is_v6;
	uint32_t n_header = is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES;
	uint32_t n_before = n_header + LB_ICMP_BYTES;
	uint32_t n_max = (is_v6 ? ICMP6_MESSAGE_MAX : ICMP4_MESSAGE_MAX) - n_before;
	uint32_t n_quote = RTE_MIN(p->ip_len, n_max), n = LB_ICMP_BYTES + n_quote;
	uint8_t *data, *ip, *icmp;
	uint64_t sum;

	static_assert(LB_CONTIGUOUS_MIN >= ICMP6_MESSAGE_MAX, "what is quoted stands together");

	if (!is_first_or_whole(p) || !is_answerable(p) || lb_addr_is_v4(src) == is_v6)
		return false;
	data = make_room(p, n_before, n_quote);
	if (data == NULL)
		return false;
	ip = data + p->l3_off;
	icmp = ip + n_header;
	if (is_v6)
		write_ipv6(ip, src->word_be, p->key.v6.src_be, IPPROTO_ICMPV6, n);
	else
		write_ipv4(ip, lb_addr_v4(src), p->key.v4.src_be, IPPROTO_ICMP, n);
	memset(icmp, 0, LB_ICMP_BYTES);
	icmp[0] = words.type;
	icmp[1] = words.code;
	lb_store_u32(icmp + 4, rest);
	sum = is_v6 ? l4_sum(ip, true, IPPROTO_ICMPV6, n) : lb_checksum_sum(0, icmp, n);
	lb_store_be16(icmp + LB_ICMP_CHECKSUM_OFF, lb_checksum_of(sum));
	take(p, data, n_header + n, is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	p->tcp_flags = 0;
	return true;
}

bool lb_reply_icmp_error(struct lb_pkt *p, const struct lb_addr *src, enum lb_icmp_why why)
{
	return reply(p, src, p->key.is_v6 ? icmp6_words[why] : icmp4_words[why], 0);
}

bool lb_reply_too_big(struct lb_pkt *p, const struct lb_addr *src, uint32_t mtu)
{
	if (!p->key.is_v6)
		return reply(p, src, (struct icmp_words){3, 4}, mtu);
	return reply(p, src, (struct icmp_words){2, 0}, mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu);
}
