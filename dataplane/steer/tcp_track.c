#include "steer/tcp_track.h"

#include <assert.h>

#include "packet/packet.h"

/* What a packet says, strongest flag first: a SYN-ACK is not an ACK, and whatever carries RST is a
 * reset. Packets without any of the flags say nothing. */
enum event {
	EVENT_RST,
	EVENT_SYN,
	EVENT_SYN_ACK,
	EVENT_FIN,
	EVENT_ACK,
	EVENT_NONE,
	EVENT_N,
};

#define NO LB_TCP_NONE
#define SS LB_TCP_SYN_SENT
#define SR LB_TCP_SYN_RECV
#define ES LB_TCP_ESTABLISHED
#define FW LB_TCP_FIN_WAIT
#define CW LB_TCP_CLOSE_WAIT
#define LA LB_TCP_LAST_ACK
#define TW LB_TCP_TIME_WAIT
#define CL LB_TCP_CLOSE
#define AS LB_TCP_ASKED

/* Rows that a reader may wonder about:
 * - NO, ACK or FIN: an entry made in mid-stream, by a mode that may do so, is a live connection.
 * - ES, SYN from the client: the server, which knows the sequence numbers, is to judge it. It
 *   acknowledges or resets, and a reset brings CLOSE.
 * - FW, CW, LA, TW, CL, SYN from the client: it uses its port again; a new connection begins.
 * - SS, ACK from the client: there is nothing yet that it could acknowledge.
 * - SR, ACK from the server: data under TCP fast open; the client's ACK is still to come.
 * - CL, ACK: a side that sent or accepted a reset sends no more. One that does has refused the
 *   reset (its sequence number was wrong) and the connection lives; if it has only not heard of it,
 *   the other side answers with another reset, and that leads back here. conn_track.c leaves out
 *   what was under way. A FIN does not count, it is under way after a client's reset as a rule.
 * - AS, anything: the server is back, else its packets would not come so far.
 * - CL, SYN-ACK: the reset came before the server's answer, and was not its own. */
/* clang-format off */
static const uint8_t next_state[LB_TCP_STATE_N][2][EVENT_N] = {
	/*                       client                      server
	 *                       RST SYN S+A FIN ACK none ... */
	[LB_TCP_NONE] =        {{CL, SS, NO, CW, ES, NO}, {CL, NO, SR, FW, ES, NO}},
	[LB_TCP_SYN_SENT] =    {{CL, SS, SS, SS, SS, SS}, {CL, SS, SR, SS, SS, SS}},
	[LB_TCP_SYN_RECV] =    {{CL, SR, SR, CW, ES, SR}, {CL, SR, SR, FW, SR, SR}},
	[LB_TCP_ESTABLISHED] = {{CL, ES, ES, CW, ES, ES}, {CL, ES, ES, FW, ES, ES}},
	[LB_TCP_FIN_WAIT] =    {{CL, SS, FW, TW, FW, FW}, {CL, FW, FW, FW, FW, FW}},
	[LB_TCP_CLOSE_WAIT] =  {{CL, SS, CW, CW, CW, CW}, {CL, CW, CW, LA, CW, CW}},
	[LB_TCP_LAST_ACK] =    {{CL, SS, LA, LA, LA, LA}, {CL, LA, LA, LA, LA, LA}},
	[LB_TCP_TIME_WAIT] =   {{CL, SS, TW, TW, TW, TW}, {CL, TW, TW, TW, TW, TW}},
	[LB_TCP_CLOSE] =       {{CL, SS, CL, CL, ES, CL}, {CL, CL, SR, CL, ES, CL}},
	[LB_TCP_ASKED] =       {{CL, SS, AS, CW, ES, AS}, {CL, AS, AS, FW, ES, AS}},
};
/* clang-format on */

const char *const lb_tcp_state_name[LB_TCP_STATE_N] = {
	[LB_TCP_NONE] = "none",         [LB_TCP_SYN_SENT] = "syn_sent",
	[LB_TCP_SYN_RECV] = "syn_recv", [LB_TCP_ESTABLISHED] = "established",
	[LB_TCP_FIN_WAIT] = "fin_wait", [LB_TCP_CLOSE_WAIT] = "close_wait",
	[LB_TCP_LAST_ACK] = "last_ack", [LB_TCP_TIME_WAIT] = "time_wait",
	[LB_TCP_CLOSE] = "close",       [LB_TCP_ASKED] = "asked",
};

static const uint32_t timeout_ms[LB_TCP_STATE_N] = {
	[LB_TCP_NONE] = 2000,        [LB_TCP_SYN_SENT] = 120000,
	[LB_TCP_SYN_RECV] = 60000,   [LB_TCP_FIN_WAIT] = 120000,
	[LB_TCP_CLOSE_WAIT] = 60000, [LB_TCP_LAST_ACK] = 30000,
	[LB_TCP_TIME_WAIT] = 120000, [LB_TCP_CLOSE] = 10000,
	[LB_TCP_ASKED] = 14000, /* four sweeps begin in it */
};

static enum event event_of(uint8_t flags)
{
	if (flags & LB_TCP_RST)
		return EVENT_RST;
	if (flags & LB_TCP_SYN)
		return flags & LB_TCP_ACK ? EVENT_SYN_ACK : EVENT_SYN;
	if (flags & LB_TCP_FIN)
		return EVENT_FIN;
	return flags & LB_TCP_ACK ? EVENT_ACK : EVENT_NONE;
}

enum lb_tcp_state lb_tcp_next(enum lb_tcp_state state, enum lb_tcp_side side, uint8_t flags)
{
	assert(state < LB_TCP_STATE_N && side < LB_TCP_SIDE_N);
	/* A client acknowledges only what it has heard of: the server has answered unseen. */
	if (side == LB_TCP_CLIENT_ALONE && state == LB_TCP_SYN_SENT &&
	    (flags & (LB_TCP_SYN | LB_TCP_ACK)) == LB_TCP_ACK)
		state = LB_TCP_SYN_RECV;
	return (enum lb_tcp_state)next_state[state][side == LB_TCP_SERVER][event_of(flags)];
}

uint32_t lb_tcp_timeout_ms(enum lb_tcp_state state, uint32_t established_ms)
{
	assert(state < LB_TCP_STATE_N);
	return state == LB_TCP_ESTABLISHED ? established_ms : timeout_ms[state];
}
