/* worker.h - one core's packet loop.
 *
 * Role     polls its queues, runs the pipeline, transmits, punts, frees; between bursts takes
 *          commands, ages connections, tells control what it needs
 * Shape    run to completion on one lcore; nothing shared but rings and counters
 * Units    ms since `start_tsc`, the same for all workers
 * Threads  lb_worker_main on the worker's lcore; the rest is set before launch and constant
 * Memory   caller's, zeroed
 * Limits   LB_BURST_MAX packets a burst; a full transmit queue, punt or hand-over ring is a
 *          counted drop;
 *          LB_HELD_MAX buffers of fragments that wait (steer/fragment_table.h);
 *          a worker without a transmit queue on a port sends through one that has one;
 *          an idle worker sleeps at most 1 ms; no queue is polled before the first generation is
 *          acknowledged
 * Errors   none: what can fail has failed at start
 * Source   DESIGN 1, STYLE 2.3
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_WORKER_H
#define LB_WORKER_H

#include <stdatomic.h>

#include "pipeline.h"
#include "runtime/byte_ring.h"
#include "runtime/mbuf_chain.h"
#include "runtime/port.h"
#include "runtime/publish.h"
#include "runtime/reporter.h"
#include "runtime/worker_stats.h"

struct rte_mbuf;

/* A packet on its way to the worker that owns it or, finished, to one that transmits it; the cell
 * of a hand-over ring. */
struct lb_handed {
	struct rte_mbuf *mbuf;
	uint32_t port; /* where it came in; finished: where it leaves */
	uint32_t is_finished;
};

/* A fragment that waits for its first one. */
struct lb_held {
	struct rte_mbuf *mbuf;
	uint8_t port; /* where it came in */
	bool is_handed;
};

#define LB_WORKER_QUEUES_MAX (LB_IFACES_MAX * LB_PORT_QUEUES_MAX)
#define LB_FRAME_MAX 9728u /* bytes of a frame that crosses a byte ring */

/* A queue that this worker polls. */
struct lb_worker_queue {
	uint16_t ethdev;
	uint16_t queue;
	uint8_t port;
};

struct lb_worker {
	/* constant after launch */
	uint32_t idx;
	uint32_t core;
	struct lb_pipeline *pipeline;
	size_t block_bytes; /* of the mapping that holds all of it */
	const struct lb_port
		*ports; /* by interface; the second of one device has none of its own */
	uint32_t n_ports;
	struct lb_mailbox mailbox;
	struct lb_byte_ring *punt;   /* to control */
	struct lb_byte_ring *inject; /* from control; NULL but for worker 0 */
	uint32_t n_workers;
	struct lb_spsc_ring
		*hand_in[LB_WORKERS_MAX]; /* by sender, of struct lb_handed; own: NULL */
	struct lb_spsc_ring *hand_out[LB_WORKERS_MAX]; /* by owner; own: NULL */
	const _Atomic bool *stop;
	uint64_t start_tsc;
	uint64_t tsc_per_ms;

	/* the worker's own */
	struct lb_worker_stats stats; /* control reads it */
	struct lb_reporter reporter;
	uint64_t now_ms;
	uint64_t aged_ms;
	uint64_t idle_since_tsc;
	uint64_t generation; /* last one applied */
	uint64_t acked;      /* last one that control was told */
	uint32_t n_queues;
	struct lb_worker_queue queues[LB_WORKER_QUEUES_MAX];
	struct lb_burst burst;
	struct rte_mbuf *mbufs[LB_BURST_MAX]; /* of the burst's packets, same index */
	struct lb_part parts[LB_BURST_MAX][LB_PARTS_MAX]; /* of chained ones */
	struct lb_held held[LB_HELD_MAX];     /* by the pipeline's slots */
	uint32_t n_done;
	struct rte_mbuf *done[2 * LB_BURST_MAX]; /* to be freed; of a joined frame both forms */
	uint16_t n_tx[LB_IFACES_MAX];
	struct rte_mbuf *tx[LB_IFACES_MAX][LB_BURST_MAX]; /* to be sent by this port */
};

/* Queue i of each port belongs to worker i % n_workers; ports are started. */
void lb_worker_assign_queues(struct lb_worker *w);

/* For rte_eal_remote_launch; runs until *stop. Returns 0. */
int lb_worker_main(void *worker);

#endif
