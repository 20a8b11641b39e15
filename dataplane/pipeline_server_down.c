/* Packets of connections whose server is down, in services that do not just keep them: what becomes
 * of them is the service's server_down_action. Others never come here. And the packets that ask for
 * such packets. */
#include "packet/rewrite.h"
#include "packet/tags.h"
#include "packet/wire.h"
#include "pipeline_state.h"
#include "steer/service_object.h"

enum lb_down_way lb_server_down_way(const struct lb_steer *st, const struct lb_pkt *p,
				    const struct lb_conn *conn, uint64_t now_ms)
{
	const struct lb_service *svc = st->services[conn->service];
	bool is_reply = lb_conn_is_reply(conn);

	if (!lb_conn_is_server_gone(st, svc, p->real_id, now_ms))
		return LB_DOWN_PASSES;
	if (svc->server_down_action == LB_SERVER_DOWN_MOVE)
		return is_reply ? LB_DOWN_PASSES : LB_DOWN_ANEW;
	/* A reset needs no answer, and a server that is only disabled should hear of it. What is
	 * not TCP is from before the service was. */
	if (!lb_conn_is_tcp(conn) || (p->tcp_flags & LB_TCP_RST) != 0)
		return LB_DOWN_PASSES;
	return p->tcp_flags == LB_TCP_SYN && !is_reply ? LB_DOWN_ANEW : LB_DOWN_REFUSED;
}

/* False: its receiver cannot be reached now. */
static bool make_question(const struct lb_steer *st, const struct lb_ask *ask, struct lb_pkt *p)
{
	const struct lb_next_hop *nh = &st->hops[ask->next_hop];
	const struct lb_iface *out = &st->ifaces.of[nh->iface];

	if (nh->resolved == 0)
		return false;
	lb_pkt_clear(p);
	p->l3_off = LB_ETH_BYTES;
	p->len = LB_ETH_BYTES + lb_tcp_question(p->data + LB_ETH_BYTES, &ask->key, ask->seq);
	p->tailroom -= p->len;
	if (!lb_tags_replace(p, out->tags))
		return false;
	lb_rewrite_link(p->data, nh->mac, out->mac);
	p->out_iface = nh->iface;
	p->out_port = out->port;
	return true;
}

bool lb_pipeline_take_question(struct lb_pipeline *pl, struct lb_pkt *p)
{
	struct lb_asks *asks = &pl->steer.asks;

	while (asks->n != 0) {
		if (!make_question(&pl->steer, &asks->of[--asks->n], p))
			continue;
		lb_count(&pl->steer, LB_COUNT_originated);
		lb_count(&pl->steer, LB_COUNT_tx);
		lb_count(&pl->steer, LB_COUNT_tcp_asked);
		return true;
	}
	return false;
}

void lb_refuse_server_down(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_conn *conn,
			   uint64_t now_ms)
{
	p->service = conn->service;
	p->is_reply = lb_conn_is_reply(conn);
	lb_refuse_by_protocol(pl, p, LB_COUNT_drop_server_down, now_ms);
}

bool lb_choose_server_down(struct lb_pipeline *pl, struct lb_pkt *p, struct lb_conn **conn,
			   uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;

	switch (lb_server_down_way(st, p, *conn, now_ms)) {
	case LB_DOWN_PASSES:
		return false;
	case LB_DOWN_ANEW:
		lb_conn_end_orphan(st, *conn, p->key.is_v6);
		*conn = NULL;
		return false;
	case LB_DOWN_REFUSED:
		break;
	}
	/* The entry stays as long as any that was reset, so that the other side is told too. Its
	 * time runs from the first refusal: who goes on sending does not keep it. */
	if ((*conn)->state != LB_TCP_CLOSE) {
		(*conn)->last_tick = lb_tick(now_ms);
		lb_conn_set_state(st, *conn, p->key.is_v6, LB_TCP_CLOSE);
	}
	lb_refuse_server_down(pl, p, *conn, now_ms);
	return true;
}
