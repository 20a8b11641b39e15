/* ballastctl_decap.h - the server's end of ipip and gue services, as an XDP program.
 *
 * Role     `ballastctl decap`: attaches bpf/decap.bpf.c to an interface of a real server whose
 *          kernel has no tunnel devices of its own, and takes it off again
 * Shape    one command; the program stays in the kernel when ballastctl has ended
 * Threads  one
 * Memory   none afterwards; the kernel keeps the program and its map
 * Limits   LB_DECAP_SOURCES_MAX tunnel sources; somebody else's XDP program is not replaced
 * Errors   a line on standard error; exit status 1, for wrong use 2
 * Source   decision 0042
 * Tests    tests/system/test_one_way.py, tests/system/test_decap_program.c
 */
#ifndef LB_BALLASTCTL_DECAP_H
#define LB_BALLASTCTL_DECAP_H

/* argv[0] is "decap". Returns the exit status. */
int lb_ctl_decap(int argc, char **argv);

#endif
