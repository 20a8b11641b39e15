/* probe_packet.h - packets that ask a virtual IP at one real server, the way that clients' go.
 *
 * Role     writes the packets of a health probe through dsr, ipip or gue, and reads what answers
 *          them; encapsulated by the code that encapsulates the clients'
 * Shape    pure functions over bytes that begin with the first IP header
 * Units    addresses in network order, ports in host order
 * Threads  pure
 * Memory   the caller's
 * Limits   LB_PROBE_PACKET_MAX bytes a packet. An answer behind IP options, extension headers or
 *          in fragments is none: nobody answers a probe so
 * Errors   none
 * Source   RFC 9293 3.5 (a reset in place of the last acknowledgement), RFC 792, RFC 4443,
 *          decision 0110
 * Tests    tests/unit/test_probe_packet.c, tests/fuzz/fuzz_probe_packet.c
 */
#ifndef LB_PROBE_PACKET_H
#define LB_PROBE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"

#define LB_PROBE_PACKET_MAX 128u

/* The way to one virtual IP at one server. */
struct lb_probe_way {
	struct lb_addr vip;
	struct lb_addr source; /* of the VIP's family: where the answer goes */
	struct lb_addr server;
	struct lb_addr tunnel_source; /* tunnels only, of the server's family */
	uint16_t gue_port;
	uint8_t forwarding; /* enum lb_forwarding, one way */
};

enum lb_probe_packet_type {
	LB_PROBE_SYN,
	LB_PROBE_RESET, /* after an answer to a SYN: the server forgets the connection */
	LB_PROBE_ECHO,
};

/* What a packet carries and its answer brings back. */
struct lb_probe_mark {
	uint16_t number; /* the TCP source port, or the identifier of an echo */
	uint32_t token;  /* the sequence number, or an echo's data */
};

/* Returns the packet's length. `port` is not used by an echo. */
size_t lb_probe_packet_write(const struct lb_probe_way *way, enum lb_probe_packet_type type,
			     uint16_t port, struct lb_probe_mark mark,
			     uint8_t out[LB_PROBE_PACKET_MAX]);

enum lb_probe_answer_type {
	LB_PROBE_ACCEPTED, /* SYN and ACK */
	LB_PROBE_REFUSED,  /* RST */
	LB_PROBE_ECHOED,
};

struct lb_probe_answer {
	struct lb_addr from;
	struct lb_addr to;
	uint16_t port; /* the server's; of an echo 0 */
	uint8_t type;  /* enum lb_probe_answer_type */
	struct lb_probe_mark mark;
};

/* False: not the answer to any probe. Checksums are not looked at: a frame that the kernel took
 * from another program of this host has none yet. */
bool lb_probe_packet_read(const uint8_t *ip, size_t len, struct lb_probe_answer *out);

#endif
