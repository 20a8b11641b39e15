#include "steer/conn_source.h"

#include "steer/service_object.h"

struct lb_nat_cursor *lb_conn_cursor_of(const struct lb_steer *st, const struct lb_conn_request *rq)
{
	const struct lb_service *svc = st->services[rq->slot];
	uint32_t id = svc->forwarding == LB_FORWARD_FULLNAT ? svc->nat_source_id : 0;

	return &st->nat_cursors[rq->key->is_v6 ? LB_NAT_SOURCES_MAX + id : id];
}

/* What stands at the key of the replies if the connection left from this source; NULL: it is free,
 * and *rev is that key. */
static struct lb_conn *find_at_source(const struct lb_steer *st, const struct lb_conn_request *rq,
				      const struct lb_tuple *to_server, struct lb_key *rev)
{
	uint32_t proto = lb_key_proto(rq->key);
	struct lb_conn *old;

	lb_key_make(&(struct lb_tuple){to_server->dst, to_server->src, to_server->dport_be,
				       to_server->sport_be},
		    proto, rev);
	old = lb_conn_lookup(st->conn_table, rev, lb_conn_hash(st->conn_table, rev));
	return old != rq->leaving ? old : NULL;
}

/* An orphan that ageing has not met yet gives way, and what `is_closed` counts as closed. */
static bool gives_way(const struct lb_steer *st, const struct lb_conn *old, bool is_v6,
		      bool (*is_closed)(const struct lb_conn *conn))
{
	uint32_t real_id;

	return !lb_conn_is_valid(st, old, is_v6, &real_id) || is_closed(old);
}

void lb_conn_make_way(struct lb_steer *st, const struct lb_key *replies)
{
	struct lb_conn *old = lb_conn_lookup(st->conn_table, replies,
					     lb_conn_hash(st->conn_table, replies));
	uint32_t real_id;

	if (lb_conn_validate(st, old, replies->is_v6, &real_id) != NULL)
		lb_conn_close(st, old, replies->is_v6, LB_COUNT_conn_closed);
}

static void leave_from(struct lb_tuple *to_server, const struct lb_nat_candidate *c)
{
	to_server->src = c->addr->addr;
	to_server->sport_be = c->port_be;
}

/* fullnat: walks the worker's own ports until one is free towards this server. When the walk finds
 * none, the first source whose connection is over serves again: the server has at most a socket in
 * TIME_WAIT there, which a new SYN may use (RFC 9293 3.6.1, RFC 6191). Returns the id of the
 * address, 0: none found. */
static uint16_t pick_source(const struct lb_steer *st, const struct lb_conn_request *rq,
			    struct lb_nat_cursor *cursor, struct lb_tuple *to_server,
			    struct lb_conn_plan *plan)
{
	const struct lb_nat_source *src = st->nat_sources[st->services[rq->slot]->nat_source_id];
	const struct lb_nat_share share = {st->worker, st->n_workers, st->seed};
	struct lb_nat_candidate c, closed = {0};
	uint8_t proto = (uint8_t)lb_key_proto(rq->key);
	const struct lb_conn *old;

	if (src == NULL)
		return 0;
	for (uint32_t i = 0; i < LB_NAT_TRIES; i++) {
		if (!lb_nat_source_next(src, cursor, rq->key->is_v6, &share, &c))
			return 0;
		if (lb_service_table_lookup(st->service_table, &c.addr->addr, proto, c.port_be) !=
		    LB_SERVICE_NOT_FOUND)
			continue;
		leave_from(to_server, &c);
		old = find_at_source(st, rq, to_server, &plan->replies);
		if (old == NULL)
			return c.addr->id;
		if (closed.addr == NULL && lb_conn_is_over(old))
			closed = c;
	}
	if (closed.addr == NULL)
		return 0;
	leave_from(to_server, &closed);
	old = find_at_source(st, rq, to_server, &plan->replies);
	plan->takes_over = old != NULL;
	if (old == NULL || gives_way(st, old, rq->key->is_v6, lb_conn_is_over))
		return closed.addr->id;
	return 0;
}

/* nat: the client's own address and port, or nothing. A closed connection that still holds the
 * replies' key gives way, and an orphan that ageing has not met yet. */
static bool keep_source(const struct lb_steer *st, const struct lb_conn_request *rq,
			struct lb_tuple *to_server, struct lb_conn_plan *plan)
{
	const struct lb_conn *old;

	to_server->src = lb_key_src(rq->key);
	to_server->sport_be = lb_key_sport(rq->key);
	old = find_at_source(st, rq, to_server, &plan->replies);
	plan->takes_over = old != NULL;
	return old == NULL || gives_way(st, old, rq->key->is_v6, lb_conn_is_closing);
}

enum lb_counter lb_conn_plan_replies(const struct lb_steer *st, const struct lb_conn_request *rq,
				     struct lb_nat_cursor *cursor, struct lb_conn_plan *plan)
{
	const struct lb_real *real = &st->reals[rq->real_id];
	struct lb_tuple to_server = {.dst = real->addr, .dport_be = real->port_be};

	if (lb_addr_is_v4(&real->addr) == rq->key->is_v6)
		return LB_COUNT_drop_family_mismatch;
	if (to_server.dport_be == 0)
		to_server.dport_be = lb_key_dport(rq->key);
	if (plan->like.fwd.forwarding != LB_FORWARD_FULLNAT)
		return keep_source(st, rq, &to_server, plan) ? 0 : LB_COUNT_drop_nat_exhausted;
	plan->like.fwd.nat_addr_id = pick_source(st, rq, cursor, &to_server, plan);
	plan->like.fwd.nat_port_be = to_server.sport_be;
	return plan->like.fwd.nat_addr_id != 0 ? 0 : LB_COUNT_drop_nat_exhausted;
}
