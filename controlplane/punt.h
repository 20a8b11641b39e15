/* punt.h - a frame that a worker gives back reaches the kernel as if received on the netdev.
 *
 * Role     the way from lb_dataplane_punt_read() into the kernel
 * Shape    one TAP device (balN) per netdev; a program on it redirects what we write to the
 *          netdev's ingress, behind the XDP program
 * Units    frames are bytes from the Ethernet header on, without FCS
 * Threads  control thread only; no call blocks
 * Memory   one descriptor; the TAP vanishes with it, so also after kill -9
 * Limits   frames up to LB_PUNT_FRAME_MAX
 * Errors   open: -EPERM without CAP_NET_ADMIN, -ENODEV, each with a sentence: the caller reports
 *          "off because" and goes on; write: -EMSGSIZE, -EAGAIN, -EIO, the frame is counted
 * Source   DESIGN 3.9
 * Tests    tests/system/test_punt.c
 */
#ifndef LB_PUNT_H
#define LB_PUNT_H

#include <stddef.h>
#include <stdint.h>

#include "lb/error.h"

#define LB_PUNT_FRAME_MAX 9728u /* of the largest MTU, with two VLAN tags */

struct lb_punt;

/* After lb_steering_attach to the same netdev. */
int lb_punt_open(const char *netdev, struct lb_punt **out, struct lb_error *err);

/* NULL is allowed. */
void lb_punt_close(struct lb_punt *punt);

int lb_punt_write(struct lb_punt *punt, const uint8_t *frame, size_t len);

/* Name of the TAP, for reports. */
const char *lb_punt_name(const struct lb_punt *punt);

struct lb_punt_counts {
	uint64_t written;
	uint64_t refused;
};

struct lb_punt_counts lb_punt_counts(const struct lb_punt *punt);

#endif
