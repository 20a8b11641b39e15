#include "trace_text.h"

#include <netinet/in.h>
#include <stdio.h>

#include "lb/counters.h"

const char *const lb_pass_name[LB_PASS_N] = {"admit", "choose", "deliver", "account"};

/* Only the first fragment of a packet shows its ports. */
static void put_ends(const struct lb_trace_record *r, struct lb_text *out,
		     const struct lb_trace_end *src, const struct lb_trace_end *dst)
{
	char from[LB_END_TEXT_MAX], to[LB_END_TEXT_MAX];

	if (r->kind == LB_TRACE_FRAGMENT)
		lb_text_fmt(out, "%s -> %s", lb_addr_format(&src->addr, from),
			    lb_addr_format(&dst->addr, to));
	else
		lb_text_fmt(out, "%s -> %s", lb_end_format(&src->addr, src->port_be, from),
			    lb_end_format(&dst->addr, dst->port_be, to));
}

/* What ended the packet. */
static void put_end(const struct lb_trace_record *r, struct lb_text *out)
{
	const struct lb_counter_info *reason = &lb_counter_info[r->drop_reason];

	switch ((enum lb_verdict)r->verdict) {
	case LB_VERDICT_DROP:
		lb_text_fmt(out, "%s: %s", reason->name, reason->help);
		break;
	case LB_VERDICT_PUNT:
		lb_text_str(out, "not ours, to the kernel");
		break;
	case LB_VERDICT_HAND_OVER:
		lb_text_fmt(out, "to worker %u, which owns it", r->owner);
		break;
	case LB_VERDICT_HOLD:
		lb_text_str(out, "waits for its first fragment");
		break;
	default: /* TX, of an answer */
		lb_text_fmt(out, "%s, answered by %s", reason->name,
			    r->proto == IPPROTO_TCP && r->ended_in == LB_PASS_CHOOSE
				    ? "a reset"
				    : "an ICMP error");
	}
}

static void put_admit(const struct lb_trace_record *r, struct lb_text *out)
{
	static const char *const flags[] = {"FIN", "SYN", "RST", NULL, "ACK"};

	if (r->kind == LB_TRACE_ICMP_ERROR)
		lb_text_str(out, "ICMP error about ");
	if (r->kind == LB_TRACE_FRAGMENT)
		lb_text_str(out, "fragment of ");
	if (r->kind == LB_TRACE_FIRST_FRAGMENT)
		lb_text_str(out, "first fragment of ");
	lb_text_str(out, r->proto == IPPROTO_TCP ? "tcp " : "udp ");
	/* What is quoted goes the other way. */
	if (r->kind == LB_TRACE_ICMP_ERROR)
		put_ends(r, out, &r->dst, &r->src);
	else
		put_ends(r, out, &r->src, &r->dst);
	for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i] != NULL && (r->tcp_flags >> i & 1) != 0)
			lb_text_fmt(out, " %s", flags[i]);
}

static void put_account(const struct lb_trace_record *r, struct lb_text *out)
{
	const char *reason = lb_counter_info[r->drop_reason].name;

	lb_text_str(out, r->is_again ? "no longer held" : "rx");
	if (r->verdict == LB_VERDICT_TX && r->is_originated)
		lb_text_fmt(out, ", %s, originated, tx", reason);
	else if (r->verdict == LB_VERDICT_TX)
		lb_text_str(out, ", tx");
	else if (r->verdict == LB_VERDICT_DROP)
		lb_text_fmt(out, ", %s", reason);
	else if (r->verdict == LB_VERDICT_PUNT)
		lb_text_str(out, ", punted");
	else if (r->verdict == LB_VERDICT_HAND_OVER)
		lb_text_str(out, ", handed_out");
	else
		lb_text_str(out, ", held");
}

bool lb_trace_text(const struct lb_names *names, const struct lb_trace_record *r, enum lb_pass pass,
		   struct lb_text *out)
{
	char mac[LB_MAC_TEXT_MAX];

	if (pass != LB_PASS_ACCOUNT && pass > r->ended_in)
		return false;
	if (pass == LB_PASS_ACCOUNT) {
		put_account(r, out);
	} else if (pass == r->ended_in && (r->verdict != LB_VERDICT_TX || r->is_originated)) {
		put_end(r, out);
	} else if (pass == LB_PASS_ADMIT) {
		put_admit(r, out);
	} else if (pass == LB_PASS_CHOOSE) {
		lb_text_fmt(out, "service %s, server %s, %s", lb_names_service(names, r->slot),
			    lb_names_real(names, r->slot, r->real_id),
			    r->is_reply ? "to the client" : "to the server");
	} else {
		put_ends(r, out, &r->new_src, &r->new_dst);
		lb_text_fmt(out, " by %s at %s", lb_names_iface(names, r->out_iface),
			    lb_mac_format(r->out, mac));
	}
	return true;
}

static void add_frame(struct lb_text *out, const char *key, const char *bytes_key,
		      const uint8_t *frame, uint32_t n_bytes)
{
	uint32_t n = n_bytes < LB_TRACE_BYTES ? n_bytes : LB_TRACE_BYTES;
	char hex[2 * LB_TRACE_BYTES + 1];

	for (uint32_t i = 0; i < n; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", frame[i]);
	hex[2 * n] = '\0';
	lb_text_json_u64(out, bytes_key, n_bytes);
	lb_text_json_str(out, key, hex);
}

static void add_ends(struct lb_text *out, const struct lb_trace_record *r)
{
	char text[LB_END_TEXT_MAX];

	if (r->kind == LB_TRACE_OTHER)
		return;
	lb_text_json_str(out, "protocol", r->proto == IPPROTO_TCP ? "tcp" : "udp");
	lb_text_json_str(out, "source", lb_end_format(&r->src.addr, r->src.port_be, text));
	lb_text_json_str(out, "destination", lb_end_format(&r->dst.addr, r->dst.port_be, text));
}

static void add_passes(const struct lb_names *names, const struct lb_trace_record *r,
		       struct lb_text *out)
{
	lb_text_json_open(out, "passes", '{');
	for (int pass = 0; pass < LB_PASS_N; pass++) {
		struct lb_text line = {0};

		if (lb_trace_text(names, r, (enum lb_pass)pass, &line))
			lb_text_json_str(out, lb_pass_name[pass],
					 line.data != NULL ? line.data : "");
		lb_text_free(&line);
	}
	lb_text_json_close(out, '}');
}

void lb_trace_json(const struct lb_names *names, const struct lb_trace_record *r, uint32_t worker,
		   struct lb_text *out)
{
	static const char *const verdicts[LB_VERDICT_N] = {
		[LB_VERDICT_CONTINUE] = "none", [LB_VERDICT_TX] = "tx",
		[LB_VERDICT_PUNT] = "punt",     [LB_VERDICT_HAND_OVER] = "hand_over",
		[LB_VERDICT_HOLD] = "hold",     [LB_VERDICT_DROP] = "drop"};
	bool is_dropped = r->verdict == LB_VERDICT_DROP || r->is_originated;

	lb_text_json_open(out, NULL, '{');
	lb_text_json_u64(out, "worker", worker);
	lb_text_json_seconds(out, "at_s", r->at_ms);
	lb_text_json_bool(out, "is_handed_over", r->is_handed);
	lb_text_json_bool(out, "has_waited", r->is_again);
	add_ends(out, r);
	lb_text_json_bool(out, "is_known_connection", r->was_known);
	if (r->slot != UINT32_MAX)
		lb_text_json_str(out, "virtual_service", lb_names_service(names, r->slot));
	if (r->real_id != UINT32_MAX)
		lb_text_json_str(out, "real_server", lb_names_real(names, r->slot, r->real_id));
	lb_text_json_bool(out, "is_reply", r->is_reply);
	lb_text_json_str(out, "verdict", is_dropped ? "drop" : verdicts[r->verdict]);
	lb_text_json_bool(out, "is_answered", r->is_originated);
	if (is_dropped)
		lb_text_json_str(out, "reason", lb_counter_info[r->drop_reason].name);
	add_passes(names, r, out);
	lb_text_json_str(out, "interface_in", lb_names_iface(names, r->iface));
	add_frame(out, "frame_in", "bytes_in", r->in, r->in_bytes);
	if (r->out_bytes != 0) {
		lb_text_json_str(out, "interface_out",
				 lb_names_iface(names, r->is_originated ? r->iface : r->out_iface));
		add_frame(out, "frame_out", "bytes_out", r->out, r->out_bytes);
	}
	lb_text_json_close(out, '}');
}
