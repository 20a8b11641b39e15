/* privileges.h - what the process may do beyond an ordinary user, made small.
 *
 * Role     takes capabilities away that a step of the daemon's life no longer needs
 * Shape    two calls
 * Threads  capabilities belong to threads: the first call comes before any other thread exists, the
 *          second on each thread that reads what strangers send
 * Memory   none
 * Limits   none
 * Errors   -errno; an unprivileged process has nothing to lose and succeeds
 * Source   DESIGN 4.7; capabilities(7)
 * Tests    tests/unit/test_privileges.c
 */
#ifndef LB_PRIVILEGES_H
#define LB_PRIVILEGES_H

/* Keeps what ports, huge pages, XDP and the configuration file need at start. */
int lb_privileges_for_start(void);

/* Keeps what addresses, steering entries, probes and the configuration file need while running. */
int lb_privileges_for_run(void);

#endif
