#include "steer/conn_ask.h"

#include "steer/conn.h"
#include "steer/service_object.h"

#define HALF_THE_SPACE 0x80000000u /* from any number, and outside every window */

bool lb_conn_is_server_gone(const struct lb_steer *st, const struct lb_service *svc,
			    uint32_t real_id, uint64_t now_ms)
{
	uint32_t at = lb_service_find_real(svc, st->reals[real_id].machine_id, real_id);
	uint32_t target;

	if (at == UINT32_MAX)
		return true;
	target = svc->servers[at].target_id;
	if (!lb_target_is_down(&st->targets, target))
		return false;
	return svc->server_down_drain_s == 0 ||
	       now_ms / 1000 > (uint64_t)st->down_since_s[target] + svc->server_down_drain_s;
}

/* Neither side is asked before the handshake is over or after both have ended their half. */
static bool has_sides(const struct lb_conn *fwd)
{
	return lb_conn_is_tcp(fwd) && !lb_conn_is_embryonic(fwd) &&
	       (!lb_conn_is_over(fwd) || fwd->state == LB_TCP_ASKED);
}

static uint32_t far_from(rte_be16_t page_be)
{
	return ((uint32_t)rte_be_to_cpu_16(page_be) << 16) + HALF_THE_SPACE;
}

static void add(struct lb_asks *asks, const struct lb_key *key, uint32_t seq, uint32_t next_hop)
{
	asks->of[asks->n++] = (struct lb_ask){*key, seq, next_hop};
}

void lb_conn_ask(struct lb_steer *st, struct lb_conn *fwd, bool is_v6, uint64_t now_ms)
{
	const struct lb_service *svc = st->services[fwd->service];
	struct lb_asks *asks = &st->asks;
	struct lb_key key, back;

	if (!has_sides(fwd) || !lb_conn_is_server_gone(st, svc, fwd->fwd.real_id, now_ms))
		return;
	if (asks->n + 2 > LB_ASKS_MAX || !lb_token_bucket_take_above(&asks->bucket, 1, now_ms))
		return;
	if (fwd->state != LB_TCP_ASKED) {
		fwd->last_tick = lb_tick(now_ms);
		lb_conn_set_state(st, fwd, is_v6, LB_TCP_ASKED);
	}
	lb_conn_key(fwd, is_v6, &key);
	back = lb_key_reversed(&key);
	add(asks, &back, far_from(fwd->fwd.ack_hi_be), fwd->client_next_hop);
	if (!lb_conn_peer_key(st, fwd, is_v6, &back) ||
	    !lb_token_bucket_take(&asks->bucket, now_ms))
		return;
	key = lb_key_reversed(&back);
	add(asks, &key, far_from(fwd->fwd.seq_hi_be), st->real_lines[fwd->fwd.real_id].next_hop);
}
