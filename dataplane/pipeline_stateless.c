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

#define NOBODY UINT32_MAX

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
 * is on its way for all of them. Who is among them is a bit for each packet of the burst. */
struct walk {
	struct lb_burst *b;
	uint32_t here;
	struct lb_exact_question asked[LB_BURST_MAX]; /* whose service it is */
	uint32_t at[LB_BURST_MAX];                    /* slot of that one's table */
};

/* This one takes the usual way. It begins to ask for its connection, which admit has left to us. */
static void leave(const struct lb_steer *st, struct walk *w, uint32_t i)
{
	struct lb_pkt *p = &w->b->pkt[i];

	w->here &= ~(1u << i);
	p->hash = lb_conn_hash(st->conn_table, &p->key);
	lb_conn_prefetch(st->conn_table, &p->key, p->hash);
}

static void ask_services(const struct lb_steer *st, struct walk *w)
{
	const struct lb_burst *b = w->b;

	for (uint32_t i = 0; i < b->n_live; i++) {
		const struct lb_pkt *p = b->live[i];
		uint32_t idx = lb_burst_idx(b, p);

		w->here |= 1u << idx;
		if (likely(p->kind == LB_PKT_FLOW))
			w->asked[idx] = lb_service_ask(st->service_table, &p->key);
		else
			leave(st, w, idx);
	}
}

static void find_services(const struct lb_steer *st, struct walk *w)
{
	for (uint32_t left = w->here; left != 0; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);
		struct lb_pkt *p = &w->b->pkt[i];

		p->service = lb_service_find_asked(st->service_table, &p->key, &w->asked[i]);
		if (unlikely(p->service == LB_SERVICE_NOT_FOUND)) {
			leave(st, w, i);
			continue;
		}
		rte_prefetch0(&st->table_lines[p->service]);
		rte_prefetch0(&st->service_lines[p->service]);
	}
}

static bool is_ours(const struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_flow_target target = {.slot = p->service, .owner = st->worker};

	lb_find_request_owner(st, &p->key, &target);
	return target.owner == st->worker;
}

/* Quiet: every slot is settled, and this worker has no entry for the service. */
static inline bool is_quiet(const struct lb_steer *st, const struct lb_pkt *p,
			    const struct lb_table_line *line)
{
	return line->slots != NULL && st->service_lines[p->service].traffic.conns_live == 0 &&
	       (likely(st->n_workers == 1) || is_ours(st, p));
}

static void find_slots(const struct lb_steer *st, struct walk *w)
{
	for (uint32_t left = w->here; left != 0; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);
		const struct lb_pkt *p = &w->b->pkt[i];
		const struct lb_table_line *line = &st->table_lines[p->service];
		uint64_t hash;

		if (unlikely(!is_quiet(st, p, line))) {
			leave(st, w, i);
			continue;
		}
		/* The outer header goes where nothing has been read or written yet. */
		if (lb_forwarding_is_tunnel(line->forwarding))
			rte_prefetch0(p->data - LB_ENCAP_BYTES_MAX);
		hash = likely(line->scheduler == LB_SCHED_MAGLEV)
			       ? lb_stable_hash_key(&p->key)
			       : lb_schedule_hash(line->scheduler, &p->key);
		w->at[i] = lb_hash_reduce((uint32_t)(hash >> 32), line->size);
		rte_prefetch0(&line->slots[w->at[i]]);
	}
}

/* A packet that may begin something asks whether the server takes new clients; UDP that has begun
 * long ago looks the same, and stays with a server that only drains. */
static inline bool may_stay(const struct lb_steer *st, const struct lb_pkt *p, uint32_t target_id)
{
	uint32_t bits;

	if (likely(p->proto == IPPROTO_TCP && !is_syn(p)))
		return true;
	bits = lb_target_get(&st->targets, target_id);
	return p->proto == IPPROTO_TCP ? (bits & LB_TARGET_NEW) != 0 : bits != 0;
}

static void find_servers(const struct lb_steer *st, struct walk *w)
{
	for (uint32_t left = w->here; left != 0; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);
		struct lb_pkt *p = &w->b->pkt[i];
		const struct lb_table_line *line = &st->table_lines[p->service];
		const struct lb_table_server *server = &line->servers[line->slots[w->at[i]]];

		/* It may get an entry, and what follows in the burst may belong to that. */
		if (unlikely(!may_stay(st, p, server->target_id))) {
			for (; left != 0; left &= left - 1)
				leave(st, w, (uint32_t)__builtin_ctz(left));
			return;
		}
		p->forwarding = line->forwarding;
		p->real_id = server->real_id;
		rte_prefetch0(&st->real_lines[p->real_id]);
	}
}

static void find_next_hops(struct lb_steer *st, const struct walk *w)
{
	for (uint32_t left = w->here; left != 0; left &= left - 1) {
		struct lb_pkt *p = &w->b->pkt[__builtin_ctz(left)];

		p->next_hop = st->real_lines[p->real_id].next_hop;
		rte_prefetch0(&st->hops[p->next_hop]);
		/* Its outer source port is the connection's. */
		if (p->forwarding == LB_FORWARD_GUE)
			p->hash = lb_conn_hash(st->conn_table, &p->key);
		if (unlikely(is_syn(p)))
			lb_count_stateless(st, p);
	}
}

uint32_t lb_choose_stateless(struct lb_pipeline *pl, struct lb_burst *b)
{
	struct lb_steer *st = &pl->steer;
	struct walk w;

	w.b = b;
	w.here = 0;
	ask_services(st, &w);
	find_services(st, &w);
	find_slots(st, &w);
	find_servers(st, &w);
	find_next_hops(st, &w);
	return w.here;
}
