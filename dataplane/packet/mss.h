/* mss.h - the largest segment that a TCP end says it takes, lowered.
 *
 * Role     rewrites the option of a SYN so that what the other end sends fits a way that this end
 *          does not know of
 * Shape    one pure function on one view
 * Units    bytes of TCP data
 * Threads  pure
 * Memory   writes the option's two bytes and the checksum
 * Limits   the at most 40 bytes of options of one TCP header
 * Errors   malformed options: nothing behind them is looked at
 * Source   RFC 9293 3.7.1, RFC 6691; RFC 1624 for the checksum
 * Tests    tests/unit/test_mss.c, tests/golden/47-mss-clamp
 */
#ifndef LB_MSS_H
#define LB_MSS_H

#include "packet/packet.h"

/* Of a parsed TCP packet with SYN, also one that stands in a tunnel now: every maximum segment size
 * above `mss` becomes `mss`; never raised, never added. True: something was changed. */
bool lb_mss_lower(struct lb_pkt *p, uint16_t mss);

#endif
