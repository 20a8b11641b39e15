/* schedule.h - whom a new client gets.
 *
 * Role     pure choice among a service's servers
 * Shape    functions over the immutable service, a bitmap of targets, the worker's own counts of
 *          live connections and 12 bytes of worker state
 * Units    server indexes
 * Threads  pure; the state is the worker's
 * Memory   none
 * Limits   a rotation walks each position of the cycle at most once. A hash asks at most
 *          LB_SCHED_PROBES slots and then each server once. Least connections draws at most
 *          2 * LB_SCHED_PROBES servers and then walks the cycle once. Priority asks each server
 *          once and then each position of one cycle once. A service found without any eligible
 *          server is not walked again until a target or the service changes
 * Errors   UINT32_MAX: no server is eligible
 * Source   DESIGN 3.6: per worker, round robin counts differ by at most one; weighted equals the
 *          weights over each full cycle. Least connections is the better of two choices (Azar et
 *          al. 1999; Berenbrink et al. 2006): of n equal servers none has more than
 *          log2(log2(n)) + 4 above the mean of a worker's own connections as they come, all but
 *          surely, and twice that while as many go; of W workers together W times that. Hashes:
 *          decision 0041
 * Tests    tests/unit/test_schedule.c
 */
#ifndef LB_SCHEDULE_H
#define LB_SCHEDULE_H

#include "packet/packet.h"
#include "steer/service_object.h"

#define LB_SCHED_PROBES 64u

struct lb_real_line;

/* LB_TARGET_DOWN apart: those who open connections do not ask for it. */
struct lb_target_map {
	uint8_t *bits;    /* LB_TARGETS_MAX / 4 bytes: LB_TARGET_NEW and LB_TARGET_KEEP */
	uint8_t *down;    /* LB_TARGETS_MAX / 8 bytes */
	uint32_t changes; /* moves on with each change */
};

static inline uint32_t lb_target_get(const struct lb_target_map *m, uint32_t target)
{
	return (m->bits[target >> 2] >> ((target & 3) * 2)) & 3u;
}

static inline bool lb_target_is_down(const struct lb_target_map *m, uint32_t target)
{
	return (m->down[target >> 3] >> (target & 7) & 1u) != 0;
}

void lb_target_set(struct lb_target_map *m, uint32_t target, uint32_t bits);

/* A worker's state of one service. */
struct lb_schedule_state {
	uint32_t next; /* position in the cycle */
	/* Target map's `changes` + 1 when no server was found, 0: unknown; [1] for group records */
	uint32_t none_since[2];
};

/* Where worker `worker` of `n_workers` starts, so that workers do not all begin at one server. */
void lb_schedule_init(struct lb_schedule_state *st, const struct lb_service *svc, uint32_t worker,
		      uint32_t n_workers, uint64_t seed);

/* Keeps the position when the service object is replaced by a newer one of the same service. */
void lb_schedule_replace(struct lb_schedule_state *st, const struct lb_service *svc);

/* What a choice may go by. */
struct lb_schedule_request {
	const struct lb_key *key; /* client to VIP */
	const struct lb_target_map *targets;
	const struct lb_real_line *real_lines; /* this worker's, by real id */
	bool for_group; /* eligible is whose group_target_id is (a new record), not target_id */
};

/* By which a client finds its slot under maglev or source_hash; 0 under others. */
uint64_t lb_schedule_hash(uint8_t scheduler, const struct lb_key *key);

uint32_t lb_schedule_pick(const struct lb_service *svc, struct lb_schedule_state *st,
			  const struct lb_schedule_request *rq);

#endif
