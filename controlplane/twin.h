/* twin.h - the network device that stands in the kernel for a port that DPDK drives.
 *
 * Role     a TAP device with the port's MAC, MTU and carrier and the node's addresses: what the
 *          workers do not want is received on it, what the kernel sends on it leaves by the port
 * Shape    one descriptor; knows neither the loop nor the data plane
 * Units    frames are bytes from the Ethernet header on, without FCS
 * Threads  control thread only; no call blocks
 * Memory   one descriptor; device, addresses and routes vanish with it, so also after kill -9
 * Limits   the kernel keeps 1000 frames (the device's txqueuelen) for a reader that is late and
 *          drops the rest, counted on the device
 * Errors   open: -EPERM, -EACCES or -ENOENT when rights or /dev/net/tun are missing: the caller
 *          says "off because" and goes on; -EEXIST when the name is taken; each with a sentence
 * Source   DESIGN 3.9, decision 0100
 * Tests    tests/system/test_twin.c, tests/system/test_ports.py
 */
#ifndef LB_TWIN_H
#define LB_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/config.h"
#include "lb/error.h"

/* Gateways stand behind every default route that the system's own tools make (0, 100, 1024). */
#define LB_TWIN_METRIC 4096u

struct lb_twin;
struct lb_rtnl;

/* What follows the port. */
struct lb_twin_port {
	uint8_t mac[6];
	uint16_t mtu;
	bool has_carrier;
};

/* Makes the device and brings it up. */
int lb_twin_open(const char *name, const struct lb_twin_port *port, struct lb_twin **out,
		 struct lb_error *err);

/* NULL is allowed. */
void lb_twin_close(struct lb_twin *twin);

/* The node's addresses, and gateways as default routes of this metric. `err` names the first that
 * the kernel refused. */
int lb_twin_configure(const struct lb_twin *twin, const struct lb_cfg_interface *cfg,
		      uint32_t metric, struct lb_error *err);

/* MTU and carrier are the port's again if they have changed there since the last call. */
void lb_twin_follow(struct lb_twin *twin, const struct lb_twin_port *port);

/* For the event loop. */
int lb_twin_fd(const struct lb_twin *twin);

/* A frame that the kernel sends; 0: none now. */
size_t lb_twin_read(struct lb_twin *twin, uint8_t *frame, size_t size);

/* A frame that the kernel receives. */
void lb_twin_write(struct lb_twin *twin, const uint8_t *frame, size_t len);

const char *lb_twin_name(const struct lb_twin *twin);

struct lb_twin_counts {
	uint64_t received;  /* given to the kernel */
	uint64_t refused;   /* the kernel did not take them: the device is down */
	uint64_t sent;      /* of the kernel's, given to a worker */
	uint64_t sent_lost; /* of the kernel's, but the ring to the worker was full */
};

/* Whoever reads a frame says what became of it. */
void lb_twin_count_sent(struct lb_twin *twin, bool is_taken);
struct lb_twin_counts lb_twin_counts(const struct lb_twin *twin);

#endif
