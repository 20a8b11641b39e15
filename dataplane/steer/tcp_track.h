/* tcp_track.h - TCP connection states as a balancer sees them, as one table.
 *
 * Role     next state from (state, direction, flags); how long each state may idle
 * Shape    a const table [state][side][event]
 * Units    timeouts in ticks (conn_table.h)
 * Threads  pure
 * Memory   read-only
 * Errors   none
 * Source   Linux IPVS timeouts; RFC 5382 (7440 s for established NAT sessions); RFC 9293
 * Tests    tests/unit/test_tcp_track.c
 */
#ifndef LB_TCP_TRACK_H
#define LB_TCP_TRACK_H

#include <stdint.h>

#include <rte_branch_prediction.h>

#include "packet/packet.h"

/* From ESTABLISHED on a state is named as the server's own socket would call it, so that the state
 * tells which side closed first. Without sequence numbers a last acknowledgement looks like any
 * other: LAST_ACK and TIME_WAIT end by their timeout. */
enum lb_tcp_state {
	LB_TCP_NONE,
	LB_TCP_SYN_SENT, /* client's SYN seen */
	LB_TCP_SYN_RECV, /* server's SYN-ACK seen */
	LB_TCP_ESTABLISHED,
	LB_TCP_FIN_WAIT,   /* server's FIN seen; the client may still send */
	LB_TCP_CLOSE_WAIT, /* client's FIN seen; the server may still send */
	LB_TCP_LAST_ACK,   /* both FINs seen, the client's first */
	LB_TCP_TIME_WAIT,  /* both FINs seen, the server's first */
	LB_TCP_CLOSE,      /* RST seen */
	LB_TCP_ASKED,      /* its server is down: the sides are asked, to be reset (conn_ask.h) */
	LB_TCP_STATE_N,
};

extern const char *const lb_tcp_state_name[LB_TCP_STATE_N];

/* Who sent a packet, and whether the other side's packets are seen at all. */
enum lb_tcp_side {
	LB_TCP_CLIENT,
	LB_TCP_SERVER,
	/* The server's packets do not pass: what it did is told by the client's acknowledgements,
	 * but for its FIN: CLOSE_WAIT stands for every way of closing. */
	LB_TCP_CLIENT_ALONE,
	LB_TCP_SIDE_N,
};

/* `flags`: of the packet; bits other than LB_TCP_FIN, SYN, RST, ACK do not matter. */
enum lb_tcp_state lb_tcp_next(enum lb_tcp_state state, enum lb_tcp_side side, uint8_t flags);

/* Of a connection that begins with this packet of its client: lb_tcp_next() from NONE, and most
 * begin with a SYN. */
static inline enum lb_tcp_state lb_tcp_first(uint8_t flags)
{
	return likely(flags == LB_TCP_SYN) ? LB_TCP_SYN_SENT
					   : lb_tcp_next(LB_TCP_NONE, LB_TCP_CLIENT, flags);
}

/* Idle time in ms after which a connection in this state is removed; ESTABLISHED: the service's. */
uint32_t lb_tcp_timeout_ms(enum lb_tcp_state state, uint32_t established_ms);

#endif
