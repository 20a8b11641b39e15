/* ICMP errors about our own tunnels (decision 0051): the way to a server takes less than the
 * interface does, and the client is who has to know. */
#include "packet/rewrite.h"
#include "packet/tags.h"
#include "packet/tunnel_quote.h"
#include "pipeline_state.h"
#include "steer/service_object.h"

#define IPV4_MTU_MIN 68u /* RFC 791 */

static bool is_tunnel_source(const struct lb_ifaces *ifaces, const struct lb_addr *addr)
{
	for (uint32_t i = 0; i < ifaces->n; i++)
		if (lb_addr_equal(&ifaces->of[i].tunnel_source[lb_addr_is_v4(addr) ? 0 : 1], addr))
			return true;
	return false;
}

bool lb_admit_tunnel_error(const struct lb_pipeline *pl, struct lb_pkt *p)
{
	struct lb_tunnel_quote quote;

	if (!lb_tunnel_quote_read(p, &quote) || !is_tunnel_source(&pl->steer.ifaces, &quote.src))
		return false;
	p->kind = LB_PKT_TUNNEL_ERROR;
	p->key = quote.key;
	return true;
}

/* The slot of the service that the inner packet went to; LB_SERVICE_NOT_FOUND: it has ended. */
static uint32_t find_service(struct lb_steer *st, struct lb_pkt *p)
{
	struct lb_flow_target target = {.slot = LB_SERVICE_NOT_FOUND};

	if (p->conn != NULL)
		p->conn = lb_conn_validate(st, p->conn, p->key.is_v6, &p->real_id);
	if (p->conn != NULL && lb_conn_is_one_way(p->conn) &&
	    lb_forwarding_is_tunnel(p->conn->fwd.forwarding))
		return p->conn->service;
	if (p->conn == NULL)
		target = lb_find_target(st, &p->key, LB_SERVICE_NOT_FOUND);
	if (p->conn == NULL && lb_is_handed_over(st, p, target.owner))
		return LB_SERVICE_NOT_FOUND;
	if (target.slot == LB_SERVICE_NOT_FOUND ||
	    !lb_forwarding_is_tunnel(st->services[target.slot]->forwarding)) {
		p->verdict = LB_VERDICT_PUNT;
		return LB_SERVICE_NOT_FOUND;
	}
	return target.slot;
}

void lb_choose_tunnel_error(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;
	uint32_t slot = find_service(st, p), hop;
	struct lb_addr client = lb_key_src(&p->key);
	const struct lb_next_hop *nh;
	struct lb_tunnel_quote quote;

	if (slot == LB_SERVICE_NOT_FOUND)
		return;
	p->service = slot;
	hop = p->conn != NULL ? p->conn->client_next_hop : lb_route_to_client(st, &client);
	nh = &st->hops[hop];
	if (!lb_tunnel_quote_read(p, &quote) || quote.mtu < quote.n_tunnel + IPV4_MTU_MIN ||
	    nh->resolved == 0) {
		lb_pkt_drop(p, LB_COUNT_drop_icmp_tunnel);
		return;
	}
	lb_tunnel_quote_open(p, &quote);
	lb_refuse_too_big(pl, p, quote.mtu - quote.n_tunnel, now_ms);
	if (p->verdict != LB_VERDICT_TX)
		return;
	/* The answer goes to the client, not to the router that the error came from. */
	if (!lb_tags_replace(p, st->ifaces.of[nh->iface].tags)) {
		p->is_originated = false;
		lb_pkt_drop(p, LB_COUNT_drop_too_large);
		return;
	}
	p->out_iface = nh->iface;
	p->out_port = st->ifaces.of[nh->iface].port;
	lb_rewrite_link(p->data, nh->mac, st->ifaces.of[nh->iface].mac);
}
