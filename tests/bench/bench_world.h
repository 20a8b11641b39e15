/* bench_world.h - a pipeline with services, servers and open connections, and packets for it.
 *
 * Role     everything that a row of the bench needs before its clock starts
 * Shape    one object per row; a pool of packet buffers larger than the L2 cache
 * Units    counts; bytes as said
 * Threads  one
 * Memory   tables and pool from mmap with MADV_HUGEPAGE, a few hundred MB for 1 M flows
 * Limits   BENCH_POOL buffers; flows x 2 entries in the connection table
 * Errors   a world that does not come out as told ends the program with a sentence
 */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "pipeline.h"
#include "steer/service_table.h"

#define BENCH_POOL 65536u
#define BENCH_BUFFER_BYTES 512u
#define BENCH_HEADROOM 128u

struct bench_shape {
	bool is_v6;
	enum lb_forwarding forwarding;
	uint32_t n_services;
	uint32_t n_servers; /* all services together */
	bool is_lookup;     /* nothing but the service look-up is made */
	uint32_t n_flows;
	uint32_t n_connections; /* stated capacity: NAT connections, half as many as others */
	bool has_persistence;
	bool is_stateless; /* maglev without tracking, each service with a table of its own */
};

struct bench_world {
	struct bench_shape shape;
	struct lb_pipeline *pl;
	size_t pipeline_bytes;
	size_t table_bytes;
	struct lb_key *to_vip;    /* per flow, as the client sends it */
	struct lb_key *to_client; /* per flow, as the server answers */
	uint32_t n_open;
	struct lb_service_table *services; /* of a row that looks up nothing else */
	struct lb_addr *wanted;            /* BENCH_POOL of them */
	uint8_t *pool;
	uint64_t now_ms;
	uint64_t random;
};

/* Opens every flow by a SYN and an ACK through the pipeline. */
struct bench_world *bench_world_create(const struct bench_shape *shape);

/* Writes a packet of a random flow into every buffer of the pool, in one direction. */
void bench_fill_known(struct bench_world *w, bool is_reply);

/* Writes a SYN of a client that was never seen into every buffer of the pool. */
void bench_fill_new(struct bench_world *w);

/* Looks up the services of BENCH_POOL random VIPs, in bursts as the passes do; returns how many
 * were found. */
uint32_t bench_look_up_services(struct bench_world *w);

/* Time passes until no connection that was only opened is left. */
void bench_let_expire(struct bench_world *w);

/* Bytes of the connection table per connection of the row's kind that it takes; 0: none is open. */
double bench_bytes_per_conn(const struct bench_world *w);

/* The view over buffer `i` of the pool. */
void bench_view(const struct bench_world *w, uint32_t i, struct lb_pkt *p);

uint64_t bench_random(struct bench_world *w);

/* Zeroed memory on huge pages where there are any. */
void *bench_alloc(size_t bytes);

#endif
