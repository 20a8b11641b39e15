/* Fragments on their way through admit and choose (decision 0050). All parts of a packet meet at
 * one worker, its fragment owner, whichever they arrive at. There the first part is treated as a
 * packet by its ports, which may send it on to its connection's owner, and the others follow it. */
#include "pipeline_state.h"
#include "steer/service_object.h"

/* A reply of a `nat` server carries no address of ours: any fragment may be one until its first
 * part shows its ports. */
static bool may_be_ours(const struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_addr dst = lb_key_dst(&p->key);

	return st->n_nat_services != 0 || lb_service_table_has_vip(st->service_table, &dst) ||
	       lb_nat_addr_set_has(st->nat_addr_set, &dst);
}

bool lb_admit_fragment(struct lb_pipeline *pl, struct lb_pkt *p)
{
	const struct lb_steer *st = &pl->steer;
	struct lb_fragment f;
	uint32_t owner;

	if (!may_be_ours(st, p)) {
		p->verdict = LB_VERDICT_PUNT;
		return false;
	}
	lb_fragment_describe(p, &f);
	owner = lb_fragment_owner(pl->fragments, &f.id, st->n_workers);
	if (owner != st->worker && !p->is_handed) {
		p->owner = (uint16_t)owner;
		p->verdict = LB_VERDICT_HAND_OVER;
		return false;
	}
	/* Here its way begins anew: the connection's owner may be one step further, not two. */
	if (owner == st->worker)
		p->is_handed = false;
	lb_fragment_read(p, &f);
	if (p->fragment_part == LB_FRAGMENT_MALFORMED) {
		lb_pkt_drop(p, LB_COUNT_drop_fragment_malformed);
		return false;
	}
	return true;
}

static rte_be32_t ports_of(const struct lb_pkt *p)
{
	return p->key.is_v6 ? p->key.v6.ports_be : p->key.v4.ports_be;
}

/* What later parts have to know about the first one, as choose has left it. */
static void note_decision(const struct lb_steer *st, const struct lb_pkt *p,
			  struct lb_fragment_decision *d)
{
	*d = (struct lb_fragment_decision){
		.verdict = p->verdict,
		.drop_reason = p->drop_reason,
		.owner = p->owner,
		.new_id_be = p->new_id_be,
	};
	if (p->verdict == LB_VERDICT_TX) /* of an answer to it */
		d->verdict = LB_VERDICT_DROP;
	if (p->verdict != LB_VERDICT_CONTINUE)
		return;
	d->is_reply = p->is_reply;
	d->forwarding = p->forwarding;
	d->next_hop = p->next_hop;
	d->service = p->service;
	d->service_epoch = st->services[p->service]->epoch;
	d->real_id = p->real_id;
	d->real_epoch = st->reals[p->real_id].epoch;
	d->hash = p->hash;
	d->to = p->to;
}

static bool is_current(const struct lb_steer *st, const struct lb_fragment_decision *d)
{
	const struct lb_service *svc = st->services[d->service];
	const struct lb_real *real = &st->reals[d->real_id];

	return d->verdict != LB_VERDICT_CONTINUE ||
	       (svc != NULL && svc->epoch == d->service_epoch && real->in_use != 0 &&
		real->epoch == d->real_epoch);
}

static void follow(struct lb_pkt *p, const struct lb_fragment_decision *d)
{
	p->verdict = d->verdict;
	p->drop_reason = d->drop_reason;
	p->owner = d->owner;
	p->is_reply = d->is_reply;
	p->forwarding = d->forwarding;
	p->next_hop = d->next_hop;
	p->service = d->service;
	p->real_id = d->real_id;
	p->hash = d->hash;
	p->new_id_be = d->new_id_be;
	p->to = d->to;
}

static void hold(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_fragment *f,
		 uint64_t now_ms)
{
	uint32_t slot = lb_fragment_hold(pl->fragments, f, p->len, now_ms);

	if (slot == LB_HELD_NONE) {
		lb_pkt_drop(p, LB_COUNT_drop_fragment_full);
		return;
	}
	p->held_slot = (uint16_t)slot;
	p->verdict = LB_VERDICT_HOLD;
}

static void choose_later(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_fragment *f,
			 uint64_t now_ms)
{
	const struct lb_fragment_decision *d = lb_fragment_follow(pl->fragments, f, now_ms);

	/* Its service or server has been given to others since. */
	if (d != NULL && !is_current(&pl->steer, d)) {
		lb_fragment_forget(pl->fragments, &f->id);
		d = NULL;
	}
	if (d != NULL)
		follow(p, d);
	else
		hold(pl, p, f, now_ms);
}

static void choose_first(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	switch ((enum lb_fragment_part)p->fragment_part) {
	case LB_FRAGMENT_TINY:
		lb_pkt_drop(p, LB_COUNT_drop_fragment_tiny);
		break;
	case LB_FRAGMENT_FOREIGN:
		p->verdict = LB_VERDICT_PUNT;
		break;
	default:
		lb_choose_flow(pl, p, now_ms);
	}
}

void lb_choose_fragment(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	struct lb_fragment_decision decision;
	rte_be32_t ports_be = ports_of(p);
	struct lb_fragment f;

	lb_fragment_describe(p, &f);
	if (p->fragment_part == LB_FRAGMENT_LATER) {
		choose_later(pl, p, &f, now_ms);
		return;
	}
	if (!lb_fragment_admit_first(pl->fragments, &f, ports_be, now_ms, &p->new_id_be)) {
		lb_pkt_drop(p, LB_COUNT_drop_fragment_overlap);
		return;
	}
	choose_first(pl, p, now_ms);
	note_decision(&pl->steer, p, &decision);
	lb_fragment_decide(pl->fragments, &f, ports_be, &decision, now_ms);
}

uint32_t lb_pipeline_take_back(struct lb_pipeline *pl, struct lb_held_back *out, uint32_t max)
{
	struct lb_place_back places[LB_BURST_MAX];
	uint32_t n;

	n = lb_fragment_take_back(pl->fragments, places, max < LB_BURST_MAX ? max : LB_BURST_MAX);
	for (uint32_t i = 0; i < n; i++) {
		out[i].slot = places[i].slot;
		out[i].is_ended = places[i].drop_reason != LB_COUNTER_N;
		if (!out[i].is_ended)
			continue;
		lb_add(&pl->counters[LB_COUNT_held], (uint64_t)-1);
		lb_add(&pl->counters[places[i].drop_reason], 1);
	}
	return n;
}

void lb_pipeline_run_again(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms)
{
	lb_pipeline_run(pl, b, now_ms);
	lb_add(&pl->counters[LB_COUNT_rx], -(uint64_t)b->n);
	lb_add(&pl->counters[LB_COUNT_held], -(uint64_t)b->n);
}
