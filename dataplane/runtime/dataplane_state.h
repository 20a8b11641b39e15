/* dataplane_state.h - the insides of struct lb_dataplane, shared by dataplane.c and
 * dataplane_ask.c.
 *
 * Role     what a running data plane owns
 * Shape    one struct: ports and workers by their indexes
 * Threads  control: rw; a worker reads what its own struct points to, and `stop`
 * Memory   control's heap; tables and workers in mappings of their own
 * Limits   include/lb/limits.h
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_DATAPLANE_STATE_H
#define LB_DATAPLANE_STATE_H

#include "lb/dataplane.h"

#include "runtime/eal_boot.h"
#include "runtime/port.h"
#include "runtime/publish.h"
#include "runtime/worker.h"

#define LB_NOTES_MAX 1024

/* A query stays where it is until every worker has told its last report. */
struct lb_asked {
	struct lb_query query;
	uint32_t n_left; /* workers that have not; 0: free */
};

struct lb_dataplane {
	struct lb_eal eal;
	bool is_eal_running;
	struct lb_port ports[LB_IFACES_MAX];
	uint32_t port_of[LB_IFACES_MAX]; /* index into ports, by interface */
	uint32_t n_ports;
	uint64_t seed;
	uint64_t start_tsc;
	_Atomic bool stop; /* control: w, workers: r */
	uint32_t n_workers;
	struct lb_worker *workers[LB_WORKERS_MAX];
	uint32_t n_launched;
	void *persist_mem;
	size_t persist_bytes;
	struct lb_persist_table *persist;
	struct lb_rss_map rss; /* filled when the ports have started, before the workers do */
	struct lb_publisher *publisher;
	uint32_t punt_next; /* worker whose punt ring is read next */
	uint32_t report_next;
	struct lb_asked queries[LB_QUERIES_MAX];
	char notes[LB_NOTES_MAX];
};

#endif
