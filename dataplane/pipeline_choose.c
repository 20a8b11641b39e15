/* The second pass for one packet: which connection, and so which server and which way. */
#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "packet/icmp_error.h"
#include "pipeline_known.h"
#include "pipeline_state.h"
#include "steer/conn_room.h"
#include "steer/pick.h"
#include "steer/promises.h"
#include "steer/service_object.h"

static bool may_answer(struct lb_pipeline *pl, uint64_t now_ms)
{
	if (lb_token_bucket_take(&pl->replies, now_ms))
		return true;
	lb_count(&pl->steer, LB_COUNT_reply_suppressed);
	return false;
}

/* The packet has become the answer, if it may have one. */
static void answer(struct lb_pipeline *pl, struct lb_pkt *p, bool is_built, enum lb_counter kind)
{
	if (!is_built) {
		lb_token_bucket_give_back(&pl->replies);
		return;
	}
	lb_count(&pl->steer, kind);
	p->verdict = LB_VERDICT_TX;
	p->out_iface = p->iface;
	p->out_port = p->port;
}

void lb_refuse(struct lb_pipeline *pl, struct lb_pkt *p, enum lb_counter reason,
	       const struct lb_addr *vip, enum lb_icmp_why why, uint64_t now_ms)
{
	lb_pkt_drop(p, reason);
	if (!may_answer(pl, now_ms))
		return;
	if (vip == NULL)
		answer(pl, p, lb_reply_tcp_reset(p), LB_COUNT_rst_sent);
	else
		answer(pl, p, lb_reply_icmp_error(p, vip, why), LB_COUNT_icmp_sent);
}

void lb_refuse_too_big(struct lb_pipeline *pl, struct lb_pkt *p, uint32_t mtu, uint64_t now_ms)
{
	const struct lb_addr *vip = &pl->steer.services[p->service]->vip;

	lb_pkt_drop(p, LB_COUNT_drop_too_big);
	if (may_answer(pl, now_ms))
		answer(pl, p, lb_reply_too_big(p, vip, mtu), LB_COUNT_icmp_sent);
}

void lb_refuse_by_protocol(struct lb_pipeline *pl, struct lb_pkt *p, enum lb_counter reason,
			   uint64_t now_ms)
{
	struct lb_addr vip = lb_key_dst(&p->key);

	lb_refuse(pl, p, reason, p->proto == IPPROTO_TCP ? NULL : &vip, LB_ICMP_PORT_UNREACHABLE,
		  now_ms);
}

/* The replies of `nat` do not say which virtual IP was asked: both directions go by the client. */
void lb_find_request_owner(const struct lb_steer *st, const struct lb_key *key,
			   struct lb_flow_target *t)
{
	struct lb_addr src;

	if (st->n_workers == 1)
		return;
	src = lb_key_src(key);
	t->is_by_rss = st->services[t->slot]->forwarding != LB_FORWARD_NAT &&
		       lb_rss_map_knows(st->rss, key->is_v6, lb_key_proto(key));
	if (t->is_by_rss)
		t->owner = lb_rss_map_worker(st->rss, key);
	else if (st->owners != NULL)
		t->owner = lb_owner_of_client(st->owners, &src, lb_key_sport(key));
}

static void set_owner_of_reply(const struct lb_steer *st, const struct lb_key *key, uint32_t nat,
			       struct lb_flow_target *t)
{
	t->is_by_rss = lb_rss_map_knows(st->rss, key->is_v6, lb_key_proto(key));
	t->owner = t->is_by_rss ? lb_rss_map_worker(st->rss, key)
				: lb_nat_source_owner(st->nat_sources[nat], lb_key_dport(key),
						      st->n_workers);
}

struct lb_flow_target lb_find_target(const struct lb_steer *st, const struct lb_key *key,
				     uint32_t slot)
{
	struct lb_flow_target t = {.slot = slot, .owner = st->worker};
	struct lb_addr dst;
	uint32_t nat;

	if (slot == LB_SERVICE_NOT_FOUND)
		t.slot = lb_service_table_find(st->service_table, key);
	if (t.slot != LB_SERVICE_NOT_FOUND) {
		lb_find_request_owner(st, key, &t);
		return t;
	}
	dst = lb_key_dst(key);
	nat = lb_nat_addr_set_find(st->nat_addr_set, &dst, lb_key_dport(key));
	if (nat != UINT32_MAX) {
		t.is_at_nat_port = true;
		set_owner_of_reply(st, key, nat, &t);
	} else if (st->owners != NULL && st->n_nat_services != 0) {
		/* It may be a server's reply to a client, and nothing in it says so. */
		t.owner = lb_owner_of_client(st->owners, &dst, lb_key_dport(key));
	}
	return t;
}

bool lb_ask_ahead(const struct lb_steer *st, struct lb_pkt *p)
{
	const struct lb_service_line *line;
	bool has_replies;

	if (p->service == LB_SERVICE_NOT_FOUND)
		p->service = lb_service_table_find(st->service_table, &p->key);
	if (p->service == LB_SERVICE_NOT_FOUND)
		return false;
	line = &st->service_lines[p->service];
	rte_prefetch0(st->services[p->service]);
	rte_prefetch0(&st->schedule[p->service]);
	lb_conn_prefetch_room(st->conn_table, &p->key, p->hash);
	has_replies = !lb_forwarding_is_one_way(line->forwarding) && lb_is_opening(p);
	if (line->group_id == 0 || st->persist == NULL)
		return has_replies;
	p->record_key = lb_persist_key_of(st->persist, line->group_id, &p->key, line->persist_len);
	p->has_record_key = true;
	lb_persist_prefetch(st->persist, p->record_key);
	return has_replies;
}

bool lb_is_handed_over(const struct lb_steer *st, struct lb_pkt *p, uint32_t owner)
{
	if (owner == st->worker)
		return false;
	if (p->is_handed) {
		lb_pkt_drop(p, LB_COUNT_drop_hand_over_again);
		return true;
	}
	p->owner = (uint16_t)owner;
	p->verdict = LB_VERDICT_HAND_OVER;
	return true;
}

uint32_t lb_route_to_client(const struct lb_steer *st, const struct lb_addr *client)
{
	const struct lb_route *route = NULL;

	if (st->routes != NULL)
		route = lb_route_lookup(st->routes, client);
	return route != NULL ? route->next_hop : LB_NEXT_HOP_NONE;
}

/* The id by which this packet's sender is reached: behind a gateway, or on the link. */
static inline uint32_t find_client_next_hop(struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_addr client;
	uint32_t gateway;

	if (st->routes != NULL) {
		client = lb_key_src(&p->key);
		gateway = lb_route_to_client(st, &client);
		if (gateway != LB_NEXT_HOP_NONE)
			return gateway;
	}
	return lb_next_hop_learn(st->next_hops, p->iface, p->data + 6);
}

void lb_refuse_by_service(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	const struct lb_service *svc = pl->steer.services[p->service];

	if (!lb_is_opening(p))
		lb_refuse_by_protocol(pl, p, LB_COUNT_drop_no_connection, now_ms);
	else if (svc->no_server_action == LB_NO_SERVER_REJECT)
		lb_refuse_by_protocol(pl, p, LB_COUNT_drop_no_server, now_ms);
	else
		lb_pkt_drop(p, LB_COUNT_drop_no_server);
}

/* Who is to serve a packet of p->service without a connection; false: it has been refused. */
static inline bool find_server(struct lb_pipeline *pl, struct lb_pkt *p, struct lb_conn_request *rq,
			       uint64_t now_ms, struct lb_stateless_choice *out)
{
	struct lb_steer *st = &pl->steer;
	enum lb_counter reason;

	*out = (struct lb_stateless_choice){.server = UINT32_MAX, .spare = UINT32_MAX};
	if (lb_is_by_table(st, p, rq->slot)) {
		lb_choose_by_table(st, p, rq->slot, &st->schedule[rq->slot], out);
	} else if (likely(lb_is_opening(p))) {
		reason = lb_conn_admit(st, rq, now_ms);
		if (unlikely(reason != 0)) {
			lb_pkt_drop(p, reason);
			return false;
		}
		out->server = lb_pick_server(st, rq->slot, p, now_ms);
		out->needs_entry = true;
		if (lb_goes_by_hash(st->services[rq->slot]))
			out->spare = out->server;
	}
	if (likely(out->server != UINT32_MAX))
		return true;
	lb_refuse_by_service(pl, p, now_ms);
	return false;
}

/* A packet that is not to have an entry; true: it has been sent without. */
static bool is_sent_without(struct lb_steer *st, struct lb_pkt *p,
			    const struct lb_stateless_choice *choice)
{
	if (!lb_goes_without_entry(st, p, choice))
		return false;
	if (!lb_is_opening(p) && (choice->needs_entry || !st->services[p->service]->is_stateless))
		lb_count(st, LB_COUNT_found_by_hash);
	lb_send_by_table(st, p, p->service, choice->server);
	if (p->proto == IPPROTO_TCP && lb_is_opening(p))
		lb_count_stateless(st, p);
	return true;
}

/* No entry could be made for the packet. */
static void go_without_room(struct lb_steer *st, struct lb_pkt *p,
			    const struct lb_stateless_choice *choice, enum lb_counter reason)
{
	if (reason != LB_COUNT_drop_table_full || choice->spare == UINT32_MAX) {
		lb_pkt_drop(p, reason);
		return;
	}
	lb_count(st, LB_COUNT_conn_hash_only);
	lb_send_by_table(st, p, p->service, choice->spare);
}

/* A packet without a connection: opens one, or ends here (NULL). */
static struct lb_conn *open_conn(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;
	struct lb_flow_target target = lb_find_target(st, &p->key, p->service);
	struct lb_conn_request rq = {
		.key = &p->key, .hash = p->hash, .slot = target.slot, .tcp_flags = p->tcp_flags};
	struct lb_stateless_choice choice;
	enum lb_counter reason;
	struct lb_conn *conn;

	if (lb_is_handed_over(st, p, target.owner))
		return NULL;
	if (unlikely(rq.slot == LB_SERVICE_NOT_FOUND)) {
		p->verdict = LB_VERDICT_PUNT;
		if (target.is_at_nat_port)
			lb_refuse_by_protocol(pl, p, LB_COUNT_drop_no_connection, now_ms);
		return NULL;
	}
	p->service = rq.slot;
	if (!find_server(pl, p, &rq, now_ms, &choice))
		return NULL;
	if (unlikely(!choice.needs_entry || choice.is_adoption) && is_sent_without(st, p, &choice))
		return NULL;
	rq.real_id = st->services[rq.slot]->servers[choice.server].real_id;
	rq.client_next_hop = find_client_next_hop(st, p);
	if (unlikely(rq.client_next_hop == LB_NEXT_HOP_NONE)) {
		lb_pkt_drop(p, LB_COUNT_drop_next_hop_full);
		return NULL;
	}
	p->real_id = rq.real_id;
	conn = lb_conn_open(st, &rq, now_ms, &reason);
	if (unlikely(conn == NULL)) {
		go_without_room(st, p, &choice, reason);
		return NULL;
	}
	if (p->proto == IPPROTO_TCP)
		lb_conn_begin_numbers(conn, p);
	if (choice.is_adoption)
		lb_count(st, LB_COUNT_conn_adopted);
	return conn;
}

void lb_choose_flow(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;
	struct lb_conn *conn = p->conn;

	if (likely(conn != NULL))
		conn = lb_conn_validate(st, conn, p->key.is_v6, &p->real_id);
	if (unlikely(conn != NULL && p->tcp_flags == LB_TCP_SYN && lb_conn_may_reopen(st, conn))) {
		lb_conn_close(st, conn, p->key.is_v6, LB_COUNT_conn_closed);
		conn = NULL;
	}
	if (conn != NULL && unlikely(lb_asks_server_down(st, conn)) &&
	    lb_choose_server_down(pl, p, &conn, now_ms))
		return;
	if (unlikely(conn == NULL)) {
		bool is_orphan = p->conn != NULL && p->proto != IPPROTO_TCP;

		p->conn = open_conn(pl, p, now_ms);
		if (p->conn != NULL && is_orphan)
			lb_promise_moved(st, p->conn->service);
		if (p->conn != NULL)
			lb_plan_delivery(st, p, p->conn);
		return;
	}
	lb_go_on(st, p, conn, lb_tick(now_ms));
}

/* The server that the table of the service in `slot` names, without any entry. */
static uint32_t find_by_table(struct lb_steer *st, const struct lb_pkt *p, uint32_t slot)
{
	struct lb_stateless_choice choice;

	if (slot == LB_SERVICE_NOT_FOUND || !lb_is_by_table(st, p, slot))
		return UINT32_MAX;
	lb_choose_by_table(st, p, slot, &st->schedule[slot], &choice);
	return choice.server;
}

/* An error goes on if it is about a connection and was sent to whoever sent what it quotes. It
 * neither keeps a connection alive nor ends it: anybody can send one. */
void lb_choose_icmp_error(struct lb_steer *st, struct lb_pkt *p)
{
	struct lb_addr dst = lb_key_dst(&p->key), sent_to = lb_outer_dst(p);
	struct lb_flow_target target = {.slot = LB_SERVICE_NOT_FOUND};
	uint32_t server = UINT32_MAX;

	if (p->conn != NULL)
		p->conn = lb_conn_validate(st, p->conn, p->key.is_v6, &p->real_id);
	if (p->conn == NULL) {
		target = lb_find_target(st, &p->key, LB_SERVICE_NOT_FOUND);
		if (lb_is_handed_over(st, p, target.owner))
			return;
		server = find_by_table(st, p, target.slot);
	}
	if (p->conn == NULL && server == UINT32_MAX) {
		/* About a port of ours it can only concern a connection that is gone; the rest is
		 * about the kernel's own traffic. */
		p->verdict = LB_VERDICT_PUNT;
		if (target.slot != LB_SERVICE_NOT_FOUND || target.is_at_nat_port)
			lb_pkt_drop(p, LB_COUNT_drop_icmp_no_connection);
		return;
	}
	if (!lb_addr_equal(&sent_to, &dst)) {
		lb_pkt_drop(p, LB_COUNT_drop_icmp_malformed);
		return;
	}
	if (p->conn == NULL)
		lb_send_by_table(st, p, target.slot, server);
	else
		lb_plan_delivery(st, p, p->conn);
}
