/* The map of the program: read lb_pipeline_run at the end of this file first, then the four passes
 * above it, in order. What a pass calls for one packet stands right above it or, of choose, in
 * pipeline_known.h (nearly every packet) and pipeline_choose.c (all others); what only some packets
 * need has files of its own beside it (pipeline_foresee, _fragment, _stateless, _tunnel,
 * _server_down, _tunnel_error, _mss); everything else is in packet/ and steer/. */
#include "pipeline.h"

#include <assert.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "packet/encap.h"
#include "packet/fragment.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "packet/tags.h"
#include "pipeline_known.h"
#include "pipeline_state.h"
#include "pipeline_tunnel.h"
#include "steer/service_object.h"

#define ALL UINT32_MAX
#define PREFETCH_AHEAD 8u /* packets; enough to cover a line from memory while one is parsed */

/* A pass keeps, in order, what it has not ended. */
static inline void keep_if_live(struct lb_burst *b, uint32_t *n, struct lb_pkt *p)
{
	b->live[*n] = p;
	*n += p->verdict == LB_VERDICT_CONTINUE;
}

/* --- admit ----------------------------------------------------------------------------------- */

/* What is not a whole TCP or UDP packet; the parser may have ended it. False: it has ended. */
static bool admit_other(struct lb_pipeline *pl, struct lb_pkt *p)
{
	if (p->verdict != LB_VERDICT_CONTINUE)
		return false;
	if (p->quote_off != 0 && lb_admit_tunnel_error(pl, p))
		return true;
	if (p->kind == LB_PKT_ICMP_ERROR) {
		/* The error travels against the packet that it quotes, with that one's answers. */
		p->key = lb_key_reversed(&p->key);
		return true;
	}
	if (p->kind == LB_PKT_FRAGMENT)
		return lb_admit_fragment(pl, p);
	p->verdict = LB_VERDICT_PUNT;
	return false;
}

/* A VLAN in which we have no interface is the kernel's, whatever the frame says: false. */
static inline bool find_iface(struct lb_steer *st, struct lb_pkt *p)
{
	p->iface = p->port;
	if (likely(!lb_ifaces_must_search(&st->ifaces, p->port, p->tags)))
		return true;
	p->iface = lb_ifaces_find(&st->ifaces, p->port, p->tags);
	if (p->iface != LB_IFACE_NONE)
		return true;
	lb_count(st, LB_COUNT_vlan_unknown);
	p->verdict = LB_VERDICT_PUNT;
	return false;
}

/* Bytes -> interface, kind, key and hash.
 * Reads                 the frame; interfaces
 * Writes                the parse fields, iface, key (of an ICMP error: of the answers to what it
 *                       quotes), hash; clears every decision
 * May end packets with  PUNT (not TCP, UDP or an ICMP error about them; fragments not for us; a
 *                       VLAN without an interface), HAND_OVER (a fragment to where those of its
 *                       packet meet), drop_fragment_malformed, the parser's drops
 * Prefetches            headers of the packets behind; the connection table's bucket. A stateless
 *                       service leaves hash and bucket to choose, which asks for the service first
 */
static void pass_admit(struct lb_pipeline *pl, struct lb_burst *b)
{
	struct lb_steer *st = &pl->steer;
	const struct lb_conn_table *table = st->conn_table;
	const bool asks_table = st->n_stateless == 0;
	const uint32_t n = b->n;
	uint32_t n_live = 0;

	for (uint32_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(b->pkt[i].data);
	for (uint32_t i = 0; i < n; i++) {
		struct lb_pkt *p = &b->pkt[i];

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(b->pkt[i + PREFETCH_AHEAD].data);
		lb_parse(p);
		if (unlikely(!find_iface(st, p)))
			continue;
		if (unlikely(p->kind != LB_PKT_FLOW) && !admit_other(pl, p))
			continue;
		if (likely(asks_table)) {
			p->hash = lb_conn_hash(table, &p->key);
			lb_conn_prefetch(table, &p->key, p->hash);
		}
		b->live[n_live++] = p;
	}
	b->n_live = n_live;
}

/* --- choose ---------------------------------------------------------------------------------- */

/* What an entry names is on its way before it is read. */
static inline void prefetch_named(const struct lb_steer *st, const struct lb_pkt *p,
				  const struct lb_conn *conn)
{
	uint32_t real_id;
	uint16_t life;

	rte_prefetch0(&st->service_lines[conn->service]);
	if (!lb_conn_is_reply(conn)) {
		rte_prefetch0(&st->real_lines[conn->fwd.real_id]);
		if (!lb_forwarding_is_one_way(conn->fwd.forwarding))
			rte_prefetch0(&st->hops[conn->client_next_hop]);
		/* The outer header goes where nothing has been read or written yet. */
		else if (lb_forwarding_is_tunnel(conn->fwd.forwarding))
			rte_prefetch0(p->data - LB_ENCAP_BYTES_MAX);
		return;
	}
	rte_prefetch0(&st->hops[conn->client_next_hop]);
	if (likely(!p->key.is_v6)) {
		lb_conn_server(st, conn, false, &real_id, &life);
		rte_prefetch0(&st->real_lines[real_id]);
	} else {
		rte_prefetch0(lb_conn_server_word(st->conn_table, conn, true));
	}
}

/* `to_choose`: a bit for each live packet that has not been chosen for. */
static inline bool is_chosen(uint32_t to_choose, uint32_t i)
{
	return to_choose != ALL && (to_choose >> i & 1) == 0;
}

/* A live packet that nothing was found for: its bit, if its replies can be foreseen. */
static inline uint32_t ask_ahead(const struct lb_steer *st, const struct lb_burst *b, uint32_t i)
{
	struct lb_pkt *p = b->live[i];

	return p->kind == LB_PKT_FLOW && lb_ask_ahead(st, p) ? 1u << i : 0;
}

static void look_up(const struct lb_steer *st, struct lb_burst *b, uint32_t to_choose,
		    uint64_t now_ms)
{
	const struct lb_conn_table *table = st->conn_table;
	const uint32_t n_live = b->n_live;
	uint8_t open[LB_BURST_MAX];
	uint32_t n_open = 0, fresh = 0;

	for (uint32_t i = 0; i < n_live; i++) {
		struct lb_pkt *p = b->live[i];
		struct lb_conn *conn;
		bool is_open;

		if (unlikely(is_chosen(to_choose, i)))
			continue;
		conn = lb_conn_find_first(table, &p->key, p->hash, &is_open);
		p->conn = conn;
		if (likely(conn != NULL)) {
			prefetch_named(st, p, conn);
			continue;
		}
		if (is_open)
			lb_conn_prefetch_second(table, &p->key, p->hash);
		else
			fresh |= ask_ahead(st, b, i);
		open[n_open] = (uint8_t)i;
		n_open += is_open;
	}
	for (uint32_t i = 0; i < n_open; i++) {
		struct lb_pkt *p = b->live[open[i]];

		p->conn = lb_conn_find_second(table, &p->key, p->hash);
		if (p->conn != NULL)
			prefetch_named(st, p, p->conn);
		else
			fresh |= ask_ahead(st, b, open[i]);
	}
	if (fresh != 0)
		lb_foresee_replies(st, b, fresh, now_ms);
}

/* A packet that does not just go on with its connection. */
static void choose_other(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	switch ((enum lb_pkt_kind)p->kind) {
	case LB_PKT_FLOW:
		lb_choose_flow(pl, p, now_ms);
		break;
	case LB_PKT_FRAGMENT:
		lb_choose_fragment(pl, p, now_ms);
		break;
	case LB_PKT_TUNNEL_ERROR:
		lb_choose_tunnel_error(pl, p, now_ms);
		break;
	case LB_PKT_ICMP_ERROR:
	case LB_PKT_OTHER:
		lb_choose_icmp_error(&pl->steer, p);
		break;
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
 *                       drop_hand_over_again, drop_server_down; drop_unproven and
 *                       drop_service_rate, _full of new connections; HOLD and
 *                       drop_fragment_tiny, _overlap, _full of fragments; drop_icmp_tunnel; TX of
 *                       a reset or ICMP error
 * Prefetches            second buckets; of known connections the lines of service and server, the
 *                       client's next hop in NAT modes, the headroom in tunnel modes; service and
 *                       records of new ones, and in NAT modes the buckets of their replies */
static void pass_choose(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms)
{
	struct lb_steer *st = &pl->steer;
	const uint32_t table_changes = st->table_changes;
	const uint16_t tick = lb_tick(now_ms);
	uint32_t n = b->n_live, n_live = 0, to_choose = ALL;

	if (unlikely(st->n_stateless != 0))
		to_choose = lb_choose_stateless(pl, b);
	if (unlikely(to_choose == 0))
		return;
	look_up(st, b, to_choose, now_ms);
	for (uint32_t i = 0; i < n; i++) {
		struct lb_pkt *p = b->live[i];

		if (unlikely(is_chosen(to_choose, i))) {
			b->live[n_live++] = p;
			continue;
		}
		/* An earlier packet of the burst may have opened or moved its connection. */
		if (unlikely(st->table_changes != table_changes))
			p->conn = lb_conn_lookup(st->conn_table, &p->key, p->hash);
		if (unlikely(p->kind != LB_PKT_FLOW || !lb_choose_known(st, p, tick)))
			choose_other(pl, p, now_ms);
		keep_if_live(b, &n_live, p);
	}
	b->n_live = n_live;
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
	struct lb_addr new_src = lb_key_src(&p->to), new_dst = lb_key_dst(&p->to);
	struct lb_icmp_quote quote = {new_dst, new_src, lb_key_dport(&p->to), lb_key_sport(&p->to)};
	struct lb_addr end = lb_key_src(&p->key), src = lb_outer_src(p);

	lb_rewrite_icmp_error(p, lb_addr_equal(&src, &end) ? &new_src : &src, &new_dst, &quote);
}

/* One hop on for what is no whole TCP or UDP packet; false: it has none left. */
static bool rewrite_other(struct lb_pkt *p)
{
	if (p->kind == LB_PKT_FRAGMENT)
		return lb_rewrite_fragment(p);
	if (!lb_rewrite_ttl(p))
		return false;
	rewrite_error(p);
	return true;
}

/* What changes in the packet itself where that is not a tunnel in front of a plain one; false: it
 * has ended. */
static __rte_always_inline bool write_out(struct lb_pipeline *pl, struct lb_pkt *p,
					  const struct lb_iface *out, uint64_t now_ms)
{
	if (lb_forwarding_is_tunnel(p->forwarding))
		return lb_push_tunnel(pl, p, out, now_ms);
	if (unlikely(out->mtu != 0 && p->ip_len > out->mtu)) {
		lb_refuse_too_big(pl, p, out->mtu, now_ms);
		return false;
	}
	if (lb_forwarding_is_one_way(p->forwarding))
		return true;
	if (likely(p->kind == LB_PKT_FLOW ? lb_rewrite_flow(p) : rewrite_other(p)))
		return true;
	lb_refuse(pl, p, LB_COUNT_drop_ttl_expired, &pl->steer.services[p->service]->vip,
		  LB_ICMP_TTL_EXCEEDED, now_ms);
	return false;
}

static __rte_always_inline void deliver(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	const struct lb_steer *st = &pl->steer;
	const struct lb_next_hop *nh = &st->hops[p->next_hop];
	const uint8_t iface = nh->iface;
	const struct lb_iface *out = &st->ifaces.of[iface];

	if (unlikely(p->forwarding == LB_FORWARD_DSR && st->real_lines[p->real_id].via_gateway)) {
		lb_pkt_drop(p, LB_COUNT_drop_not_on_link);
		return;
	}
	if (unlikely(nh->resolved == 0)) {
		note_unresolved(pl, p->next_hop);
		lb_pkt_drop(p, LB_COUNT_drop_next_hop_unresolved);
		return;
	}
	if (!lb_forwarding_is_tunnel(p->forwarding) || unlikely(!lb_push_plain(st, p, iface))) {
		if (unlikely(!write_out(pl, p, out, now_ms)))
			return;
		if (unlikely(out->tags != p->tags) && !lb_tags_replace(p, out->tags)) {
			lb_pkt_drop(p, LB_COUNT_drop_too_large);
			return;
		}
	}
	lb_rewrite_link(p->data, nh->mac, out->mac);
	p->out_iface = iface;
	p->out_port = out->port;
	if (unlikely((p->tcp_flags & LB_TCP_SYN) != 0))
		lb_clamp_mss(&pl->steer, p);
	p->verdict = LB_VERDICT_TX;
}

void lb_deliver(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms)
{
	deliver(pl, p, now_ms);
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
	const uint32_t n_live = b->n_live;

	for (uint32_t i = 0; i < n_live; i++)
		deliver(pl, b->live[i], now_ms);
	b->n_live = 0;
}

/* --- account --------------------------------------------------------------------------------- */

static inline void account_way(struct lb_traffic_cell *cell, bool is_reply, uint32_t n_bytes)
{
	lb_add(&cell->way[is_reply].pkts, 1);
	lb_add(&cell->way[is_reply].bytes, n_bytes);
}

static inline void account_traffic(struct lb_steer *st, const struct lb_pkt *p)
{
	uint32_t n_bytes = lb_pkt_bytes(p);

	account_way(&st->service_lines[p->service].traffic, p->is_reply, n_bytes);
	account_way(&st->real_lines[p->real_id].traffic, p->is_reply, n_bytes);
	if (unlikely(p->kind == LB_PKT_ICMP_ERROR))
		lb_count(st, lb_forwarding_is_one_way(p->forwarding) ? LB_COUNT_icmp_passed_on
								     : LB_COUNT_icmp_translated);
	if (unlikely((p->tcp_flags & LB_TCP_RST) != 0))
		lb_count(st, LB_COUNT_tcp_rst_seen);
}

/* What leaves not as it was planned, or not at all. */
static void account_end(struct lb_steer *st, const struct lb_pkt *p)
{
	switch ((enum lb_verdict)p->verdict) {
	case LB_VERDICT_TX:
		lb_count(st, LB_COUNT_originated);
		lb_count(st, (enum lb_counter)p->drop_reason);
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
 * Reads                 verdict, drop_reason, is_originated, service, real_id, len, rest
 * Writes                counters and traffic
 * May end packets with  nothing: all have ended
 * Prefetches            nothing */
static void pass_account(struct lb_pipeline *pl, const struct lb_burst *b)
{
	struct lb_steer *st = &pl->steer;
	const uint32_t n = b->n;
	uint32_t n_tx = n;

	for (uint32_t i = 0; i < n; i++) {
		const struct lb_pkt *p = &b->pkt[i];

		if (likely(p->verdict == LB_VERDICT_TX) && likely(!p->is_originated)) {
			account_traffic(st, p);
			continue;
		}
		account_end(st, p);
		n_tx -= p->verdict != LB_VERDICT_TX;
	}
	lb_add(&pl->counters[LB_COUNT_rx], n);
	lb_add(&pl->counters[LB_COUNT_tx], n_tx);
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
