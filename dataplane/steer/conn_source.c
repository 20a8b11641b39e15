#include "steer/conn_source.h"

#include "steer/service_object.h"

/* The key of the replies if the connection left from this source; false: it is taken. */
static bool is_source_free(struct lb_steer *st, const struct lb_conn_request *rq,
			   const struct lb_tuple *to_server, struct lb_key *rev)
{
	uint32_t proto = lb_key_proto(rq->key);

	lb_key_make(&(struct lb_tuple){to_server->dst, to_server->src, to_server->dport_be,
				       to_server->sport_be},
		    proto, rev);
	return lb_conn_lookup(st->conn_table, rev, lb_conn_hash(st->conn_table, rev)) == NULL;
}

static bool is_over_at(const struct lb_steer *st, const struct lb_key *rev)
{
	return lb_conn_is_over(
		lb_conn_lookup(st->conn_table, rev, lb_conn_hash(st->conn_table, rev)));
}

/* What stands at the replies' key gives way if it is an orphan that ageing has not met yet, or
 * closed: `is_closed` says what counts as that. */
static bool take_over(struct lb_steer *st, const struct lb_key *rev,
		      bool (*is_closed)(const struct lb_conn *conn))
{
	struct lb_conn *old = lb_conn_lookup(st->conn_table, rev,
					     lb_conn_hash(st->conn_table, rev));
	uint32_t real_id;

	if (lb_conn_validate(st, old, rev->is_v6, &real_id) == NULL)
		return true;
	if (!is_closed(old))
		return false;
	lb_conn_close(st, old, rev->is_v6, LB_COUNT_conn_closed);
	return true;
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
static uint16_t pick_source(struct lb_steer *st, const struct lb_conn_request *rq,
			    struct lb_tuple *to_server, struct lb_key *rev)
{
	uint32_t id = st->services[rq->slot]->nat_source_id;
	const struct lb_nat_source *src = st->nat_sources[id];
	struct lb_nat_cursor *cursor;
	const struct lb_nat_share share = {st->worker, st->n_workers, st->seed};
	struct lb_nat_candidate c, closed = {0};
	uint8_t proto = (uint8_t)lb_key_proto(rq->key);

	if (src == NULL)
		return 0;
	cursor = &st->nat_cursors[rq->key->is_v6 ? LB_NAT_SOURCES_MAX + id : id];
	for (uint32_t i = 0; i < LB_NAT_TRIES; i++) {
		if (!lb_nat_source_next(src, cursor, rq->key->is_v6, &share, &c))
			return 0;
		if (lb_service_table_lookup(st->service_table, &c.addr->addr, proto, c.port_be) !=
		    LB_SERVICE_NOT_FOUND)
			continue;
		leave_from(to_server, &c);
		if (is_source_free(st, rq, to_server, rev))
			return c.addr->id;
		if (closed.addr == NULL && is_over_at(st, rev))
			closed = c;
	}
	if (closed.addr == NULL)
		return 0;
	leave_from(to_server, &closed);
	if (is_source_free(st, rq, to_server, rev) || take_over(st, rev, lb_conn_is_over))
		return closed.addr->id;
	return 0;
}

/* nat: the client's own address and port, or nothing. A closed connection that still holds the
 * replies' key gives way, and an orphan that ageing has not met yet. */
static bool keep_source(struct lb_steer *st, const struct lb_conn_request *rq,
			struct lb_tuple *to_server, struct lb_key *rev)
{
	to_server->src = lb_key_src(rq->key);
	to_server->sport_be = lb_key_sport(rq->key);
	return is_source_free(st, rq, to_server, rev) || take_over(st, rev, lb_conn_is_closing);
}

enum lb_counter lb_conn_plan_replies(struct lb_steer *st, const struct lb_conn_request *rq,
				     struct lb_conn *like, struct lb_key *rev)
{
	const struct lb_real *real = &st->reals[rq->real_id];
	struct lb_tuple to_server = {.dst = real->addr, .dport_be = real->port_be};

	if (lb_addr_is_v4(&real->addr) == rq->key->is_v6)
		return LB_COUNT_drop_family_mismatch;
	if (to_server.dport_be == 0)
		to_server.dport_be = lb_key_dport(rq->key);
	if (like->fwd.forwarding != LB_FORWARD_FULLNAT)
		return keep_source(st, rq, &to_server, rev) ? 0 : LB_COUNT_drop_nat_exhausted;
	like->fwd.nat_addr_id = pick_source(st, rq, &to_server, rev);
	like->fwd.nat_port_be = to_server.sport_be;
	return like->fwd.nat_addr_id != 0 ? 0 : LB_COUNT_drop_nat_exhausted;
}
