#include "pipeline_trace.h"

#include <string.h>

#include "packet/key.h"
#include "pipeline_state.h"

static bool has_tuple(const struct lb_pkt *p)
{
	return p->verdict != LB_VERDICT_DROP && p->kind != LB_PKT_OTHER;
}

static bool wants_tuple(const struct lb_trace_filter *f)
{
	return f->proto != 0 || f->has_src || f->has_dst || f->sport_be != 0 || f->dport_be != 0;
}

/* What admit knows. */
static bool matches(const struct lb_trace_filter *f, const struct lb_pkt *p)
{
	struct lb_addr addr;

	if (!wants_tuple(f))
		return true;
	if (!has_tuple(p) || (f->proto != 0 && f->proto != lb_key_proto(&p->key)) ||
	    (f->dport_be != 0 && f->dport_be != lb_key_dport(&p->key)) ||
	    (f->sport_be != 0 && f->sport_be != lb_key_sport(&p->key)))
		return false;
	addr = lb_key_dst(&p->key);
	if (f->has_dst && !lb_prefix_contains(&f->dst, &addr))
		return false;
	addr = lb_key_src(&p->key);
	return !f->has_src || lb_prefix_contains(&f->src, &addr);
}

/* What only the end tells. */
static bool is_wanted(const struct lb_trace_filter *f, const struct lb_pkt *p)
{
	bool is_dropped = p->verdict == LB_VERDICT_DROP || p->is_originated;

	return (f->slot == UINT32_MAX || f->slot == p->service) && (!f->only_drops || is_dropped);
}

static enum lb_trace_kind kind_of(const struct lb_pkt *p)
{
	static const enum lb_trace_kind kinds[] = {[LB_PKT_OTHER] = LB_TRACE_OTHER,
						   [LB_PKT_FLOW] = LB_TRACE_FLOW,
						   [LB_PKT_ICMP_ERROR] = LB_TRACE_ICMP_ERROR,
						   [LB_PKT_FRAGMENT] = LB_TRACE_FRAGMENT};

	if (!has_tuple(p))
		return LB_TRACE_OTHER;
	if (p->kind == LB_PKT_FRAGMENT && p->fragment_part == LB_FRAGMENT_FIRST)
		return LB_TRACE_FIRST_FRAGMENT;
	return kinds[p->kind];
}

static uint32_t copy_frame(const struct lb_pkt *p, uint8_t out[LB_TRACE_BYTES])
{
	memcpy(out, p->data, p->len < LB_TRACE_BYTES ? p->len : LB_TRACE_BYTES);
	return lb_pkt_bytes(p);
}

static void note_admit(const struct lb_tracer *t, const struct lb_pkt *p, struct lb_trace_record *r)
{
	const struct lb_steer *st = &t->pl->steer;

	memset(r, 0, sizeof(*r));
	r->ended_in = LB_PASS_N;
	r->slot = r->real_id = UINT32_MAX;
	r->iface = p->iface;
	r->is_handed = p->is_handed;
	r->is_again = t->is_again;
	r->in_bytes = copy_frame(p, r->in);
	r->kind = (uint8_t)kind_of(p);
	if (r->kind == LB_TRACE_OTHER)
		return;
	r->proto = (uint8_t)lb_key_proto(&p->key);
	r->tcp_flags = p->tcp_flags;
	r->src = (struct lb_trace_end){lb_key_src(&p->key), lb_key_sport(&p->key)};
	r->dst = (struct lb_trace_end){lb_key_dst(&p->key), lb_key_dport(&p->key)};
	if (p->verdict == LB_VERDICT_CONTINUE)
		r->was_known = lb_conn_lookup(st->conn_table, &p->key,
					      lb_conn_hash(st->conn_table, &p->key)) != NULL;
}

static void note_choose(const struct lb_pkt *p, struct lb_trace_record *r)
{
	r->slot = p->service;
	r->real_id = p->real_id;
	r->is_reply = p->is_reply;
	r->forwarding = p->forwarding;
}

/* One-way modes leave addresses and ports alone. */
static void note_deliver(const struct lb_pkt *p, struct lb_trace_record *r)
{
	const struct lb_key *to = lb_forwarding_is_one_way(p->forwarding) ? &p->key : &p->to;

	r->out_iface = p->out_iface;
	r->new_src = (struct lb_trace_end){lb_key_src(to), lb_key_sport(to)};
	r->new_dst = (struct lb_trace_end){lb_key_dst(to), lb_key_dport(to)};
}

static void tell(struct lb_tracer *t, uint32_t idx, const struct lb_pkt *p,
		 struct lb_trace_record *r)
{
	if (t->n_left == 0 || !is_wanted(&t->filter, p))
		return;
	r->idx = idx;
	r->n_lost = t->n_lost;
	r->verdict = p->verdict;
	r->is_originated = p->is_originated;
	r->drop_reason = p->drop_reason;
	r->owner = p->owner;
	if (p->verdict == LB_VERDICT_TX)
		r->out_bytes = copy_frame(p, r->out);
	if (t->tell(t->ctx, r))
		t->n_left--;
	else
		t->n_lost++;
}

static void on_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *p)
{
	struct lb_tracer *t = ctx;
	struct lb_trace_record *r = &t->records[idx];
	uint32_t bit = 1u << idx;

	if (pass == LB_PASS_ADMIT) {
		t->matched &= ~bit;
		if (t->n_left == 0 || !matches(&t->filter, p))
			return;
		t->matched |= bit;
		note_admit(t, p, r);
	} else if ((t->matched & bit) == 0) {
		return;
	} else if (pass == LB_PASS_CHOOSE) {
		note_choose(p, r);
	} else if (pass == LB_PASS_DELIVER) {
		note_deliver(p, r);
	}
	if (r->ended_in == LB_PASS_N && p->verdict != LB_VERDICT_CONTINUE)
		r->ended_in = (uint8_t)pass;
	if (pass == LB_PASS_ACCOUNT)
		tell(t, idx, p, r);
}

void lb_tracer_start(struct lb_tracer *t, struct lb_pipeline *pl,
		     const struct lb_trace_filter *filter)
{
	t->filter = *filter;
	t->n_left = filter->count;
	t->n_lost = 0;
	t->pl = pl;
	lb_pipeline_observe(pl, on_pass, t);
	lb_tracer_rest(t);
}

void lb_tracer_rest(struct lb_tracer *t)
{
	if (t->pl == NULL || t->n_left != 0)
		return;
	lb_pipeline_observe(t->pl, NULL, NULL);
	t->pl = NULL;
}
