/* What the new NAT connections of a burst are going to wait for: the buckets of their replies'
 * keys. Those are known only when server and source have been chosen, and then they are wanted at
 * once. Here the choice is made before it counts, for the whole burst, on copies of turns and
 * cursors, and nothing is kept of it: where it comes out otherwise later, a bucket was fetched in
 * vain (decision 0131). */
#include <rte_prefetch.h>

#include "pipeline_state.h"
#include "steer/conn_room.h"
#include "steer/conn_source.h"
#include "steer/pick.h"
#include "steer/service_object.h"

#define SOURCES_MAX 4u /* of one burst; the replies of further ones are not foreseen */

/* Where the walks over NAT sources will be by then. */
struct walks {
	uint32_t n;
	const struct lb_nat_cursor *of[SOURCES_MAX];
	struct lb_nat_cursor ahead[SOURCES_MAX];
};

/* NULL: there are too many. */
static struct lb_nat_cursor *walk_ahead(struct walks *w, const struct lb_nat_cursor *cursor)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (w->of[i] == cursor)
			return &w->ahead[i];
	if (w->n == SOURCES_MAX)
		return NULL;
	w->of[w->n] = cursor;
	w->ahead[w->n] = *cursor;
	return &w->ahead[w->n++];
}

static uint32_t count_before(const uint32_t *slots, uint32_t n, uint32_t slot)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		count += slots[i] == slot;
	return count;
}

/* A service's turn when `n_before` of its new connections have had theirs. */
static struct lb_schedule_state turn_after(const struct lb_steer *st, uint32_t slot,
					   uint32_t n_before)
{
	struct lb_schedule_state turn = st->schedule[slot];
	uint32_t n = st->services[slot]->n_sequence;

	if (n_before != 0 && n != 0)
		turn.next = (turn.next + n_before) % n;
	return turn;
}

static void foresee(const struct lb_steer *st, const struct lb_pkt *p, uint32_t n_before,
		    uint64_t now_ms, struct walks *walks)
{
	struct lb_conn_request rq = {.key = &p->key, .hash = p->hash, .slot = p->service};
	struct lb_schedule_state turn;
	struct lb_nat_cursor *cursor;
	struct lb_pick pick;
	struct lb_key replies;
	uint32_t hash;

	/* When it is short, whoever comes is likely to be refused before anything is chosen. */
	if (!lb_conn_has_ample_room(st, &rq))
		return;
	turn = turn_after(st, rq.slot, n_before);
	lb_pick_decide(st, rq.slot, p, now_ms, &turn, &pick);
	if (pick.server == UINT32_MAX)
		return;
	rq.real_id = st->services[rq.slot]->servers[pick.server].real_id;
	cursor = walk_ahead(walks, lb_conn_cursor_of(st, &rq));
	if (cursor == NULL || !lb_conn_foresee_replies(st, &rq, cursor, &replies))
		return;
	hash = lb_conn_hash(st->conn_table, &replies);
	lb_conn_prefetch(st->conn_table, &replies, hash);
	lb_conn_prefetch_second(st->conn_table, &replies, hash);
}

void lb_foresee_replies(const struct lb_steer *st, const struct lb_burst *b, uint32_t fresh,
			uint64_t now_ms)
{
	uint32_t slots[LB_BURST_MAX], n = 0;
	struct walks walks;

	walks.n = 0;
	for (; fresh != 0; fresh &= fresh - 1) {
		const struct lb_pkt *p = b->live[__builtin_ctz(fresh)];

		slots[n] = p->service;
		foresee(st, p, count_before(slots, n, p->service), now_ms, &walks);
		n++;
	}
}
