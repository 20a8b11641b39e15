/* Packets whose server the table of their service tells: those of services without tracking, and
 * those that have no entry although their service keeps them. */
#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "packet/encap.h"
#include "pipeline_state.h"
#include "steer/maglev_table.h"
#include "steer/seeded_hash.h"
#include "steer/stateless.h"

#define NOBODY UINT32_MAX

static bool is_syn(const struct lb_pkt *p)
{
	return p->proto == IPPROTO_TCP && lb_is_opening(p);
}

static enum lb_flow_part part_of(const struct lb_pkt *p)
{
	if (p->kind == LB_PKT_ICMP_ERROR)
		return LB_FLOW_MIDDLE;
	if (p->proto != IPPROTO_TCP)
		return LB_FLOW_EITHER;
	return is_syn(p) ? LB_FLOW_OPENING : LB_FLOW_MIDDLE;
}

void lb_choose_by_table(const struct lb_steer *st, const struct lb_pkt *p, uint32_t slot,
			struct lb_schedule_state *turn, struct lb_stateless_choice *out)
{
	const struct lb_service *svc = st->services[slot];
	struct lb_stateless_request rq = {.key = &p->key,
					  .part = part_of(p),
					  .targets = &st->targets,
					  .turn = turn};

	if (svc->is_stateless)
		lb_stateless_choose(svc, &rq, out);
	else
		lb_stateless_find(svc, &rq, out);
}

bool lb_is_by_table(const struct lb_steer *st, const struct lb_pkt *p, uint32_t slot)
{
	const struct lb_service *svc = st->services[slot];

	return svc->is_stateless || (part_of(p) == LB_FLOW_MIDDLE &&
				     (lb_goes_by_hash(svc) || svc->settling != NULL));
}

bool lb_goes_without_entry(const struct lb_steer *st, const struct lb_pkt *p,
			   const struct lb_stateless_choice *choice)
{
	if (!choice->needs_entry || !choice->is_adoption)
		return !choice->needs_entry;
	/* Below this share of the table nobody is evicted: a flood of packets in mid-stream that
	 * belong to nothing takes no entry from anybody. */
	return (p->tcp_flags & LB_TCP_RST) != 0 ||
	       (uint64_t)st->conns * 5 >= (uint64_t)st->conns_max * 4;
}

void lb_send_by_table(const struct lb_steer *st, struct lb_pkt *p, uint32_t slot, uint32_t server)
{
	const struct lb_service *svc = st->services[slot];

	p->conn = NULL;
	p->service = slot;
	p->real_id = svc->servers[server].real_id;
	p->forwarding = svc->forwarding;
	p->next_hop = st->real_lines[p->real_id].next_hop;
}

/* A packet on its way through the steps below. */
struct step {
	const struct lb_service *svc; /* stateless, with nothing to look up; NULL: the usual way */
	uint32_t at;                  /* slot of its table */
	uint32_t server;
	uint16_t idx;                 /* in the burst */
};

/* Every packet asks for its service here; one that turns out to need the connection table begins
 * to ask for its bucket, which admit has left to us. */
static void leave_to_table(const struct lb_steer *st, const struct lb_pkt *p, struct step *s)
{
	s->svc = NULL;
	lb_conn_prefetch(st->conn_table, &p->key, p->hash);
}

static void find_services(struct lb_steer *st, struct lb_burst *b, struct step *steps)
{
	for (uint32_t i = 0; i < b->n_live; i++) {
		struct lb_pkt *p = &b->pkt[b->live[i]];

		steps[i].idx = b->live[i];
		p->service = LB_SERVICE_NOT_FOUND;
		if (p->kind == LB_PKT_FLOW)
			p->service = lb_service_table_find(st->service_table, &p->key);
		if (p->service == LB_SERVICE_NOT_FOUND)
			continue;
		rte_prefetch0(&st->service_lines[p->service]);
		rte_prefetch0(&st->services[p->service]->maglev);
	}
}

/* Quiet: every slot is settled, and this worker has no entry for the service. */
static bool is_quiet(const struct lb_steer *st, uint32_t slot)
{
	const struct lb_service_line *line = &st->service_lines[slot];

	return line->goes_by_table && line->traffic.conns_live == 0;
}

static bool is_ours(const struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_flow_target target = {.slot = p->service, .owner = st->worker};

	if (likely(st->n_workers == 1))
		return true;
	lb_find_request_owner(st, &p->key, &target);
	return target.owner == st->worker;
}

static void find_slots(const struct lb_steer *st, const struct lb_burst *b, struct step *steps)
{
	for (uint32_t i = 0; i < b->n_live; i++) {
		const struct lb_pkt *p = &b->pkt[steps[i].idx];
		struct step *s = &steps[i];
		uint64_t hash;

		if (p->service == LB_SERVICE_NOT_FOUND || !is_quiet(st, p->service) ||
		    !is_ours(st, p)) {
			leave_to_table(st, p, s);
			continue;
		}
		s->svc = st->services[p->service];
		/* The outer header goes where nothing has been read or written yet. */
		if (lb_forwarding_is_tunnel(st->service_lines[p->service].forwarding))
			rte_prefetch0(p->data - LB_ENCAP_BYTES_MAX);
		hash = lb_schedule_hash(st->service_lines[p->service].scheduler, &p->key);
		s->at = lb_hash_reduce((uint32_t)(hash >> 32), s->svc->maglev->size);
		rte_prefetch0(&s->svc->maglev->slots[s->at]);
	}
}

static void find_servers(const struct lb_burst *b, struct step *steps)
{
	for (uint32_t i = 0; i < b->n_live; i++) {
		struct step *s = &steps[i];

		if (s->svc == NULL)
			continue;
		s->server = s->svc->maglev->slots[s->at];
		rte_prefetch0(&s->svc->servers[s->server]);
	}
}

/* A packet that may begin something asks whether the server takes new clients; UDP that has begun
 * long ago looks the same, and stays with a server that only drains. */
static bool may_stay(const struct lb_steer *st, const struct lb_pkt *p, const struct step *s)
{
	const struct lb_service_server *server = &s->svc->servers[s->server];
	uint32_t bits;

	if (p->proto == IPPROTO_TCP && !is_syn(p))
		return true;
	bits = lb_target_get(&st->targets, server->target_id);
	return p->proto == IPPROTO_TCP ? (bits & LB_TARGET_NEW) != 0 : bits != 0;
}

static void find_reals(const struct lb_steer *st, struct lb_burst *b, struct step *steps)
{
	bool opens_entry = false; /* what follows in the burst may belong to that entry */

	for (uint32_t i = 0; i < b->n_live; i++) {
		struct lb_pkt *p = &b->pkt[steps[i].idx];
		struct step *s = &steps[i];

		if (s->svc == NULL)
			continue;
		if (opens_entry || !may_stay(st, p, s)) {
			leave_to_table(st, p, s);
			opens_entry = true;
			continue;
		}
		p->real_id = s->svc->servers[s->server].real_id;
		rte_prefetch0(&st->real_lines[p->real_id]);
	}
}

void lb_count_stateless(struct lb_steer *st, const struct lb_pkt *p)
{
	lb_count(st, LB_COUNT_conn_stateless);
	lb_add(&st->service_lines[p->service].traffic.conns, 1);
	lb_add(&st->real_lines[p->real_id].traffic.conns, 1);
}

uint32_t lb_choose_stateless(struct lb_pipeline *pl, struct lb_burst *b)
{
	struct lb_steer *st = &pl->steer;
	struct step steps[LB_BURST_MAX];
	uint32_t chosen = 0;

	find_services(st, b, steps);
	find_slots(st, b, steps);
	find_servers(b, steps);
	find_reals(st, b, steps);
	for (uint32_t i = 0; i < b->n_live; i++) {
		struct lb_pkt *p = &b->pkt[steps[i].idx];

		if (steps[i].svc == NULL)
			continue;
		p->forwarding = st->service_lines[p->service].forwarding;
		p->next_hop = st->real_lines[p->real_id].next_hop;
		rte_prefetch0(&st->hops[p->next_hop]);
		if (is_syn(p))
			lb_count_stateless(st, p);
		chosen |= 1u << steps[i].idx;
	}
	return chosen;
}
