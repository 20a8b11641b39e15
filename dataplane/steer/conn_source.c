#include "steer/conn_source.h"

#include "steer/conn_room.h"
#include "steer/promises.h"
#include "steer/service_object.h"

struct lb_nat_cursor *lb_conn_cursor_of(const struct lb_steer *st, const struct lb_conn_request *rq)
{
	const struct lb_service *svc = st->services[rq->slot];
	uint32_t id = svc->forwarding == LB_FORWARD_FULLNAT ? svc->nat_source_id : 0;

	return &st->nat_cursors[rq->key->is_v6 ? LB_NAT_SOURCES_MAX + id : id];
}

/* What stands at the key of the replies if the connection left from this source; NULL: it is free,
 * and the plan has that key. */
static struct lb_conn *find_at_source(const struct lb_steer *st, const struct lb_conn_request *rq,
				      const struct lb_tuple *to_server, struct lb_conn_plan *plan)
{
	struct lb_key *rev = &plan->replies;
	struct lb_conn *old;

	lb_key_make(&(struct lb_tuple){to_server->dst, to_server->src, to_server->dport_be,
				       to_server->sport_be},
		    lb_key_proto(rq->key), rev);
	plan->replies_hash = lb_conn_hash(st->conn_table, rev);
	/* Inserting will ask for both, and one wait is shorter than two. */
	lb_conn_prefetch_second(st->conn_table, rev, plan->replies_hash);
	old = lb_conn_lookup(st->conn_table, rev, plan->replies_hash);
	return old != rq->leaving ? old : NULL;
}

/* An orphan that ageing has not met yet gives way, and what `is_closed` counts as closed. */
static bool gives_way(const struct lb_steer *st, const struct lb_conn *old, bool is_v6,
		      bool (*is_closed)(const struct lb_conn *conn))
{
	uint32_t real_id;

	return !lb_conn_is_valid(st, old, is_v6, &real_id) || is_closed(old);
}

static bool may_be_replaced(const struct lb_conn *conn)
{
	return lb_conn_is_over(conn) || lb_conn_is_embryonic(conn);
}

bool lb_conn_make_way(struct lb_steer *st, struct lb_conn_request *rq, const struct lb_key *replies,
		      uint64_t now_ms)
{
	struct lb_conn *old = lb_conn_lookup(st->conn_table, replies,
					     lb_conn_hash(st->conn_table, replies));
	enum lb_counter why = LB_COUNT_conn_closed;
	uint32_t real_id;

	if (!lb_conn_is_valid(st, old, replies->is_v6, &real_id))
		why = LB_COUNT_conn_orphaned;
	else if (lb_conn_is_embryonic(old))
		why = LB_COUNT_conn_evicted_embryonic;
	if (why == LB_COUNT_conn_evicted_embryonic &&
	    (uint16_t)(lb_tick(now_ms) - old->last_tick) < LB_EMBRYO_KEEP_TICKS &&
	    !lb_conn_is_proven(st, rq, now_ms))
		return false;
	if (rq->is_question)
		return true;
	if (why == LB_COUNT_conn_evicted_embryonic)
		lb_promise_evicted(st, old->service, why);
	lb_conn_close(st, old, replies->is_v6, why);
	return true;
}

static void leave_from(struct lb_tuple *to_server, const struct lb_nat_candidate *c)
{
	to_server->src = c->addr->addr;
	to_server->sport_be = c->port_be;
}

/* Which of a NAT source's ports are this worker's for one connection: its share of all, or, where
 * it is known to which worker the network card brings the replies, those that they come here by. */
struct own_ports {
	struct lb_nat_share share;
	const struct lb_rss_map *rss; /* NULL: the share */
	uint32_t hash;                /* of the server's half of a reply */
	uint32_t worker;
	uint32_t steps_left;
};

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static struct own_ports ports_of(const struct lb_steer *st, const struct lb_conn_request *rq,
				 const struct lb_tuple *to_server)
{
	struct own_ports own = {.share = {st->worker, st->n_workers, st->seed},
				.worker = st->worker,
				.steps_left = LB_NAT_TRIES};

	if (!lb_rss_map_knows(st->rss, rq->key->is_v6, lb_key_proto(rq->key)))
		return own;
	own.rss = st->rss;
	own.share = (struct lb_nat_share){0, 1, st->seed};
	own.hash = lb_rss_hash_src(st->rss, &to_server->dst, to_server->dport_be);
	own.steps_left = least(LB_NAT_TRIES * st->n_workers, LB_NAT_STEPS_MAX);
	return own;
}

/* The walk's next place among these ports; false: none, or it was looked for long enough. */
static bool next_own(const struct lb_nat_source *src, struct lb_nat_cursor *cursor, bool is_v6,
		     struct own_ports *own, struct lb_nat_candidate *c)
{
	while (own->steps_left-- > 0) {
		if (!lb_nat_source_next(src, cursor, is_v6, &own->share, c))
			return false;
		if (own->rss == NULL ||
		    lb_rss_worker_of_hash(own->rss,
					  own->hash ^ lb_rss_hash_dst(own->rss, &c->addr->addr,
								      c->port_be)) == own->worker)
			return true;
	}
	return false;
}

/* Of an address that is no VIP one line is asked, which stays in the cache; a port's may be
 * anywhere. */
static bool is_claimed(const struct lb_steer *st, const struct lb_nat_candidate *c, uint8_t proto)
{
	return lb_service_table_has_vip(st->service_table, &c->addr->addr) &&
	       lb_service_table_lookup(st->service_table, &c->addr->addr, proto, c->port_be) !=
		       LB_SERVICE_NOT_FOUND;
}

/* fullnat: walks the worker's own ports until one is free towards this server. When the walk finds
 * none, the first source whose connection is over serves again: the server has at most a socket in
 * TIME_WAIT there, which a new SYN may use (RFC 9293 3.6.1, RFC 6191). Failing that, the first one
 * whose connection is embryonic: the walk comes to each in the order in which they were given out,
 * so it is the oldest. Under a flood the walk is short. Returns the id of the address, 0: none
 * found. */
static uint16_t pick_source(const struct lb_steer *st, const struct lb_conn_request *rq,
			    struct lb_nat_cursor *cursor, struct lb_tuple *to_server,
			    struct lb_conn_plan *plan)
{
	const struct lb_nat_source *src = st->nat_sources[st->services[rq->slot]->nat_source_id];
	struct own_ports own = ports_of(st, rq, to_server);
	struct lb_nat_candidate c, closed = {0}, embryonic = {0};
	uint8_t proto = (uint8_t)lb_key_proto(rq->key);
	const struct lb_conn *old;
	uint32_t n_tries = 0;

	if (src == NULL)
		return 0;
	while (next_own(src, cursor, rq->key->is_v6, &own, &c)) {
		if (is_claimed(st, &c, proto))
			continue;
		leave_from(to_server, &c);
		old = find_at_source(st, rq, to_server, plan);
		if (old == NULL)
			return c.addr->id;
		if (closed.addr == NULL && lb_conn_is_over(old))
			closed = c;
		else if (embryonic.addr == NULL && lb_conn_is_embryonic(old))
			embryonic = c;
		if (++n_tries > LB_NAT_TRIES_FEW && (closed.addr != NULL || embryonic.addr != NULL))
			break;
	}
	if (closed.addr == NULL)
		closed = embryonic;
	if (closed.addr == NULL)
		return 0;
	leave_from(to_server, &closed);
	old = find_at_source(st, rq, to_server, plan);
	plan->takes_over = old != NULL;
	if (old == NULL || gives_way(st, old, rq->key->is_v6, may_be_replaced))
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
	old = find_at_source(st, rq, to_server, plan);
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
