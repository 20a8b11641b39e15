#include <criterion/criterion.h>

#include "packet/packet.h"
#include "steer/tcp_track.h"

#define RST (LB_TCP_RST | LB_TCP_ACK)
#define SYN LB_TCP_SYN
#define SYN_ACK (LB_TCP_SYN | LB_TCP_ACK)
#define FIN (LB_TCP_FIN | LB_TCP_ACK)
#define ACK LB_TCP_ACK

/* One line per state and direction: the flags that lead elsewhere. All others have to stay. */
static const struct row {
	enum lb_tcp_state state;
	bool is_reply;
	uint8_t flags;
	enum lb_tcp_state next;
} rows[] = {
	{LB_TCP_NONE, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_NONE, false, FIN, LB_TCP_CLOSE_WAIT},
	{LB_TCP_NONE, false, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_NONE, true, SYN_ACK, LB_TCP_SYN_RECV},
	{LB_TCP_NONE, true, FIN, LB_TCP_FIN_WAIT},
	{LB_TCP_NONE, true, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_SYN_SENT, true, SYN_ACK, LB_TCP_SYN_RECV},
	{LB_TCP_SYN_RECV, false, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_SYN_RECV, false, FIN, LB_TCP_CLOSE_WAIT},
	{LB_TCP_SYN_RECV, true, FIN, LB_TCP_FIN_WAIT},
	{LB_TCP_ESTABLISHED, false, FIN, LB_TCP_CLOSE_WAIT},
	{LB_TCP_ESTABLISHED, true, FIN, LB_TCP_FIN_WAIT},
	{LB_TCP_FIN_WAIT, false, FIN, LB_TCP_TIME_WAIT},
	{LB_TCP_FIN_WAIT, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_CLOSE_WAIT, true, FIN, LB_TCP_LAST_ACK},
	{LB_TCP_CLOSE_WAIT, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_LAST_ACK, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_TIME_WAIT, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_CLOSE, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_CLOSE, false, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_CLOSE, true, SYN_ACK, LB_TCP_SYN_RECV},
	{LB_TCP_CLOSE, true, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_ASKED, false, FIN, LB_TCP_CLOSE_WAIT},
	{LB_TCP_ASKED, false, SYN, LB_TCP_SYN_SENT},
	{LB_TCP_ASKED, false, ACK, LB_TCP_ESTABLISHED},
	{LB_TCP_ASKED, true, FIN, LB_TCP_FIN_WAIT},
	{LB_TCP_ASKED, true, ACK, LB_TCP_ESTABLISHED},
};

static enum lb_tcp_side side_of(bool is_reply)
{
	return is_reply ? LB_TCP_SERVER : LB_TCP_CLIENT;
}

static const uint8_t all_flags[] = {RST, LB_TCP_RST, SYN, SYN_ACK, FIN, LB_TCP_FIN, ACK, 0};

static enum lb_tcp_state expected(enum lb_tcp_state state, bool is_reply, uint8_t flags)
{
	if (flags & LB_TCP_RST)
		return LB_TCP_CLOSE;
	if (flags == LB_TCP_FIN)
		flags = FIN;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].state == state && rows[i].is_reply == is_reply &&
		    rows[i].flags == flags)
			return rows[i].next;
	}
	return state;
}

Test(tcp_track, every_state_direction_and_event_leads_where_the_rows_say)
{
	for (int state = 0; state < LB_TCP_STATE_N; state++) {
		for (int is_reply = 0; is_reply <= 1; is_reply++) {
			for (size_t f = 0; f < sizeof(all_flags); f++) {
				uint8_t flags = all_flags[f];

				cr_expect_eq(lb_tcp_next((enum lb_tcp_state)state,
							 side_of(is_reply), flags),
					     expected((enum lb_tcp_state)state, is_reply, flags),
					     "state %s, %s, flags 0x%02x", lb_tcp_state_name[state],
					     is_reply ? "server" : "client", flags);
			}
		}
	}
}

Test(tcp_track, flags_of_no_meaning_change_nothing)
{
	for (int state = 0; state < LB_TCP_STATE_N; state++) {
		for (int is_reply = 0; is_reply <= 1; is_reply++) {
			for (size_t f = 0; f < sizeof(all_flags); f++) {
				/* PSH, URG, ECE, CWR */
				uint8_t flags = (uint8_t)(all_flags[f] | 0xe8u);

				cr_expect_eq(lb_tcp_next((enum lb_tcp_state)state,
							 side_of(is_reply), flags),
					     lb_tcp_next((enum lb_tcp_state)state,
							 side_of(is_reply), all_flags[f]),
					     "flags 0x%02x", flags);
			}
		}
	}
}

Test(tcp_track, the_first_packet_leads_where_it_would_from_nothing)
{
	for (uint32_t flags = 0; flags <= UINT8_MAX; flags++)
		cr_expect_eq(lb_tcp_first((uint8_t)flags),
			     lb_tcp_next(LB_TCP_NONE, LB_TCP_CLIENT, (uint8_t)flags),
			     "flags 0x%02x", flags);
}

struct step {
	bool is_reply;
	uint8_t flags;
	enum lb_tcp_state state;
};

static void follow(const char *name, const struct step *steps, size_t n)
{
	enum lb_tcp_state state = LB_TCP_NONE;

	for (size_t i = 0; i < n; i++) {
		state = lb_tcp_next(state, side_of(steps[i].is_reply), steps[i].flags);
		cr_assert_eq(state, steps[i].state, "%s step %zu: %s", name, i,
			     lb_tcp_state_name[state]);
	}
}

Test(tcp_track, whole_lives_end_where_they_should)
{
	static const struct step client_closes[] = {
		{false, SYN, LB_TCP_SYN_SENT},    {false, SYN, LB_TCP_SYN_SENT},
		{true, SYN_ACK, LB_TCP_SYN_RECV}, {false, ACK, LB_TCP_ESTABLISHED},
		{true, ACK, LB_TCP_ESTABLISHED},  {false, FIN, LB_TCP_CLOSE_WAIT},
		{true, ACK, LB_TCP_CLOSE_WAIT},   {true, FIN, LB_TCP_LAST_ACK},
		{false, ACK, LB_TCP_LAST_ACK},    {false, SYN, LB_TCP_SYN_SENT},
	};
	static const struct step server_closes[] = {
		{false, SYN, LB_TCP_SYN_SENT},    {true, SYN_ACK, LB_TCP_SYN_RECV},
		{false, ACK, LB_TCP_ESTABLISHED}, {true, FIN, LB_TCP_FIN_WAIT},
		{false, ACK, LB_TCP_FIN_WAIT},    {false, FIN, LB_TCP_TIME_WAIT},
		{true, ACK, LB_TCP_TIME_WAIT},
	};
	static const struct step refused[] = {
		{false, SYN, LB_TCP_SYN_SENT},
		{true, RST, LB_TCP_CLOSE},
		{false, SYN, LB_TCP_SYN_SENT},
		{true, SYN_ACK, LB_TCP_SYN_RECV},
	};
	static const struct step forged_reset[] = {
		{false, SYN, LB_TCP_SYN_SENT},    {true, SYN_ACK, LB_TCP_SYN_RECV},
		{false, ACK, LB_TCP_ESTABLISHED}, {true, LB_TCP_RST, LB_TCP_CLOSE},
		{true, ACK, LB_TCP_ESTABLISHED},  {false, LB_TCP_RST, LB_TCP_CLOSE},
		{false, ACK, LB_TCP_ESTABLISHED},
	};
	static const struct step client_aborts[] = {
		{false, SYN, LB_TCP_SYN_SENT},     {true, SYN_ACK, LB_TCP_SYN_RECV},
		{false, ACK, LB_TCP_ESTABLISHED},  {false, RST, LB_TCP_CLOSE},
		{true, FIN, LB_TCP_CLOSE},         {false, LB_TCP_RST, LB_TCP_CLOSE},
	};

	follow("client closes", client_closes, sizeof(client_closes) / sizeof(struct step));
	follow("server closes", server_closes, sizeof(server_closes) / sizeof(struct step));
	follow("refused", refused, sizeof(refused) / sizeof(struct step));
	follow("forged reset", forged_reset, sizeof(forged_reset) / sizeof(struct step));
	follow("client aborts", client_aborts, sizeof(client_aborts) / sizeof(struct step));
}

Test(tcp_track, each_state_idles_for_its_own_time)
{
	static const uint32_t want_s[LB_TCP_STATE_N] = {
		[LB_TCP_NONE] = 2,           [LB_TCP_SYN_SENT] = 120,  [LB_TCP_SYN_RECV] = 60,
		[LB_TCP_ESTABLISHED] = 7440, [LB_TCP_FIN_WAIT] = 120,  [LB_TCP_CLOSE_WAIT] = 60,
		[LB_TCP_LAST_ACK] = 30,      [LB_TCP_TIME_WAIT] = 120, [LB_TCP_CLOSE] = 10,
		[LB_TCP_ASKED] = 14,
	};

	for (int state = 0; state < LB_TCP_STATE_N; state++) {
		cr_expect_eq(lb_tcp_timeout_ms((enum lb_tcp_state)state, 7440000),
			     want_s[state] * 1000, "state %s", lb_tcp_state_name[state]);
	}
}

/* The server's packets take another way: the client's alone must open, keep and close. */
Test(tcp_track, a_client_alone_is_followed_through_its_life)
{
	static const struct {
		uint8_t flags;
		enum lb_tcp_state state;
	} steps[] = {
		{ACK, LB_TCP_ESTABLISHED}, /* found in mid-stream */
		{LB_TCP_RST, LB_TCP_CLOSE}, {SYN, LB_TCP_SYN_SENT},    {SYN, LB_TCP_SYN_SENT},
		{0, LB_TCP_SYN_SENT},       {ACK, LB_TCP_ESTABLISHED}, {SYN, LB_TCP_ESTABLISHED},
		{FIN, LB_TCP_CLOSE_WAIT},   {ACK, LB_TCP_CLOSE_WAIT},  {FIN, LB_TCP_CLOSE_WAIT},
		{SYN, LB_TCP_SYN_SENT},     {FIN, LB_TCP_CLOSE_WAIT},  {RST, LB_TCP_CLOSE},
		{ACK, LB_TCP_ESTABLISHED}, /* it has refused the reset */
	};
	enum lb_tcp_state state = LB_TCP_NONE;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		state = lb_tcp_next(state, LB_TCP_CLIENT_ALONE, steps[i].flags);
		cr_assert_eq(state, steps[i].state, "step %zu: %s", i, lb_tcp_state_name[state]);
	}
}
