/* dataplane.h - what the control plane may ask of the data plane.
 *
 * Role     start and stop the workers, publish commands, read counters, carry frames to and from
 *          the kernel as bytes
 * Shape    one opaque handle
 * Units    as in command.h; frames are bytes from the Ethernet header on
 * Threads  every call from the control thread only; none blocks, none touches an mbuf
 * Memory   sized at start from the params; refused by name when it does not fit
 * Limits   LB_WORKERS_MAX workers, LB_IFACES_MAX ports; the command queue towards a worker whose
 *          ring is full grows in control memory until the worker takes it, nothing is lost
 * Errors   0 or -errno with lb_error
 * Source   DESIGN 1 and 2
 * Tests    tests/eal/
 */
#ifndef LB_DATAPLANE_H
#define LB_DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/command.h"
#include "lb/counters.h"
#include "lb/error.h"
#include "lb/limits.h"
#include "lb/report.h"

struct lb_dataplane;

struct lb_dataplane_port {
	char name[LB_NAME_MAX];	    /* interface name of the configuration, for reports */
	char device[LB_DEVICE_MAX]; /* as configured: af_xdp:IFNAME, vdev:STRING, PCI address. The
				       XDP program of an af_xdp port is already attached */
	uint16_t mtu;		    /* 0: the device's own */
};

struct lb_dataplane_params {
	const struct lb_dataplane_port *ports; /* index = interface index; of one device several */
	size_t n_ports;
	const uint32_t *worker_cores; /* n_workers = 0: every core but the control thread's */
	size_t n_workers;
	uint32_t n_connections; /* all workers together */
	uint32_t n_records;
	bool has_seed; /* fixes hashes, stagger and NAT ports */
	uint64_t seed;
	const char *program; /* argv[0] for EAL */
	const char *const *eal_args;
	size_t n_eal_args;
};

/* Initialises EAL, ports and memory and starts the workers. They do not poll their queues before
 * they have acknowledged their first generation. The caller's thread becomes EAL's main lcore. */
int lb_dataplane_start(const struct lb_dataplane_params *params, struct lb_dataplane **out,
		       struct lb_error *err);

/* What start decided without being asked, a line each, for the start-up report; may be empty. */
const char *lb_dataplane_notes(const struct lb_dataplane *dp);

/* Stops the workers after their current burst. Counters, traffic and punted frames can still be
 * read, and are final; nothing is processed any more. */
void lb_dataplane_halt(struct lb_dataplane *dp);

/* Halts if need be and releases ports and memory; output files are complete then. NULL is
 * allowed. A process starts a data plane once. */
void lb_dataplane_stop(struct lb_dataplane *dp);

/* Queues `cmds` for every worker, followed by LB_CMD_GENERATION of `generation` (which must grow).
 * Objects obey command.h's rules. -ENOMEM: nothing was queued. */
int lb_dataplane_publish(struct lb_dataplane *dp, const struct lb_cmd *cmds, size_t n,
			 uint64_t generation);

/* Moves queued commands on and collects events; call it from a timer (0.2 to 1 ms while something
 * is pending, 50 ms otherwise). Writes at most `max` resolve events, returns how many: each next
 * hop once however many workers asked, `worker` is UINT32_MAX; the rest waits for the next call. */
size_t lb_dataplane_poll(struct lb_dataplane *dp, struct lb_event *events, size_t max);

/* Puts a copy of the query to every worker, behind what was published before. -EAGAIN:
 * LB_QUERIES_MAX queries are unanswered; -ENOMEM: nothing was asked. */
int lb_dataplane_ask(struct lb_dataplane *dp, const struct lb_query *query);

/* The next report of any worker, also to a query that nobody waits for any more; false: none. */
bool lb_dataplane_report(struct lb_dataplane *dp, struct lb_report *out);

/* The generation that every worker has acknowledged; 0 before the first. */
uint64_t lb_dataplane_acked(const struct lb_dataplane *dp);

/* The generation that this worker has acknowledged and the commands still queued for it. */
uint64_t lb_dataplane_worker_acked(const struct lb_dataplane *dp, uint32_t worker,
				   size_t *n_queued);

uint32_t lb_dataplane_n_workers(const struct lb_dataplane *dp);

struct lb_worker_info {
	uint32_t core;
	uint64_t loops;	     /* iterations so far */
	uint64_t busy_tsc;   /* cycles of iterations that had work */
	uint64_t total_tsc;  /* cycles since start */
	uint64_t tsc_hz;
	uint32_t n_entries;   /* of its connection tables in use, both families */
	uint32_t entries_max; /* two for each connection of its share of the limit */
	uint64_t memory_bytes;
	int32_t numa_node; /* of its core; -1: unknown */
};

void lb_dataplane_worker_info(const struct lb_dataplane *dp, uint32_t worker,
			      struct lb_worker_info *out);

/* A snapshot of one worker's counters. */
void lb_dataplane_counters(const struct lb_dataplane *dp, uint32_t worker,
			   uint64_t out[LB_COUNTER_N]);

/* Traffic of one service slot or one real id, summed over the workers. */
struct lb_traffic {
	uint64_t conns;	      /* opened so far */
	uint64_t conns_live;  /* now */
	uint64_t pkts_in;     /* client to server */
	uint64_t bytes_in;    /* frame bytes */
	uint64_t pkts_out;    /* server to client */
	uint64_t bytes_out;
	/* of a service only */
	uint64_t server_changed; /* connections whose real server changed in mid-flow */
	uint64_t evicted_closed;
	uint64_t evicted_embryonic;
	uint64_t evicted_idle;
};

void lb_dataplane_service_traffic(const struct lb_dataplane *dp, uint32_t slot,
				  struct lb_traffic *out);
void lb_dataplane_real_traffic(const struct lb_dataplane *dp, uint32_t real_id,
			       struct lb_traffic *out);

uint64_t lb_dataplane_records_live(const struct lb_dataplane *dp);

#define LB_REPLIES_TEXT_MAX 320u
#define LB_OFFLOADS_TEXT_MAX 160u

struct lb_port_info {
	char driver[LB_NAME_MAX];
	uint8_t mac[6];
	uint16_t mtu;
	bool link_up;
	uint32_t link_mbps; /* 0: unknown, or no link */
	int32_t numa_node;  /* where its memory is; -1: one node, or unknown */
	uint32_t n_rx_queues;
	uint32_t n_tx_queues;
	char offloads[LB_OFFLOADS_TEXT_MAX]; /* what the device could do, in words */
	uint64_t rx_missed;	/* the device had to drop: the workers were late */
	uint64_t rx_errors;
	uint64_t tx_errors;
	char replies[LB_REPLIES_TEXT_MAX]; /* how replies find their worker here, and why */
};

int lb_dataplane_port_info(const struct lb_dataplane *dp, uint32_t iface,
			   struct lb_port_info *out);

/* Next frame that a worker wants the kernel to have: copies at most `size` bytes, returns the
 * frame's whole length, 0 when there is none now. `port`: the first interface of the device. */
size_t lb_dataplane_punt_read(struct lb_dataplane *dp, uint32_t *port, uint8_t *frame,
			      size_t size);

/* Gives a frame from the kernel to worker 0 for transmission, with the tags that it has.
 * -ENOBUFS: ring full, not taken. */
int lb_dataplane_inject(struct lb_dataplane *dp, uint32_t iface, const uint8_t *frame, size_t len);

#endif
