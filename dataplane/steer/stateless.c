#include "steer/stateless.h"

#include "steer/maglev_table.h"
#include "steer/seeded_hash.h"
#include "steer/settling_table.h"

#define NOBODY UINT32_MAX

/* Whose the connections of a slot are that have no entry. */
struct keeper {
	uint32_t server;
	bool is_settling; /* the slot is */
	bool is_former;	  /* and this is whom it had */
};

static struct keeper find_keeper(const struct lb_service *svc, const struct lb_key *key)
{
	const struct lb_settling *s = svc->settling;
	const struct lb_settling_row *row = NULL;
	struct keeper k = {.server = NOBODY};
	uint64_t hash;

	if (s != NULL) {
		hash = lb_schedule_hash(s->scheduler, key);
		row = lb_settling_find(s, lb_hash_reduce((uint32_t)(hash >> 32), s->size));
		k.is_settling = row != NULL || s->is_whole;
	}
	if (row != NULL) {
		k.server = row->server;
		k.is_former = true;
	} else if (svc->maglev != NULL) {
		hash = lb_schedule_hash(svc->scheduler, key);
		k.server = svc->maglev->slots[lb_hash_reduce((uint32_t)(hash >> 32),
							     svc->maglev->size)];
	}
	return k;
}

static uint32_t bits_of(const struct lb_service *svc, const struct lb_stateless_request *rq,
			uint32_t server)
{
	return server == NOBODY ? 0 : lb_target_get(rq->targets, svc->servers[server].target_id);
}

static bool takes_new(const struct lb_service *svc, const struct lb_stateless_request *rq,
		      uint32_t server)
{
	return (bits_of(svc, rq, server) & LB_TARGET_NEW) != 0 && svc->servers[server].weight != 0;
}

static uint32_t pick(const struct lb_service *svc, const struct lb_stateless_request *rq)
{
	struct lb_schedule_request schedule = {.key = rq->key, .targets = rq->targets};

	return lb_schedule_pick(svc, rq->turn, &schedule);
}

static void stay(const struct keeper *k, struct lb_stateless_choice *out)
{
	*out = (struct lb_stateless_choice){
		.server = k->server,
		.spare = k->server,
		.reason = k->server == NOBODY ? LB_STATELESS_NOBODY
			  : k->is_former      ? LB_STATELESS_SETTLING
					      : LB_STATELESS_SLOT,
		.needs_entry = k->is_settling && k->server != NOBODY,
		.is_adoption = true,
	};
}

static void open_new(const struct lb_service *svc, const struct lb_stateless_request *rq,
		     const struct keeper *k, struct lb_stateless_choice *out)
{
	bool is_by_slot = takes_new(svc, rq, k->server);

	if (is_by_slot && !k->is_settling) {
		stay(k, out);
		return;
	}
	*out = (struct lb_stateless_choice){.server = pick(svc, rq), .spare = NOBODY};
	out->reason = out->server == NOBODY ? LB_STATELESS_NOBODY
		      : k->is_settling	    ? LB_STATELESS_OPENED
					    : LB_STATELESS_ELSEWHERE;
	out->needs_entry = out->server != NOBODY;
	/* Without an entry its next packets go to the keeper, unless they are asked anew each
	 * time: then they come here and get the same answer. */
	if (is_by_slot)
		out->spare = k->server;
	else if (rq->part == LB_FLOW_EITHER)
		out->spare = out->server;
}

void lb_stateless_choose(const struct lb_service *svc, const struct lb_stateless_request *rq,
			 struct lb_stateless_choice *out)
{
	struct keeper k = find_keeper(svc, rq->key);

	if (rq->part == LB_FLOW_MIDDLE ||
	    (rq->part == LB_FLOW_EITHER && bits_of(svc, rq, k.server) != 0))
		stay(&k, out);
	else
		open_new(svc, rq, &k, out);
}

void lb_stateless_find(const struct lb_service *svc, const struct lb_stateless_request *rq,
		       struct lb_stateless_choice *out)
{
	struct keeper k = find_keeper(svc, rq->key);

	if (k.is_former) {
		stay(&k, out);
		return;
	}
	*out = (struct lb_stateless_choice){.server = NOBODY};
	/* As its first packet was, if there was no room for it. */
	if (lb_goes_by_hash(svc))
		out->server = pick(svc, rq);
	out->spare = out->server;
	out->reason = out->server == NOBODY ? LB_STATELESS_NOBODY : LB_STATELESS_ELSEWHERE;
	if (out->server != NOBODY && out->server == k.server)
		out->reason = LB_STATELESS_SLOT;
}

bool lb_stateless_is_spared(const struct lb_service *svc, const struct lb_stateless_request *rq,
			    uint32_t real_id)
{
	struct keeper k = find_keeper(svc, rq->key);

	return !k.is_settling && takes_new(svc, rq, k.server) &&
	       svc->servers[k.server].real_id == real_id;
}
