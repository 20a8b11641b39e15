#include "steer/schedule.h"

void lb_target_set(struct lb_target_map *m, uint32_t target, uint32_t bits)
{
	uint32_t shift = (target & 3) * 2;
	uint32_t byte = m->bits[target >> 2];

	m->bits[target >> 2] = (uint8_t)((byte & ~(3u << shift)) | (bits & 3u) << shift);
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

static uint32_t eligible_target(const struct lb_service_server *server, bool for_group)
{
	return for_group ? server->group_target_id : server->target_id;
}

uint32_t lb_schedule_pick(const struct lb_service *svc, struct lb_schedule_state *st,
			  const struct lb_target_map *targets, bool for_group)
{
	uint32_t n = svc->n_sequence, at = st->next;

	if (st->none_since[for_group] == targets->changes + 1)
		return UINT32_MAX;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t idx = svc->sequence == NULL ? at : svc->sequence[at];
		const struct lb_service_server *server = &svc->servers[idx];

		at = at + 1 == n ? 0 : at + 1;
		if (server->weight != 0 &&
		    (lb_target_get(targets, eligible_target(server, for_group)) & LB_TARGET_NEW) !=
			    0) {
			st->next = at;
			return idx;
		}
	}
	st->none_since[for_group] = targets->changes + 1;
	return UINT32_MAX;
}
