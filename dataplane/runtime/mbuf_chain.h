/* mbuf_chain.h - a frame whose bytes lie in several mbufs.
 *
 * Role     makes of a chain what a view can be put over, and of a view that was cut a chain again
 * Shape    the first segment holds what passes read and write; the others are parts that are read
 * Units    bytes
 * Threads  the worker that owns the mbuf
 * Memory   bytes move between the segments; segments that are empty then are freed
 * Limits   LB_PARTS_MAX segments behind the first
 * Errors   false: more segments, or no room in the first for LB_CONTIGUOUS_MIN bytes
 * Tests    tests/eal/test_chained.c
 */
#ifndef LB_MBUF_CHAIN_H
#define LB_MBUF_CHAIN_H

#include <rte_mbuf.h>

#include "packet/packet.h"

#define LB_PARTS_MAX 16u

/* `parts`: room for LB_PARTS_MAX. */
bool lb_chain_gather(struct rte_mbuf *m, struct lb_part *parts);

/* Only `rest` bytes follow the first segment any more. */
void lb_chain_cut(struct rte_mbuf *m, uint32_t rest);

#endif
