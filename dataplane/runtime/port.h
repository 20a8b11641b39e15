/* port.h - a network device, as the configuration names it, and its queues.
 *
 * Role     from a device string to started queues and a pool of mbufs, and back
 * Shape    plan (sizes, before EAL runs), open (the device appears), start, close. A port is one
 *          ethdev, or for AF_XDP one per receive queue of the netdev
 * Units    bytes, mbufs
 * Threads  control; workers read rx, tx and pool after start
 * Memory   one pool per port from EAL's heap
 * Limits   LB_PORT_QUEUES_MAX receive queues. A transmit queue has one worker; where there are
 *          fewer queues than workers, the others hand what they send to one that has one, and
 *          with workers "auto" fewer workers run. Frames of AF_XDP fit a page with its heads: a
 *          larger MTU is refused
 * Errors   -errno with lb_error at /node/interfaces/INDEX/device
 * Source   DESIGN 3.8, 3.9; TESTBED (b)
 * Tests    tests/unit/test_port.c, tests/eal/test_dataplane.c, tests/system/
 */
#ifndef LB_PORT_H
#define LB_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/dataplane.h"

#define LB_PORT_QUEUES_MAX 64u
#define LB_HAND_OVER_CELLS 1024u /* of a ring from one worker to another */

struct rte_mempool;

enum lb_port_kind {
	LB_PORT_AF_XDP,
	LB_PORT_VDEV,
	LB_PORT_PCI,
};

struct lb_port_queue {
	uint16_t ethdev;
	uint16_t queue;
};

struct lb_port {
	char name[LB_NAME_MAX];
	char device[LB_DEVICE_MAX];
	char where[LB_NAME_MAX]; /* JSON Pointer, for complaints */
	uint32_t idx;            /* interface index */
	enum lb_port_kind kind;
	const char *args; /* what follows the kind in `device` */

	uint16_t mtu;       /* wanted; 0: the device's own */
	uint16_t data_room; /* of an mbuf, headroom included */
	uint32_t n_mbufs;
	uint32_t n_ethdevs_wanted; /* AF_XDP: receive queues of the netdev; else 1 */

	uint32_t n_ethdevs; /* open now */
	uint16_t ethdevs[LB_PORT_QUEUES_MAX];
	bool is_ours[LB_PORT_QUEUES_MAX]; /* we made the device and remove it again */
	bool is_started;
	bool sends_chains; /* frames of several mbufs; cards take the faster way without */

	struct rte_mempool *pool;
	uint32_t n_rx;
	struct lb_port_queue rx[LB_PORT_QUEUES_MAX]; /* queue i is worker i % n_workers's */
	uint32_t n_tx;
	struct lb_port_queue tx[LB_WORKERS_MAX]; /* worker w's, for w < n_tx */
	uint64_t seed;                           /* of the RSS key; set before start */
	char replies[LB_REPLIES_TEXT_MAX]; /* how packets find their connection's worker, and why;
					      rss.h writes it */
};

/* Understands the device string and sizes the pool for at most `n_workers`. */
int lb_port_plan(struct lb_port *port, const struct lb_dataplane_port *cfg, uint32_t idx,
		 uint32_t n_workers, struct lb_error *err);

/* The PCI address, NULL when it is none. */
const char *lb_port_pci(const struct lb_port *port);

/* EAL memory that the pool needs. */
uint64_t lb_port_pool_bytes(const struct lb_port *port);

/* Makes or finds the ethdevs. */
int lb_port_open(struct lb_port *port, struct lb_error *err);

/* Workers that can have a transmit queue of their own on an open port; at least 1. */
uint32_t lb_port_tx_max(const struct lb_port *port);

int lb_port_start(struct lb_port *port, uint32_t n_workers, struct lb_error *err);

/* The worker that transmits for worker `worker` on a started port: itself if it has a queue. */
static inline uint32_t lb_port_sender(const struct lb_port *port, uint32_t worker)
{
	return worker < port->n_tx ? worker : worker % port->n_tx;
}

/* Any state, also after a failed open or start; the workers have stopped. Output files of drivers
 * are complete afterwards. */
void lb_port_close(struct lb_port *port);

int lb_port_info(const struct lb_port *port, struct lb_port_info *out);

#endif
