#include "steer/schedule.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "steer/conn.h"
#include "steer/maglev_table.h"
#include "steer/stable_hash.h"

void lb_target_set(struct lb_target_map *m, uint32_t target, uint32_t bits)
{
	uint32_t shift = (target & 3) * 2;
	uint32_t byte = m->bits[target >> 2];

	m->bits[target >> 2] = (uint8_t)((byte & ~(3u << shift)) | (bits & 3u) << shift);
	byte = m->down[target >> 3] & ~(1u << (target & 7));
	if ((bits & LB_TARGET_DOWN) != 0)
		byte |= 1u << (target & 7);
	m->down[target >> 3] = (uint8_t)byte;
	m->changes++;
}

void lb_schedule_init(struct lb_schedule_state *st, const struct lb_service *svc, uint32_t worker,
		      uint32_t n_workers, uint64_t seed)
{
	uint32_t n = svc->n_sequence;
	/* One place for all workers of a service, then evenly apart. */
	uint64_t place = (seed ^ svc->vip.word_be[3] ^ ((uint64_t)svc->ports[0].first << 32)) *
			 0x9e3779b97f4a7c15u;

	st->none_since[0] = st->none_since[1] = 0;
	st->next = 0;
	if (n != 0)
		st->next = (uint32_t)(((place >> 32) + (uint64_t)worker * n / n_workers) % n);
}

void lb_schedule_replace(struct lb_schedule_state *st, const struct lb_service *svc)
{
	st->none_since[0] = st->none_since[1] = 0;
	if (st->next >= svc->n_sequence)
		st->next = 0;
}

static inline bool is_eligible(const struct lb_service *svc, const struct lb_schedule_request *rq,
			       uint32_t idx)
{
	const struct lb_service_server *server = &svc->servers[idx];
	uint32_t target = rq->for_group ? server->group_target_id : server->target_id;

	return server->weight != 0 && (lb_target_get(rq->targets, target) & LB_TARGET_NEW) != 0;
}

static uint32_t server_at(const struct lb_service *svc, uint32_t position)
{
	return svc->sequence == NULL ? position : svc->sequence[position];
}

/* The first eligible server of the cycle from *at on, which then is the position behind it. */
static inline uint32_t walk_cycle(const struct lb_service *svc,
				  const struct lb_schedule_request *rq, uint32_t *at)
{
	uint32_t n = svc->n_sequence;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t idx = server_at(svc, *at);

		*at = *at + 1 == n ? 0 : *at + 1;
		if (is_eligible(svc, rq, idx))
			return idx;
	}
	return UINT32_MAX;
}

/* Each client has its own order of the slots, and so only those of a server that is away go
 * elsewhere, each to another place. */
static uint32_t pick_by_hash(const struct lb_service *svc, const struct lb_schedule_request *rq,
			     uint64_t hash)
{
	const struct lb_maglev *table = svc->maglev;
	uint32_t best = UINT32_MAX, at, step;
	uint64_t highest = 0;

	if (table == NULL)
		return UINT32_MAX;
	at = lb_hash_reduce((uint32_t)(hash >> 32), table->size);
	step = 1 + lb_hash_reduce((uint32_t)hash, table->size - 1);
	for (uint32_t i = 0; i < LB_SCHED_PROBES; i++) {
		if (is_eligible(svc, rq, table->slots[at]))
			return table->slots[at];
		at += step;
		if (at >= table->size)
			at -= table->size;
	}
	/* Hardly anybody is left: to whom the client is nearest, whatever the weights. */
	for (uint32_t i = 0; i < svc->n_servers; i++) {
		uint64_t near = lb_stable_hash_word(hash, table->keys[i]);

		if (!is_eligible(svc, rq, i) || (best != UINT32_MAX && near <= highest))
			continue;
		highest = near;
		best = i;
	}
	return best;
}

static uint64_t draw(uint64_t *random)
{
	*random += 0x9e3779b97f4a7c15u;
	return lb_hash_mix(*random);
}

/* An eligible server other than `but`, as likely as it has turns; UINT32_MAX: none was met. */
static uint32_t draw_server(const struct lb_service *svc, const struct lb_schedule_request *rq,
			    uint64_t *random, uint32_t but)
{
	for (uint32_t i = 0; i < LB_SCHED_PROBES; i++) {
		uint32_t place = (uint32_t)(draw(random) >> 32);
		uint32_t idx = server_at(svc, lb_hash_reduce(place, svc->n_sequence));

		if (idx != but && is_eligible(svc, rq, idx))
			return idx;
	}
	return UINT32_MAX;
}

/* Connections for each unit of weight, were this one added; compared as fractions. */
static bool is_less_loaded(const struct lb_service *svc, const struct lb_schedule_request *rq,
			   uint32_t a, uint32_t b)
{
	const struct lb_service_server *x = &svc->servers[a], *y = &svc->servers[b];
	uint64_t load_x = rq->real_lines[x->real_id].traffic.conns_live + 1;
	uint64_t load_y = rq->real_lines[y->real_id].traffic.conns_live + 1;

	if (svc->scheduler == LB_SCHED_LEAST_CONNECTIONS)
		return load_x < load_y;
	return load_x * y->weight < load_y * x->weight;
}

/* Of two servers drawn by the connection's hash the one with fewer connections. */
static uint32_t pick_less_loaded(const struct lb_service *svc, const struct lb_schedule_request *rq)
{
	uint64_t random = lb_stable_hash_key(rq->key);
	uint32_t first, second, at;

	if (svc->n_sequence == 0)
		return UINT32_MAX;
	first = draw_server(svc, rq, &random, UINT32_MAX);
	if (first == UINT32_MAX) {
		at = lb_hash_reduce((uint32_t)(draw(&random) >> 32), svc->n_sequence);
		first = walk_cycle(svc, rq, &at);
	}
	if (first == UINT32_MAX)
		return first;
	second = draw_server(svc, rq, &random, first);
	return second != UINT32_MAX && is_less_loaded(svc, rq, second, first) ? second : first;
}

/* The first position of the cycle that belongs to this priority or a later one. */
static uint32_t first_of_priority(const struct lb_service *svc, uint32_t priority)
{
	uint32_t low = 0, high = svc->n_sequence;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (svc->servers[svc->sequence[mid]].priority < priority)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The best priority that has an eligible server; among its servers a rotation. */
static uint32_t pick_by_priority(const struct lb_service *svc, struct lb_schedule_state *st,
				 const struct lb_schedule_request *rq)
{
	uint32_t best = 0, begin, end, at;

	while (best < svc->n_servers && !is_eligible(svc, rq, svc->by_priority[best]))
		best++;
	if (best == svc->n_servers)
		return UINT32_MAX;
	best = svc->by_priority[best];
	begin = first_of_priority(svc, svc->servers[best].priority);
	end = first_of_priority(svc, svc->servers[best].priority + 1);
	at = st->next >= begin && st->next < end ? st->next : begin + st->next % (end - begin);
	while (!is_eligible(svc, rq, svc->sequence[at]))
		at = at + 1 == end ? begin : at + 1;
	st->next = at + 1 == end ? begin : at + 1;
	return svc->sequence[at];
}

uint64_t lb_schedule_hash(uint8_t scheduler, const struct lb_key *key)
{
	struct lb_addr client;

	if (scheduler == LB_SCHED_MAGLEV)
		return lb_stable_hash_key(key);
	if (scheduler != LB_SCHED_SOURCE_HASH)
		return 0;
	client = lb_key_src(key);
	return lb_stable_hash_addr(&client);
}

/* Whoever does not just rotate: apart, so that those who do have no registers to save. */
static __rte_noinline uint32_t pick_otherwise(const struct lb_service *svc,
					      struct lb_schedule_state *st,
					      const struct lb_schedule_request *rq)
{
	switch ((enum lb_scheduler)svc->scheduler) {
	case LB_SCHED_MAGLEV:
	case LB_SCHED_SOURCE_HASH:
		return pick_by_hash(svc, rq, lb_schedule_hash(svc->scheduler, rq->key));
	case LB_SCHED_LEAST_CONNECTIONS:
	case LB_SCHED_WEIGHTED_LEAST_CONNECTIONS:
		return pick_less_loaded(svc, rq);
	case LB_SCHED_PRIORITY:
		return pick_by_priority(svc, st, rq);
	case LB_SCHED_ROUND_ROBIN:
	case LB_SCHED_WEIGHTED_ROUND_ROBIN:
	case LB_SCHED_N:
		break;
	}
	return UINT32_MAX;
}

uint32_t lb_schedule_pick(const struct lb_service *svc, struct lb_schedule_state *st,
			  const struct lb_schedule_request *rq)
{
	uint32_t server;

	if (st->none_since[rq->for_group] == rq->targets->changes + 1)
		return UINT32_MAX;
	if (likely(svc->scheduler <= LB_SCHED_WEIGHTED_ROUND_ROBIN))
		server = walk_cycle(svc, rq, &st->next);
	else
		server = pick_otherwise(svc, st, rq);
	if (unlikely(server == UINT32_MAX))
		st->none_since[rq->for_group] = rq->targets->changes + 1;
	return server;
}
