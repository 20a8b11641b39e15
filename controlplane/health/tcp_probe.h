/* tcp_probe.h - one attempt to open a TCP connection.
 *
 * Role     does something listen at this address and port
 * Shape    start gives a socket to wait on for writing, finish says what came of it
 * Threads  any; never blocks
 * Memory   a descriptor while the attempt is under way
 * Limits   none of its own
 * Errors   what this host cannot do is LB_PROBE_UNABLE, not the server's fault
 * Tests    tests/unit/test_health.c
 */
#ifndef LB_TCP_PROBE_H
#define LB_TCP_PROBE_H

#include "lb/addr.h"

enum lb_probe_outcome {
	LB_PROBE_UP,
	LB_PROBE_DOWN,
	LB_PROBE_UNABLE,  /* this host could not make the probe */
	LB_PROBE_PENDING, /* under way */
};

/* PENDING: wait for *fd to become writable, then finish. Otherwise *fd is -1 and *reason set. */
enum lb_probe_outcome lb_tcp_probe_start(const struct lb_addr *addr, uint16_t port, int *fd,
					 const char **reason);

/* Closes fd. */
enum lb_probe_outcome lb_tcp_probe_finish(int fd, const char **reason);

/* What a failed attempt says; `error` is an errno. */
enum lb_probe_outcome lb_probe_outcome_of(int error, const char **reason);

#endif
