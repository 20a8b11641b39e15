#include "explain_json.h"

#include "state_json.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lb/counters.h"

#define SENTENCE_MAX 400

/* What the sentences and members are made of. */
struct told {
	const struct lb_names *names;
	const struct lb_question *q;
	const struct lb_answer *a;
	uint32_t service; /* index, LB_CFG_NONE: none */
	uint32_t real;    /* index in its pool */
	struct lb_text *out;
};

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

static const struct lb_cfg_service *service_of(const struct told *t)
{
	return t->service == LB_CFG_NONE ? NULL : &t->names->cfg->services[t->service];
}

static const struct lb_cfg_pool *pool_of(const struct told *t)
{
	return &t->names->cfg->pools[service_of(t)->pool];
}

static const char *service_name(const struct told *t)
{
	return t->service == LB_CFG_NONE ? "?" : service_of(t)->name;
}

static const char *real_name(const struct told *t)
{
	return t->real == LB_CFG_NONE ? "?" : pool_of(t)->reals[t->real].name;
}

static bool is_sent(const struct lb_answer *a)
{
	return a->verdict == LB_VERDICT_TX && !a->is_originated;
}

/* A way out was planned, whether or not it can be gone. */
static bool has_way(const struct lb_answer *a)
{
	return !lb_addr_is_zero(&a->new_dst);
}

__attribute__((format(printf, 2, 3))) static void step(const struct told *t, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	lb_text_json_str(t->out, NULL, text);
}

static const char *owner_words(uint8_t why)
{
	static const char *const words[] = {
		[LB_EXPLAIN_OWNER_ONLY] = "there is no other",
		[LB_EXPLAIN_OWNER_CONN] = "it has the connection",
		[LB_EXPLAIN_OWNER_CLIENT] = "this client's address and port are its own",
		[LB_EXPLAIN_OWNER_NAT_PORT] = "the port is one of its NAT source ports",
		[LB_EXPLAIN_OWNER_REPLY] = "as a server's reply it would be to its client",
		[LB_EXPLAIN_OWNER_ANY] = "every worker would do the same",
		[LB_EXPLAIN_OWNER_RSS] = "the network card's hash brings it there",
	};

	return words[why];
}

static void step_conn(const struct told *t)
{
	const struct lb_answer *a = t->a;
	const char *state = lb_answer_tcp_state(a->tcp_state);

	switch ((enum lb_explain_conn)a->conn) {
	case LB_EXPLAIN_CONN_NONE:
		step(t, "No connection of this 5-tuple is known.");
		break;
	case LB_EXPLAIN_CONN_LIVE:
		step(t,
		     "It belongs to a live connection%s%s, silent in this direction for %u s, kept "
		     "for %u s.",
		     state[0] != '\0' ? ", " : "", state, a->idle_ms / 1000, a->timeout_ms / 1000);
		break;
	case LB_EXPLAIN_CONN_GONE:
		step(t, "The connection that is known has lost its service or its server and ends "
			"here.");
		break;
	case LB_EXPLAIN_CONN_REPLACED:
		step(t, "The connection that is known (%s) gives way to a new one.", state);
		break;
	}
}

static void step_service(const struct told *t)
{
	char dst[LB_END_TEXT_MAX];

	if (t->a->slot != UINT32_MAX)
		step(t,
		     t->a->is_reply ? "It is a reply within virtual service %s."
				    : "Virtual service %s serves it.",
		     service_name(t));
	else if (t->a->is_at_nat_port)
		step(t, "No virtual service claims %s, which is one of our NAT source ports.",
		     lb_end_format(&t->q->dst, t->q->dport_be, dst));
	else
		step(t, "No virtual service claims %s.",
		     lb_end_format(&t->q->dst, t->q->dport_be, dst));
}

static const char *machine_text(const struct told *t, char text[LB_ADDR_TEXT_MAX])
{
	struct lb_addr addr;

	if (lb_reconcile_member_address(t->names->reconcile, t->a->record_member, &addr))
		return lb_addr_format(&addr, text);
	return "that is not in the group any more";
}

static void step_record(const struct told *t)
{
	const struct lb_answer *a = t->a;
	char machine[LB_ADDR_TEXT_MAX];

	switch ((enum lb_pick_way)a->way) {
	case LB_PICK_SCHEDULE:
		return;
	case LB_PICK_RECORD:
		step(t, a->is_for_group
				? "The client has no persistence record; one will be written."
				: "The client has no persistence record, and no machine that takes "
				  "new clients of the whole group: none will be written.");
		return;
	case LB_PICK_FOLLOW:
		step(t,
		     "The client's persistence record names machine %s for another %u s: it is "
		     "followed.",
		     machine_text(t, machine), a->record_expires_in_s);
		return;
	case LB_PICK_BYPASS:
		step(t,
		     "The client's persistence record names machine %s, which does not serve here: "
		     "it "
		     "is left alone.",
		     machine_text(t, machine));
		return;
	case LB_PICK_REPLACE:
		step(t,
		     "The client's persistence record names machine %s and is void, because it %s.",
		     machine_text(t, machine),
		     a->is_record_old ? "has been down since" : "keeps no clients any more");
		return;
	}
}

static const struct {
	const char *word;
	const char *text;
} table_words[LB_STATELESS_REASON_N] = {
	[LB_STATELESS_SLOT] = {"slot", "its slot's server"},
	[LB_STATELESS_SETTLING] = {"settling", "its slot has changed, and this is whom it had"},
	[LB_STATELESS_OPENED] = {"opened",
				 "its slot has changed, and what begins gets the server of now"},
	[LB_STATELESS_ELSEWHERE] = {"elsewhere",
				    "its slot's server takes nobody, and this is the next one"},
	[LB_STATELESS_NOBODY] = {"nobody", "nobody"},
};

static bool is_rotation(enum lb_scheduler scheduler)
{
	return scheduler == LB_SCHED_ROUND_ROBIN || scheduler == LB_SCHED_WEIGHTED_ROUND_ROBIN;
}

static void step_choice(const struct told *t)
{
	const struct lb_answer *a = t->a;
	const char *scheduler = "?";

	if (!a->is_chosen || a->way == LB_PICK_FOLLOW)
		return;
	if (a->real_id == UINT32_MAX) {
		step(t, "No real server may take it.");
		return;
	}
	if (service_of(t) != NULL)
		scheduler = lb_state_scheduler_words[service_of(t)->scheduler];
	if (service_of(t) != NULL && is_rotation(service_of(t)->scheduler))
		step(t, "By %s the next one is %s (worker %u, from place %u of %u).", scheduler,
		     real_name(t), a->worker, a->turn + 1, a->n_turns);
	else if (a->is_by_table)
		step(t, "By the table of %s it is %s: %s; %s.", scheduler, real_name(t),
		     table_words[a->table_why].text,
		     a->makes_entry ? "it gets an entry" : "no entry is made");
	else
		step(t, "By %s it is %s.", scheduler, real_name(t));
}

static void step_way(const struct told *t)
{
	const struct lb_answer *a = t->a;
	char src[LB_END_TEXT_MAX], dst[LB_END_TEXT_MAX], mac[LB_MAC_TEXT_MAX];
	char outer_src[LB_ADDR_TEXT_MAX], outer_dst[LB_ADDR_TEXT_MAX];

	if (!has_way(a))
		return;
	lb_end_format(&a->new_src, a->new_sport_be, src);
	lb_end_format(&a->new_dst, a->new_dport_be, dst);
	if (lb_forwarding_is_tunnel(a->forwarding))
		step(t, "By %s it goes unchanged inside %s -> %s.",
		     lb_state_forwarding_words[a->forwarding],
		     lb_addr_is_zero(&a->tunnel_src) ? "no source"
						     : lb_addr_format(&a->tunnel_src, outer_src),
		     lb_addr_format(&a->tunnel_dst, outer_dst));
	else if (a->is_reply)
		step(t, "To the client it goes as %s -> %s.", src, dst);
	else
		step(t, "By %s it goes as %s -> %s.", lb_state_forwarding_words[a->forwarding], src,
		     dst);
	if (a->next_hop == LB_NEXT_HOP_NONE)
		step(t, "There is no route to it.");
	else if (a->hop.resolved == 0)
		step(t, "Its next hop has no link-layer address yet; it is asked for.");
	else
		step(t, "The next hop is %s on %s, %s, MTU %u.", lb_mac_format(a->hop.mac, mac),
		     lb_names_iface(t->names, a->hop.iface),
		     a->next_hop < LB_NEXT_HOP_LEARNED ? "as resolved by the kernel or configured"
						       : "learnt from the client's last packet",
		     a->mtu);
}

static void end_text(const struct told *t, char text[SENTENCE_MAX])
{
	const struct lb_answer *a = t->a;
	const char *reason = lb_counter_info[a->drop_reason].name;
	const char *help = lb_counter_info[a->drop_reason].help;

	if (is_sent(a) && a->is_reply)
		snprintf(text, SENTENCE_MAX, "It goes to the client, from server %s of service %s.",
			 real_name(t), service_name(t));
	else if (is_sent(a))
		snprintf(text, SENTENCE_MAX, "It goes to server %s of service %s, %s.",
			 real_name(t), service_name(t),
			 a->conn == LB_EXPLAIN_CONN_LIVE ? "on its connection"
							 : "as a new connection");
	else if (a->is_originated)
		snprintf(text, SENTENCE_MAX, "It is dropped as %s (%s), and answered by %s.",
			 reason, help,
			 t->q->proto == IPPROTO_TCP && a->drop_reason != LB_COUNT_drop_too_big
				 ? "a reset"
				 : "an ICMP error");
	else if (a->verdict == LB_VERDICT_DROP)
		snprintf(text, SENTENCE_MAX, "It is dropped as %s (%s).", reason, help);
	else
		snprintf(text, SENTENCE_MAX, "It is not ours: the kernel gets it.");
}

static void add_steps(const struct told *t)
{
	char text[SENTENCE_MAX];

	lb_text_json_open(t->out, "steps", '[');
	step(t, "Worker %u decides: %s.", t->a->worker, owner_words(t->a->owner_why));
	step_conn(t);
	step_service(t);
	if (t->a->is_chosen)
		step_record(t);
	step_choice(t);
	step_way(t);
	end_text(t, text);
	step(t, "%s", text);
	lb_text_json_close(t->out, ']');
}

static void add_packet(const struct told *t)
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

static void add_end(const struct told *t)
{
	static const char *const verdicts[LB_VERDICT_N] = {
		[LB_VERDICT_TX] = "tx", [LB_VERDICT_PUNT] = "punt", [LB_VERDICT_DROP] = "drop"};
	const struct lb_answer *a = t->a;
	char text[SENTENCE_MAX];

	end_text(t, text);
	lb_text_json_str(t->out, "summary", text);
	lb_text_json_str(t->out, "verdict", a->is_originated ? "drop" : verdicts[a->verdict]);
	if (a->verdict == LB_VERDICT_DROP || a->is_originated)
		lb_text_json_str(t->out, "reason", lb_counter_info[a->drop_reason].name);
	lb_text_json_bool(t->out, "is_answered", a->is_originated);
	lb_text_json_u64(t->out, "worker", a->worker);
	lb_text_json_str(t->out, "worker_why", owner_words(a->owner_why));
	if (a->slot != UINT32_MAX)
		lb_text_json_str(t->out, "virtual_service", service_name(t));
	lb_text_json_bool(t->out, "is_reply", a->is_reply);
}

static void add_conn(const struct told *t)
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

static void add_choice(const struct told *t)
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
	if (service_of(t) != NULL)
		lb_text_json_str(t->out, "scheduler",
				 lb_state_scheduler_words[service_of(t)->scheduler]);
	lb_text_json_bool(t->out, "by_scheduler", a->way != LB_PICK_FOLLOW);
	lb_text_json_str(t->out, "record",
			 (a->way == LB_PICK_RECORD || a->way == LB_PICK_REPLACE) && !a->is_for_group
				 ? "none"
				 : words[a->way]);
	if (a->is_by_table)
		lb_text_json_str(t->out, "table", table_words[a->table_why].word);
	lb_text_json_bool(t->out, "makes_entry", a->makes_entry);
	if (a->has_record) {
		lb_text_json_str(t->out, "record_machine", machine_text(t, machine));
		lb_text_json_u64(t->out, "record_expires_in_s", a->record_expires_in_s);
		lb_text_json_bool(t->out, "record_is_void", a->way == LB_PICK_REPLACE);
	}
	lb_text_json_close(t->out, '}');
}

static void add_server(const struct told *t)
{
	const struct lb_cfg_real *real;
	char text[LB_ADDR_TEXT_MAX];

	if (t->real == LB_CFG_NONE)
		return;
	real = &pool_of(t)->reals[t->real];
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

static void add_way(const struct told *t)
{
	const struct lb_answer *a = t->a;
	char text[LB_END_TEXT_MAX], mac[LB_MAC_TEXT_MAX];

	if (!has_way(a))
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
static void add_servers(const struct told *t)
{
	const struct lb_cfg_pool *pool;
	char text[LB_ADDR_TEXT_MAX];
	uint32_t n;

	if (!t->a->is_chosen || service_of(t) == NULL)
		return;
	pool = pool_of(t);
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
	struct told t = {.names = names,
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
	add_steps(&t);
	lb_text_json_close(out, '}');
	lb_text_str(out, "\n");
}
