/* conn_room.h - who gets in when there is no room for all, and who goes.
 *
 * Role     room for a new connection in a full table, and the service's own limits
 * Shape    asked twice by whoever opens a connection: may it come in at all (before a server is
 *          chosen for it), and later to make the room
 * Units    ms since the worker started
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   room is counted in entries, two for each of the worker's stated connections. It is short
 *          when 15/16 of them or 80 % of one family's places would be taken, and used up at all of
 *          them or 85 %. When it is short, what is over goes, the oldest first, then the oldest
 *          embryonic connection that is older than LB_EMBRYO_KEEP_MS; while there is an embryonic
 *          connection or more to 128 entries and none is that old, only clients that have tried
 *          before get in. When it is used up, for these a younger one goes; without a flood, of a
 *          few that are looked at, what has idled for LB_EVICT_IDLE_S. Nothing in use ever goes.
 *          For one connection at most two give way, and for each at most LB_MARKS_SKIPPED stale
 *          marks and EVICT_PLACES places are looked at
 * Errors   the drop reason; 0: none
 * Source   DESIGN 3.4, decision 0080
 * Tests    tests/unit/test_conn_room.c, tests/unit/test_conn.c
 */
#ifndef LB_CONN_ROOM_H
#define LB_CONN_ROOM_H

#include <rte_branch_prediction.h>

#include "steer/conn.h"
#include "steer/service_object.h"

/* While nobody has to be asked nor to go for a new connection. */
static inline bool lb_conn_has_ample_room(const struct lb_steer *st,
					  const struct lb_conn_request *rq)
{
	const struct lb_conn_family *f = &st->conn_table->family[rq->key->is_v6];
	uint32_t n_wanted = lb_conn_n_entries(st->service_lines[rq->slot].forwarding);
	uint32_t n_places = f->n_buckets * LB_CONN_SLOTS;

	return st->entries + n_wanted <= st->entries_max - st->entries_max / 16 &&
	       f->n_used + n_wanted <= n_places - n_places / 5;
}

#define LB_FEW_EMBRYOS 128u /* fewer than 1 to so many entries: they are no flood */

static inline bool lb_conn_has_many_embryos(const struct lb_steer *st)
{
	return (uint64_t)st->n_embryonic * LB_FEW_EMBRYOS >= st->entries_max;
}

#define LB_EMBRYO_KEEP_MS 1000u /* a handshake has this time, whatever comes */
#define LB_MARKS_SKIPPED 32u

/* All of this can be asked about what would be: with a request that is a question, and a copy of
 * the worker's lb_steer. */

/* Before anything is chosen or written: does the service take one more, and would there be room?
 * Notes the client if the answer depends on whether it comes again. */
enum lb_counter lb_conn_admit_asked(struct lb_steer *st, struct lb_conn_request *rq,
				    uint64_t now_ms);

static inline enum lb_counter lb_conn_admit(struct lb_steer *st, struct lb_conn_request *rq,
					    uint64_t now_ms)
{
	rq->has_ample_room = lb_conn_has_ample_room(st, rq);
	if (likely(rq->has_ample_room && !st->services[rq->slot]->has_limits))
		return 0;
	return lb_conn_admit_asked(st, rq, now_ms);
}

/* Evicts where the worker is short of room; of a question only says whether it could. False:
 * nothing may go. */
bool lb_conn_evict_for(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms);

/* Between the two questions entries may have gone, and none has come. */
static inline bool lb_conn_make_room(struct lb_steer *st, struct lb_conn_request *rq,
				     uint64_t now_ms)
{
	return likely(rq->has_ample_room || lb_conn_has_ample_room(st, rq)) ||
	       lb_conn_evict_for(st, rq, now_ms);
}

/* Frees a place in one of the two buckets of `hash`. False: all that is there is in use. */
bool lb_conn_evict_at(struct lb_steer *st, bool is_v6, uint32_t hash, uint64_t now_ms);

/* Drops the marks at the head of those who began whose connections are embryonic no longer, at most
 * LB_MARKS_SKIPPED. */
void lb_conn_skip_begun(struct lb_steer *st);

/* The forward entry of the oldest embryonic connection of the request's service to its server, if
 * it is among the worker's first LB_MARKS_SKIPPED; NULL: it is not. */
const struct lb_conn *lb_conn_oldest_embryo(const struct lb_steer *st,
					    const struct lb_conn_request *rq);

/* Has this client tried before, lately? Asked once for a request, however often it matters. */
bool lb_conn_is_proven(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms);

#endif
