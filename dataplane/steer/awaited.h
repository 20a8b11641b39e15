/* awaited.h - which frames for the kernel somebody of ours waits for.
 *
 * Role     when more frames are for the kernel than it can take, answers to health probes and to
 *          address resolution go first: a flood must not take the servers down
 * Shape    a counting filter over the addresses of real servers; ARP replies and neighbour
 *          advertisements are told by what they are
 * Units    -
 * Threads  owner worker only
 * Memory   256 KiB, caller's, zeroed
 * Limits   some other address may pass for a real server's: about as many in 65536 as there are
 *          servers. Who forges the address of one passes too
 * Errors   none
 * Source   decision 0102
 * Tests    tests/unit/test_awaited.c, tests/eal/test_dataplane.c
 */
#ifndef LB_AWAITED_H
#define LB_AWAITED_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"
#include "packet/packet.h"

#define LB_AWAITED_CELLS 65536u

struct lb_awaited {
	uint64_t seed;
	uint32_t n[LB_AWAITED_CELLS]; /* real servers whose address falls here */
};

/* Of one real server; the same address may be added several times. */
void lb_awaited_add(struct lb_awaited *a, const struct lb_addr *addr);
void lb_awaited_remove(struct lb_awaited *a, const struct lb_addr *addr);

bool lb_awaited_is(const struct lb_awaited *a, const struct lb_pkt *p);

#endif
