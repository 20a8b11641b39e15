/* The way of a packet that does not exist. Parsing, deciding and delivering are the very functions
 * that packets meet; what choose would write is decided and left unwritten, with copies of the turn
 * and the cursor. Delivery and refusals write to a shadow: a copy of the pipeline's head, with
 * counters, token bucket and unresolved next hops of its own, over the same tables. */
#include <netinet/in.h>

#include "packet/parse.h"
#include "packet/sample.h"
#include "packet/wire.h"
#include "pipeline_known.h"
#include "pipeline_state.h"
#include "steer/conn_room.h"
#include "steer/conn_source.h"
#include "steer/pick.h"
#include "steer/service_object.h"
#include "steer/tcp_track.h"

const char *lb_answer_tcp_state(uint8_t tcp_state)
{
	return tcp_state > LB_TCP_NONE && tcp_state < LB_TCP_STATE_N ? lb_tcp_state_name[tcp_state]
								     : "";
}

/* One question on its way. */
struct explanation {
	struct lb_pipeline shadow;
	struct lb_pkt pkt;
	uint64_t now_ms;
	struct lb_answer *out;
};

static enum lb_explain_owner owner_why(const struct lb_steer *st, const struct lb_flow_target *t)
{
	if (st->n_workers == 1)
		return LB_EXPLAIN_OWNER_ONLY;
	if (t->is_by_rss)
		return LB_EXPLAIN_OWNER_RSS;
	if (t->slot != LB_SERVICE_NOT_FOUND)
		return LB_EXPLAIN_OWNER_CLIENT;
	if (t->is_at_nat_port)
		return LB_EXPLAIN_OWNER_NAT_PORT;
	return st->n_nat_services != 0 ? LB_EXPLAIN_OWNER_REPLY : LB_EXPLAIN_OWNER_ANY;
}

static uint32_t ticks_to_ms(uint32_t ticks)
{
	return ticks << LB_TICK_SHIFT_MS;
}

static void tell_conn(const struct lb_steer *st, const struct lb_conn *conn, uint64_t now_ms,
		      struct lb_answer *out)
{
	out->tcp_state = lb_conn_is_tcp(conn) ? conn->state : LB_TCP_NONE;
	out->idle_ms = ticks_to_ms((uint16_t)(lb_tick(now_ms) - conn->last_tick));
	if (out->conn != LB_EXPLAIN_CONN_GONE)
		out->timeout_ms = ticks_to_ms(lb_conn_timeout_ticks(st, conn));
}

/* The packet removes this connection before it is counted how many there are. */
static void take_out(struct lb_steer *st, const struct lb_conn *conn, bool is_v6)
{
	bool has_peer = lb_conn_peer(st, conn, is_v6) != NULL;
	bool is_whole = !lb_conn_is_reply(conn) || has_peer;

	st->entries -= has_peer ? 2 : 1;
	st->conns -= is_whole;
	st->n_embryonic -= is_whole && lb_conn_is_embryonic(conn);
}

/* The connection that takes the packet; NULL: there is none, or the packet ends it. Then *leaving
 * is the entry of its other direction, if it has one. */
static const struct lb_conn *find_conn(struct explanation *e, const struct lb_conn **leaving)
{
	const struct lb_steer *st = &e->shadow.steer;
	struct lb_pkt *p = &e->pkt;
	const struct lb_conn *conn = lb_conn_lookup(st->conn_table, &p->key, p->hash);

	*leaving = NULL;
	if (conn == NULL)
		return NULL;
	e->out->conn = LB_EXPLAIN_CONN_LIVE;
	if (!lb_conn_is_valid(st, conn, p->key.is_v6, &p->real_id))
		e->out->conn = LB_EXPLAIN_CONN_GONE;
	else if (p->proto == IPPROTO_TCP && lb_is_opening(p) && lb_conn_may_reopen(st, conn))
		e->out->conn = LB_EXPLAIN_CONN_REPLACED;
	else if (lb_asks_server_down(st, conn) &&
		 lb_server_down_way(st, p, conn, e->now_ms) == LB_DOWN_ANEW)
		e->out->conn = LB_EXPLAIN_CONN_GONE;
	tell_conn(st, conn, e->now_ms, e->out);
	if (e->out->conn == LB_EXPLAIN_CONN_LIVE)
		return conn;
	*leaving = lb_conn_peer(st, conn, p->key.is_v6);
	take_out(&e->shadow.steer, conn, p->key.is_v6);
	return NULL;
}

static void tell_pick(const struct lb_steer *st, const struct lb_pick *pick, uint32_t slot,
		      uint64_t now_ms, struct lb_answer *out)
{
	const struct lb_record *rec = &pick->record;

	out->is_chosen = true;
	out->way = (uint8_t)pick->way;
	out->is_for_group = pick->is_for_group;
	out->turn = st->schedule[slot].next;
	out->n_turns = st->services[slot]->n_sequence;
	out->has_record = pick->has_record;
	if (!pick->has_record)
		return;
	out->record_member = rec->member_id;
	out->record_expires_in_s = rec->expires_s - (uint32_t)(now_ms / 1000);
	out->is_record_old = rec->member_id >= LB_TARGETS_MAX ||
			     rec->generation != (st->member_generation[rec->member_id] &
						 ((1u << LB_MEMBER_GENERATION_BITS) - 1));
}

/* What lb_conn_open would enter for this server. False: it would refuse. */
static bool plan_conn(struct explanation *e, struct lb_conn_request *rq, struct lb_conn_plan *plan)
{
	struct lb_steer *st = &e->shadow.steer;
	struct lb_nat_cursor cursor = *lb_conn_cursor_of(st, rq);
	enum lb_counter reason;

	lb_conn_ask_if_scarce(st, rq, e->now_ms);
	reason = lb_conn_plan_open(st, rq, &cursor, plan);
	if (reason == 0 && plan->takes_over && !lb_conn_make_way(st, rq, plan, e->now_ms))
		reason = LB_COUNT_drop_unproven;
	if (reason == 0 && plan->takes_over)
		take_out(st,
			 lb_conn_lookup(st->conn_table, &plan->replies,
					lb_conn_hash(st->conn_table, &plan->replies)),
			 plan->replies.is_v6);
	if (reason == 0 && !lb_conn_make_room(st, rq, e->now_ms))
		reason = LB_COUNT_drop_table_full;
	if (reason != 0)
		lb_pkt_drop(&e->pkt, reason);
	return reason == 0;
}

static void tell_table(const struct lb_stateless_choice *choice, struct lb_answer *out)
{
	out->is_chosen = true;
	out->is_by_table = true;
	out->table_why = (uint8_t)choice->reason;
}

/* As find_server in pipeline_choose.c; false: it has been refused. */
static bool find_server(struct explanation *e, uint32_t slot, struct lb_stateless_choice *choice)
{
	const struct lb_steer *st = &e->shadow.steer;
	struct lb_schedule_state turn = st->schedule[slot];
	struct lb_pkt *p = &e->pkt;
	struct lb_pick pick;

	*choice = (struct lb_stateless_choice){.server = UINT32_MAX, .spare = UINT32_MAX};
	if (lb_is_by_table(st, p, slot)) {
		lb_choose_by_table(st, p, slot, &turn, choice);
		tell_table(choice, e->out);
	} else if (lb_is_opening(p)) {
		lb_pick_decide(st, slot, p, e->now_ms, &turn, &pick);
		tell_pick(st, &pick, slot, e->now_ms, e->out);
		choice->server = pick.server;
		choice->needs_entry = true;
		if (lb_goes_by_hash(st->services[slot]))
			choice->spare = pick.server;
	}
	if (choice->server == UINT32_MAX)
		lb_refuse_by_service(&e->shadow, p, e->now_ms);
	return choice->server != UINT32_MAX;
}

/* As lb_choose_flow opens a connection. */
static void open_conn(struct explanation *e, const struct lb_flow_target *target,
		      const struct lb_conn *leaving)
{
	struct lb_conn_request rq = {
		.key = &e->pkt.key,
		.hash = e->pkt.hash,
		.slot = target->slot,
		.tcp_flags = e->pkt.tcp_flags,
		.leaving = leaving,
		.is_question = true,
	};
	struct lb_steer *st = &e->shadow.steer;
	enum lb_counter reason;
	struct lb_addr client = lb_key_src(rq.key);
	struct lb_stateless_choice choice;
	struct lb_conn_plan plan;
	struct lb_conn like = {.kind = LB_CONN_UDP_FWD};

	if (lb_is_opening(&e->pkt) && !lb_is_by_table(st, &e->pkt, target->slot)) {
		reason = lb_conn_admit(st, &rq, e->now_ms);
		if (reason != 0) {
			lb_pkt_drop(&e->pkt, reason);
			return;
		}
	}
	if (!find_server(e, target->slot, &choice))
		return;
	e->out->is_gateway = lb_route_to_client(st, &client) != LB_NEXT_HOP_NONE;
	if (lb_goes_without_entry(st, &e->pkt, &choice)) {
		lb_send_by_table(st, &e->pkt, target->slot, choice.server);
		return;
	}
	rq.real_id = st->services[target->slot]->servers[choice.server].real_id;
	e->pkt.real_id = rq.real_id;
	e->out->makes_entry = plan_conn(e, &rq, &plan);
	if (e->out->makes_entry) {
		if (lb_key_proto(rq.key) == IPPROTO_TCP)
			like.kind = LB_CONN_TCP_FWD;
		lb_conn_fill_forward(st, &rq, &plan, &like);
		lb_plan_delivery(st, &e->pkt, &like);
	} else if (e->pkt.drop_reason == LB_COUNT_drop_table_full && choice.spare != UINT32_MAX) {
		e->pkt.verdict = LB_VERDICT_CONTINUE;
		e->pkt.drop_reason = 0;
		lb_send_by_table(st, &e->pkt, target->slot, choice.spare);
	}
}

static void choose(struct explanation *e)
{
	const struct lb_steer *st = &e->shadow.steer;
	struct lb_flow_target target = lb_find_target(st, &e->pkt.key, LB_SERVICE_NOT_FOUND);
	const struct lb_conn *leaving, *conn = find_conn(e, &leaving);
	struct lb_pkt *p = &e->pkt;

	e->out->is_at_nat_port = target.is_at_nat_port;
	if (conn != NULL) {
		e->out->owner_why = st->n_workers == 1 ? LB_EXPLAIN_OWNER_ONLY
						       : LB_EXPLAIN_OWNER_CONN;
		e->out->is_gateway = conn->client_next_hop < LB_NEXT_HOP_LEARNED;
		if (lb_asks_server_down(st, conn) &&
		    lb_server_down_way(st, p, conn, e->now_ms) == LB_DOWN_REFUSED)
			lb_refuse_server_down(&e->shadow, p, conn, e->now_ms);
		else
			lb_plan_delivery(st, p, conn);
		return;
	}
	e->out->owner = target.owner;
	e->out->owner_why = (uint8_t)owner_why(st, &target);
	p->service = target.slot;
	if (target.owner != st->worker) {
		p->owner = (uint16_t)target.owner;
		p->verdict = LB_VERDICT_HAND_OVER;
	} else if (target.slot != LB_SERVICE_NOT_FOUND) {
		open_conn(e, &target, leaving);
	} else if (target.is_at_nat_port) {
		lb_refuse_by_protocol(&e->shadow, p, LB_COUNT_drop_no_connection, e->now_ms);
	} else {
		p->verdict = LB_VERDICT_PUNT;
	}
}

static void tell_way_out(const struct lb_steer *st, const struct lb_pkt *p, struct lb_answer *out)
{
	const struct lb_key *leaves = lb_forwarding_is_one_way(p->forwarding) ? &p->key : &p->to;
	uint8_t iface;

	out->is_reply = p->is_reply;
	out->forwarding = p->forwarding;
	out->new_src = lb_key_src(leaves);
	out->new_dst = lb_key_dst(leaves);
	out->new_sport_be = lb_key_sport(leaves);
	out->new_dport_be = lb_key_dport(leaves);
	out->next_hop = p->next_hop;
	out->hop = st->hops[p->next_hop];
	iface = out->hop.iface;
	out->mtu = out->hop.resolved != 0 ? st->ifaces.of[iface].mtu : 0;
	if (!lb_forwarding_is_tunnel(p->forwarding))
		return;
	out->tunnel_dst = st->reals[p->real_id].addr;
	if (out->hop.resolved != 0)
		out->tunnel_src =
			st->ifaces.of[iface].tunnel_source[lb_addr_is_v4(&out->tunnel_dst) ? 0 : 1];
}

static void tell_end(const struct lb_steer *st, const struct lb_pkt *p, struct lb_answer *out)
{
	out->verdict = p->verdict;
	out->is_originated = p->is_originated;
	out->drop_reason = p->drop_reason;
	out->slot = p->service;
	out->real_id = p->real_id;
	if (p->real_id != UINT32_MAX)
		out->real_live = (uint32_t)st->real_lines[p->real_id].traffic.conns_live;
	if (p->verdict == LB_VERDICT_TX && !p->is_originated)
		out->out_bytes = (uint16_t)(lb_pkt_bytes(p) - p->l3_off);
}

void lb_pipeline_explain(const struct lb_pipeline *pl, const struct lb_question *q, uint64_t now_ms,
			 struct lb_answer *out)
{
	struct explanation e = {.shadow = *pl, .now_ms = now_ms, .out = out};
	struct lb_steer *st = &e.shadow.steer;
	uint8_t room[LB_SAMPLE_BYTES];

	*out = (struct lb_answer){.id = q->id, .worker = st->worker, .owner = st->worker};
	st->counters = e.shadow.counters;
	e.pkt = lb_sample_make(q, room);
	e.pkt.service = LB_SERVICE_NOT_FOUND;
	e.pkt.real_id = UINT32_MAX;
	lb_parse(&e.pkt);
	e.pkt.iface = q->iface;
	if (e.pkt.verdict == LB_VERDICT_CONTINUE && e.pkt.kind != LB_PKT_FLOW)
		e.pkt.verdict = LB_VERDICT_PUNT;
	if (e.pkt.verdict == LB_VERDICT_CONTINUE) {
		e.pkt.hash = lb_conn_hash(st->conn_table, &e.pkt.key);
		choose(&e);
	}
	if (e.pkt.verdict == LB_VERDICT_CONTINUE) {
		tell_way_out(st, &e.pkt, out);
		lb_deliver(&e.shadow, &e.pkt, now_ms);
	}
	tell_end(st, &e.pkt, out);
}
