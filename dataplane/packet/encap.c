#include "packet/encap.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "packet/checksum.h"

#define TTL 64u
#define IPV4_DONT_FRAGMENT 0x4000u
#define FLOW_LABEL_MASK 0xfffffu
#define ETHERTYPE_OFF 12u

static uint8_t traffic_class(const uint8_t *ip, bool is_v6)
{
	return is_v6 ? (uint8_t)((ip[0] & 0xf) << 4 | ip[1] >> 4) : ip[1];
}

/* Does the checksum of the transport header cover everything behind the IP header? */
static bool is_covered(const struct lb_pkt *p, uint32_t n_l4)
{
	const uint8_t *l4 = p->data + p->l4_off;

	if (p->kind != LB_PKT_FLOW && p->kind != LB_PKT_ICMP_ERROR)
		return false;
	if (p->proto != IPPROTO_UDP)
		return true;
	return lb_load_be16(l4 + LB_UDP_CHECKSUM_OFF) != 0 && lb_load_u16(l4 + 4) == n_l4;
}

/* `n` bytes from `from` on, which is in the first buffer; the others may begin at odd offsets. */
static uint64_t sum_packet(const struct lb_pkt *p, uint32_t from, uint32_t n)
{
	uint32_t done = RTE_MIN(n, p->len - from);
	uint64_t sum = lb_checksum_sum(0, p->data + from, done);

	for (const struct lb_part *part = p->parts; done < n; part++) {
		uint32_t m = RTE_MIN(n - done, part->len);
		uint16_t folded = lb_checksum_fold(lb_checksum_sum(0, part->data, m));

		sum += done % 2 == 0 ? folded : rte_bswap16(folded);
		done += m;
	}
	return sum;
}

uint64_t lb_encap_inner_sum(const struct lb_pkt *p)
{
	const uint8_t *ip = p->data + p->l3_off;
	uint32_t n_headers = p->l4_off - p->l3_off, n_l4 = p->ip_len - n_headers;
	uint64_t pseudo = (uint64_t)rte_cpu_to_be_32(n_l4) + rte_cpu_to_be_32(p->proto), sum = 0;

	if (!is_covered(p, n_l4))
		return sum_packet(p, p->l3_off, p->ip_len);
	if (p->proto == IPPROTO_ICMP)
		return 0;
	if (p->key.is_v6) {
		sum = lb_checksum_sum(0, ip, LB_IPV6_SRC_OFF);
		sum = lb_checksum_sum(sum, ip + LB_IPV6_BYTES, n_headers - LB_IPV6_BYTES);
	} else {
		pseudo = lb_checksum_sum(pseudo, ip + LB_IPV4_SRC_OFF, 8);
	}
	return sum + (uint16_t)~lb_checksum_fold(pseudo);
}

/* Headers are put together in registers: a sum over bytes that were only just stored one by one
 * would wait for each of them. */
static void write_ipv4(uint8_t *ip, const struct lb_encap *e, uint8_t class, uint8_t proto,
		       uint32_t n)
{
	rte_be32_t word[5] = {
		rte_cpu_to_be_32(0x45u << 24 | (uint32_t) class << 16 | (LB_IPV4_BYTES + n)),
		RTE_BE32(IPV4_DONT_FRAGMENT),
		rte_cpu_to_be_32(TTL << 24 | (uint32_t)proto << 16),
		lb_addr_v4(&e->src),
		lb_addr_v4(&e->dst),
	};
	uint64_t sum = (uint64_t)word[0] + word[1] + word[2] + word[3] + word[4];

	word[2] |= rte_cpu_to_be_32(rte_be_to_cpu_16(lb_checksum_of(sum)));
	memcpy(ip, word, sizeof(word));
}

static void write_ipv6(uint8_t *ip, const struct lb_encap *e, uint8_t class, uint8_t proto,
		       uint32_t n)
{
	lb_store_u32(ip, 6u << 28 | (uint32_t) class << 20 | (e->flow_hash & FLOW_LABEL_MASK));
	lb_store_u16(ip + 4, (uint16_t)n);
	ip[6] = proto;
	ip[LB_IPV6_HOP_LIMIT_OFF] = TTL;
	memcpy(ip + LB_IPV6_SRC_OFF, &e->src, sizeof(e->src));
	memcpy(ip + LB_IPV6_DST_OFF, &e->dst, sizeof(e->dst));
}

/* The words of both addresses; the mapped form's own words must not count. */
static uint64_t address_sum(const struct lb_encap *e)
{
	uint64_t sum = 0;

	if (lb_addr_is_v4(&e->dst))
		return (uint64_t)lb_addr_v4(&e->src) + lb_addr_v4(&e->dst);
	for (uint32_t i = 0; i < 4; i++)
		sum += (uint64_t)e->src.word_be[i] + e->dst.word_be[i];
	return sum;
}

static void write_udp(uint8_t *udp, const struct lb_encap *e, uint32_t n, uint64_t inner_sum)
{
	uint32_t n_ports = 65536u - LB_GUE_FIRST_PORT; /* a power of two */
	uint32_t sport = LB_GUE_FIRST_PORT + (e->flow_hash & (n_ports - 1));
	rte_be32_t ports_be = rte_cpu_to_be_32(sport << 16 | rte_be_to_cpu_16(e->dport_be));
	uint64_t sum = address_sum(e) + rte_cpu_to_be_32(IPPROTO_UDP) + inner_sum + ports_be;
	uint16_t checksum;

	/* The length counts twice: in the pseudo header and in the header. */
	sum += rte_cpu_to_be_32(n) + (uint64_t)rte_cpu_to_be_32(n << 16);
	checksum = rte_be_to_cpu_16(lb_checksum_of(sum));
	lb_store_be32(udp, ports_be);
	lb_store_u32(udp + 4, n << 16 | (checksum == 0 ? UINT16_MAX : checksum));
}

bool lb_encap_push(struct lb_pkt *p, const struct lb_encap *e)
{
	bool is_outer_v4 = lb_addr_is_v4(&e->dst);
	uint32_t n_udp = e->is_gue ? LB_UDP_BYTES : 0, n = lb_encap_bytes(e);
	uint8_t proto = e->is_gue ? IPPROTO_UDP : p->key.is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	uint8_t class = traffic_class(p->data + p->l3_off, p->key.is_v6), *data = p->data - n;
	uint8_t *outer = data + p->l3_off;
	uint32_t end = p->len + p->tailroom, whole;

	if (p->headroom < n)
		return false;
	if (likely(p->l3_off == LB_ETH_BYTES))
		memcpy(data, p->data, LB_ETH_BYTES);
	else
		memmove(data, p->data, p->l3_off);
	lb_store_u16(data + p->l3_off - (LB_ETH_BYTES - ETHERTYPE_OFF),
		     is_outer_v4 ? 0x0800 : 0x86dd);
	if (is_outer_v4)
		write_ipv4(outer, e, class, proto, n_udp + p->ip_len);
	else
		write_ipv6(outer, e, class, proto, n_udp + p->ip_len);
	if (e->is_gue)
		write_udp(outer + n - n_udp, e, n_udp + p->ip_len, lb_encap_inner_sum(p));
	p->data = data;
	p->headroom -= n;
	whole = p->l3_off + n + p->ip_len;
	p->rest = whole > p->len + n ? whole - (p->len + n) : 0;
	p->len = whole - p->rest;
	p->tailroom = end + n - p->len;
	p->ip_len = (uint16_t)(p->ip_len + n);
	lb_pkt_move_offsets(p, (int32_t)n);
	return true;
}
