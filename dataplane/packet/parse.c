#include "packet/parse.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_ether.h>

#include "lb/vlan.h"
#include "packet/checksum.h"
#include "packet/ipv6_walk.h"

/* Of an IPv4 header's first 64 bits: version, words, more fragments, and the offset. Five words and
 * no fragment is what nearly every packet is. */
#define IPV4_SHAPE_BITS RTE_BE64(0xff00000000003fff)
#define IPV4_PLAIN RTE_BE64(0x4500000000000000)
#define IPV4_FRAGMENT_BITS RTE_BE16(0x3fff)
#define IPV4_OFFSET_BITS RTE_BE16(0x1fff)
#define IPV6_FRAGMENT_BYTES 8u

/* Of the byte that begins with the version. */
#define IPV6_VERSION_BITS 0xf0u
#define IPV6_VERSION 0x60u

/* A message with RFC 4884 extensions says where its quote ends, never before this. */
#define RFC4884_QUOTE_MIN 128u

enum icmp4_type { ICMP4_UNREACHABLE = 3, ICMP4_TIME_EXCEEDED = 11, ICMP4_PARAMETER = 12 };

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
};

static inline bool is_tcp_or_udp(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* First bytes of IPv4 addresses that need a closer look: 0, 127 and from 224 on. */
/* clang-format off */
static const bool is_special_net[256] = {[0] = true, [127] = true, [224 ... 255] = true};
/* clang-format on */

/* Multicast and the limited broadcast. */
static inline bool is_group4(rte_be32_t addr_be)
{
	uint32_t addr = rte_be_to_cpu_32(addr_be);

	return (addr >> 28 == 0xe) | (addr == UINT32_MAX);
}

static inline bool is_odd4(rte_be32_t addr_be)
{
	uint32_t net = rte_be_to_cpu_32(addr_be) >> 24;

	return (net == 0) | (net == 127);
}

/* Unspecified, loopback, or an IPv4 address in its mapped form: ours inside, no one's outside. */
static inline bool is_odd6(const rte_be32_t addr_be[4])
{
	if (likely((addr_be[0] | addr_be[1]) != 0))
		return false;
	return addr_be[2] == RTE_BE32(0xffff) ||
	       (addr_be[2] == 0 && rte_be_to_cpu_32(addr_be[3]) <= 1);
}

/* Surely neither odd nor a group. */
static inline bool is_plain_addr6(const uint8_t *at)
{
	return lb_load_be64(at) != 0 && at[0] != 0xff;
}

static inline bool is_group6(const rte_be32_t addr_be[4])
{
	return rte_be_to_cpu_32(addr_be[0]) >> 24 == 0xff;
}

/* All but the ports. */
static inline void load_key4(struct lb_key *key, const uint8_t *ip, uint8_t proto)
{
	memcpy(&key->v4, ip + LB_IPV4_SRC_OFF, 8);
	key->v4.proto = proto;
	key->is_v6 = false;
}

static inline void load_key6(struct lb_key *key, const uint8_t *ip, uint8_t proto)
{
	memcpy(&key->v6, ip + LB_IPV6_SRC_OFF, 32);
	key->v6.proto = proto;
	key->is_v6 = true;
}

static __rte_noinline void refuse_l4(struct lb_pkt *p)
{
	lb_pkt_drop(p, LB_COUNT_drop_bad_l4_header);
}

/* The transport header of a whole packet, its ports into the key. */
static __rte_always_inline void parse_l4(struct lb_pkt *p, uint32_t off, uint8_t proto, uint32_t n,
					 rte_be32_t *ports_be)
{
	const uint8_t *l4 = p->data + off;
	uint32_t least = LB_UDP_BYTES, len;

	if (likely(proto == IPPROTO_TCP))
		least = LB_TCP_BYTES;
	if (unlikely(n < least)) {
		refuse_l4(p);
		return;
	}
	len = least == LB_TCP_BYTES ? (l4[12] & 0xf0u) >> 2 : lb_load_u16(l4 + 4);
	if (unlikely((len < least) | (len > n))) {
		refuse_l4(p);
		return;
	}
	if (likely(least == LB_TCP_BYTES))
		p->tcp_flags = l4[13] & (LB_TCP_FIN | LB_TCP_SYN | LB_TCP_RST | LB_TCP_ACK);
	*ports_be = lb_load_be32(l4);
	p->kind = LB_PKT_FLOW;
}

/* Where the quote of this error ends: RFC 4884 may have put more behind it, and what lies in
 * another buffer is not looked at. */
static uint32_t quote_end(const struct lb_pkt *p)
{
	const uint8_t *icmp = p->data + p->l4_off;
	uint32_t end = p->l3_off + p->ip_len, off = p->l4_off + LB_ICMP_BYTES, len;

	if (!p->key.is_v6)
		len = icmp[5] * 4u;
	else if (icmp[0] == ICMP6_UNREACHABLE || icmp[0] == ICMP6_TIME_EXCEEDED)
		len = icmp[4] * 8u;
	else
		len = 0;
	if (len >= RFC4884_QUOTE_MIN && off + len < end)
		end = off + len;
	return end < p->len ? end : p->len;
}

/* IP header and what follows of the quote; false: too short or malformed. */
static bool find_quoted4(struct lb_pkt *p, struct lb_ipv6_walk *w)
{
	const uint8_t *ip = w->data + w->off;
	uint32_t have = w->end - w->off, header, total;

	if (have < LB_IPV4_BYTES || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15u) * 4;
	total = lb_load_u16(ip + 2);
	if (header < LB_IPV4_BYTES || header > have)
		return false;
	w->next = ip[9];
	w->is_later_fragment = (lb_load_be16(ip + 6) & IPV4_OFFSET_BITS) != 0;
	load_key4(&p->key, ip, w->next);
	p->key.v4.ports_be = 0;
	/* What follows the quoted packet is no part of it. Senders that quote a length already
	 * reduced by the header's are old but known: such a length is not believed. */
	if (total >= header + LB_ICMP_BYTES && total < have)
		w->end = w->off + total;
	w->off += header;
	return true;
}

static bool find_quoted6(struct lb_pkt *p, struct lb_ipv6_walk *w)
{
	const uint8_t *ip = w->data + w->off;
	uint32_t have = w->end - w->off, total;
	enum lb_ipv6_walk_end walked;

	if (have < LB_IPV6_BYTES || ip[0] >> 4 != 6)
		return false;
	total = LB_IPV6_BYTES + lb_load_u16(ip + 4);
	if (total < have)
		w->end = w->off + total;
	w->next = ip[6];
	w->off += LB_IPV6_BYTES;
	walked = lb_ipv6_walk(w);
	if (walked == LB_WALK_MALFORMED)
		return false;
	/* A quote from before the last waypoint names another destination than the connection. */
	if (walked == LB_WALK_AT_WAYPOINT)
		w->next = IPPROTO_NONE;
	load_key6(&p->key, ip, w->next);
	p->key.v6.ports_be = 0;
	return true;
}

static void parse_icmp_error(struct lb_pkt *p)
{
	struct lb_ipv6_walk w = {.data = p->data, .off = p->l4_off + LB_ICMP_BYTES};
	rte_be32_t ports_be;

	if (p->l3_off + p->ip_len < w.off) {
		lb_pkt_drop(p, LB_COUNT_drop_icmp_malformed);
		return;
	}
	w.end = quote_end(p);
	p->quote_off = (uint16_t)w.off;
	if (!(p->key.is_v6 ? find_quoted6(p, &w) : find_quoted4(p, &w))) {
		lb_pkt_drop(p, LB_COUNT_drop_icmp_malformed);
		return;
	}
	if (!is_tcp_or_udp(w.next) || w.is_later_fragment)
		return;
	if (w.off + 4 > w.end) {
		lb_pkt_drop(p, LB_COUNT_drop_icmp_malformed);
		return;
	}
	ports_be = lb_load_be32(w.data + w.off);
	if (p->key.is_v6)
		p->key.v6.ports_be = ports_be;
	else
		p->key.v4.ports_be = ports_be;
	p->quote_l4_off = (uint16_t)w.off;
	p->quote_end = (uint16_t)w.end;
	p->kind = LB_PKT_ICMP_ERROR;
}

static bool is_icmp_error(const struct lb_pkt *p)
{
	uint8_t type;

	if (p->l4_off >= p->l3_off + p->ip_len)
		return false;
	type = p->data[p->l4_off];
	if (p->proto == IPPROTO_ICMP)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

static inline bool refuse(struct lb_pkt *p, enum lb_counter reason)
{
	lb_pkt_drop(p, reason);
	return false;
}

/* Whatever is not a whole TCP or UDP packet between plain addresses. */
static __rte_noinline void parse_odd_ipv4(struct lb_pkt *p, bool is_fragment)
{
	p->key.v4.ports_be = 0;
	if (!is_tcp_or_udp(p->proto) &&
	    (p->proto != IPPROTO_ICMP || is_fragment || !is_icmp_error(p)))
		return;
	if (is_group4(p->key.v4.dst_be))
		return;
	if (is_odd4(p->key.v4.src_be) || is_odd4(p->key.v4.dst_be) || is_group4(p->key.v4.src_be))
		lb_pkt_drop(p, LB_COUNT_drop_bad_address);
	else if (is_fragment)
		p->kind = LB_PKT_FRAGMENT;
	else if (p->proto == IPPROTO_ICMP)
		parse_icmp_error(p);
	else
		parse_l4(p, p->l4_off, p->proto, p->l3_off + p->ip_len - p->l4_off,
			 &p->key.v4.ports_be);
}

/* What parsing an IPv4 packet begins with. */
struct ipv4_start {
	uint32_t off;      /* of its header */
	uint32_t n_header; /* bytes, all of them there */
	uint32_t have;     /* bytes from `off` on, in all buffers */
	bool is_fragment;
	uint64_t sum; /* of the header */
};

static __rte_always_inline void parse_ipv4(struct lb_pkt *p, const struct ipv4_start *s)
{
	const uint8_t *ip = p->data + s->off;
	uint32_t total = lb_load_u16(ip + 2);
	uint8_t proto = ip[9];

	if (unlikely(total < s->n_header || !lb_checksum_is_sound(s->sum))) {
		lb_pkt_drop(p, LB_COUNT_drop_bad_ipv4_header);
		return;
	}
	if (unlikely(total > s->have)) {
		lb_pkt_drop(p, LB_COUNT_drop_truncated);
		return;
	}
	p->proto = proto;
	p->l4_off = (uint16_t)(s->off + s->n_header);
	p->ip_len = (uint16_t)total;
	load_key4(&p->key, ip, proto);
	if (likely(is_tcp_or_udp(proto) && !s->is_fragment &&
		   !(is_special_net[ip[LB_IPV4_SRC_OFF]] | is_special_net[ip[LB_IPV4_DST_OFF]])))
		parse_l4(p, s->off + s->n_header, proto, total - s->n_header, &p->key.v4.ports_be);
	else
		parse_odd_ipv4(p, s->is_fragment);
}

/* Behind tags, with options, in several buffers, a fragment, or malformed. */
static void parse_any_ipv4(struct lb_pkt *p, uint32_t off)
{
	const uint8_t *ip = p->data + off;
	uint32_t have = p->len - off;
	struct ipv4_start s = {.off = off, .have = have + p->rest};

	if (have < LB_IPV4_BYTES) {
		lb_pkt_drop(p, LB_COUNT_drop_truncated);
		return;
	}
	s.n_header = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || s.n_header < LB_IPV4_BYTES) {
		lb_pkt_drop(p, LB_COUNT_drop_bad_ipv4_header);
		return;
	}
	if (s.n_header > have) {
		lb_pkt_drop(p, LB_COUNT_drop_truncated);
		return;
	}
	s.is_fragment = (lb_load_be16(ip + 6) & IPV4_FRAGMENT_BITS) != 0;
	s.sum = lb_checksum_sum(lb_checksum_fold(lb_checksum_sum_ipv4(ip)), ip + LB_IPV4_BYTES,
				s.n_header - LB_IPV4_BYTES);
	parse_ipv4(p, &s);
}

/* Version and lengths, extension headers; fills proto, l4_off and ip_len. */
static bool is_ipv6_sound(struct lb_pkt *p, const uint8_t *ip, enum lb_ipv6_walk_end *walked)
{
	uint32_t off = p->l3_off, have = p->len - off, total;
	struct lb_ipv6_walk w = {.data = p->data, .off = off + LB_IPV6_BYTES};

	if (have < LB_IPV6_BYTES)
		return refuse(p, LB_COUNT_drop_truncated);
	total = LB_IPV6_BYTES + lb_load_u16(ip + 4);
	if (ip[0] >> 4 != 6)
		return refuse(p, LB_COUNT_drop_bad_ipv6_header);
	if (total > have + p->rest)
		return refuse(p, LB_COUNT_drop_truncated);
	w.next = ip[6];
	w.end = off + (total < have ? total : have);
	*walked = lb_ipv6_walk(&w);
	if (*walked == LB_WALK_MALFORMED || (p->rest != 0 && w.off + LB_TCP_BYTES_MAX > p->len))
		return refuse(p, LB_COUNT_drop_bad_ipv6_extension);
	p->proto = w.next;
	p->l4_off = (uint16_t)w.off;
	p->ip_len = (uint16_t)total;
	return true;
}

static void parse_ipv6(struct lb_pkt *p)
{
	uint32_t off = p->l3_off;
	const uint8_t *ip = p->data + off;
	enum lb_ipv6_walk_end walked;
	bool is_fragment;

	if (!is_ipv6_sound(p, ip, &walked))
		return;
	load_key6(&p->key, ip, p->proto);
	p->key.v6.ports_be = 0;
	is_fragment = walked == LB_WALK_AT_FRAGMENT;
	if (walked == LB_WALK_AT_WAYPOINT || is_group6(p->key.v6.dst_be))
		return;
	if (!is_tcp_or_udp(p->proto) && !(is_fragment && lb_ipv6_is_extension(p->proto)) &&
	    (p->proto != IPPROTO_ICMPV6 || is_fragment || !is_icmp_error(p)))
		return;
	if (is_odd6(p->key.v6.src_be) || is_odd6(p->key.v6.dst_be) || is_group6(p->key.v6.src_be)) {
		lb_pkt_drop(p, LB_COUNT_drop_bad_address);
	} else if (is_fragment) {
		p->kind = LB_PKT_FRAGMENT;
		p->fragment_off = (uint16_t)(p->l4_off - IPV6_FRAGMENT_BYTES);
	} else if (p->proto == IPPROTO_ICMPV6) {
		parse_icmp_error(p);
	} else {
		parse_l4(p, p->l4_off, p->proto, off + p->ip_len - p->l4_off, &p->key.v6.ports_be);
	}
}

/* Behind one tag or two. A further one leaves OTHER, like any type that is not IP. */
static void parse_tagged(struct lb_pkt *p, rte_be16_t type_be)
{
	enum lb_vlan_type type = lb_vlan_type_of(rte_be_to_cpu_16(type_be));
	uint32_t off = LB_ETH_BYTES;

	for (uint32_t i = 0; i < LB_VLAN_TAGS_MAX && type != LB_VLAN_NONE; i++) {
		if (p->len < off + LB_VLAN_TAG_BYTES) {
			lb_pkt_drop(p, LB_COUNT_drop_truncated);
			return;
		}
		p->tags = lb_vlan_push(p->tags, lb_vlan_tag(type, lb_load_u16(p->data + off)));
		type_be = lb_load_be16(p->data + off + 2);
		type = lb_vlan_type_of(rte_be_to_cpu_16(type_be));
		off += LB_VLAN_TAG_BYTES;
	}
	p->l3_off = (uint8_t)off;
	if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		parse_any_ipv4(p, off);
	else if (type_be == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		parse_ipv6(p);
}

static __rte_noinline void parse_any(struct lb_pkt *p)
{
	rte_be16_t type;

	if (p->len < LB_ETH_BYTES) {
		lb_pkt_drop(p, LB_COUNT_drop_truncated);
		return;
	}
	/* Offsets are 16 bits wide. */
	if (p->len + p->rest > UINT16_MAX || (p->rest != 0 && p->len < LB_CONTIGUOUS_MIN)) {
		lb_pkt_drop(p, LB_COUNT_drop_too_large);
		return;
	}
	type = lb_load_be16(p->data + 12);
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		parse_any_ipv4(p, LB_ETH_BYTES);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		parse_ipv6(p);
	else
		parse_tagged(p, type);
}

/* In one buffer, with at least these bytes of headers. */
static inline bool is_whole(const struct lb_pkt *p, uint32_t least)
{
	return p->rest == 0 && p->len - least <= UINT16_MAX - least;
}

/* In one buffer, untagged, IPv4 without options, no fragment. */
static inline bool is_plain4(const struct lb_pkt *p)
{
	return is_whole(p, LB_ETH_BYTES + LB_IPV4_BYTES) &&
	       likely(lb_load_be16(p->data + 12) == RTE_BE16(RTE_ETHER_TYPE_IPV4)) &&
	       (lb_load_be64(p->data + LB_ETH_BYTES) & IPV4_SHAPE_BITS) == IPV4_PLAIN;
}

/* In one buffer, untagged, IPv6 without extension headers, TCP or UDP between plain addresses.
 * Anything else: false, and nothing has been written that matters. */
static inline bool parse_plain_ipv6(struct lb_pkt *p)
{
	const uint32_t off = LB_ETH_BYTES + LB_IPV6_BYTES;
	const uint8_t *ip = p->data + LB_ETH_BYTES;
	uint32_t payload;
	uint8_t proto;

	if (!is_whole(p, off) || lb_load_be16(p->data + 12) != RTE_BE16(RTE_ETHER_TYPE_IPV6) ||
	    (ip[0] & IPV6_VERSION_BITS) != IPV6_VERSION)
		return false;
	payload = lb_load_u16(ip + 4);
	proto = ip[6];
	if (payload > p->len - off || !is_tcp_or_udp(proto) ||
	    !is_plain_addr6(ip + LB_IPV6_SRC_OFF) || !is_plain_addr6(ip + LB_IPV6_DST_OFF))
		return false;
	p->proto = proto;
	p->l4_off = (uint16_t)off;
	p->ip_len = (uint16_t)(LB_IPV6_BYTES + payload);
	load_key6(&p->key, ip, proto);
	parse_l4(p, off, proto, payload, &p->key.v6.ports_be);
	return true;
}

void lb_parse(struct lb_pkt *p)
{
	lb_pkt_clear(p);
	p->l3_off = LB_ETH_BYTES;
	p->key.is_v6 = false;
	if (likely(is_plain4(p))) {
		const struct ipv4_start s = {
			.off = LB_ETH_BYTES,
			.n_header = LB_IPV4_BYTES,
			.have = p->len - LB_ETH_BYTES,
			.sum = lb_checksum_sum_ipv4(p->data + LB_ETH_BYTES),
		};

		parse_ipv4(p, &s);
	} else if (unlikely(!parse_plain_ipv6(p))) {
		parse_any(p);
	}
}
