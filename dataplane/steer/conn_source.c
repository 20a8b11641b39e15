#include "steer/conn_source.h"

#include <rte_branch_prediction.h>

#include "steer/conn_room.h"
#include "steer/promises.h"
#include "steer/service_object.h"

struct lb_nat_cursor *lb_conn_cursor_of(const struct lb_steer *st, const struct lb_conn_request *rq)
{
	const struct lb_service *svc = st->services[rq->slot];
	uint32_t id = svc->forwarding == LB_FORWARD_FULLNAT ? svc->nat_source_id : 0;

	return &st->nat_cursors[rq->key->is_v6 ? LB_NAT_SOURCES_MAX + id : id];
}

void lb_conn_ask_if_scarce(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms)
{
	if (st->service_lines[rq->slot].forwarding == LB_FORWARD_FULLNAT &&
	    unlikely(lb_conn_cursor_of(st, rq)->is_scarce) && lb_conn_has_many_embryos(st) &&
	    lb_conn_is_proven(st, rq, now_ms))
		lb_conn_skip_begun(st);
}

static void make_replies(const struct lb_conn_request *rq, const struct lb_tuple *to_server,
			 struct lb_key *out)
{
	lb_key_make(&(struct lb_tuple){to_server->dst, to_server->src, to_server->dport_be,
				       to_server->sport_be},
		    lb_key_proto(rq->key), out);
}

/* What stands at the key of the replies if the connection left from this source; NULL: it is free,
 * and the plan has that key. */
static struct lb_conn *find_at_source(const struct lb_steer *st, const struct lb_conn_request *rq,
				      const struct lb_tuple *to_server, struct lb_conn_plan *plan)
{
	struct lb_key *rev = &plan->replies;
	struct lb_conn *old;

	make_replies(rq, to_server, rev);
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

/* A first attempt takes no younger one's place than LB_EMBRYO_KEEP_TICKS. A client that has come
 * again may, but while there is a flood none of this tick unless it is the oldest: what was begun
 * meanwhile may be another one's handshake, and in the next tick there is enough to choose from. */
static bool may_end_embryo(struct lb_steer *st, struct lb_conn_request *rq,
			   const struct lb_conn_plan *plan, const struct lb_conn *old,
			   uint64_t now_ms)
{
	uint16_t age = (uint16_t)(lb_tick(now_ms) - old->last_tick);

	if (age >= LB_EMBRYO_KEEP_TICKS)
		return true;
	return lb_conn_is_proven(st, rq, now_ms) &&
	       (age != 0 || plan->is_oldest || !lb_conn_has_many_embryos(st));
}

bool lb_conn_make_way(struct lb_steer *st, struct lb_conn_request *rq,
		      const struct lb_conn_plan *plan, uint64_t now_ms)
{
	bool is_v6 = plan->replies.is_v6;
	struct lb_conn *old = lb_conn_lookup(st->conn_table, &plan->replies, plan->replies_hash);
	enum lb_counter why = LB_COUNT_conn_closed;
	uint32_t real_id;

	if (!lb_conn_is_valid(st, old, is_v6, &real_id))
		why = LB_COUNT_conn_orphaned;
	else if (lb_conn_is_embryonic(old))
		why = LB_COUNT_conn_evicted_embryonic;
	if (why == LB_COUNT_conn_evicted_embryonic && !may_end_embryo(st, rq, plan, old, now_ms))
		return false;
	if (rq->is_question)
		return true;
	if (why == LB_COUNT_conn_evicted_embryonic)
		lb_promise_evicted(st, old->service, why);
	lb_conn_close(st, old, is_v6, why);
	/* Each that goes leaves a mark behind; where many go at once their marks would hide the
	 * oldest that is left. */
	if (why == LB_COUNT_conn_evicted_embryonic)
		lb_conn_skip_begun(st);
	return true;
}

static void leave_from(struct lb_tuple *to_server, const struct lb_nat_candidate *c)
{
	to_server->src = c->addr->addr;
	to_server->sport_be = c->port_be;
}

static void leave_as_came(const struct lb_conn_request *rq, struct lb_tuple *to_server)
{
	to_server->src = lb_key_src(rq->key);
	to_server->sport_be = lb_key_sport(rq->key);
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

/* What a search has met that may be taken over. */
struct taken {
	struct lb_nat_candidate closed; /* addr NULL: none */
	struct lb_nat_candidate embryonic;
	uint16_t embryonic_tick;
	bool is_oldest; /* the embryonic one, of all towards the server */
};

static bool is_earlier(uint16_t tick, uint16_t than)
{
	return (int16_t)(tick - than) < 0;
}

/* Of the embryonic ones the oldest. */
static bool note_taken(struct taken *t, const struct lb_conn *old, const struct lb_nat_candidate *c)
{
	if (lb_conn_is_over(old)) {
		if (t->closed.addr == NULL)
			t->closed = *c;
	} else if (lb_conn_is_embryonic(old) &&
		   (t->embryonic.addr == NULL || is_earlier(old->last_tick, t->embryonic_tick))) {
		t->embryonic = *c;
		t->embryonic_tick = old->last_tick;
	}
	return t->closed.addr != NULL || t->embryonic.addr != NULL;
}

/* Beyond the bound of the walk itself. */
static uint32_t tries_of(const struct lb_steer *st, const struct lb_conn_request *rq,
			 const struct lb_nat_cursor *cursor)
{
	bool is_stranger = cursor->is_scarce && rq->proof == LB_PROOF_NEW;

	return is_stranger && lb_conn_has_many_embryos(st) ? LB_NAT_TRIES_SCARCE : UINT32_MAX;
}

/* A client that has come again in a flood takes the place of the very oldest: the flood's are
 * seconds old, a handshake is not, but both may be of one tick. */
static void prefer_oldest(const struct lb_steer *st, const struct lb_conn_request *rq,
			  const struct lb_nat_source *src, struct taken *t)
{
	const struct lb_nat_addr *addrs = rq->key->is_v6 ? src->v6 : src->v4;
	uint32_t n_addrs = rq->key->is_v6 ? src->n_v6 : src->n_v4;
	const struct lb_conn *oldest;

	if (rq->proof != LB_PROOF_PROVEN || t->closed.addr != NULL)
		return;
	oldest = lb_conn_oldest_embryo(st, rq);
	if (oldest == NULL || lb_nat_source_owner(src, oldest->fwd.nat_port_be, 1) == UINT32_MAX)
		return;
	for (uint32_t i = 0; i < n_addrs; i++) {
		if (addrs[i].id != oldest->fwd.nat_addr_id)
			continue;
		t->embryonic = (struct lb_nat_candidate){&addrs[i], oldest->fwd.nat_port_be};
		t->is_oldest = true;
	}
}

/* Failing a free one: a source whose connection is over serves again, the server has at most a
 * socket in TIME_WAIT there, which a new SYN may use (RFC 9293 3.6.1, RFC 6191); or one whose
 * connection is embryonic. Returns the id of the address, 0: neither. */
static uint16_t take_over(const struct lb_steer *st, const struct lb_conn_request *rq,
			  const struct taken *t, struct lb_tuple *to_server,
			  struct lb_conn_plan *plan)
{
	const struct lb_nat_candidate *c = t->closed.addr != NULL ? &t->closed : &t->embryonic;
	const struct lb_conn *old;

	if (c->addr == NULL)
		return 0;
	leave_from(to_server, c);
	old = find_at_source(st, rq, to_server, plan);
	plan->takes_over = old != NULL;
	plan->is_oldest = t->is_oldest;
	if (old == NULL || gives_way(st, old, rq->key->is_v6, may_be_replaced))
		return c->addr->id;
	return 0;
}

/* fullnat: walks the worker's own ports until one is free towards this server. While they are
 * scarce in a flood nearly all look-ups are in vain, and nearly all who ask are the flood: a first
 * attempt looks at few places, and all attempts together still come by every place. */
static uint16_t pick_source(const struct lb_steer *st, const struct lb_conn_request *rq,
			    struct lb_nat_cursor *cursor, struct lb_tuple *to_server,
			    struct lb_conn_plan *plan)
{
	const struct lb_nat_source *src = st->nat_sources[st->services[rq->slot]->nat_source_id];
	struct own_ports own = ports_of(st, rq, to_server);
	uint8_t proto = (uint8_t)lb_key_proto(rq->key);
	uint32_t n_tries = 0, n_most = tries_of(st, rq, cursor);
	struct taken taken = {0};
	struct lb_nat_candidate c;
	const struct lb_conn *old;

	if (src == NULL)
		return 0;
	while (n_tries < n_most && next_own(src, cursor, rq->key->is_v6, &own, &c)) {
		if (is_claimed(st, &c, proto))
			continue;
		leave_from(to_server, &c);
		old = find_at_source(st, rq, to_server, plan);
		if (old == NULL) {
			cursor->is_scarce = cursor->is_scarce && n_tries != 0;
			return c.addr->id;
		}
		n_tries++;
		if (note_taken(&taken, old, &c) && n_tries > LB_NAT_TRIES_FEW)
			break;
	}
	cursor->is_scarce = true;
	prefer_oldest(st, rq, src, &taken);
	return take_over(st, rq, &taken, to_server, plan);
}

/* nat: the client's own address and port, or nothing. A closed connection that still holds the
 * replies' key gives way, and an orphan that ageing has not met yet. */
static bool keep_source(const struct lb_steer *st, const struct lb_conn_request *rq,
			struct lb_tuple *to_server, struct lb_conn_plan *plan)
{
	const struct lb_conn *old;

	leave_as_came(rq, to_server);
	old = find_at_source(st, rq, to_server, plan);
	plan->takes_over = old != NULL;
	return old == NULL || gives_way(st, old, rq->key->is_v6, lb_conn_is_closing);
}

/* False: it is of the other family. */
static bool begin_tuple(const struct lb_steer *st, const struct lb_conn_request *rq,
			struct lb_tuple *to_server)
{
	const struct lb_real *real = &st->reals[rq->real_id];

	if (lb_addr_is_v4(&real->addr) == rq->key->is_v6)
		return false;
	to_server->dst = real->addr;
	to_server->dport_be = real->port_be != 0 ? real->port_be : lb_key_dport(rq->key);
	return true;
}

enum lb_counter lb_conn_plan_replies(const struct lb_steer *st, const struct lb_conn_request *rq,
				     struct lb_nat_cursor *cursor, struct lb_conn_plan *plan)
{
	struct lb_tuple to_server;

	if (!begin_tuple(st, rq, &to_server))
		return LB_COUNT_drop_family_mismatch;
	if (st->service_lines[rq->slot].forwarding != LB_FORWARD_FULLNAT)
		return keep_source(st, rq, &to_server, plan) ? 0 : LB_COUNT_drop_nat_exhausted;
	plan->nat_addr_id = pick_source(st, rq, cursor, &to_server, plan);
	plan->nat_port_be = to_server.sport_be;
	return plan->nat_addr_id != 0 ? 0 : LB_COUNT_drop_nat_exhausted;
}

bool lb_conn_foresee_replies(const struct lb_steer *st, const struct lb_conn_request *rq,
			     struct lb_nat_cursor *cursor, struct lb_key *out)
{
	const struct lb_nat_source *src;
	struct lb_nat_candidate c;
	struct lb_tuple to_server;
	struct own_ports own;

	if (!begin_tuple(st, rq, &to_server))
		return false;
	if (st->service_lines[rq->slot].forwarding != LB_FORWARD_FULLNAT) {
		leave_as_came(rq, &to_server);
	} else {
		src = st->nat_sources[st->services[rq->slot]->nat_source_id];
		own = ports_of(st, rq, &to_server);
		if (src == NULL || !next_own(src, cursor, rq->key->is_v6, &own, &c))
			return false;
		leave_from(&to_server, &c);
	}
	make_replies(rq, &to_server, out);
	return true;
}
