#include "steer/conn.h"

#include <assert.h>

#include "steer/conn_room.h"
#include "steer/conn_source.h"
#include "steer/service_object.h"

_Static_assert(LB_REALS_MAX <= 1u << 20, "a server, how it is reached and its epoch make a word");

static const struct lb_service *service_of(const struct lb_steer *st, const struct lb_conn *conn)
{
	const struct lb_service *svc = st->services[conn->service];

	return svc != NULL && svc->epoch == conn->service_epoch ? svc : NULL;
}

void lb_conn_translate6(const struct lb_steer *st, const struct lb_conn *conn,
			const struct lb_key6 *key, struct lb_key6 *out)
{
	const struct lb_real *real;
	rte_be16_t sport_be, dport_be;

	if (lb_conn_is_reply(conn)) {
		memcpy(out->src_be, &st->services[conn->service]->vip, sizeof(out->src_be));
		memcpy(out->dst_be, conn->rev.client_be, sizeof(out->dst_be));
		out->ports_be = lb_ports(conn->rev.vip_port_be, conn->rev.client_port_be);
		return;
	}
	real = &st->reals[conn->fwd.real_id];
	memcpy(out->src_be, key->src_be, sizeof(out->src_be));
	memcpy(out->dst_be, &real->addr, sizeof(out->dst_be));
	sport_be = lb_ports_first(key->ports_be);
	dport_be = real->port_be != 0 ? real->port_be : lb_ports_second(key->ports_be);
	if (conn->fwd.nat_addr_id != 0) {
		memcpy(out->src_be, &st->nat_addrs[conn->fwd.nat_addr_id], sizeof(out->src_be));
		sport_be = conn->fwd.nat_port_be;
	}
	out->ports_be = lb_ports(sport_be, dport_be);
}

/* What leaves in one direction comes back, turned round, in the other: that is the peer's key. */
bool lb_conn_peer_key(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
		      struct lb_key *out)
{
	struct lb_key own, leaving;

	if (lb_conn_is_one_way(conn))
		return false;
	if (lb_conn_is_reply(conn)) {
		if (service_of(st, conn) == NULL)
			return false;
	} else if (st->reals[conn->fwd.real_id].epoch != conn->fwd.real_epoch) {
		return false;
	}
	lb_conn_key(conn, is_v6, &own);
	leaving = own;
	if (is_v6)
		lb_conn_translate6(st, conn, &own.v6, &leaving.v6);
	else
		lb_conn_translate4(st, conn, &own.v4, &leaving.v4);
	*out = lb_key_reversed(&leaving);
	return true;
}

static bool is_same_key(const struct lb_key *a, const struct lb_key *b)
{
	if (a->is_v6 != b->is_v6)
		return false;
	return a->is_v6 ? memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0
			: memcmp(&a->v4, &b->v4, sizeof(a->v4)) == 0;
}

struct lb_conn *lb_conn_peer(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6)
{
	struct lb_key key, own, back;
	struct lb_conn *peer;

	if (!lb_conn_peer_key(st, conn, is_v6, &key))
		return NULL;
	peer = lb_conn_lookup(st->conn_table, &key, lb_conn_hash(st->conn_table, &key));
	/* After an orphan it may be a later connection: it must lead back here. */
	if (peer == NULL || lb_conn_is_reply(peer) == lb_conn_is_reply(conn) ||
	    peer->service != conn->service || peer->service_epoch != conn->service_epoch)
		return NULL;
	lb_conn_key(conn, is_v6, &own);
	if (!lb_conn_peer_key(st, peer, is_v6, &back) || !is_same_key(&own, &back))
		return NULL;
	return peer;
}

static void add_to(uint32_t *count, uint32_t n)
{
	__atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static void remove_entry(struct lb_steer *st, struct lb_conn *conn, bool is_v6)
{
	if (!lb_conn_is_reply(conn)) {
		add_to(&st->conns, (uint32_t)-1);
		st->n_embryonic -= lb_conn_is_embryonic(conn);
		lb_add(&st->service_lines[conn->service].traffic.conns_live, (uint64_t)-1);
		lb_add(&st->real_lines[conn->fwd.real_id].traffic.conns_live, (uint64_t)-1);
	}
	st->table_changes++;
	add_to(&st->entries, (uint32_t)-1);
	lb_conn_remove(st->conn_table, conn, is_v6);
}

void lb_conn_close(struct lb_steer *st, struct lb_conn *conn, bool is_v6, enum lb_counter why)
{
	struct lb_conn *peer = lb_conn_peer(st, conn, is_v6);
	struct lb_key key;

	if (!lb_conn_is_reply(conn) || peer != NULL)
		lb_count(st, why);
	if (peer != NULL) {
		/* Removing one entry may move the other. */
		lb_conn_key(conn, is_v6, &key);
		remove_entry(st, peer, is_v6);
		conn = lb_conn_lookup(st->conn_table, &key, lb_conn_hash(st->conn_table, &key));
		assert(conn != NULL);
	}
	remove_entry(st, conn, is_v6);
}

void lb_conn_end_orphan(struct lb_steer *st, struct lb_conn *conn, bool is_v6)
{
	lb_conn_close(st, conn, is_v6, LB_COUNT_conn_orphaned);
}

bool lb_conn_is_closing(const struct lb_conn *conn)
{
	return lb_conn_is_tcp(conn) && conn->state >= LB_TCP_FIN_WAIT;
}

bool lb_conn_is_over(const struct lb_conn *conn)
{
	return lb_conn_is_tcp(conn) && conn->state >= LB_TCP_LAST_ACK;
}

bool lb_conn_is_embryonic(const struct lb_conn *conn)
{
	return lb_conn_is_tcp(conn) ? conn->state < LB_TCP_ESTABLISHED : conn->state < LB_UDP_HEARD;
}

bool lb_conn_may_reopen(const struct lb_steer *st, const struct lb_conn *conn)
{
	const struct lb_service *svc = st->services[conn->service];
	uint32_t at;

	if (lb_conn_is_reply(conn) || !lb_conn_is_tcp(conn))
		return false;
	if (lb_conn_is_closing(conn))
		return true;
	if (!lb_conn_is_embryonic(conn))
		return false;
	at = lb_service_find_machine(svc, st->reals[conn->fwd.real_id].machine_id);
	return at == UINT32_MAX || lb_target_get(&st->targets, svc->servers[at].target_id) == 0;
}

static uint32_t hash_of(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6)
{
	struct lb_key key;

	lb_conn_key(conn, is_v6, &key);
	return lb_conn_hash(st->conn_table, &key);
}

void lb_conn_set_state(struct lb_steer *st, struct lb_conn *conn, bool is_v6, uint32_t state)
{
	struct lb_conn *peer = lb_conn_peer(st, conn, is_v6);
	struct lb_conn *fwd = lb_conn_is_reply(conn) ? peer : conn;
	bool was_embryonic = lb_conn_is_embryonic(conn), was_over = lb_conn_is_over(conn);

	conn->state = (uint8_t)(state & 0xfu);
	if (peer != NULL)
		peer->state = conn->state;
	if (fwd == NULL)
		return;
	st->n_embryonic += lb_conn_is_embryonic(conn);
	st->n_embryonic -= was_embryonic;
	if (!was_over && lb_conn_is_over(conn))
		lb_conn_fifo_push(&st->over, hash_of(st, fwd, is_v6), is_v6, st->age.last_ms);
}

void lb_conn_set_client_next_hop(struct lb_steer *st, struct lb_conn *conn, bool is_v6,
				 uint32_t next_hop)
{
	struct lb_conn *peer = lb_conn_peer(st, conn, is_v6);

	conn->client_next_hop = (uint16_t)next_hop;
	if (peer != NULL)
		peer->client_next_hop = (uint16_t)next_hop;
}

uint32_t lb_conn_timeout_ticks(const struct lb_steer *st, const struct lb_conn *conn)
{
	uint64_t ms = st->services[conn->service]->idle_timeout_ms;

	if (lb_conn_is_tcp(conn))
		ms = lb_tcp_timeout_ms((enum lb_tcp_state)conn->state, (uint32_t)ms);
	/* Rounded up, and one more for the part of a tick that had passed before the packet. */
	return (uint32_t)((ms + (1u << LB_TICK_SHIFT_MS) - 1) >> LB_TICK_SHIFT_MS) + 1;
}

static inline struct lb_conn *insert(struct lb_steer *st, const struct lb_key *key, uint32_t hash,
				     enum lb_conn_kind kind, uint64_t now_ms)
{
	uint64_t n_displaced = 0;
	struct lb_conn *conn;

	st->table_changes++;
	conn = lb_conn_insert(st->conn_table, key, hash, kind, &n_displaced);
	if (unlikely(conn == NULL) && lb_conn_is_room_used(st) &&
	    lb_conn_evict_at(st, key->is_v6, hash, now_ms))
		conn = lb_conn_insert(st->conn_table, key, hash, kind, &n_displaced);
	if (n_displaced != 0) {
		lb_add(&st->counters[LB_COUNT_conn_displaced], n_displaced);
		st->age.has_displaced = true;
	}
	if (conn == NULL)
		return NULL;
	conn->last_tick = lb_tick(now_ms);
	add_to(&st->entries, 1);
	return conn;
}

/* What both entries have in common, but for the kind, which they have already. */
static inline void fill_entry(const struct lb_steer *st, const struct lb_conn_request *rq,
			      struct lb_conn *conn)
{
	bool is_tcp = lb_conn_is_tcp(conn);
	uint8_t state = is_tcp ? (uint8_t)lb_tcp_first(rq->tcp_flags) : (uint8_t)LB_UDP_NEW;

	conn->state = state & 0xfu;
	conn->service_epoch = (uint8_t)st->service_lines[rq->slot].life;
	conn->service = (uint16_t)rq->slot;
	conn->client_next_hop = (uint16_t)rq->client_next_hop;
}

/* What lies in one word is written at once. */
static inline void fill_forward(const struct lb_steer *st, const struct lb_conn_request *rq,
				const struct lb_conn_plan *plan, struct lb_conn *fwd)
{
	uint8_t forwarding = st->service_lines[rq->slot].forwarding;
	uint16_t life = st->real_lines[rq->real_id].life;

	fill_entry(st, rq, fwd);
	fwd->fwd.real_id = rq->real_id & (LB_REALS_MAX - 1);
	fwd->fwd.forwarding = forwarding & 0xfu;
	fwd->fwd.real_epoch = (uint8_t)life;
	fwd->fwd.nat_port_be = plan->nat_port_be;
	fwd->fwd.nat_addr_id = plan->nat_addr_id;
}

void lb_conn_fill_forward(const struct lb_steer *st, const struct lb_conn_request *rq,
			  const struct lb_conn_plan *plan, struct lb_conn *fwd)
{
	fill_forward(st, rq, plan, fwd);
}

static inline struct lb_conn *insert_forward(struct lb_steer *st, const struct lb_conn_request *rq,
					     const struct lb_conn_plan *plan, uint64_t now_ms)
{
	bool is_tcp = lb_key_proto(rq->key) == IPPROTO_TCP;
	struct lb_conn *conn = insert(st, rq->key, rq->hash,
				      is_tcp ? LB_CONN_TCP_FWD : LB_CONN_UDP_FWD, now_ms);

	if (likely(conn != NULL))
		fill_forward(st, rq, plan, conn);
	return conn;
}

/* Inserts the reverse entry first: the caller gets a pointer to the forward one, which must be
 * the last that is inserted. */
static struct lb_conn *insert_pair(struct lb_steer *st, const struct lb_conn_request *rq,
				   const struct lb_conn_plan *plan, uint64_t now_ms)
{
	bool is_tcp = lb_key_proto(rq->key) == IPPROTO_TCP, is_v6 = rq->key->is_v6;
	uint32_t epoch = (uint8_t)st->real_lines[rq->real_id].life;
	struct lb_conn *conn;

	conn = insert(st, &plan->replies, plan->replies_hash,
		      is_tcp ? LB_CONN_TCP_REV : LB_CONN_UDP_REV, now_ms);
	if (conn == NULL)
		return NULL;
	fill_entry(st, rq, conn);
	conn->rev.client_port_be = lb_key_sport(rq->key);
	conn->rev.vip_port_be = lb_key_dport(rq->key);
	if (is_v6)
		memcpy(conn->rev.client_be, rq->key->v6.src_be, sizeof(rq->key->v6.src_be));
	else
		conn->rev.client_be[0] = rq->key->v4.src_be;
	lb_conn_set_server_word(st->conn_table, conn, is_v6, rq->real_id | epoch << 24);

	conn = insert_forward(st, rq, plan, now_ms);
	if (conn == NULL) {
		conn = lb_conn_lookup(st->conn_table, &plan->replies, plan->replies_hash);
		assert(conn != NULL);
		remove_entry(st, conn, is_v6);
		return NULL;
	}
	return conn;
}

/* The frame leaves as it came, so the server has to be the next hop. 0: no reason against it. */
static enum lb_counter refuse_one_way(const struct lb_conn_request *rq, uint8_t forwarding,
				      const struct lb_real_line *real)
{
	if (forwarding != LB_FORWARD_DSR)
		return 0;
	if ((real->addr4_be != 0) == rq->key->is_v6)
		return LB_COUNT_drop_family_mismatch;
	return real->via_gateway != 0 ? LB_COUNT_drop_not_on_link : 0;
}

static inline enum lb_counter plan_open(const struct lb_steer *st, const struct lb_conn_request *rq,
					struct lb_nat_cursor *cursor, struct lb_conn_plan *out)
{
	uint8_t forwarding = st->service_lines[rq->slot].forwarding;

	out->takes_over = out->is_oldest = false;
	out->nat_addr_id = 0;
	out->nat_port_be = 0;
	if (lb_forwarding_is_one_way(forwarding))
		return refuse_one_way(rq, forwarding, &st->real_lines[rq->real_id]);
	return lb_conn_plan_replies(st, rq, cursor, out);
}

enum lb_counter lb_conn_plan_open(const struct lb_steer *st, const struct lb_conn_request *rq,
				  struct lb_nat_cursor *cursor, struct lb_conn_plan *out)
{
	return plan_open(st, rq, cursor, out);
}

static inline void count_opened(struct lb_steer *st, const struct lb_conn_request *rq,
				const struct lb_conn *conn, uint64_t now_ms)
{
	struct lb_traffic_cell *service = &st->service_lines[rq->slot].traffic;
	struct lb_traffic_cell *real = &st->real_lines[rq->real_id].traffic;

	add_to(&st->conns, 1);
	st->n_embryonic += lb_conn_is_embryonic(conn);
	lb_conn_fifo_push(&st->begun, rq->hash, rq->key->is_v6, now_ms);
	lb_count(st, LB_COUNT_conn_created);
	lb_add(&service->conns, 1);
	lb_add(&service->conns_live, 1);
	lb_add(&real->conns, 1);
	lb_add(&real->conns_live, 1);
}

struct lb_conn *lb_conn_open(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms,
			     enum lb_counter *reason)
{
	bool is_one_way = lb_forwarding_is_one_way(st->service_lines[rq->slot].forwarding);
	struct lb_nat_cursor *cursor = NULL;
	struct lb_conn_plan plan;
	struct lb_conn *conn;

	if (!is_one_way) {
		lb_conn_ask_if_scarce(st, rq, now_ms);
		cursor = lb_conn_cursor_of(st, rq);
	}
	*reason = plan_open(st, rq, cursor, &plan);
	if (unlikely(*reason != 0))
		return NULL;
	*reason = LB_COUNT_drop_unproven;
	if (unlikely(plan.takes_over) && !lb_conn_make_way(st, rq, &plan, now_ms))
		return NULL;
	*reason = LB_COUNT_drop_table_full;
	if (!lb_conn_make_room(st, rq, now_ms))
		return NULL;
	conn = is_one_way ? insert_forward(st, rq, &plan, now_ms)
			  : insert_pair(st, rq, &plan, now_ms);
	if (likely(conn != NULL))
		count_opened(st, rq, conn, now_ms);
	return conn;
}
