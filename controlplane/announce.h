/* announce.h - tells the neighbours that an address is here now.
 *
 * Role     gratuitous ARP and unsolicited neighbour advertisements for addresses that Ballast has
 *          put on a netdev; the kernel sends none for an address that is added
 * Shape    a queue on the loop; each address is announced LB_ANNOUNCE_TIMES, as frames may be lost
 * Units    ms
 * Threads  control thread only
 * Memory   the queue, at most LB_ANNOUNCE_MAX entries
 * Limits   LB_ANNOUNCE_PER_TURN frames each LB_ANNOUNCE_TURN_MS; past LB_ANNOUNCE_MAX waiting
 *          addresses further ones are not announced and counted. An address that is taken away
 *          meanwhile is not announced any more
 * Errors   create: -ENOMEM; without CAP_NET_RAW it is off and lb_announcer_error() says so
 * Source   RFC 5227 2.3 (announcement), RFC 4861 7.2.6
 * Tests    tests/unit/test_announce.c, tests/system/test_ports.py, tests/system/test_kernel_side.py
 */
#ifndef LB_ANNOUNCE_H
#define LB_ANNOUNCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"

#define LB_ANNOUNCE_TIMES 3u
#define LB_ANNOUNCE_APART_MS 1000u
#define LB_ANNOUNCE_TURN_MS 10u
#define LB_ANNOUNCE_PER_TURN 64u
#define LB_ANNOUNCE_MAX 131072u
#define LB_ANNOUNCE_FRAME_MAX 86u

/* The frame from its Ethernet header on; returns its length. */
size_t lb_announce_frame(const struct lb_addr *addr, const uint8_t mac[6],
			 uint8_t out[LB_ANNOUNCE_FRAME_MAX]);

struct event_base;
struct lb_announcer;

struct lb_announcer_params {
	struct event_base *base;
	/* Is it still ours, on that netdev? Asked before each frame. */
	bool (*is_held)(void *ctx, const struct lb_addr *addr, uint32_t ifindex);
	void *ctx;
};
int lb_announcer_create(const struct lb_announcer_params *params, struct lb_announcer **out);

/* NULL is allowed. */
void lb_announcer_destroy(struct lb_announcer *an);

/* From now on, from the loop. */
void lb_announcer_add(struct lb_announcer *an, const struct lb_addr *addr, uint32_t ifindex,
		      const uint8_t mac[6]);

/* 0, or why nothing is sent (-EPERM). */
int lb_announcer_error(const struct lb_announcer *an);
uint64_t lb_announcer_sent(const struct lb_announcer *an);
uint64_t lb_announcer_left_out(const struct lb_announcer *an);

#endif
