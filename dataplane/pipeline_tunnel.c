#include "pipeline_tunnel.h"

#include "packet/encap_plain6.h"

/* What goes on in front of a packet of a server that has an IPv6 address; false: no room. */
static inline bool push_tunnel6(const struct lb_steer *st, struct lb_pkt *p,
				const struct lb_addr *src)
{
	const struct lb_encap tunnel = {
		.src = *src,
		.dst = st->reals[p->real_id].addr,
		.flow_hash = p->hash,
		.dport_be = st->service_lines[p->service].gue_port_be,
		.is_gue = p->forwarding == LB_FORWARD_GUE,
	};

	if (unlikely(!lb_encap_is_plain6(p)) || unlikely(p->headroom < LB_ENCAP_BYTES_MAX))
		return lb_encap_push(p, &tunnel);
	if (!tunnel.is_gue)
		lb_encap_push_plain_ipip6(p, &tunnel);
	else if (likely(lb_encap_is_plain_gue(p)))
		lb_encap_push_plain_gue6(p, &tunnel);
	else
		return lb_encap_push(p, &tunnel);
	return true;
}

/* The same for any server. */
static inline bool push_headers(const struct lb_steer *st, struct lb_pkt *p,
				const struct lb_addr *src, rte_be32_t dst4_be)
{
	if (dst4_be == 0)
		return push_tunnel6(st, p, src);
	if (p->forwarding == LB_FORWARD_IPIP)
		return lb_encap_push_ipip4(p, lb_addr_v4(src), dst4_be);
	return lb_encap_push_gue4(p, lb_addr_v4(src), dst4_be, p->hash,
				  st->service_lines[p->service].gue_port_be);
}

bool lb_push_tunnel(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_iface *out,
		    uint64_t now_ms)
{
	rte_be32_t dst4_be = pl->steer.real_lines[p->real_id].addr4_be;
	const struct lb_addr *src = &out->tunnel_source[dst4_be != 0 ? 0 : 1];
	uint32_t n_more = lb_encap_bytes(dst4_be != 0, p->forwarding == LB_FORWARD_GUE);

	if (out->mtu != 0 && p->ip_len + n_more > out->mtu) {
		lb_refuse_too_big(pl, p, out->mtu - n_more, now_ms);
		return false;
	}
	if (lb_addr_is_zero(src)) {
		lb_pkt_drop(p, LB_COUNT_drop_no_tunnel_source);
		return false;
	}
	if (!push_headers(&pl->steer, p, src, dst4_be)) {
		lb_pkt_drop(p, LB_COUNT_drop_too_large);
		return false;
	}
	return true;
}
