#include "steer/pick.h"

#include <rte_common.h>

#include "steer/service_object.h"

#define GENERATION_MASK ((1u << LB_MEMBER_GENERATION_BITS) - 1)

/* A record of a generation that this worker has not heard of yet was made by a worker that has. */
static bool is_older(uint32_t generation, uint32_t than)
{
	return ((generation - than) & GENERATION_MASK) > GENERATION_MASK / 2;
}

static enum lb_pick_way judge(const struct lb_steer *st, const struct lb_service *svc,
			      const struct lb_record *rec, uint32_t *server)
{
	if (rec->member_id >= LB_TARGETS_MAX ||
	    is_older(rec->generation, st->member_generation[rec->member_id]))
		return LB_PICK_REPLACE;
	*server = lb_service_find_member(svc, rec->member_id);
	if (*server == UINT32_MAX)
		return LB_PICK_BYPASS;
	if ((lb_target_get(&st->targets, svc->servers[*server].target_id) & LB_TARGET_KEEP) == 0)
		return LB_PICK_REPLACE;
	return LB_PICK_FOLLOW;
}

/* A connection in search of a server. Filled in where it stands: read back at once as a whole after
 * it was written in parts, it would have to wait for the cache. */
struct search {
	const struct lb_steer *st;
	const struct lb_service *svc;
	const struct lb_key *flow;
	uint64_t now_ms;
	bool has_key; /* the service has records, and this client's is: */
	struct lb_record_key record_key;
};

static void begin_search(struct search *s, const struct lb_steer *st, uint32_t slot,
			 const struct lb_key *flow, uint64_t now_ms)
{
	s->st = st;
	s->svc = st->services[slot];
	s->flow = flow;
	s->now_ms = now_ms;
	s->has_key = s->svc->group_id != 0 && st->persist != NULL;
}

/* Asked for ahead, it has been worked out. */
static void find_record_key(struct search *s, const struct lb_pkt *p)
{
	if (p->has_record_key)
		s->record_key = p->record_key;
	else if (s->has_key)
		s->record_key = lb_persist_key_of(s->st->persist, s->svc->group_id, s->flow,
						  s->svc->persist_len);
}

static uint32_t now_s_of(const struct search *s)
{
	return (uint32_t)(s->now_ms / 1000);
}

static inline uint32_t schedule_for(const struct lb_steer *st, const struct lb_service *svc,
				    const struct lb_key *flow, struct lb_schedule_state *turn,
				    bool for_group)
{
	struct lb_schedule_request rq = {.key = flow,
					 .targets = &st->targets,
					 .real_lines = st->real_lines,
					 .for_group = for_group};

	return lb_schedule_pick(svc, turn, &rq);
}

static uint32_t schedule(const struct search *s, struct lb_schedule_state *turn, bool for_group)
{
	return schedule_for(s->st, s->svc, s->flow, turn, for_group);
}

static enum lb_pick_way ask_record(const struct search *s, struct lb_pick *out)
{
	if (!s->has_key)
		return LB_PICK_SCHEDULE;
	out->has_record = lb_persist_lookup(s->st->persist, s->record_key, now_s_of(s),
					    &out->record);
	return out->has_record ? judge(s->st, s->svc, &out->record, &out->server) : LB_PICK_RECORD;
}

static void decide(const struct search *s, struct lb_schedule_state *turn, struct lb_pick *out)
{
	out->is_for_group = out->has_record = false;
	out->way = ask_record(s, out);
	if (out->way == LB_PICK_FOLLOW)
		return;
	if (out->way == LB_PICK_RECORD || out->way == LB_PICK_REPLACE) {
		out->server = schedule(s, turn, true);
		out->is_for_group = out->server != UINT32_MAX;
		if (out->is_for_group)
			return;
	}
	out->server = schedule(s, turn, false);
}

void lb_pick_decide(const struct lb_steer *st, uint32_t slot, const struct lb_pkt *p,
		    uint64_t now_ms, struct lb_schedule_state *turn, struct lb_pick *out)
{
	struct search s;

	begin_search(&s, st, slot, &p->key, now_ms);
	find_record_key(&s, p);
	decide(&s, turn, out);
}

/* A record for the server that was chosen for a client without a usable one; returns the server,
 * which is another one if somebody else was quicker. */
static uint32_t write_record(struct lb_steer *st, const struct search *s,
			     const struct lb_pick *pick)
{
	const struct lb_record *void_value = pick->way == LB_PICK_REPLACE ? &pick->record : NULL;
	struct lb_addr client = {{0}};
	struct lb_record rec;
	uint32_t winner;

	if (s->flow->is_v6) {
		client = lb_key_src(s->flow);
		client = lb_addr_mask(&client, s->svc->persist_len);
	}
	rec.member_id = s->svc->servers[pick->server].group_target_id;
	rec.generation = st->member_generation[rec.member_id] & GENERATION_MASK;
	rec.expires_s = lb_conn_record_expires_s(s->svc, s->now_ms);
	switch (lb_persist_write(st->persist, s->record_key, &client, now_s_of(s), void_value,
				 &rec)) {
	case LB_PERSIST_EVICTED:
		lb_count(st, LB_COUNT_record_evicted);
		lb_count(st, LB_COUNT_record_created);
		break;
	case LB_PERSIST_WRITTEN:
		lb_count(st, LB_COUNT_record_created);
		break;
	case LB_PERSIST_LOST: /* the client's first packets on another worker were quicker */
		if (judge(st, s->svc, &rec, &winner) != LB_PICK_FOLLOW) {
			lb_count(st, LB_COUNT_record_bypassed);
			break;
		}
		lb_count(st, LB_COUNT_record_hit);
		return winner;
	}
	return pick->server;
}

/* By the client's record, or with a new one. */
static __rte_noinline uint32_t pick_by_record(struct lb_steer *st, uint32_t slot,
					      const struct lb_pkt *p, uint64_t now_ms)
{
	struct lb_pick pick;
	struct search s;

	begin_search(&s, st, slot, &p->key, now_ms);
	find_record_key(&s, p);
	decide(&s, &st->schedule[slot], &pick);
	if (pick.way == LB_PICK_FOLLOW) {
		lb_count(st, LB_COUNT_record_hit);
		lb_persist_refresh(st->persist, s.record_key, pick.record.member_id, now_s_of(&s),
				   lb_conn_record_expires_s(s.svc, now_ms));
		return pick.server;
	}
	if (pick.way == LB_PICK_REPLACE)
		lb_count(st, LB_COUNT_record_void);
	if (pick.is_for_group)
		return write_record(st, &s, &pick);
	if (pick.server != UINT32_MAX)
		lb_count(st, LB_COUNT_record_bypassed);
	return pick.server;
}

uint32_t lb_pick_server(struct lb_steer *st, uint32_t slot, const struct lb_pkt *p, uint64_t now_ms)
{
	const struct lb_service *svc = st->services[slot];

	if (svc->group_id != 0 && st->persist != NULL)
		return pick_by_record(st, slot, p, now_ms);
	return schedule_for(st, svc, &p->key, &st->schedule[slot], false);
}
