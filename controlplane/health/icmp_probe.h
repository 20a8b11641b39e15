/* icmp_probe.h - echo requests and their answers.
 *
 * Role     asks whether hosts answer, all of them over one socket per family
 * Shape    unprivileged ICMP sockets where the host allows them, raw ones otherwise
 * Threads  the loop's
 * Memory   two descriptors
 * Limits   answers are read LB_ICMP_BURST at a time; the socket's buffer bounds the rest
 * Errors   open: neither kind is allowed, the reason is kept and given for each probe
 * Source   RFC 792, RFC 4443
 * Tests    tests/unit/test_health.c
 */
#ifndef LB_ICMP_PROBE_H
#define LB_ICMP_PROBE_H

#include <stdbool.h>

#include "health/tcp_probe.h"

#define LB_ICMP_BURST 64u

/* What an echo carries, and an answer has to bring back. */
struct lb_icmp_token {
	uint64_t nonce; /* of this process */
	uint32_t probe;
	uint32_t serial; /* of this probe's requests */
};

struct lb_icmp_socket {
	int fd; /* -1: not open */
	bool is_v4;
	bool is_raw;
	uint16_t id_be;    /* raw only: the unprivileged kind has its own */
	const char *error; /* why it is not open */
};

void lb_icmp_open(struct lb_icmp_socket *sock, bool is_v4, uint16_t id_be);
void lb_icmp_close(struct lb_icmp_socket *sock);

/* PENDING, or why not. */
enum lb_probe_outcome lb_icmp_send(const struct lb_icmp_socket *sock, const struct lb_addr *to,
				   const struct lb_icmp_token *token, const char **reason);

/* Next answer that has been received; false: none now. *is_echo: it is an echo reply to this
 * socket with a whole token. */
bool lb_icmp_receive(const struct lb_icmp_socket *sock, struct lb_addr *from,
		     struct lb_icmp_token *token, bool *is_echo);

#endif
