/* explain.h - what would happen to a packet now, and why: the question and a worker's answer.
 *
 * Role     the words in which a worker tells each step of its decision without taking it
 * Shape    plain values; ids as in service.h, for control to put names to
 * Units    addresses and ports in network order; ms and seconds as named
 * Threads  made by control, answered by every worker between two bursts, from its own tables; a
 *          worker that would hand the packet over says so and to whom
 * Memory   values
 * Limits   an answer is as of the moment in which the worker gave it. Not foreseen: no place near
 *          a new connection in a connection table above 80 % of its capacity (drop_table_full); no
 *          room to learn the client's link-layer address, which no question has
 *          (drop_next_hop_full); when a SYN takes the place of a closing connection, least
 *          connections still counts that one here
 * Errors   none; what cannot be asked is refused where the question is made
 * Source   DESIGN 4.4; decision 0090
 * Tests    tests/unit/test_pipeline_explain.c (what is told is what then happens)
 */
#ifndef LB_EXPLAIN_H
#define LB_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/limits.h"
#include "lb/service.h"
#include "lb/verdict.h"

/* IP packet sizes that can be asked about; 0 stands for headers alone. */
#define LB_QUESTION_BYTES_MIN 60u
#define LB_QUESTION_BYTES_MAX 9000u

struct lb_question {
	uint32_t id; /* comes back with the answer */
	struct lb_addr src;
	struct lb_addr dst; /* of the same family */
	rte_be16_t sport_be;
	rte_be16_t dport_be;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t tcp_flags; /* as in the header: SYN 2, ACK 16, ... */
	uint8_t iface;	   /* where it comes in */
	uint16_t ip_bytes;
};

/* Is there a connection, and does it take the packet? */
enum lb_explain_conn {
	LB_EXPLAIN_CONN_NONE,
	LB_EXPLAIN_CONN_LIVE,
	LB_EXPLAIN_CONN_GONE, /* its service or server is another's now, or the server is
				 down and the packet opens another: removed by it */
	LB_EXPLAIN_CONN_REPLACED, /* closing, or never answered by a server that takes nobody any
				     more: the SYN opens another */
};

/* Why the packet is a certain worker's. */
enum lb_explain_owner {
	LB_EXPLAIN_OWNER_ONLY,     /* there is one worker */
	LB_EXPLAIN_OWNER_CONN,     /* it has the connection */
	LB_EXPLAIN_OWNER_CLIENT,   /* by the client's address and port */
	LB_EXPLAIN_OWNER_NAT_PORT, /* the port is one of its NAT source ports */
	LB_EXPLAIN_OWNER_REPLY,    /* it may be a server's reply to that worker's client */
	LB_EXPLAIN_OWNER_ANY,      /* whichever it comes to */
	LB_EXPLAIN_OWNER_RSS,      /* the network card's hash brings it there */
};

/* How a new connection comes to its server, and what becomes of the client's record. */
enum lb_pick_way {
	LB_PICK_SCHEDULE, /* no record in this service: the scheduler */
	LB_PICK_FOLLOW,   /* the record's machine */
	LB_PICK_BYPASS,   /* its machine does not serve here: for this service alone */
	LB_PICK_RECORD,   /* there was none: the scheduler, and a record of it */
	LB_PICK_REPLACE,  /* its machine went down or is to be left: the same, in its place */
};

/* How the table of its service leads a packet without an entry to its server. */
enum lb_stateless_reason {
	LB_STATELESS_SLOT,	/* the server of its slot */
	LB_STATELESS_SETTLING,	/* the slot settles: the server that it had */
	LB_STATELESS_OPENED,	/* the slot settles: a new connection gets the server of now */
	LB_STATELESS_ELSEWHERE, /* the slot's server takes nobody: another, in the client's order */
	LB_STATELESS_NOBODY,
	LB_STATELESS_REASON_N,
};

struct lb_answer {
	uint32_t id;
	uint32_t worker; /* who answers */

	/* the end */
	uint8_t verdict;      /* enum lb_verdict */
	bool is_originated;   /* the packet is dropped and answered by a reset or an ICMP error */
	uint16_t drop_reason; /* enum lb_counter */
	uint32_t owner;       /* the worker that decides */
	uint8_t owner_why;    /* enum lb_explain_owner */

	/* whose it is */
	bool is_at_nat_port; /* to a NAT source port of ours */
	bool is_reply;       /* from a server to a client */
	uint32_t slot;       /* service, UINT32_MAX: none */

	/* the connection that is there */
	uint8_t conn;      /* enum lb_explain_conn */
	uint8_t tcp_state; /* lb_answer_tcp_state(); 0 of UDP */
	uint32_t idle_ms;  /* of the direction asked about, to within 2048 ms */
	uint32_t timeout_ms;

	/* the choice for a new one */
	bool is_chosen;     /* one was looked for */
	uint8_t way;        /* enum lb_pick_way; not if is_by_table */
	bool is_by_table;   /* not by a pick: the table of the service alone */
	uint8_t table_why;  /* enum lb_stateless_reason */
	bool makes_entry;   /* of the connection table */
	bool is_for_group;  /* see lb_pick */
	bool has_record;    /* the client's, live */
	bool is_record_old; /* the machine has been down since it was made */
	uint32_t record_member;
	uint32_t record_expires_in_s;
	uint32_t turn; /* rotations: position in the cycle, of n_turns */
	uint32_t n_turns;

	/* the server; UINT32_MAX: none */
	uint32_t real_id;
	uint32_t real_live; /* its live connections on this worker */

	/* the way out */
	uint8_t forwarding;
	bool is_gateway; /* towards the client by a gateway, else as its packet came */
	struct lb_addr new_src;
	struct lb_addr new_dst;
	rte_be16_t new_sport_be;
	rte_be16_t new_dport_be;
	struct lb_addr tunnel_src; /* tunnels: outer addresses; all zero: none */
	struct lb_addr tunnel_dst;
	uint32_t next_hop; /* LB_NEXT_HOP_NONE: no route */
	struct lb_next_hop hop;
	uint16_t mtu;       /* of its interface, 0: not known */
	uint16_t out_bytes; /* the IP packet as it leaves; 0: it does not */
};

/* "established" and so on; "" for UDP. */
const char *lb_answer_tcp_state(uint8_t tcp_state);

#endif
