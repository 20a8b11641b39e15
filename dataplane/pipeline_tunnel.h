/* pipeline_tunnel.h - the third pass for a packet that goes to its server in a tunnel.
 *
 * Role     what goes on in front of the packet: by one straight line where nothing is out of the
 *          ordinary, else by whatever asks about MTU, sources, families, tags and room
 * Shape    functions on one view
 * Units    as in packet.h
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   none
 * Errors   lb_push_plain: false, nothing written. lb_push_tunnel: false, the packet has ended
 * Tests    tests/unit/test_pipeline_one_way.c, tests/unit/test_encap.c
 */
#ifndef LB_PIPELINE_TUNNEL_H
#define LB_PIPELINE_TUNNEL_H

#include <rte_branch_prediction.h>

#include "packet/encap_plain.h"
#include "pipeline_state.h"

/* A plain packet for a server with an IPv4 address, which leaves untagged and is no larger than
 * what `iface` carries. */
static __rte_always_inline bool lb_push_plain(const struct lb_steer *st, struct lb_pkt *p,
					      uint8_t iface)
{
	rte_be32_t src_be = lb_addr_v4(&st->ifaces.of[iface].tunnel_source[0]);
	rte_be32_t dst_be = st->real_lines[p->real_id].addr4_be;
	bool is_gue = p->forwarding == LB_FORWARD_GUE;
	uint32_t n = lb_encap_bytes(true, is_gue);

	if (unlikely(dst_be == 0) || unlikely(p->headroom < n) ||
	    unlikely(p->ip_len + n > st->ifaces.tunnel4_max[iface]) ||
	    unlikely(!lb_encap_is_plain(p)))
		return false;
	if (!is_gue) {
		lb_encap_push_plain_ipip4(p, src_be, dst_be);
		return true;
	}
	if (unlikely(!lb_encap_is_plain_gue(p)))
		return false;
	lb_encap_push_plain_gue4(p, src_be, dst_be, p->hash,
				 st->service_lines[p->service].gue_port_be);
	return true;
}

/* Any packet. */
bool lb_push_tunnel(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_iface *out,
		    uint64_t now_ms);

#endif
