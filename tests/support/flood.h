/* flood.h - established connections, a flood, and good clients in between, on a simulated clock.
 *
 * Role     says what a full and flooded worker does to those who mean well
 * Shape    flood_run(&plan, &result): one pipeline, packets in bursts, a step a millisecond
 * Units    simulated ms; packets and connections a simulated second
 * Threads  one
 * Memory   the pipeline's, and 32 bytes a good connection
 * Limits   FLOOD_SERVERS servers, IPv4, one service; a good client gives up after FLOOD_PATIENCE_MS
 * Errors   what goes wrong ends the test with a sentence on standard error
 * Tests    test_conn_room.c, flood_bench.c
 */
#ifndef FLOOD_H
#define FLOOD_H

#include "lb/service.h"

#define FLOOD_SERVERS 8u
#define FLOOD_PATIENCE_MS 10000u

struct flood_plan {
	const char *name;
	enum lb_forwarding forwarding;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t n_connections; /* stated */
	uint32_t n_established;
	uint32_t flood_per_s; /* packets, each from a random source */
	uint32_t good_per_s;  /* new connections of clients that mean well */
	uint32_t rtt_ms;      /* from a client's first packet to its second */
	uint32_t seconds;
	bool is_answered; /* the servers answer the flood */
	uint32_t first_nat_port;
	uint32_t last_nat_port;
	uint32_t starts_per_s_max; /* the service's own limits; 0: none */
	uint32_t conns_max;
	uint64_t seed;
};

struct flood_result {
	uint64_t n_flood;
	uint64_t n_good;
	uint64_t n_good_served; /* within FLOOD_PATIENCE_MS */
	uint64_t n_good_at_once; /* ... by their first packet */
	uint64_t n_lost;	 /* established connections that are no more */
	uint64_t n_evicted_embryonic;
	uint64_t n_evicted_idle;
	uint64_t n_unproven; /* drops of first attempts */
	uint64_t n_exhausted;
	uint32_t n_conns_most; /* connections at a time, at most */
	double ns_per_packet;  /* of the flood, in the pipeline; this machine's time */
};

/* How many connections of its kind the plan's worker takes. */
uint32_t flood_capacity(const struct flood_plan *plan);

void flood_run(const struct flood_plan *plan, struct flood_result *out);

#endif
