/* conn.h - a connection: its two entries, its life and its end.
 *
 * Role     opens, tracks, ages and removes the pair of entries of a NAT connection
 * Shape    functions over the worker's tables (struct lb_steer), one noun above conn_table.h
 * Units    ms since the worker started, ticks in entries
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   below 80 % of the stated capacity no established entry is evicted; above, among the
 *          new connection's candidate entries the least valuable goes first: closed, embryonic,
 *          idle longest
 * Errors   open: NULL with the drop reason
 * Source   DESIGN 3.4, 3.5, 3.7
 * Tests    tests/unit/test_conn.c
 */
#ifndef LB_CONN_H
#define LB_CONN_H

#include "packet/packet.h"
#include "steer/conn_table.h"
#include "steer/nat_source.h"
#include "steer/next_hop.h"
#include "steer/persist_table.h"
#include "steer/schedule.h"
#include "steer/service_table.h"

/* Per-service and per-real traffic, one writer. */
struct lb_traffic_cell {
	uint64_t conns;
	uint64_t conns_live;
	uint64_t pkts_in;
	uint64_t bytes_in;
	uint64_t pkts_out;
	uint64_t bytes_out;
	uint64_t unused[2];
};

/* A worker's tables: everything that steering reads and writes. */
struct lb_steer {
	uint32_t worker;
	uint32_t n_workers;
	uint64_t seed;
	uint32_t conns_max; /* stated capacity of this worker */
	uint32_t conns;	    /* connections now (pairs) */
	struct lb_conn_table *conn_table;
	struct lb_service_table *service_table;
	struct lb_persist_table *persist;
	struct lb_next_hops *next_hops;
	const struct lb_route_table *routes;
	const struct lb_service **services;	 /* LB_SERVICES_MAX */
	struct lb_schedule_state *schedule;	 /* LB_SERVICES_MAX */
	struct lb_real *reals;			 /* LB_REALS_MAX */
	uint16_t *machine_generation;		 /* LB_MACHINES_MAX */
	struct lb_target_map targets;
	const struct lb_nat_source **nat_sources; /* LB_NAT_SOURCES_MAX */
	struct lb_nat_cursor *nat_cursors;	 /* LB_NAT_SOURCES_MAX * 2, v4 then v6 */
	struct lb_addr *nat_addrs;		 /* by id, LB_NAT_ADDR_IDS_MAX + 1 */
	struct lb_iface ifaces[LB_IFACES_MAX];
	struct lb_traffic_cell *service_traffic; /* LB_SERVICES_MAX */
	struct lb_traffic_cell *real_traffic;	 /* LB_REALS_MAX */
	uint64_t *counters;			 /* LB_COUNTER_N */
	uint32_t age_bucket[2];			 /* next bucket of the sweep, v4 and v6 */
	uint64_t age_last_ms;
};

/* Opens a connection for a client's first packet `key` to `service` on server `real_id`: picks the
 * NAT source, inserts both entries, evicts if the bound allows it. NULL: *reason says why. */
struct lb_conn *lb_conn_open(struct lb_steer *st, const struct lb_key *key, uint32_t hash,
			     uint32_t slot, uint32_t real_id, uint32_t client_next_hop,
			     uint64_t now_ms, enum lb_counter *reason);

/* NULL when the entry's service or real server has been given to another; then the pair is
 * removed and counted (conn_orphaned). */
struct lb_conn *lb_conn_validate(struct lb_steer *st, struct lb_conn *conn, bool is_v6);

/* Notes a packet of this direction: last tick, and for TCP the state in both entries. */
void lb_conn_track(struct lb_steer *st, struct lb_conn *conn, bool is_v6, uint8_t tcp_flags,
		   uint64_t now_ms);

/* The other direction's key and entry; false / NULL when it cannot be told or is not there. */
bool lb_conn_peer_key(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
		      struct lb_key *out);
struct lb_conn *lb_conn_peer(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6);

/* Removes both entries. */
void lb_conn_close(struct lb_steer *st, struct lb_conn *conn, bool is_v6, enum lb_counter why);

/* Visits buckets in proportion to the time since the last call; at most `max_buckets`. */
void lb_conn_age(struct lb_steer *st, uint64_t now_ms, uint32_t max_buckets);

#endif
