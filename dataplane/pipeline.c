/* The map of the program: read lb_pipeline_run at the end of this file first, then the four passes
 * above it, in order. What a pass calls for one packet stands right above it or, of choose, in
 * pipeline_choose.c; everything else is in packet/ and steer/. */
#include "pipeline.h"

#include <assert.h>

#include <rte_branch_prediction.h>

#include "packet/encap.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "packet/tags.h"
#include "pipeline_state.h"
#include "steer/service_object.h"

#define PREFETCH_AHEAD 4u /* packets; enough to cover a line from memory while one is parsed */

static void keep_live(struct lb_burst *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n_live; i++)
		if (b->pkt[b->live[i]].verdict == LB_VERDICT_CONTINUE)
			b->live[n++] = b->live[i];
	b->n_live = n;
}

/* --- admit ----------------------------------------------------------------------------------- */

static bool is_ours(const struct lb_steer *st, const struct lb_addr *addr)
{
	return lb_service_table_has_vip(st->service_table, addr) ||
	       lb_nat_addr_set_has(st->nat_addr_set, addr);
}

static void admit(const struct lb_steer *st, struct lb_pkt *p)
{
	struct lb_addr dst;

	switch ((enum lb_pkt_kind)p->kind) {
	case LB_PKT_FLOW:
		break;
	case LB_PKT_ICMP_ERROR:
		/* The error travels against the packet that it quotes, with that one's answers. */
		p->key = lb_key_reversed(&p->key);
		break;
	case LB_PKT_FRAGMENT:
		dst = lb_key_dst(&p->key);
		if (is_ours(st, &dst))
			lb_pkt_drop(p, LB_COUNT_drop_fragment);
		else
			p->verdict = LB_VERDICT_PUNT;
		return;
	case LB_PKT_OTHER:
		p->verdict = LB_VERDICT_PUNT;
		return;
	}
	p->hash = lb_conn_hash(st->conn_table, &p->key);
	lb_conn_prefetch(st->conn_table, &p->key, p->hash);
}

/* A VLAN in which we have no interface is the kernel's, whatever the frame says. */
static inline void find_iface(struct lb_steer *st, struct lb_pkt *p)
{
	p->iface = p->port;
	if (likely(!lb_ifaces_must_search(&st->ifaces, p->port, p->tags)))
		return;
	p->iface = lb_ifaces_find(&st->ifaces, p->port, p->tags);
	if (p->iface != LB_IFACE_NONE)
		return;
	lb_count(st, LB_COUNT_vlan_unknown);
	p->verdict = LB_VERDICT_PUNT;
}

static void clear_decisions(struct lb_pkt *p)
{
	p->verdict = LB_VERDICT_CONTINUE;
	p->is_reply = 0;
	p->drop_reason = 0;
	p->next_hop = LB_NEXT_HOP_NONE;
	p->service = LB_SERVICE_NOT_FOUND;
	p->real_id = UINT32_MAX;
	p->conn = NULL;
	p->is_originated = false;
}

/* Bytes -> interface, kind, key and hash.
 * Reads                 the frame; interfaces
 * Writes                the parse fields, iface, key (of an ICMP error: of the answers to what it
 *                       quotes), hash; clears every decision
 * May end packets with  PUNT (not TCP, UDP or an ICMP error about them; fragments not for us; a
 *                       VLAN without an interface), drop_fragment, the parser's drops
 * Prefetches            headers of the packets behind; the connection table's bucket */
static void pass_admit(struct lb_pipeline *pl, struct lb_burst *b)
{
	for (uint32_t i = 0; i < b->n && i < PREFETCH_AHEAD; i++)
		__builtin_prefetch(b->pkt[i].data);
	for (uint32_t i = 0; i < b->n; i++) {
		struct lb_pkt *p = &b->pkt[i];

		if (i + PREFETCH_AHEAD < b->n)
			__builtin_prefetch(b->pkt[i + PREFETCH_AHEAD].data);
		clear_decisions(p);
		lb_parse(p);
		find_iface(&pl->steer, p);
		if (p->verdict == LB_VERDICT_CONTINUE)
			admit(&pl->steer, p);
		b->live[i] = (uint16_t)i;
	}
	b->n_live = b->n;
	keep_live(b);
}

/* --- choose ---------------------------------------------------------------------------------- */

/* First what the entries name, then what that names: each line is on its way before it is read. */
static void look_up(struct lb_steer *st, struct lb_burst *b)
{
	for (uint32_t i = 0; i < b->n_live; i++) {
		struct lb_pkt *p = &b->pkt[b->live[i]];

		p->conn = lb_conn_lookup(st->conn_table, &p->key, p->hash);
		if (p->conn == NULL)
			continue;
		__builtin_prefetch(&st->services[p->conn->service]);
		__builtin_prefetch(&st->service_traffic[p->conn->service]);
		__builtin_prefetch(lb_next_hop_get(st->next_hops, p->conn->client_next_hop));
		if (!lb_conn_is_reply(p->conn))
			__builtin_prefetch(&st->reals[p->conn->fwd.real_id]);
	}
	for (uint32_t i = 0; i < b->n_live; i++) {
		const struct lb_conn *conn = b->pkt[b->live[i]].conn;

		if (conn == NULL)
			continue;
		__builtin_prefetch(st->services[conn->service]);
		if (lb_conn_is_reply(conn))
			continue;
		__builtin_prefetch(&st->real_traffic[conn->fwd.real_id]);
		__builtin_prefetch(
			lb_next_hop_get(st->next_hops, st->reals[conn->fwd.real_id].next_hop));
	}
}

/* Which connection, and so which server and which way.
 * Reads                 key, hash, kind, TCP flags, source MAC; connections, services, records,
 *                       targets, routes
 * Writes                conn, service, real_id, is_reply, next_hop, the new addresses and ports;
 *                       connections, records, learnt next hops
 * May end packets with  PUNT, HAND_OVER, drop_no_connection, drop_no_server, drop_table_full,
 *                       drop_nat_exhausted, drop_family_mismatch, drop_next_hop_full,
 *                       drop_not_on_link, drop_icmp_no_connection, drop_icmp_malformed,
 *                       drop_hand_over_again; TX of a reset or ICMP error
 * Prefetches            service objects, servers, next hops and traffic of known connections */
static void pass_choose(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;
	uint32_t table_changes = st->table_changes;

	look_up(st, b);
	for (uint32_t i = 0; i < b->n_live; i++) {
		struct lb_pkt *p = &b->pkt[b->live[i]];

		/* An earlier packet of the burst may have opened or moved its connection. */
		if (st->table_changes != table_changes)
			p->conn = lb_conn_lookup(st->conn_table, &p->key, p->hash);
		if (p->kind == LB_PKT_FLOW)
			lb_choose_flow(pl, p, now_ms);
		else
			lb_choose_icmp_error(st, p);
	}
	keep_live(b);
}

/* --- deliver --------------------------------------------------------------------------------- */

static void note_unresolved(struct lb_pipeline *pl, uint32_t id)
{
	if (id == LB_NEXT_HOP_NONE || id >= LB_NEXT_HOP_LEARNED)
		return;
	for (uint32_t i = 0; i < pl->n_unresolved; i++)
		if (pl->unresolved[i] == id)
			return;
	if (pl->n_unresolved < LB_UNRESOLVED_MAX)
		pl->unresolved[pl->n_unresolved++] = id;
}

/* What the error quotes becomes what the receiver itself sent. Its sender is hidden like any other
 * packet's if it is the other end of the connection; a router on the way keeps its own address,
 * towards a client as towards a server: it is where the error comes from, and nobody answers it. */
static void rewrite_error(struct lb_pkt *p)
{
	struct lb_icmp_quote quote = {p->new_dst, p->new_src, p->new_dport_be, p->new_sport_be};
	struct lb_addr end = lb_key_src(&p->key), src = lb_outer_src(p);

	if (!lb_addr_equal(&src, &end))
		p->new_src = src;
	lb_rewrite_icmp_error(p, &quote);
}

/* The tunnel that this packet takes, if it takes one. */
static struct lb_encap tunnel_of(const struct lb_steer *st, const struct lb_pkt *p, uint8_t iface)
{
	const struct lb_addr *server = &st->reals[p->real_id].addr;

	return (struct lb_encap){
		.src = st->ifaces.of[iface].tunnel_source[lb_addr_is_v4(server) ? 0 : 1],
		.dst = *server,
		.flow_hash = p->hash,
		.dport_be = st->services[p->service]->gue_port_be,
		.is_gue = p->forwarding == LB_FORWARD_GUE,
	};
}

/* What goes on in front of the packet or in its headers; false: it has ended. */
static bool write_out(struct lb_pipeline *pl, struct lb_pkt *p, uint8_t out_iface, uint64_t now_ms)
{
	const struct lb_steer *st = &pl->steer;
	bool is_tunnel = lb_forwarding_is_tunnel(p->forwarding);
	uint32_t mtu = st->ifaces.of[out_iface].mtu, n_more = 0;
	struct lb_encap tunnel;

	if (is_tunnel) {
		tunnel = tunnel_of(st, p, out_iface);
		n_more = lb_encap_bytes(&tunnel);
	}
	if (mtu != 0 && p->ip_len + n_more > mtu) {
		lb_refuse_too_big(pl, p, mtu - n_more, now_ms);
		return false;
	}
	if (is_tunnel && lb_addr_is_zero(&tunnel.src)) {
		lb_pkt_drop(p, LB_COUNT_drop_no_tunnel_source);
		return false;
	}
	if (is_tunnel && !lb_encap_push(p, &tunnel)) {
		lb_pkt_drop(p, LB_COUNT_drop_too_large);
		return false;
	}
	if (lb_forwarding_is_one_way(p->forwarding))
		return true;
	if (!lb_rewrite_ttl(p)) {
		lb_refuse(pl, p, LB_COUNT_drop_ttl_expired, &st->services[p->service]->vip,
			  LB_ICMP_TTL_EXCEEDED, now_ms);
		return false;
	}
	if (p->kind == LB_PKT_FLOW)
		lb_rewrite_flow(p);
	else
		rewrite_error(p);
	return true;
}

void lb_deliver(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	const struct lb_steer *st = &pl->steer;
	const struct lb_next_hop *nh = lb_next_hop_get(st->next_hops, p->next_hop);
	const struct lb_iface *out = &st->ifaces.of[nh->iface];

	if (p->forwarding == LB_FORWARD_DSR && st->reals[p->real_id].via_gateway != 0) {
		lb_pkt_drop(p, LB_COUNT_drop_not_on_link);
		return;
	}
	if (nh->resolved == 0) {
		note_unresolved(pl, p->next_hop);
		lb_pkt_drop(p, LB_COUNT_drop_next_hop_unresolved);
		return;
	}
	if (!write_out(pl, p, nh->iface, now_ms))
		return;
	if (unlikely(out->tags != p->tags) && !lb_tags_replace(p, out->tags)) {
		lb_pkt_drop(p, LB_COUNT_drop_too_large);
		return;
	}
	lb_rewrite_link(p, nh->mac, out->mac);
	p->out_iface = nh->iface;
	p->out_port = out->port;
	p->verdict = LB_VERDICT_TX;
}

/* The packet as it leaves.
 * Reads                 forwarding, next_hop, the new addresses and ports; next hops, servers,
 *                       interfaces
 * Writes                the frame, out_iface, verdict
 * May end packets with  TX, drop_ttl_expired, drop_next_hop_unresolved, drop_not_on_link,
 *                       drop_too_big, drop_no_tunnel_source, drop_too_large; TX of an ICMP error
 * Prefetches            nothing: choose has */
static void pass_deliver(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms)
{
	for (uint32_t i = 0; i < b->n_live; i++)
		lb_deliver(pl, &b->pkt[b->live[i]], now_ms);
	keep_live(b);
}

/* --- account --------------------------------------------------------------------------------- */

static void account_traffic(struct lb_steer *st, const struct lb_pkt *p)
{
	struct lb_traffic_cell *cells[2] = {&st->service_traffic[p->service],
					    &st->real_traffic[p->real_id]};

	for (uint32_t i = 0; i < 2; i++) {
		lb_add(p->is_reply ? &cells[i]->pkts_out : &cells[i]->pkts_in, 1);
		lb_add(p->is_reply ? &cells[i]->bytes_out : &cells[i]->bytes_in, lb_pkt_bytes(p));
	}
	if (p->kind == LB_PKT_ICMP_ERROR)
		lb_count(st, lb_forwarding_is_one_way(p->forwarding) ? LB_COUNT_icmp_passed_on
								     : LB_COUNT_icmp_translated);
	if ((p->tcp_flags & LB_TCP_RST) != 0)
		lb_count(st, LB_COUNT_tcp_rst_seen);
}

static void account(struct lb_steer *st, const struct lb_pkt *p)
{
	switch ((enum lb_verdict)p->verdict) {
	case LB_VERDICT_TX:
		lb_count(st, LB_COUNT_tx);
		if (p->is_originated) {
			lb_count(st, LB_COUNT_originated);
			lb_count(st, (enum lb_counter)p->drop_reason);
		} else {
			account_traffic(st, p);
		}
		break;
	case LB_VERDICT_PUNT:
		lb_count(st, LB_COUNT_punted);
		break;
	case LB_VERDICT_HAND_OVER:
		lb_count(st, LB_COUNT_handed_out);
		break;
	case LB_VERDICT_HOLD:
		lb_count(st, LB_COUNT_held);
		break;
	case LB_VERDICT_DROP:
		lb_count(st, (enum lb_counter)p->drop_reason);
		break;
	case LB_VERDICT_CONTINUE:
	case LB_VERDICT_N:
		assert(p->verdict == LB_VERDICT_TX); /* every packet has a verdict */
	}
}

/* Verdicts -> counters, exactly once per packet.
 * Reads                 verdict, drop_reason, is_originated, service, real_id, len
 * Writes                counters and traffic
 * May end packets with  nothing: all have ended
 * Prefetches            nothing */
static void pass_account(struct lb_pipeline *pl, const struct lb_burst *b)
{
	lb_add(&pl->counters[LB_COUNT_rx], b->n);
	for (uint32_t i = 0; i < b->n; i++)
		account(&pl->steer, &b->pkt[i]);
}

/* --- the whole way --------------------------------------------------------------------------- */

/* Shows each packet after every pass that worked on it: those that had not ended before. */
static uint32_t observe(const struct lb_pipeline *pl, const struct lb_burst *b, enum lb_pass pass,
			uint32_t ended)
{
	if (pl->on_pass == NULL)
		return 0;
	for (uint32_t i = 0; i < b->n; i++) {
		if (pass != LB_PASS_ACCOUNT && (ended >> i & 1) != 0)
			continue;
		pl->on_pass(pl->on_pass_ctx, pass, i, &b->pkt[i]);
		if (b->pkt[i].verdict != LB_VERDICT_CONTINUE)
			ended |= 1u << i;
	}
	return ended;
}

void lb_pipeline_run(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms)
{
	uint32_t ended;

	assert(b->n <= LB_BURST_MAX);
	pass_admit(pl, b);
	ended = observe(pl, b, LB_PASS_ADMIT, 0);
	pass_choose(pl, b, now_ms);
	ended = observe(pl, b, LB_PASS_CHOOSE, ended);
	pass_deliver(pl, b, now_ms);
	ended = observe(pl, b, LB_PASS_DELIVER, ended);
	pass_account(pl, b);
	observe(pl, b, LB_PASS_ACCOUNT, ended);
}
