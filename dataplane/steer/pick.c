#include "steer/pick.h"

#include "steer/service_object.h"

#define GENERATION_MASK ((1u << LB_MEMBER_GENERATION_BITS) - 1)

/* What a record is worth to a service. */
enum verdict {
	FOLLOW,
	IS_VOID, /* its machine went down or is to be left: choose anew and replace it */
	BYPASS,  /* its machine does not serve here: choose for this service alone */
};

/* A record of a generation that this worker has not heard of yet was made by a worker that has. */
static bool is_older(uint32_t generation, uint32_t than)
{
	return ((generation - than) & GENERATION_MASK) > GENERATION_MASK / 2;
}

static enum verdict judge(const struct lb_steer *st, const struct lb_service *svc,
			  const struct lb_record *rec, uint32_t *server)
{
	if (rec->member_id >= LB_TARGETS_MAX ||
	    is_older(rec->generation, st->member_generation[rec->member_id]))
		return IS_VOID;
	*server = lb_service_find_member(svc, rec->member_id);
	if (*server == UINT32_MAX)
		return BYPASS;
	if ((lb_target_get(&st->targets, svc->servers[*server].target_id) & LB_TARGET_KEEP) == 0)
		return IS_VOID;
	return FOLLOW;
}

/* A connection in search of a server. */
struct search {
	struct lb_steer *st;
	const struct lb_service *svc;
	const struct lb_key *flow;
	uint32_t slot;
	uint64_t now_ms;
	struct lb_addr client; /* what a record covers of it */
	uint64_t record_key;
};

static uint32_t schedule(const struct search *s, bool for_group)
{
	struct lb_schedule_request rq = {.key = s->flow,
					 .targets = &s->st->targets,
					 .real_traffic = s->st->real_traffic,
					 .for_group = for_group};

	return lb_schedule_pick(s->svc, &s->st->schedule[s->slot], &rq);
}

/* Chooses for a client without a usable record and writes one. */
static uint32_t pick_and_record(const struct search *s, const struct lb_record *void_value)
{
	uint32_t server = schedule(s, true), winner;
	struct lb_steer *st = s->st;
	struct lb_record rec;

	if (server == UINT32_MAX) {
		server = schedule(s, false);
		if (server != UINT32_MAX)
			lb_count(st, LB_COUNT_record_bypassed);
		return server;
	}
	rec.member_id = s->svc->servers[server].group_target_id;
	rec.generation = st->member_generation[rec.member_id] & GENERATION_MASK;
	rec.expires_s = lb_conn_record_expires_s(s->svc, s->now_ms);
	switch (lb_persist_write(st->persist, s->record_key, &s->client,
				 (uint32_t)(s->now_ms / 1000), void_value, &rec)) {
	case LB_PERSIST_EVICTED:
		lb_count(st, LB_COUNT_record_evicted);
		lb_count(st, LB_COUNT_record_created);
		break;
	case LB_PERSIST_WRITTEN:
		lb_count(st, LB_COUNT_record_created);
		break;
	case LB_PERSIST_LOST: /* the client's first packets on another worker were quicker */
		if (judge(st, s->svc, &rec, &winner) != FOLLOW) {
			lb_count(st, LB_COUNT_record_bypassed);
			break;
		}
		lb_count(st, LB_COUNT_record_hit);
		return winner;
	}
	return server;
}

uint32_t lb_pick_server(struct lb_steer *st, uint32_t slot, const struct lb_key *key,
			uint64_t now_ms)
{
	struct search s = {
		.st = st, .svc = st->services[slot], .flow = key, .slot = slot, .now_ms = now_ms};
	uint32_t now_s = (uint32_t)(now_ms / 1000), server;
	struct lb_record rec;

	if (s.svc->group_id == 0 || st->persist == NULL)
		return schedule(&s, false);
	s.client = lb_key_src(key);
	s.client = lb_addr_mask(&s.client, s.svc->persist_len);
	s.record_key = lb_persist_key(st->persist, s.svc->group_id, &s.client);
	if (!lb_persist_lookup(st->persist, s.record_key, now_s, &rec))
		return pick_and_record(&s, NULL);
	switch (judge(st, s.svc, &rec, &server)) {
	case FOLLOW:
		lb_count(st, LB_COUNT_record_hit);
		lb_persist_refresh(st->persist, s.record_key, rec.member_id, now_s,
				   lb_conn_record_expires_s(s.svc, now_ms));
		return server;
	case BYPASS:
		server = schedule(&s, false);
		if (server != UINT32_MAX)
			lb_count(st, LB_COUNT_record_bypassed);
		return server;
	case IS_VOID:
	default:
		lb_count(st, LB_COUNT_record_void);
		return pick_and_record(&s, &rec);
	}
}
