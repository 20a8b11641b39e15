/* nat_addr_set.h - which NAT source an address and port of ours belong to.
 *
 * Role     tells a packet to one of our NAT ports that has no connection from a packet that is the
 *          kernel's; never asked for a packet of a live connection
 * Shape    open-addressing hash by address; one entry per (address, port range, NAT source)
 * Units    ports in host order inside, in network order in questions
 * Threads  owner worker only
 * Memory   caller's zeroed block; nothing allocated afterwards
 * Limits   LB_NAT_ADDR_SET_MAX entries; an address past it is not entered, and its packets without
 *          a connection go to the kernel. Sources that share an address share one walk
 * Errors   none
 * Source   DESIGN 3.7, 3.9
 * Tests    tests/unit/test_nat_addr_set.c (naive twin)
 */
#ifndef LB_NAT_ADDR_SET_H
#define LB_NAT_ADDR_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/service.h"

#define LB_NAT_ADDR_SET_MAX 131072u

struct lb_nat_addr_set;

size_t lb_nat_addr_set_bytes(void);
void lb_nat_addr_set_init(void *mem, uint64_t seed, struct lb_nat_addr_set **out);

/* All addresses of a source, under its index. Remove takes the same object. */
void lb_nat_addr_set_add(struct lb_nat_addr_set *s, const struct lb_nat_source *src, uint32_t idx);
void lb_nat_addr_set_remove(struct lb_nat_addr_set *s, const struct lb_nat_source *src,
			    uint32_t idx);

/* Is it an address of any NAT source? For fragments. */
bool lb_nat_addr_set_has(const struct lb_nat_addr_set *s, const struct lb_addr *addr);

/* Index of a NAT source that owns this port, UINT32_MAX: none does. */
uint32_t lb_nat_addr_set_find(const struct lb_nat_addr_set *s, const struct lb_addr *addr,
			      rte_be16_t port_be);

#endif
