/* reserved_ports.h - ports that the kernel shall not choose for its own connections.
 *
 * Role     keeps NAT source ports out of the kernel's ephemeral ones where both share an address:
 *          the answers to such a connection of the kernel would end in a worker
 * Shape    a set of ports added to net.ipv4.ip_local_reserved_ports (both families obey it)
 * Units    ports in host order
 * Threads  control thread only
 * Memory   three bitmaps of 8 KiB
 * Limits   65536 ports
 * Errors   0 or -errno; without the right to write nothing changes
 * Source   Linux Documentation/networking/ip-sysctl.rst; decision 0010
 * Tests    tests/system/test_netlink.c
 */
#ifndef LB_RESERVED_PORTS_H
#define LB_RESERVED_PORTS_H

#include <stddef.h>

#include "lb/service.h"

struct lb_reserved_ports;

/* What a killed run added (a file in `state_dir` says what, in which boot and namespace) is given
 * back first. NULL state_dir: after a kill -9 the ports stay reserved until the next boot. */
int lb_reserved_ports_open(const char *state_dir, struct lb_reserved_ports **out);

/* Gives back what we added. NULL is allowed. */
void lb_reserved_ports_close(struct lb_reserved_ports *r);

/* Exactly these are added to what others have reserved. */
int lb_reserved_ports_set(struct lb_reserved_ports *r, const struct lb_port_range *ranges,
			  size_t n);

/* Ports that are reserved by us now. */
size_t lb_reserved_ports_count(const struct lb_reserved_ports *r);

#endif
