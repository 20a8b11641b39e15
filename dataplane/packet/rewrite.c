#include "packet/rewrite.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>

#include "packet/checksum.h"

/* Source and destination of the IPv4 header at `ip`, its checksum too; returns the difference. */
static inline uint64_t put_addrs4(uint8_t *ip, const struct lb_addr *src, const struct lb_addr *dst)
{
	uint8_t *checksum = ip + LB_IPV4_CHECKSUM_OFF;
	uint64_t diff = lb_checksum_put32(ip + LB_IPV4_SRC_OFF, lb_addr_v4(src)) +
			lb_checksum_put32(ip + LB_IPV4_DST_OFF, lb_addr_v4(dst));

	lb_store_be16(checksum, lb_checksum_update(lb_load_be16(checksum), diff));
	return diff;
}

static inline uint64_t put_addrs6(uint8_t *ip, const struct lb_addr *src, const struct lb_addr *dst)
{
	return lb_checksum_put128(ip + LB_IPV6_SRC_OFF, src->word_be) +
	       lb_checksum_put128(ip + LB_IPV6_DST_OFF, dst->word_be);
}

static inline uint64_t put_ports(uint8_t *l4, rte_be16_t sport_be, rte_be16_t dport_be)
{
	return lb_checksum_put16(l4, sport_be) + lb_checksum_put16(l4 + 2, dport_be);
}

/* The key is what the packet carries now, so the differences need not read it again. */
static inline uint64_t rewrite_ip4(const struct lb_pkt *p, uint8_t *ip)
{
	const struct lb_key4 *was = &p->key.v4, *is = &p->to.v4;
	uint8_t *checksum = ip + LB_IPV4_CHECKSUM_OFF;
	uint64_t diff = lb_checksum_diff32(was->src_be, is->src_be) +
			lb_checksum_diff32(was->dst_be, is->dst_be);

	ip[LB_IPV4_TTL_OFF]--;
	lb_store_be16(checksum,
		      lb_checksum_update(lb_load_be16(checksum), diff + lb_checksum_diff_ttl()));
	memcpy(ip + LB_IPV4_SRC_OFF, is, 8);
	return diff + lb_checksum_diff32(was->ports_be, is->ports_be);
}

static inline uint64_t rewrite_ip6(const struct lb_pkt *p, uint8_t *ip)
{
	const struct lb_key6 *was = &p->key.v6, *is = &p->to.v6;

	ip[LB_IPV6_HOP_LIMIT_OFF]--;
	memcpy(ip + LB_IPV6_SRC_OFF, is, 32);
	return lb_checksum_diff256((const uint8_t *)was, (const uint8_t *)is) +
	       lb_checksum_diff32(was->ports_be, is->ports_be);
}

bool lb_rewrite_flow(struct lb_pkt *p)
{
	uint8_t *ip = p->data + p->l3_off, *l4 = p->data + p->l4_off, *checksum;
	bool is_v6 = p->key.is_v6;
	uint64_t diff;

	if (unlikely(ip[is_v6 ? LB_IPV6_HOP_LIMIT_OFF : LB_IPV4_TTL_OFF] <= 1))
		return false;
	diff = unlikely(is_v6) ? rewrite_ip6(p, ip) : rewrite_ip4(p, ip);
	lb_store_be32(l4, is_v6 ? p->to.v6.ports_be : p->to.v4.ports_be);
	if (likely(p->proto == IPPROTO_TCP)) {
		checksum = l4 + LB_TCP_CHECKSUM_OFF;
		lb_store_be16(checksum, lb_checksum_update(lb_load_be16(checksum), diff));
	} else {
		checksum = l4 + LB_UDP_CHECKSUM_OFF;
		lb_store_be16(checksum, lb_checksum_update_udp(lb_load_be16(checksum), diff));
	}
	return true;
}

bool lb_rewrite_addrs(struct lb_pkt *p)
{
	uint8_t *ip = p->data + p->l3_off;

	if (ip[p->key.is_v6 ? LB_IPV6_HOP_LIMIT_OFF : LB_IPV4_TTL_OFF] <= 1)
		return false;
	if (p->key.is_v6)
		rewrite_ip6(p, ip);
	else
		rewrite_ip4(p, ip);
	return true;
}

bool lb_rewrite_ttl(struct lb_pkt *p)
{
	uint8_t *ip = p->data + p->l3_off, *checksum = ip + LB_IPV4_CHECKSUM_OFF;
	uint8_t *ttl = ip + (p->key.is_v6 ? LB_IPV6_HOP_LIMIT_OFF : LB_IPV4_TTL_OFF);

	if (*ttl <= 1)
		return false;
	(*ttl)--;
	if (!p->key.is_v6)
		lb_store_be16(checksum,
			      lb_checksum_update(lb_load_be16(checksum), lb_checksum_diff_ttl()));
	return true;
}

/* The quoted packet becomes the one that the receiver of the error had sent. Returns by how much
 * that changes the sum of the ICMP message. */
static uint64_t rewrite_quote(struct lb_pkt *p, const struct lb_icmp_quote *quote)
{
	uint8_t *ip = p->data + p->quote_off, *l4 = p->data + p->quote_l4_off;
	bool is_tcp = (p->key.is_v6 ? p->key.v6.proto : p->key.v4.proto) == IPPROTO_TCP;
	uint32_t checksum_off = is_tcp ? LB_TCP_CHECKSUM_OFF : LB_UDP_CHECKSUM_OFF;
	uint64_t addrs, ports, checksums = 0;
	rte_be16_t before, after;

	if (p->key.is_v6) {
		addrs = put_addrs6(ip, &quote->src, &quote->dst);
	} else {
		before = lb_load_be16(ip + LB_IPV4_CHECKSUM_OFF);
		addrs = put_addrs4(ip, &quote->src, &quote->dst);
		after = lb_load_be16(ip + LB_IPV4_CHECKSUM_OFF);
		checksums = lb_checksum_diff16(before, after);
	}
	ports = put_ports(l4, quote->sport_be, quote->dport_be);
	if (p->quote_l4_off + checksum_off + 2 <= p->quote_end) {
		before = lb_load_be16(l4 + checksum_off);
		after = is_tcp ? lb_checksum_update(before, addrs + ports)
			       : lb_checksum_update_udp(before, addrs + ports);
		checksums += lb_checksum_put16(l4 + checksum_off, after);
	}
	return addrs + ports + checksums;
}

void lb_rewrite_icmp_error(struct lb_pkt *p, const struct lb_addr *src, const struct lb_addr *dst,
			   const struct lb_icmp_quote *quote)
{
	uint8_t *ip = p->data + p->l3_off, *checksum = p->data + p->l4_off + LB_ICMP_CHECKSUM_OFF;
	uint64_t diff = rewrite_quote(p, quote);

	/* Only ICMPv6 covers the addresses of the packet that carries it. */
	if (p->key.is_v6)
		diff += put_addrs6(ip, src, dst);
	else
		put_addrs4(ip, src, dst);
	lb_store_be16(checksum, lb_checksum_update(lb_load_be16(checksum), diff));
}
