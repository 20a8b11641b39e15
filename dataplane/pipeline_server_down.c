/* Packets of connections whose server is down, in services that do not just keep them: what becomes
 * of them is the service's server_down_action. Others never come here. */
#include "pipeline_state.h"
#include "steer/service_object.h"

static bool is_server_down(const struct lb_steer *st, const struct lb_service *svc,
			   uint32_t real_id)
{
	uint32_t at = lb_service_find_real(svc, st->reals[real_id].machine_id, real_id);

	return at == UINT32_MAX || lb_target_is_down(&st->targets, svc->servers[at].target_id);
}

enum lb_down_way lb_server_down_way(const struct lb_steer *st, const struct lb_pkt *p,
				    const struct lb_conn *conn)
{
	const struct lb_service *svc = st->services[conn->service];
	bool is_reply = lb_conn_is_reply(conn);

	if (!is_server_down(st, svc, p->real_id))
		return LB_DOWN_PASSES;
	if (svc->server_down_action == LB_SERVER_DOWN_MOVE)
		return is_reply ? LB_DOWN_PASSES : LB_DOWN_ANEW;
	/* A reset needs no answer, and a server that is only disabled should hear of it. What is
	 * not TCP is from before the service was. */
	if (!lb_conn_is_tcp(conn) || (p->tcp_flags & LB_TCP_RST) != 0)
		return LB_DOWN_PASSES;
	return p->tcp_flags == LB_TCP_SYN && !is_reply ? LB_DOWN_ANEW : LB_DOWN_REFUSED;
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

	switch (lb_server_down_way(st, p, *conn)) {
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
