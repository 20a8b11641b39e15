#include "explain_json.h"

#include "explain_told.h"
#include "state_json.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lb/counters.h"

const struct lb_answer *lb_explain_decider(const struct lb_answer *answers, uint32_t n)
{
	const struct lb_answer *best = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const struct lb_answer *a = &answers[i];

		if (a->verdict == LB_VERDICT_HAND_OVER)
			continue;
		if (a->conn == LB_EXPLAIN_CONN_LIVE)
			return a;
		if (best == NULL || best->verdict == LB_VERDICT_PUNT)
			best = a;
	}
	return best;
}

static void add_packet(const struct lb_told *t)
{
	const struct lb_question *q = t->q;
	char text[LB_END_TEXT_MAX];

	lb_text_json_open(t->out, "packet", '{');
	lb_text_json_str(t->out, "protocol", q->proto == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_json_str(t->out, "source", lb_end_format(&q->src, q->sport_be, text));
	lb_text_json_str(t->out, "destination", lb_end_format(&q->dst, q->dport_be, text));
	lb_text_json_str(t->out, "interface", lb_names_iface(t->names, q->iface));
	if (q->ip_bytes != 0)
		lb_text_json_u64(t->out, "bytes", q->ip_bytes);
	lb_text_json_close(t->out, '}');
}

static void add_end(const struct lb_told *t)
{
	static const char *const verdicts[LB_VERDICT_N] = {
		[LB_VERDICT_TX] = "tx", [LB_VERDICT_PUNT] = "punt", [LB_VERDICT_DROP] = "drop"};
	const struct lb_answer *a = t->a;
	char text[LB_TOLD_SENTENCE_MAX];

	lb_told_end_text(t, text);
	lb_text_json_str(t->out, "summary", text);
	lb_text_json_str(t->out, "verdict", a->is_originated ? "drop" : verdicts[a->verdict]);
	if (a->verdict == LB_VERDICT_DROP || a->is_originated)
		lb_text_json_str(t->out, "reason", lb_counter_info[a->drop_reason].name);
	lb_text_json_bool(t->out, "is_answered", a->is_originated);
	lb_text_json_u64(t->out, "worker", a->worker);
	lb_text_json_str(t->out, "worker_why", lb_told_owner_words(a->owner_why));
	if (a->slot != UINT32_MAX)
		lb_text_json_str(t->out, "virtual_service", lb_told_service_name(t));
	lb_text_json_bool(t->out, "is_reply", a->is_reply);
}

static void add_conn(const struct lb_told *t)
{
	static const char *const words[] = {[LB_EXPLAIN_CONN_NONE] = "none",
					    [LB_EXPLAIN_CONN_LIVE] = "live",
					    [LB_EXPLAIN_CONN_GONE] = "gone",
					    [LB_EXPLAIN_CONN_REPLACED] = "replaced"};
	const struct lb_answer *a = t->a;

	lb_text_json_open(t->out, "connection", '{');
	lb_text_json_str(t->out, "found", words[a->conn]);
	if (a->conn != LB_EXPLAIN_CONN_NONE) {
		if (lb_answer_tcp_state(a->tcp_state)[0] != '\0')
			lb_text_json_str(t->out, "tcp_state", lb_answer_tcp_state(a->tcp_state));
		lb_text_json_seconds(t->out, "idle_s", a->idle_ms);
		lb_text_json_seconds(t->out, "timeout_s", a->timeout_ms);
	}
	lb_text_json_close(t->out, '}');
}

static const char *const table_words[LB_STATELESS_REASON_N] = {
	[LB_STATELESS_SLOT] = "slot",     [LB_STATELESS_SETTLING] = "settling",
	[LB_STATELESS_OPENED] = "opened", [LB_STATELESS_ELSEWHERE] = "elsewhere",
	[LB_STATELESS_NOBODY] = "nobody",
};

static void add_choice(const struct lb_told *t)
{
	static const char *const words[] = {[LB_PICK_SCHEDULE] = "none",
					    [LB_PICK_FOLLOW] = "followed",
					    [LB_PICK_BYPASS] = "bypassed",
					    [LB_PICK_RECORD] = "written",
					    [LB_PICK_REPLACE] = "replaced"};
	const struct lb_answer *a = t->a;
	char machine[LB_ADDR_TEXT_MAX];

	if (!a->is_chosen)
		return;
	lb_text_json_open(t->out, "choice", '{');
	if (lb_told_service_of(t) != NULL)
		lb_text_json_str(t->out, "scheduler",
				 lb_state_scheduler_words[lb_told_service_of(t)->scheduler]);
	lb_text_json_bool(t->out, "by_scheduler", a->way != LB_PICK_FOLLOW);
	lb_text_json_str(t->out, "record",
			 (a->way == LB_PICK_RECORD || a->way == LB_PICK_REPLACE) && !a->is_for_group
				 ? "none"
				 : words[a->way]);
	if (a->is_by_table)
		lb_text_json_str(t->out, "table", table_words[a->table_why]);
	lb_text_json_bool(t->out, "makes_entry", a->makes_entry);
	if (a->has_record) {
		lb_text_json_str(t->out, "record_machine", lb_told_machine_text(t, machine));
		lb_text_json_u64(t->out, "record_expires_in_s", a->record_expires_in_s);
		lb_text_json_bool(t->out, "record_is_void", a->way == LB_PICK_REPLACE);
	}
	lb_text_json_close(t->out, '}');
}

static void add_server(const struct lb_told *t)
{
	const struct lb_cfg_real *real;
	char text[LB_ADDR_TEXT_MAX];

	if (t->real == LB_CFG_NONE)
		return;
	real = &lb_told_pool_of(t)->reals[t->real];
	lb_text_json_open(t->out, "real_server", '{');
	lb_text_json_str(t->out, "name", real->name);
	lb_text_json_str(t->out, "address", lb_addr_format(&real->address, text));
	lb_text_json_u64(t->out, "port",
			 real->port != 0 ? real->port
					 : rte_be_to_cpu_16(t->a->is_reply ? t->q->sport_be
									   : t->q->dport_be));
	lb_text_json_u64(t->out, "connections_on_this_worker", t->a->real_live);
	lb_text_json_close(t->out, '}');
}

static void add_way(const struct lb_told *t)
{
	const struct lb_answer *a = t->a;
	char text[LB_END_TEXT_MAX], mac[LB_MAC_TEXT_MAX];

	if (!lb_told_has_way(a))
		return;
	lb_text_json_open(t->out, "way_out", '{');
	if (!a->is_reply)
		lb_text_json_str(t->out, "forwarding", lb_state_forwarding_words[a->forwarding]);
	lb_text_json_str(t->out, "source", lb_end_format(&a->new_src, a->new_sport_be, text));
	lb_text_json_str(t->out, "destination", lb_end_format(&a->new_dst, a->new_dport_be, text));
	if (lb_forwarding_is_tunnel(a->forwarding)) {
		if (!lb_addr_is_zero(&a->tunnel_src))
			lb_text_json_str(t->out, "tunnel_source",
					 lb_addr_format(&a->tunnel_src, text));
		lb_text_json_str(t->out, "tunnel_destination",
				 lb_addr_format(&a->tunnel_dst, text));
	}
	lb_text_json_str(t->out, "next_hop",
			 a->next_hop == LB_NEXT_HOP_NONE     ? "none"
			 : a->hop.resolved == 0              ? "unresolved"
			 : a->next_hop < LB_NEXT_HOP_LEARNED ? "resolved"
							     : "learnt");
	if (a->hop.resolved != 0) {
		lb_text_json_str(t->out, "mac", lb_mac_format(a->hop.mac, mac));
		lb_text_json_str(t->out, "interface", lb_names_iface(t->names, a->hop.iface));
		lb_text_json_u64(t->out, "mtu", a->mtu);
	}
	if (a->out_bytes != 0)
		lb_text_json_u64(t->out, "bytes", a->out_bytes);
	lb_text_json_close(t->out, '}');
}

/* Who could be chosen: as the workers were told. */
static void add_servers(const struct lb_told *t)
{
	const struct lb_cfg_pool *pool;
	char text[LB_ADDR_TEXT_MAX];
	uint32_t n;

	if (!t->a->is_chosen || lb_told_service_of(t) == NULL)
		return;
	pool = lb_told_pool_of(t);
	n = pool->n_reals < LB_EXPLAIN_SERVERS_MAX ? pool->n_reals : LB_EXPLAIN_SERVERS_MAX;
	lb_text_json_open(t->out, "real_servers", '[');
	for (uint32_t i = 0; i < n; i++) {
		const struct lb_cfg_real *real = &pool->reals[i];
		struct lb_real_status s;

		lb_reconcile_service_real(t->names->reconcile, t->service, i, &s);
		lb_text_json_open(t->out, NULL, '{');
		lb_text_json_str(t->out, "name", real->name);
		lb_text_json_str(t->out, "address", lb_addr_format(&real->address, text));
		lb_text_json_u64(t->out, "weight", real->weight);
		lb_text_json_str(t->out, "status", lb_health_state_name[s.state]);
		lb_text_json_str(t->out, "admin_state", lb_state_admin_words[s.admin_state]);
		if (s.reason[0] != '\0')
			lb_text_json_str(t->out, "reason", s.reason);
		lb_text_json_bool(t->out, "takes_new_clients",
				  real->weight != 0 && (s.target_bits & LB_TARGET_NEW) != 0);
		lb_text_json_bool(t->out, "keeps_known_clients",
				  (s.target_bits & LB_TARGET_KEEP) != 0);
		lb_text_json_close(t->out, '}');
	}
	lb_text_json_close(t->out, ']');
	if (n < pool->n_reals)
		lb_text_json_u64(t->out, "n_more_real_servers", pool->n_reals - n);
}

void lb_explain_json(const struct lb_names *names, const struct lb_question *q,
		     const struct lb_answer *a, struct lb_text *out)
{
	struct lb_told t = {.names = names,
			    .q = q,
			    .a = a,
			    .real = LB_CFG_NONE,
			    .service = LB_CFG_NONE,
			    .out = out};

	if (a->slot != UINT32_MAX)
		t.service = lb_names_service_idx(names, a->slot);
	if (t.service != LB_CFG_NONE && a->real_id != UINT32_MAX)
		t.real = lb_names_real_idx(names, t.service, a->real_id);
	lb_text_json_open(out, NULL, '{');
	add_packet(&t);
	add_end(&t);
	add_conn(&t);
	add_choice(&t);
	add_server(&t);
	add_way(&t);
	add_servers(&t);
	lb_told_steps(&t);
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
}
