/* What a SYN may say about segments; of services that do not ask for it, as it says itself. */
#include "packet/encap.h"
#include "packet/mss.h"
#include "pipeline_state.h"
#include "steer/service_object.h"

/* Bytes of IP packets between the two ends, as far as we see; 0: not known. The SYN of one end
 * limits what the other sends, which takes the same two links the other way. */
static uint32_t mtu_between(const struct lb_steer *st, const struct lb_pkt *p)
{
	uint32_t in = st->ifaces.of[p->iface].mtu, out = st->ifaces.of[p->out_iface].mtu;

	if (out != 0 && lb_forwarding_is_tunnel(p->forwarding))
		out -= lb_encap_bytes(lb_addr_is_v4(&st->reals[p->real_id].addr),
				      p->forwarding == LB_FORWARD_GUE);
	return in == 0 || (out != 0 && out < in) ? out : in;
}

void lb_clamp_mss(struct lb_steer *st, struct lb_pkt *p)
{
	uint32_t limit = st->services[p->service]->mss_clamp;
	uint32_t headers = LB_TCP_BYTES + (p->key.is_v6 ? LB_IPV6_BYTES : LB_IPV4_BYTES);

	if (limit == LB_MSS_CLAMP_AUTO) {
		uint32_t mtu = mtu_between(st, p);

		limit = mtu > headers ? mtu - headers : 0;
	}
	if (limit != 0 && lb_mss_lower(p, (uint16_t)limit))
		lb_count(st, LB_COUNT_mss_clamped);
}
