/* rss.h - what is known of the way in which the ports' cards spread packets over their queues.
 *
 * Role     asks each started port for its hash key, indirection table and hashed kinds of packets,
 *          and makes the workers' one map of them
 * Shape    one function over all ports; the map is the first port's that can be known, the others
 *          hash alike or their packets are handed over
 * Units    -
 * Threads  control, before the workers are launched
 * Memory   none of its own
 * Limits   indirection tables of a power of two, at most LB_RSS_BUCKETS_MAX
 * Errors   none: what is not known is said in lb_port.replies
 * Source   DESIGN 3.8; decision 0101
 * Tests    tests/eal/test_rss.c
 */
#ifndef LB_RSS_H
#define LB_RSS_H

#include "runtime/port.h"
#include "steer/rss_map.h"

/* Gives the started ports' queues their turns in the indirection tables, where they have some;
 * fills `map` and each port's `replies`. */
void lb_rss_settle(struct lb_port *ports, uint32_t n_ports, uint32_t n_workers,
		   struct lb_rss_map *map);

#endif
