#include "explain_told.h"
#include "state_json.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lb/counters.h"

static bool is_sent(const struct lb_answer *a)
{
	return a->verdict == LB_VERDICT_TX && !a->is_originated;
}

__attribute__((format(printf, 2, 3))) static void step(const struct lb_told *t, const char *fmt,
						       ...)
{
	char text[LB_TOLD_SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	lb_text_json_str(t->out, NULL, text);
}

const char *lb_told_owner_words(uint8_t why)
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

static void step_conn(const struct lb_told *t)
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

static void step_service(const struct lb_told *t)
{
	char dst[LB_END_TEXT_MAX];

	if (t->a->slot != UINT32_MAX)
		step(t,
		     t->a->is_reply ? "It is a reply within virtual service %s."
				    : "Virtual service %s serves it.",
		     lb_told_service_name(t));
	else if (t->a->is_at_nat_port)
		step(t, "No virtual service claims %s, which is one of our NAT source ports.",
		     lb_end_format(&t->q->dst, t->q->dport_be, dst));
	else
		step(t, "No virtual service claims %s.",
		     lb_end_format(&t->q->dst, t->q->dport_be, dst));
}

static void step_record(const struct lb_told *t)
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
		     lb_told_machine_text(t, machine), a->record_expires_in_s);
		return;
	case LB_PICK_BYPASS:
		step(t,
		     "The client's persistence record names machine %s, which does not serve here: "
		     "it "
		     "is left alone.",
		     lb_told_machine_text(t, machine));
		return;
	case LB_PICK_REPLACE:
		step(t,
		     "The client's persistence record names machine %s and is void, because it %s.",
		     lb_told_machine_text(t, machine),
		     a->is_record_old ? "has been down since" : "keeps no clients any more");
		return;
	}
}

static const char *const table_texts[LB_STATELESS_REASON_N] = {
	[LB_STATELESS_SLOT] = "its slot's server",
	[LB_STATELESS_SETTLING] = "its slot has changed, and this is whom it had",
	[LB_STATELESS_OPENED] = "its slot has changed, and what begins gets the server of now",
	[LB_STATELESS_ELSEWHERE] = "its slot's server takes nobody, and this is the next one",
	[LB_STATELESS_NOBODY] = "nobody",
};

static bool is_rotation(enum lb_scheduler scheduler)
{
	return scheduler == LB_SCHED_ROUND_ROBIN || scheduler == LB_SCHED_WEIGHTED_ROUND_ROBIN;
}

static void step_choice(const struct lb_told *t)
{
	const struct lb_answer *a = t->a;
	const char *scheduler = "?";

	if (!a->is_chosen || a->way == LB_PICK_FOLLOW)
		return;
	if (a->real_id == UINT32_MAX) {
		step(t, "No real server may take it.");
		return;
	}
	if (lb_told_service_of(t) != NULL)
		scheduler = lb_state_scheduler_words[lb_told_service_of(t)->scheduler];
	if (lb_told_service_of(t) != NULL && is_rotation(lb_told_service_of(t)->scheduler))
		step(t, "By %s the next one is %s (worker %u, from place %u of %u).", scheduler,
		     lb_told_real_name(t), a->worker, a->turn + 1, a->n_turns);
	else if (a->is_by_table)
		step(t, "By the table of %s it is %s: %s; %s.", scheduler, lb_told_real_name(t),
		     table_texts[a->table_why],
		     a->makes_entry ? "it gets an entry" : "no entry is made");
	else
		step(t, "By %s it is %s.", scheduler, lb_told_real_name(t));
}

static void step_way(const struct lb_told *t)
{
	const struct lb_answer *a = t->a;
	char src[LB_END_TEXT_MAX], dst[LB_END_TEXT_MAX], mac[LB_MAC_TEXT_MAX];
	char outer_src[LB_ADDR_TEXT_MAX], outer_dst[LB_ADDR_TEXT_MAX];

	if (!lb_told_has_way(a))
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

void lb_told_end_text(const struct lb_told *t, char text[LB_TOLD_SENTENCE_MAX])
{
	const struct lb_answer *a = t->a;
	const char *reason = lb_counter_info[a->drop_reason].name;
	const char *help = lb_counter_info[a->drop_reason].help;

	if (is_sent(a) && a->is_reply)
		snprintf(text, LB_TOLD_SENTENCE_MAX,
			 "It goes to the client, from server %s of service %s.",
			 lb_told_real_name(t), lb_told_service_name(t));
	else if (is_sent(a))
		snprintf(text, LB_TOLD_SENTENCE_MAX, "It goes to server %s of service %s, %s.",
			 lb_told_real_name(t), lb_told_service_name(t),
			 a->conn == LB_EXPLAIN_CONN_LIVE ? "on its connection"
							 : "as a new connection");
	else if (a->is_originated)
		snprintf(text, LB_TOLD_SENTENCE_MAX,
			 "It is dropped as %s (%s), and answered by %s.", reason, help,
			 t->q->proto == IPPROTO_TCP && a->drop_reason != LB_COUNT_drop_too_big
				 ? "a reset"
				 : "an ICMP error");
	else if (a->verdict == LB_VERDICT_DROP)
		snprintf(text, LB_TOLD_SENTENCE_MAX, "It is dropped as %s (%s).", reason, help);
	else
		snprintf(text, LB_TOLD_SENTENCE_MAX, "It is not ours: the kernel gets it.");
}

void lb_told_steps(const struct lb_told *t)
{
	char text[LB_TOLD_SENTENCE_MAX];

	lb_text_json_open(t->out, "steps", '[');
	step(t, "Worker %u decides: %s.", t->a->worker, lb_told_owner_words(t->a->owner_why));
	step_conn(t);
	step_service(t);
	if (t->a->is_chosen)
		step_record(t);
	step_choice(t);
	step_way(t);
	lb_told_end_text(t, text);
	step(t, "%s", text);
	lb_text_json_close(t->out, ']');
}
