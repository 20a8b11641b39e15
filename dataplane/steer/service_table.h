/* service_table.h - which virtual service an address, protocol and port belong to.
 *
 * Role     exact look-up whose cost does not depend on the number of services: the port itself,
 *          then ranges, then all ports
 * Shape    ports listed by themselves in buckets of one line (exact_ports.h); all else in one
 *          open-addressing hash of (address, protocol, port prefix): a port range as its at most 30
 *          aligned power-of-two blocks, and one more entry per (address, protocol) that says which
 *          block sizes exist there
 * Units    addresses and ports in network order in keys, ranges in host order
 * Threads  owner worker only
 * Memory   caller's zeroed block; nothing allocated afterwards
 * Limits   entries as given at init; the configuration counts them (lb_service_table_entries in
 *          lb/service.h) and refuses past LB_SERVICE_ENTRIES_MAX
 * Errors   add: -ENOSPC when full, -EEXIST when a block is another slot's; the table is unchanged
 * Source   DESIGN 3.3; the packet path's half is service_find.h
 * Tests    tests/unit/test_service_table.c (naive twin)
 */
#ifndef LB_SERVICE_TABLE_H
#define LB_SERVICE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "lb/service.h"
#include "packet/packet.h"

#define LB_SERVICE_NOT_FOUND UINT32_MAX

struct lb_service_table;

size_t lb_service_table_bytes(uint32_t n_entries);
int lb_service_table_init(void *mem, uint32_t n_entries, uint64_t seed,
			  struct lb_service_table **out);

int lb_service_table_add(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			 const struct lb_port_range *ports, size_t n_ports, uint32_t slot);
void lb_service_table_remove(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			     const struct lb_port_range *ports, size_t n_ports, uint32_t slot);

/* Slot, or LB_SERVICE_NOT_FOUND. */
uint32_t lb_service_table_lookup(const struct lb_service_table *t, const struct lb_addr *vip,
				 uint8_t proto, rte_be16_t port_be);

/* The same for where a packet with this key goes. */
uint32_t lb_service_table_find(const struct lb_service_table *t, const struct lb_key *key);

/* Does any service use this address? For ICMP and fragments. */
bool lb_service_table_has_vip(const struct lb_service_table *t, const struct lb_addr *vip);

#endif
