/* Packets whose server the table of their service tells: those of services without tracking, and
 * those that have no entry although their service keeps them. */
#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "packet/encap.h"
#include "pipeline_state.h"
#include "steer/service_find.h"
#include "steer/stable_hash.h"
#include "steer/stateless.h"

static inline bool is_syn(const struct lb_pkt *p)
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
	struct lb_stateless_request rq = {
		.key = &p->key, .part = part_of(p), .targets = &st->targets, .turn = turn};

	if (svc->is_stateless)
		lb_stateless_choose(svc, &rq, out);
	else
		lb_stateless_find(svc, &rq, out);
}

bool lb_is_by_table(const struct lb_steer *st, const struct lb_pkt *p, uint32_t slot)
{
	const struct lb_service *svc = st->services[slot];

	return svc->is_stateless ||
	       (part_of(p) == LB_FLOW_MIDDLE && (lb_goes_by_hash(svc) || svc->settling != NULL));
}

bool lb_goes_without_entry(const struct lb_steer *st, const struct lb_pkt *p,
			   const struct lb_stateless_choice *choice)
{
	if (!choice->needs_entry || !choice->is_adoption)
		return !choice->needs_entry;
	/* Below this share of the table nobody is evicted: a flood of packets in mid-stream that
	 * belong to nothing takes no entry from anybody. */
	return (p->tcp_flags & LB_TCP_RST) != 0 || lb_conn_is_room_used(st);
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

void lb_count_stateless(struct lb_steer *st, const struct lb_pkt *p)
{
	lb_count(st, LB_COUNT_conn_stateless);
	lb_add(&st->service_lines[p->service].traffic.conns, 1);
	lb_add(&st->real_lines[p->real_id].traffic.conns, 1);
}

/* Packets that go by a table alone take the steps below together, so that what the next step reads
 * is on its way for all of them. */
struct step {
	struct lb_pkt *p; /* NULL: it has left */
	union {
		struct lb_exact_question asked; /* whose service it is */
		const uint16_t *slot;           /* of that one's table */
	};
	const struct lb_table_line *line;
	const struct lb_service_line *service;
};

struct walk {
	struct step of[LB_BURST_MAX]; /* in the order of the live packets */
	struct step *end;
	uint32_t left; /* a bit for each that has */
};

/* This one takes the usual way. It begins to ask for its connection, which admit has left to us. */
static __rte_noinline void leave(const struct lb_steer *st, struct walk *w, struct step *s)
{
	struct lb_pkt *p = s->p;

	w->left |= 1u << (s - w->of);
	s->p = NULL;
	p->hash = lb_conn_hash(st->conn_table, &p->key);
	lb_conn_prefetch(st->conn_table, &p->key, p->hash);
}

/* Of a whole TCP or UDP packet over IPv4. */
static inline struct lb_exact_key exact_key4(const struct lb_key4 *key)
{
	return (struct lb_exact_key){
		.lower = (uint64_t)key->dst_be << 32 | RTE_BE32(0xffff),
		.kind = key->proto == IPPROTO_TCP ? LB_EXACT_TCP4 : LB_EXACT_UDP4,
		.port_be = lb_ports_second(key->ports_be),
	};
}

static inline struct lb_exact_question ask4(const struct lb_service_table *t,
					    const struct lb_key4 *key)
{
	struct lb_exact_key exact = exact_key4(key);
	struct lb_exact_question asked = lb_exact_ask(&t->exact, &exact);

	rte_prefetch0(asked.bucket);
	return asked;
}

static inline uint32_t find4(const struct lb_service_table *t, const struct lb_key *key,
			     const struct lb_exact_question *asked)
{
	struct lb_exact_key exact = exact_key4(&key->v4);
	uint32_t slot = lb_exact_find(&t->exact, asked, &exact);

	return likely(slot != LB_EXACT_NONE) ? slot : lb_service_find_range(t, key);
}

static void ask_services(const struct lb_steer *st, const struct lb_burst *b, struct walk *w)
{
	struct lb_pkt *const *live = b->live;

	for (struct step *s = w->of; s < w->end; s++) {
		struct lb_pkt *p = *live++;

		s->p = p;
		if (unlikely(p->kind != LB_PKT_FLOW))
			leave(st, w, s);
		else if (likely(!p->key.is_v6))
			s->asked = ask4(st->service_table, &p->key.v4);
		else
			s->asked = lb_service_ask(st->service_table, &p->key);
	}
}

static void find_services(const struct lb_steer *st, struct walk *w)
{
	const struct lb_service_table *t = st->service_table;

	for (struct step *s = w->of; s < w->end; s++) {
		struct lb_pkt *p = s->p;
		uint32_t slot;

		if (unlikely(p == NULL))
			continue;
		slot = likely(!p->key.is_v6) ? find4(t, &p->key, &s->asked)
					     : lb_service_find_asked(t, &p->key, &s->asked);
		p->service = slot;
		if (unlikely(slot == LB_SERVICE_NOT_FOUND)) {
			leave(st, w, s);
			continue;
		}
		s->line = &st->table_lines[slot];
		s->service = &st->service_lines[slot];
		rte_prefetch0(s->line);
		rte_prefetch0(s->service);
	}
}

static bool is_ours(const struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_flow_target target = {.slot = p->service, .owner = st->worker};

	lb_find_request_owner(st, &p->key, &target);
	return target.owner == st->worker;
}

/* Quiet: every slot is settled, and this worker has no entry for the service. */
static inline bool is_quiet(const struct lb_steer *st, const struct step *s)
{
	return likely(s->line->slots != NULL) && likely(s->service->traffic.conns_live == 0) &&
	       (likely(st->n_workers == 1) || is_ours(st, s->p));
}

static void find_slots(const struct lb_steer *st, struct walk *w)
{
	for (struct step *s = w->of; s < w->end; s++) {
		const struct lb_table_line *line = s->line;
		const struct lb_pkt *p = s->p;
		uint64_t hash;

		if (unlikely(p == NULL))
			continue;
		if (unlikely(!is_quiet(st, s))) {
			leave(st, w, s);
			continue;
		}
		/* The outer header goes where nothing has been read or written yet. */
		if (lb_forwarding_is_tunnel(line->forwarding))
			rte_prefetch0(p->data - LB_ENCAP_BYTES_MAX);
		hash = likely(line->scheduler == LB_SCHED_MAGLEV)
			       ? lb_stable_hash_key(&p->key)
			       : lb_schedule_hash(line->scheduler, &p->key);
		s->slot = &line->slots[lb_hash_reduce((uint32_t)(hash >> 32), line->size)];
		rte_prefetch0(s->slot);
	}
}

/* A packet that may begin something asks whether the server takes new clients; UDP that has begun
 * long ago looks the same, and stays with a server that only drains. */
static inline bool may_stay(const struct lb_steer *st, const struct lb_pkt *p, uint32_t target_id)
{
	uint32_t bits;

	if (likely(p->proto == IPPROTO_TCP) && likely(p->tcp_flags != LB_TCP_SYN))
		return true;
	bits = lb_target_get(&st->targets, target_id);
	return p->proto == IPPROTO_TCP ? (bits & LB_TARGET_NEW) != 0 : bits != 0;
}

static void find_servers(struct lb_steer *st, struct walk *w)
{
	for (struct step *s = w->of; s < w->end; s++) {
		const struct lb_table_server *server;
		struct lb_pkt *p = s->p;

		if (unlikely(p == NULL))
			continue;
		server = &s->line->servers[*s->slot];
		/* It may get an entry, and what follows in the burst may belong to that. */
		if (unlikely(!may_stay(st, p, server->target_id))) {
			for (; s < w->end; s++)
				if (s->p != NULL)
					leave(st, w, s);
			return;
		}
		p->forwarding = s->line->forwarding;
		p->real_id = server->real_id;
		p->next_hop = st->real_lines[p->real_id].next_hop;
		/* Its outer source port is the connection's. */
		if (p->forwarding == LB_FORWARD_GUE)
			p->hash = lb_conn_hash(st->conn_table, &p->key);
		if (unlikely(p->tcp_flags == LB_TCP_SYN))
			lb_count_stateless(st, p);
	}
}

uint32_t lb_choose_stateless(struct lb_pipeline *pl, const struct lb_burst *b)
{
	struct lb_steer *st = &pl->steer;
	struct walk w;

	w.end = w.of + b->n_live;
	w.left = 0;
	ask_services(st, b, &w);
	find_services(st, &w);
	find_slots(st, &w);
	find_servers(st, &w);
	return w.left;
}
