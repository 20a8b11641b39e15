/* iface.h - which interface a frame came in by: its port and its VLAN tags.
 *
 * Role     several interfaces of the configuration may share one port; the tags tell them apart
 * Shape    a small array, searched where a port has tagged interfaces or a frame has tags
 * Units    tags as in lb/vlan.h
 * Threads  owner worker only
 * Memory   the caller's
 * Limits   LB_IFACES_MAX interfaces, so as many comparisons
 * Errors   LB_IFACE_NONE
 * Source   docs/decisions/0060-interfaces-in-vlans.md
 * Tests    tests/unit/test_iface.c
 */
#ifndef LB_IFACE_H
#define LB_IFACE_H

#include <stdbool.h>

#include "lb/service.h"

#define LB_IFACE_NONE UINT8_MAX

struct lb_ifaces {
	struct lb_iface of[LB_IFACES_MAX]; /* by index */
	uint32_t n;                        /* one past the highest that was set */
	uint32_t tagged_ports;             /* bit p: port p has an interface with tags */
	/* Bytes of the largest packet that may leave in a tunnel over IPv4 and untagged; 0: none
	 * may. */
	uint32_t tunnel4_max[LB_IFACES_MAX];
};

void lb_ifaces_set(struct lb_ifaces *ifaces, uint32_t idx, const struct lb_iface *iface);

/* Where no port has tags and no frame has, the port's index is the interface's. */
static inline bool lb_ifaces_must_search(const struct lb_ifaces *ifaces, uint8_t port,
					 uint32_t tags)
{
	return (tags | ifaces->tagged_ports) != 0 &&
	       (tags | (ifaces->tagged_ports >> port & 1u)) != 0;
}

uint8_t lb_ifaces_find(const struct lb_ifaces *ifaces, uint8_t port, uint32_t tags);

#endif
