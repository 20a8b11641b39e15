#include "packet/tunnel_quote.h"

#include <netinet/in.h>

#include "packet/key.h"
#include "packet/wire.h"

#define TOO_BIG4 0x0304u /* type and code */
#define TOO_BIG6 0x0200u

/* Of the message, as far as it stands together. */
static uint32_t end_of(const struct lb_pkt *p)
{
	uint32_t end = p->l3_off + p->ip_len;

	return end < p->len ? end : p->len;
}

/* Addresses, protocol and length of the IP header at `off`; 0: there is none with ports behind it
 * that could be found. */
static uint32_t read_ip(const struct lb_pkt *p, uint32_t off, struct lb_key *key)
{
	const uint8_t *ip = p->data + off;
	uint32_t have = end_of(p) > off ? end_of(p) - off : 0, n_header;

	memset(key, 0, sizeof(*key));
	if (have >= LB_IPV6_BYTES && ip[0] >> 4 == 6) {
		key->is_v6 = true;
		memcpy(key->v6.src_be, ip + LB_IPV6_SRC_OFF, 16);
		memcpy(key->v6.dst_be, ip + LB_IPV6_DST_OFF, 16);
		key->v6.proto = ip[6];
		return LB_IPV6_BYTES;
	}
	if (have < LB_IPV4_BYTES || ip[0] >> 4 != 4)
		return 0;
	n_header = (ip[0] & 15u) * 4;
	if (n_header < LB_IPV4_BYTES || n_header > have || (lb_load_u16(ip + 6) & 0x1fff) != 0)
		return 0;
	key->v4.src_be = lb_load_be32(ip + LB_IPV4_SRC_OFF);
	key->v4.dst_be = lb_load_be32(ip + LB_IPV4_DST_OFF);
	key->v4.proto = ip[9];
	return n_header;
}

static uint32_t mtu_of(const struct lb_pkt *p)
{
	const uint8_t *icmp = p->data + p->l4_off;
	uint32_t what = lb_load_u16(icmp);

	if (p->proto == IPPROTO_ICMP)
		return what == TOO_BIG4 ? lb_load_u16(icmp + 6) : 0;
	return what == TOO_BIG6 ? lb_load_u32(icmp + 4) : 0;
}

bool lb_tunnel_quote_read(const struct lb_pkt *p, struct lb_tunnel_quote *out)
{
	uint32_t end = end_of(p), n_outer, n_inner, proto;
	struct lb_key outer;

	/* lb_parse has found an IP header in the quote of an error. */
	if ((p->proto != IPPROTO_ICMP && p->proto != IPPROTO_ICMPV6) || p->quote_off == 0)
		return false;
	n_outer = read_ip(p, p->quote_off, &outer);
	if (n_outer == 0)
		return false;
	proto = lb_key_proto(&outer);
	if (proto != IPPROTO_UDP && proto != IPPROTO_IPIP && proto != IPPROTO_IPV6)
		return false;
	out->n_tunnel = n_outer + (proto == IPPROTO_UDP ? LB_UDP_BYTES : 0);
	out->inner_off = p->quote_off + out->n_tunnel;
	n_inner = read_ip(p, out->inner_off, &out->key);
	out->inner_l4_off = out->inner_off + n_inner;
	if (n_inner == 0 || out->inner_l4_off + 4 > end ||
	    (proto != IPPROTO_UDP && out->key.is_v6 != (proto == IPPROTO_IPV6)))
		return false;
	proto = lb_key_proto(&out->key);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return false;
	if (out->key.is_v6)
		out->key.v6.ports_be = lb_load_be32(p->data + out->inner_l4_off);
	else
		out->key.v4.ports_be = lb_load_be32(p->data + out->inner_l4_off);
	out->src = lb_key_src(&outer);
	out->mtu = mtu_of(p);
	return true;
}

void lb_tunnel_quote_open(struct lb_pkt *p, const struct lb_tunnel_quote *quote)
{
	uint32_t n_gone = quote->inner_off - p->l3_off, ip_len = end_of(p) - quote->inner_off;

	memmove(p->data + n_gone, p->data, p->l3_off);
	p->data += n_gone;
	p->headroom += n_gone;
	p->len -= n_gone;
	lb_store_u16(p->data + p->l3_off - 2, quote->key.is_v6 ? 0x86dd : 0x0800);
	p->kind = LB_PKT_FLOW;
	p->key = quote->key;
	p->proto = (uint8_t)lb_key_proto(&quote->key);
	p->tcp_flags = 0;
	p->ip_len = (uint16_t)ip_len;
	p->l4_off = (uint16_t)(quote->inner_l4_off - n_gone);
}
