/* What the packets of a connection say about its state. A reset or FIN that does not fit where the
 * connection has got to says nothing: anybody can send one. Decision 0082. */
#include "packet/wire.h"
#include "steer/conn.h"
#include "steer/tcp_window.h"

#define SILENT_TICKS 2u /* of the client: longer than what was under way can take */

/* Pages of the sequence space. */
struct place {
	uint16_t seq;
	uint16_t ack;
};

static struct place place_of(const struct lb_pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;

	return (struct place){lb_load_u16(tcp + LB_TCP_SEQ_OFF), lb_load_u16(tcp + LB_TCP_ACK_OFF)};
}

static struct place client_place(const struct lb_conn *fwd)
{
	return (struct place){rte_be_to_cpu_16(fwd->fwd.seq_hi_be),
			      rte_be_to_cpu_16(fwd->fwd.ack_hi_be)};
}

void lb_conn_begin_numbers(struct lb_conn *fwd, const struct lb_pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;

	fwd->fwd.seq_hi_be = lb_load_be16(tcp + LB_TCP_SEQ_OFF);
	if ((p->tcp_flags & LB_TCP_ACK) != 0)
		fwd->fwd.ack_hi_be = lb_load_be16(tcp + LB_TCP_ACK_OFF);
}

/* RFC 5961 does not ask a reset what it acknowledges. Before the client has acknowledged anything
 * there is nothing to compare. */
static bool fits_client(const struct lb_conn *fwd, const struct lb_pkt *p)
{
	struct place at = place_of(p), client = client_place(fwd);

	if (!lb_tcp_is_at(at.seq, client.seq))
		return false;
	return (p->tcp_flags & (LB_TCP_RST | LB_TCP_ACK)) != LB_TCP_ACK ||
	       lb_conn_is_embryonic(fwd) || lb_tcp_is_at(at.ack, client.ack);
}

/* Until the client has acknowledged something of the server's, what the server acknowledges has to
 * do: it cannot send without. */
static bool fits_server(const struct lb_conn *fwd, const struct lb_pkt *p)
{
	struct place at = place_of(p), client = client_place(fwd);
	bool has_ack = (p->tcp_flags & LB_TCP_ACK) != 0;

	if (has_ack && !lb_tcp_acknowledges(at.ack, client.seq))
		return false;
	if (lb_conn_is_embryonic(fwd) || (p->tcp_flags & LB_TCP_SYN) != 0)
		return has_ack;
	return lb_tcp_is_at(at.seq, client.ack);
}

void lb_conn_follow_numbers(struct lb_conn *fwd, const struct lb_pkt *p)
{
	struct place at = place_of(p), client = client_place(fwd);

	if (lb_conn_is_embryonic(fwd)) {
		lb_conn_begin_numbers(fwd, p);
		return;
	}
	if ((p->tcp_flags & LB_TCP_ACK) == 0)
		at.ack = client.ack;
	/* Both or neither: who guesses has to guess both. Back never: what is sent again is no
	 * news. */
	if (!lb_tcp_is_at(at.seq, client.seq) || !lb_tcp_is_at(at.ack, client.ack))
		return;
	if ((int16_t)(at.seq - client.seq) > 0)
		fwd->fwd.seq_hi_be = rte_cpu_to_be_16(at.seq);
	if ((int16_t)(at.ack - client.ack) > 0)
		fwd->fwd.ack_hi_be = rte_cpu_to_be_16(at.ack);
}

/* Whoever ends a connection says nothing of where it will go on, but for a FIN that is the first
 * that is heard of its sender. */
static bool has_numbers(const struct lb_conn *fwd, uint8_t tcp_flags)
{
	return (tcp_flags & LB_TCP_RST) == 0 &&
	       ((tcp_flags & LB_TCP_FIN) == 0 || lb_conn_is_embryonic(fwd));
}

/* May a packet that fits bring back a connection that a reset has ended? A client that goes on has
 * not accepted it. What comes from the server may have been under way when the client sent its
 * reset; later it may not. */
static bool may_revive(const struct lb_conn *conn, const struct lb_conn *fwd, uint8_t tcp_flags)
{
	if (!lb_conn_is_reply(conn) || (tcp_flags & LB_TCP_SYN) != 0)
		return true;
	return (uint16_t)(conn->last_tick - fwd->last_tick) >= SILENT_TICKS;
}

/* Does the packet bring about what its flags say? `fwd` NULL: there is nothing to compare with. */
static bool is_believed(const struct lb_conn *conn, const struct lb_conn *fwd,
			const struct lb_pkt *p)
{
	bool may_be_forged = (p->tcp_flags & (LB_TCP_RST | LB_TCP_FIN)) != 0;
	bool is_closed = conn->state == LB_TCP_CLOSE;

	if (!may_be_forged && !is_closed)
		return true;
	if (fwd == NULL)
		return !is_closed;
	if (!(lb_conn_is_reply(conn) ? fits_server(fwd, p) : fits_client(fwd, p)))
		return false;
	return !is_closed || may_revive(conn, fwd, p->tcp_flags);
}

void lb_conn_track_tcp(struct lb_steer *st, struct lb_conn *conn, const struct lb_pkt *p)
{
	enum lb_tcp_side side = lb_conn_is_one_way(conn) ? LB_TCP_CLIENT_ALONE
				: lb_conn_is_reply(conn) ? LB_TCP_SERVER
							 : LB_TCP_CLIENT;
	enum lb_tcp_state next = lb_tcp_next((enum lb_tcp_state)conn->state, side, p->tcp_flags);
	const struct lb_conn *fwd = conn;

	if (next != conn->state) {
		if (side == LB_TCP_SERVER)
			fwd = lb_conn_peer(st, conn, p->key.is_v6);
		if (!is_believed(conn, fwd, p)) {
			if ((p->tcp_flags & (LB_TCP_RST | LB_TCP_FIN)) != 0)
				lb_count(st, LB_COUNT_tcp_outside_window);
			return;
		}
	}
	if (side != LB_TCP_SERVER && has_numbers(conn, p->tcp_flags))
		lb_conn_follow_numbers(conn, p);
	if (next != conn->state)
		lb_conn_set_state(st, conn, p->key.is_v6, next);
}

void lb_conn_track_udp(struct lb_steer *st, struct lb_conn *conn, bool is_v6, bool is_later)
{
	uint32_t next = LB_UDP_HEARD;

	if (lb_conn_is_reply(conn))
		next = LB_UDP_ANSWERED;
	else if (conn->state == LB_UDP_NEW && !is_later && !lb_conn_is_one_way(conn))
		return;
	if (next != conn->state)
		lb_conn_set_state(st, conn, is_v6, next);
}
