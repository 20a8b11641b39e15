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
#define BENCH_FULL_MS_PER_BURST 1u /* so that the handshakes of a full table are older than 1 s */

enum bench_work {
	BENCH_IN,     /* packets of clients on open connections */
	BENCH_REPLY,  /* their servers' answers */
	BENCH_NEW,    /* SYNs of clients that were never seen */
	BENCH_LOOKUP, /* the service look-up alone */
};

struct bench_shape {
	bool is_v6;
	enum lb_forwarding forwarding;
	uint32_t n_services;
	uint32_t n_servers; /* all services together */
	bool is_lookup;     /* nothing but the service look-up is made */
	uint32_t n_flows;
	uint32_t n_connections; /* stated capacity: NAT connections, half as many as others */
	bool is_full;           /* beside the flows handshakes, as many as there is room for */
	bool has_persistence;
	bool is_stateless; /* maglev without tracking, each service with a table of its own */
};

/* Which of a row's workers, and what they share. */
struct bench_lane {
	uint32_t worker;
	struct lb_persist_table *records;
};

/* Of each of a pool's packets its flow, and where it stood in its buffer when it had been sent. */
struct bench_sent {
	uint32_t flow[BENCH_POOL]; /* as the pool was filled */
	uint16_t offset[BENCH_POOL];
	uint16_t len[BENCH_POOL];
};

struct bench_world {
	struct bench_shape shape;
	struct bench_lane lane;
	struct lb_pipeline *pl;
	size_t pipeline_bytes;
	size_t table_bytes;
	struct lb_huge_blocks *table_blocks; /* of Maglev tables */
	struct lb_key *to_vip;    /* per flow, as the client sends it */
	struct lb_key *to_client; /* per flow, as the server answers */
	uint16_t *server_of;      /* per flow, as it was opened */
	uint32_t n_open;
	struct lb_service_table *services; /* of a row that looks up nothing else */
	struct lb_addr *wanted;            /* BENCH_POOL of them */
	uint64_t wanted_sum;               /* of what should be found */
	uint8_t *pool;
	uint64_t now_ms;
	uint64_t random;
};

/* The persistence records of all workers. */
struct lb_persist_table *bench_records_create(const struct bench_shape *shape, uint32_t n_workers);

/* Opens every flow by a SYN and an ACK through the pipeline. */
struct bench_world *bench_world_create(const struct bench_shape *shape,
				       const struct bench_lane *lane);

/* Writes a packet of a random flow into every buffer of the pool, in one direction. `flows`: NULL,
 * or BENCH_POOL of them. */
void bench_fill_known(struct bench_world *w, bool is_reply, uint32_t *flows);

/* Writes a SYN of a client that was never seen into every buffer of the pool. */
void bench_fill_new(struct bench_world *w, uint32_t *flows);

/* Gives every packet of the pool its TCP checksum. */
void bench_seal(struct bench_world *w);

/* NULL: each packet of the pool left as its flow must; otherwise what is wrong with the first that
 * did not. */
const char *bench_judge(const struct bench_world *w, const struct bench_sent *sent,
			enum bench_work work);

/* Looks up the services of BENCH_POOL random VIPs, in bursts as the passes do; false: not all of
 * them were found. */
bool bench_look_up_services(struct bench_world *w);

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
