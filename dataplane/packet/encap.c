#include "packet/encap.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "lb/vlan.h"
#include "packet/encap_plain.h"

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
	uint64_t pseudo, sum;

	if (unlikely(!is_covered(p, n_l4)))
		return sum_packet(p, p->l3_off, p->ip_len);
	if (p->proto == IPPROTO_ICMP)
		return 0;
	if (likely(!p->key.is_v6))
		return lb_encap_covered_sum4(p, n_l4, p->proto);
	pseudo = (uint64_t)rte_cpu_to_be_32(n_l4) + rte_cpu_to_be_32(p->proto);
	sum = lb_checksum_sum(0, ip, LB_IPV6_SRC_OFF);
	if (unlikely(n_headers != LB_IPV6_BYTES))
		sum = lb_checksum_sum(sum, ip + LB_IPV6_BYTES, n_headers - LB_IPV6_BYTES);
	return sum + (uint64_t)UINT32_MAX * 2 - pseudo;
}

/* An outer header that is to be written. */
struct outer {
	uint8_t *ip;
	uint32_t n;       /* bytes that the packet grows by */
	uint32_t n_inner; /* bytes of the packet */
	uint8_t class;
	uint8_t proto;
};

/* The link header moves to the front; false: there is no room. What is copied beyond it is written
 * over by the outer header. */
static __rte_always_inline bool begin_outer(const struct lb_pkt *p, uint32_t n, bool is_gue,
					    rte_be16_t type_be, struct outer *o)
{
	uint8_t link[LB_ETH_BYTES + LB_VLAN_TAGS_MAX * LB_VLAN_TAG_BYTES + 2];
	const uint8_t *inner = p->data + p->l3_off;

	if (unlikely(p->headroom < n))
		return false;
	memcpy(link, p->data, sizeof(link));
	memcpy(p->data - n, link, sizeof(link));
	o->ip = p->data + p->l3_off - n;
	o->n = n;
	o->n_inner = p->ip_len;
	o->class = traffic_class(inner, p->key.is_v6);
	o->proto = is_gue ? IPPROTO_UDP : p->key.is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	lb_store_be16(o->ip - (LB_ETH_BYTES - ETHERTYPE_OFF), type_be);
	return true;
}

/* The view becomes the outer packet's; the frame's padding is left out. */
static __rte_always_inline void end_outer(struct lb_pkt *p, const struct outer *o)
{
	uint32_t n_frame = p->l3_off + o->n_inner, kept = RTE_MIN(n_frame, p->len);

	p->tailroom += p->len - kept;
	p->rest = n_frame - kept;
	p->len = kept + o->n;
	p->data -= o->n;
	p->headroom -= o->n;
	p->ip_len = (uint16_t)(o->n_inner + o->n);
	lb_pkt_move_offsets(p, (int32_t)o->n);
}

static __rte_always_inline void write_ipv4(const struct outer *o, rte_be32_t src_be,
					   rte_be32_t dst_be)
{
	const struct lb_outer4 outer = {src_be, dst_be, o->n + o->n_inner, o->class, o->proto};

	lb_outer4_write(o->ip, &outer);
}

static inline void write_ipv6(const struct outer *o, const struct lb_encap *e)
{
	lb_store_u32(o->ip, 6u << 28 | (uint32_t)o->class << 20 | (e->flow_hash & FLOW_LABEL_MASK));
	lb_store_u16(o->ip + 4, (uint16_t)(o->n - LB_IPV6_BYTES + o->n_inner));
	lb_store_be16(o->ip + 6, rte_cpu_to_be_16((uint16_t)(o->proto << 8 | LB_OUTER_TTL)));
	memcpy(o->ip + LB_IPV6_SRC_OFF, &e->src, sizeof(e->src));
	memcpy(o->ip + LB_IPV6_DST_OFF, &e->dst, sizeof(e->dst));
}

/* The words of both addresses; the mapped form's own words must not count. */
static uint64_t address_sum(const struct lb_encap *e)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 4; i++)
		sum += (uint64_t)e->src.word_be[i] + e->dst.word_be[i];
	return sum;
}

bool lb_encap_push_gue4(struct lb_pkt *p, rte_be32_t src_be, rte_be32_t dst_be, uint32_t flow_hash,
			rte_be16_t dport_be)
{
	uint64_t sum = (uint64_t)src_be + dst_be + lb_encap_inner_sum(p);
	struct outer o;

	if (unlikely(!begin_outer(p, LB_IPV4_BYTES + LB_UDP_BYTES, true, RTE_BE16(0x0800), &o)))
		return false;
	write_ipv4(&o, src_be, dst_be);
	lb_outer_write_udp(o.ip + LB_IPV4_BYTES, LB_UDP_BYTES + o.n_inner, flow_hash, dport_be,
			   sum);
	end_outer(p, &o);
	return true;
}

bool lb_encap_push_ipip4(struct lb_pkt *p, rte_be32_t src_be, rte_be32_t dst_be)
{
	struct outer o;

	if (unlikely(!begin_outer(p, LB_IPV4_BYTES, false, RTE_BE16(0x0800), &o)))
		return false;
	write_ipv4(&o, src_be, dst_be);
	end_outer(p, &o);
	return true;
}

bool lb_encap_push(struct lb_pkt *p, const struct lb_encap *e)
{
	rte_be32_t src_be = lb_addr_v4(&e->src), dst_be = lb_addr_v4(&e->dst);
	struct outer o;

	if (lb_addr_is_v4(&e->dst))
		return e->is_gue ? lb_encap_push_gue4(p, src_be, dst_be, e->flow_hash, e->dport_be)
				 : lb_encap_push_ipip4(p, src_be, dst_be);
	if (unlikely(!begin_outer(p, lb_encap_bytes(false, e->is_gue), e->is_gue, RTE_BE16(0x86dd),
				  &o)))
		return false;
	write_ipv6(&o, e);
	if (e->is_gue)
		lb_outer_write_udp(o.ip + LB_IPV6_BYTES, LB_UDP_BYTES + o.n_inner, e->flow_hash,
				   e->dport_be, address_sum(e) + lb_encap_inner_sum(p));
	end_outer(p, &o);
	return true;
}
