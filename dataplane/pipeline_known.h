/* pipeline_known.h - the second pass for a packet of a connection that goes on as it was.
 *
 * Role     what nearly every packet runs; inline, so that a burst runs it in one loop
 * Shape    functions on one view and its entry
 * Units    as in packet.h and conn.h
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   none
 * Errors   none: what does not go on as it was is lb_choose_flow's
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_PIPELINE_KNOWN_H
#define LB_PIPELINE_KNOWN_H

#include <rte_branch_prediction.h>

#include "pipeline_state.h"

/* A client on the link is where its last packet came from. */
static inline void lb_follow_client(struct lb_steer *st, const struct lb_pkt *p,
				    struct lb_conn *conn)
{
	uint32_t id = conn->client_next_hop;
	const struct lb_next_hop *nh = &st->hops[id];

	if (id != LB_NEXT_HOP_NONE && id < LB_NEXT_HOP_LEARNED)
		return;
	if (likely(nh->iface == p->iface && memcmp(nh->mac, p->data + 6, sizeof(nh->mac)) == 0))
		return;
	id = lb_next_hop_learn(st->next_hops, p->iface, p->data + 6);
	if (id != LB_NEXT_HOP_NONE)
		lb_conn_set_client_next_hop(st, conn, p->key.is_v6, id);
}

/* What deliver needs to know of the connection: later packets of the burst may move its entry. */
static inline void lb_plan_delivery(const struct lb_steer *st, struct lb_pkt *p,
				    const struct lb_conn *conn)
{
	const struct lb_real_line *real = &st->real_lines[p->real_id];
	bool is_reply = lb_conn_is_reply(conn);
	uint8_t forwarding = is_reply ? (uint8_t)LB_FORWARD_NAT : conn->fwd.forwarding;

	p->next_hop = is_reply ? conn->client_next_hop : real->next_hop;
	p->service = conn->service;
	p->is_reply = is_reply;
	p->forwarding = forwarding;
	if (lb_forwarding_is_one_way(forwarding))
		return;
	p->to.is_v6 = p->key.is_v6;
	if (unlikely(p->key.is_v6))
		lb_conn_translate6(st, conn, &p->key.v6, &p->to.v6);
	else
		lb_conn_translate4(st, conn, &p->key.v4, &p->to.v4);
}

/* The connection is valid and its packet passes. */
static inline void lb_go_on(struct lb_steer *st, struct lb_pkt *p, struct lb_conn *conn,
			    uint16_t tick)
{
	lb_plan_delivery(st, p, conn);
	if (!p->is_reply && !lb_forwarding_is_one_way(p->forwarding))
		lb_follow_client(st, p, conn);
	lb_conn_track(st, conn, p, tick);
}

/* Does the packet belong to a connection that goes on? Then it is chosen for. */
static inline bool lb_choose_known(struct lb_steer *st, struct lb_pkt *p, uint16_t tick)
{
	struct lb_conn *conn = p->conn;
	uint32_t real_id;

	if (unlikely(conn == NULL || p->tcp_flags == LB_TCP_SYN) ||
	    unlikely(!lb_conn_is_valid(st, conn, p->key.is_v6, &real_id)) ||
	    unlikely(lb_asks_server_down(st, conn)))
		return false;
	p->real_id = real_id;
	lb_go_on(st, p, conn, tick);
	return true;
}

#endif
