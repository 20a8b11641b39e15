#include "ballast_replay_explain.h"

#include <netinet/in.h>
#include <stdio.h>

#include "packet/key.h"

/* An address and port with brackets where they are needed. */
#define END_TEXT_MAX (LB_ADDR_TEXT_MAX + 8)

static const char *end_text(const struct lb_addr *addr, rte_be16_t port_be, char text[END_TEXT_MAX])
{
	char a[LB_ADDR_TEXT_MAX];

	lb_addr_format(addr, a);
	snprintf(text, END_TEXT_MAX, lb_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u", a,
		 rte_be_to_cpu_16(port_be));
	return text;
}

static void print_ends(const struct lb_tuple *t, bool has_ports)
{
	char src[END_TEXT_MAX], dst[END_TEXT_MAX];

	if (has_ports)
		printf(" %s -> %s", end_text(&t->src, t->sport_be, src),
		       end_text(&t->dst, t->dport_be, dst));
	else
		printf(" %s -> %s", lb_addr_format(&t->src, src), lb_addr_format(&t->dst, dst));
}

static struct lb_tuple tuple_of(const struct lb_key *key)
{
	return (struct lb_tuple){lb_key_src(key), lb_key_dst(key), lb_key_sport(key),
				 lb_key_dport(key)};
}

/* Only the first fragment of a packet shows its ports. */
static bool has_ports(const struct lb_pkt *p)
{
	return p->kind != LB_PKT_FRAGMENT || p->fragment_part == LB_FRAGMENT_FIRST;
}

/* What ended the packet, if it has ended; false: it goes on. */
static bool print_end(const struct lb_pkt *p)
{
	const char *reason = p->drop_reason < LB_COUNTER_N ? lb_counter_info[p->drop_reason].name
							   : "";

	switch ((enum lb_verdict)p->verdict) {
	case LB_VERDICT_DROP:
		printf(" %s: %s", reason, lb_counter_info[p->drop_reason].help);
		return true;
	case LB_VERDICT_PUNT:
		printf(" not ours, to the kernel");
		return true;
	case LB_VERDICT_HAND_OVER:
		printf(" to worker %u, which owns it", p->owner);
		return true;
	case LB_VERDICT_HOLD:
		printf(" waits for its first fragment");
		return true;
	case LB_VERDICT_TX:
		if (!p->is_originated)
			return false;
		printf(" %s, answered by %s", reason,
		       p->proto == IPPROTO_TCP ? "a reset" : "an ICMP error");
		return true;
	default:
		return false;
	}
}

static void print_admit(const struct lb_pkt *p)
{
	static const char *const flags[] = {"FIN", "SYN", "RST", NULL, "ACK"};
	/* Of an ICMP error, what the quoted packet's answers look like. */
	struct lb_tuple t = tuple_of(&p->key);

	if (p->kind == LB_PKT_ICMP_ERROR)
		printf(" ICMP error about");
	if (p->kind == LB_PKT_FRAGMENT)
		printf(has_ports(p) ? " first fragment of" : " fragment of");
	printf(" %s", lb_key_proto(&p->key) == IPPROTO_TCP ? "tcp" : "udp");
	if (p->kind == LB_PKT_ICMP_ERROR)
		t = (struct lb_tuple){t.dst, t.src, t.dport_be, t.sport_be};
	print_ends(&t, has_ports(p));
	for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i] != NULL && (p->tcp_flags >> i & 1) != 0)
			printf(" %s", flags[i]);
}

static const char *service_name(const struct lb_explain *e, uint32_t slot)
{
	for (uint32_t i = 0; i < e->cfg->n_services; i++)
		if (lb_reconcile_service_slot(e->reconcile, i) == slot)
			return e->cfg->services[i].name;
	return "?";
}

static const char *real_name(const struct lb_explain *e, uint32_t slot, uint32_t real_id)
{
	for (uint32_t i = 0; i < e->cfg->n_services; i++) {
		const struct lb_cfg_pool *pool = &e->cfg->pools[e->cfg->services[i].pool];

		if (lb_reconcile_service_slot(e->reconcile, i) != slot)
			continue;
		for (uint32_t j = 0; j < pool->n_reals; j++) {
			struct lb_real_status status;

			lb_reconcile_service_real(e->reconcile, i, j, &status);
			if (status.real_id == real_id)
				return pool->reals[j].name;
		}
	}
	return "?";
}

static void print_choose(const struct lb_explain *e, const struct lb_pkt *p)
{
	printf(" service %s, server %s, %s", service_name(e, p->service),
	       real_name(e, p->service, p->real_id),
	       p->is_reply ? "to the client" : "to the server");
}

static void print_deliver(const struct lb_explain *e, const struct lb_pkt *p)
{
	const uint8_t *mac = p->data;
	struct lb_tuple t = tuple_of(lb_forwarding_is_one_way(p->forwarding) ? &p->key : &p->to);

	print_ends(&t, has_ports(p));
	printf(" by %s at %02x:%02x:%02x:%02x:%02x:%02x",
	       p->out_iface < e->cfg->node.n_interfaces ? e->cfg->node.interfaces[p->out_iface].name
							: "?",
	       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_account(const struct lb_explain *e, const struct lb_pkt *p)
{
	printf(e->is_again ? " no longer held" : " rx");
	if (p->verdict == LB_VERDICT_TX && p->is_originated)
		printf(", %s, originated, tx", lb_counter_info[p->drop_reason].name);
	else if (p->verdict == LB_VERDICT_TX)
		printf(", tx");
	else if (p->verdict == LB_VERDICT_DROP)
		printf(", %s", lb_counter_info[p->drop_reason].name);
	else if (p->verdict == LB_VERDICT_PUNT)
		printf(", punted");
	else if (p->verdict == LB_VERDICT_HAND_OVER)
		printf(", handed_out");
	else
		printf(", held");
}

void lb_explain_pass(void *ctx, enum lb_pass pass, uint32_t idx, const struct lb_pkt *pkt)
{
	static const char *const names[LB_PASS_N] = {"admit", "choose", "deliver", "account"};
	const struct lb_explain *e = ctx;

	printf("packet %llu %-8s", (unsigned long long)e->numbers[idx], names[pass]);
	if (pass == LB_PASS_ACCOUNT)
		print_account(e, pkt);
	else if (!print_end(pkt)) {
		if (pass == LB_PASS_ADMIT)
			print_admit(pkt);
		else if (pass == LB_PASS_CHOOSE)
			print_choose(e, pkt);
		else
			print_deliver(e, pkt);
	}
	putchar('\n');
}
