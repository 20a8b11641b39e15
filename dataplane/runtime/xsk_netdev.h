/* xsk_netdev.h - what has to be known of a kernel network device before AF_XDP takes its packets.
 *
 * Role     MTU and number of receive queues, from the kernel
 * Shape    two questions by ioctl, so that the answer is of this network namespace
 * Units    bytes, queues
 * Threads  control
 * Memory   none
 * Limits   none
 * Errors   -ENODEV when there is no such device, other -errno
 * Tests    tests/unit/test_port.c, tests/system/test_af_xdp_port.c
 */
#ifndef LB_XSK_NETDEV_H
#define LB_XSK_NETDEV_H

#include <stdint.h>

struct lb_xsk_netdev {
	uint32_t mtu;
	uint32_t n_rx_queues; /* 1 where the driver does not say */
};

int lb_xsk_netdev_read(const char *ifname, struct lb_xsk_netdev *out);

#endif
