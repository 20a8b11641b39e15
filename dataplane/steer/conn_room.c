#include "steer/conn_room.h"

#include <rte_branch_prediction.h>

#include "steer/promises.h"
#include "steer/service_limits.h"
#include "steer/service_object.h"
#include "steer/stateless.h"
#include "steer/tcp_track.h"

#define EVICT_IDLE_TICKS ((LB_EVICT_IDLE_S * 1000u) >> LB_TICK_SHIFT_MS)
#define EVICT_PLACES 8u
#define RANK_USELESS 0x10000u /* over or embryonic; below: ticks of idleness */
#define ANY_REAL UINT32_MAX

static bool is_over_for_good(const struct lb_conn *conn)
{
	/* After a reset it may still turn out that both ends have refused it. */
	return lb_conn_is_over(conn) && conn->state != LB_TCP_CLOSE;
}

/* The last part of the room is for clients that have proven themselves. */
enum room { ROOM_AMPLE, ROOM_SHORT, ROOM_NONE };

static uint32_t n_wanted(const struct lb_steer *st, const struct lb_conn_request *rq)
{
	return lb_conn_n_entries(st->services[rq->slot]->forwarding);
}

static enum room room_for(const struct lb_steer *st, const struct lb_conn_request *rq)
{
	uint32_t n_places = lb_conn_capacity(st->conn_table, rq->key->is_v6);
	uint32_t n_here = lb_conn_count(st->conn_table, rq->key->is_v6) + n_wanted(st, rq);

	if (lb_conn_has_ample_room(st, rq))
		return ROOM_AMPLE;
	return st->entries + n_wanted(st, rq) > st->entries_max ||
			       n_here > n_places - n_places * UINT64_C(3) / 20
		       ? ROOM_NONE
		       : ROOM_SHORT;
}

bool lb_conn_is_proven(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms)
{
	struct lb_addr client = lb_key_src(rq->key);
	uint64_t words[3], hash;
	bool is_known;

	if (rq->proof != LB_PROOF_UNASKED)
		return rq->proof == LB_PROOF_PROVEN;
	memcpy(words, &client, sizeof(client));
	words[2] = rq->slot;
	hash = lb_hash_words(&st->newcomer_seed, words, 3);
	is_known = rq->is_question ? lb_newcomers_has(&st->newcomers, hash, now_ms)
				   : lb_newcomers_note(&st->newcomers, hash, now_ms);
	rq->proof = is_known ? LB_PROOF_PROVEN : LB_PROOF_NEW;
	return rq->proof == LB_PROOF_PROVEN;
}

/* --- the oldest ------------------------------------------------------------------------------ */

typedef bool (*is_wanted_fn)(const struct lb_conn *conn);

/* The connection of a mark; NULL: it has ended or is no longer what it was. */
static struct lb_conn *find_marked(const struct lb_steer *st, const struct lb_conn_mark *mark,
				   is_wanted_fn is_wanted)
{
	struct lb_conn *candidates[4];
	uint32_t n = lb_conn_candidates(st->conn_table, mark->is_v6, mark->hash, candidates);
	struct lb_key key;

	for (uint32_t i = 0; i < n; i++) {
		if (lb_conn_is_reply(candidates[i]) || !is_wanted(candidates[i]))
			continue;
		lb_conn_key(candidates[i], mark->is_v6, &key);
		if (lb_conn_hash(st->conn_table, &key) == mark->hash)
			return candidates[i];
	}
	return NULL;
}

/* NULL: none is known. Otherwise its mark is the first. */
static struct lb_conn *find_oldest(const struct lb_steer *st, struct lb_conn_fifo *fifo,
				   is_wanted_fn is_wanted)
{
	for (uint32_t i = 0; i < LB_MARKS_SKIPPED && fifo->n != 0; i++) {
		struct lb_conn *conn = find_marked(st, &fifo->marks[fifo->first], is_wanted);

		if (conn != NULL)
			return conn;
		lb_conn_fifo_drop_first(fifo);
	}
	return NULL;
}

void lb_conn_skip_begun(struct lb_steer *st)
{
	find_oldest(st, &st->begun, lb_conn_is_embryonic);
}

/* The oldest embryonic connection of the service, if its mark is among the worker's first;
 * `real_id`: to this server, unless it is ANY_REAL. */
static struct lb_conn *find_own(const struct lb_steer *st, uint32_t slot, uint32_t real_id,
				const struct lb_conn_mark **mark)
{
	const struct lb_conn_fifo *fifo = &st->begun;

	for (uint32_t i = 0; i < LB_MARKS_SKIPPED && i < fifo->n; i++) {
		struct lb_conn *conn;

		*mark = &fifo->marks[(fifo->first + i) % fifo->n_max];
		conn = find_marked(st, *mark, lb_conn_is_embryonic);
		if (conn != NULL && conn->service == slot &&
		    (real_id == ANY_REAL || conn->fwd.real_id == real_id))
			return conn;
	}
	return NULL;
}

const struct lb_conn *lb_conn_oldest_embryo(const struct lb_steer *st,
					    const struct lb_conn_request *rq)
{
	const struct lb_conn_mark *mark;

	return find_own(st, rq->slot, rq->real_id, &mark);
}

static void evict(struct lb_steer *st, struct lb_conn *conn, bool is_v6)
{
	enum lb_counter why = is_over_for_good(conn)       ? LB_COUNT_conn_evicted_closed
			      : lb_conn_is_embryonic(conn) ? LB_COUNT_conn_evicted_embryonic
							   : LB_COUNT_conn_evicted_idle;

	lb_promise_evicted(st, conn->service, why);
	lb_conn_close(st, conn, is_v6, why);
}

/* --- the least valuable of a few ------------------------------------------------------------ */

static uint32_t idle_ticks(const struct lb_conn *conn, uint64_t now_ms)
{
	return (uint16_t)(lb_tick(now_ms) - conn->last_tick);
}

/* How little a connection is worth: higher goes first, 0 stays. */
static uint32_t evict_rank(const struct lb_conn *conn, uint64_t now_ms)
{
	uint32_t idle = idle_ticks(conn, now_ms);

	if (is_over_for_good(conn))
		return 2 * RANK_USELESS + idle;
	if (lb_conn_is_embryonic(conn))
		return RANK_USELESS + idle;
	return idle >= EVICT_IDLE_TICKS ? idle : 0;
}

/* The newer of both directions counts. */
static uint32_t evict_rank_of_pair(const struct lb_steer *st, const struct lb_conn *conn,
				   bool is_v6, uint64_t now_ms)
{
	uint32_t rank = evict_rank(conn, now_ms), other;
	const struct lb_conn *peer;

	if (rank == 0)
		return 0;
	peer = lb_conn_peer(st, conn, is_v6);
	/* A reverse entry alone is one half of the connection that the room is for. */
	if (peer == NULL)
		return lb_conn_is_reply(conn) ? 0 : rank;
	other = evict_rank(peer, now_ms);
	return rank < other ? rank : other;
}

/* The connection that is worth least, so far. */
struct victim {
	struct lb_conn *conn;
	uint32_t rank; /* 0: none */
	bool is_v6;
};

static void consider(const struct lb_steer *st, bool is_v6, uint32_t hash, uint64_t now_ms,
		     struct victim *worst)
{
	struct lb_conn *candidates[4];
	uint32_t n = lb_conn_candidates(st->conn_table, is_v6, hash, candidates);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t rank = evict_rank_of_pair(st, candidates[i], is_v6, now_ms);

		if (rank > worst->rank)
			*worst = (struct victim){candidates[i], rank, is_v6};
	}
}

bool lb_conn_evict_at(struct lb_steer *st, bool is_v6, uint32_t hash, uint64_t now_ms)
{
	struct victim worst = {0};

	consider(st, is_v6, hash, now_ms, &worst);
	if (worst.rank == 0)
		return false;
	evict(st, worst.conn, worst.is_v6);
	return true;
}

/* Looks at a few places, those of the new connection first, in both families, and is content with
 * one that is no use to anybody. */
static struct victim find_victim(const struct lb_steer *st, bool is_v6, uint32_t hash,
				 uint64_t now_ms)
{
	struct victim worst = {0};

	for (uint32_t i = 0; i < EVICT_PLACES && worst.rank < RANK_USELESS; i++) {
		consider(st, is_v6, hash + i * 0x9e3779b9u, now_ms, &worst);
		consider(st, !is_v6, hash + i * 0x9e3779b9u, now_ms, &worst);
	}
	return worst;
}

/* --- in and out ----------------------------------------------------------------------------- */

static struct victim first_of(const struct lb_steer *st, struct lb_conn_fifo *fifo,
			      is_wanted_fn is_wanted)
{
	struct lb_conn *conn = find_oldest(st, fifo, is_wanted);

	if (conn == NULL)
		return (struct victim){0};
	return (struct victim){conn, RANK_USELESS, fifo->marks[fifo->first].is_v6};
}

static bool is_young(const struct lb_steer *st, uint64_t now_ms)
{
	return lb_conn_mark_age_ms(&st->begun.marks[st->begun.first], now_ms) < LB_EMBRYO_KEEP_MS;
}

/* A service at its limit may replace its own oldest embryonic connection, if it is among the first
 * of the worker's: under a flood of this service it is. */
static bool replace_own(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms)
{
	const struct lb_conn_mark *mark;
	struct lb_conn *conn;

	lb_conn_skip_begun(st);
	conn = find_own(st, rq->slot, ANY_REAL, &mark);
	if (conn == NULL || (lb_conn_mark_age_ms(mark, now_ms) < LB_EMBRYO_KEEP_MS &&
			     !lb_conn_is_proven(st, rq, now_ms)))
		return false;
	if (!rq->is_question)
		evict(st, conn, mark->is_v6);
	return true;
}

static enum lb_counter admit_by_limits(struct lb_steer *st, struct lb_conn_request *rq,
				       uint64_t now_ms)
{
	struct lb_service_limits copy = st->limits[rq->slot];
	struct lb_service_limits *limits = rq->is_question ? &copy : &st->limits[rq->slot];

	if (lb_service_limits_is_full(limits, st->service_lines[rq->slot].traffic.conns_live) &&
	    !replace_own(st, rq, now_ms))
		return LB_COUNT_drop_service_full;
	/* One half of the bucket is for clients that come again: they get the whole rate. */
	if (lb_service_limits_take(limits, false, now_ms))
		return 0;
	if (lb_conn_is_proven(st, rq, now_ms) && lb_service_limits_take(limits, true, now_ms))
		return 0;
	return LB_COUNT_drop_service_rate;
}

enum lb_counter lb_conn_admit_asked(struct lb_steer *st, struct lb_conn_request *rq,
				    uint64_t now_ms)
{
	if (st->services[rq->slot]->has_limits) {
		enum lb_counter reason = admit_by_limits(st, rq, now_ms);

		if (reason != 0)
			return reason;
	}
	if (lb_conn_has_ample_room(st, rq) || !lb_conn_has_many_embryos(st) ||
	    lb_goes_by_hash(st->services[rq->slot]) ||
	    find_oldest(st, &st->over, is_over_for_good) != NULL ||
	    find_oldest(st, &st->begun, lb_conn_is_embryonic) == NULL || !is_young(st, now_ms) ||
	    lb_conn_is_proven(st, rq, now_ms))
		return 0;
	return LB_COUNT_drop_unproven;
}

/* Who goes for a new connection, if anybody has to (then rank is not 0). False: nobody may. */
static bool choose_leaver(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms,
			  struct victim *out)
{
	enum room room = room_for(st, rq);
	bool has_many = lb_conn_has_many_embryos(st);
	struct victim embryo;

	*out = (struct victim){0};
	if (room == ROOM_AMPLE)
		return true;
	*out = first_of(st, &st->over, is_over_for_good);
	if (out->rank != 0)
		return true;
	embryo = first_of(st, &st->begun, lb_conn_is_embryonic);
	*out = embryo;
	if (embryo.rank != 0 && !is_young(st, now_ms))
		return true;
	/* Whom the table cannot keep the hash serves: no handshake has to go for an entry. */
	if (embryo.rank != 0 && has_many &&
	    (lb_goes_by_hash(st->services[rq->slot]) || !lb_conn_is_proven(st, rq, now_ms)))
		return false;
	if (embryo.rank != 0 && has_many && room == ROOM_NONE)
		return true;
	*out = (struct victim){0};
	if (st->entries + n_wanted(st, rq) <= st->entries_max)
		return true;
	*out = find_victim(st, rq->key->is_v6, rq->hash, now_ms);
	if (out->rank >= RANK_USELESS || (out->rank != 0 && !has_many))
		return true;
	*out = embryo;
	return embryo.rank != 0 && lb_conn_is_proven(st, rq, now_ms);
}

bool lb_conn_evict_for(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms)
{
	uint32_t n_left = n_wanted(st, rq), n_before;
	struct victim leaver;

	do { /* at most twice: a NAT connection may have to take the room of two one-way ones */
		if (!choose_leaver(st, rq, now_ms, &leaver))
			return false;
		if (leaver.rank == 0 || rq->is_question)
			return true;
		n_before = st->entries;
		evict(st, leaver.conn, leaver.is_v6);
		n_left -= n_before - st->entries;
	} while (n_left == 1);
	return true;
}
