/* conn.h - a connection: its entries, its life and its end.
 *
 * Role     opens, tracks, ages and removes the pair of entries of a NAT connection, and the one
 *          entry of a connection whose replies do not come through Ballast
 * Shape    functions over the worker's tables (struct lb_steer), one noun above conn_table.h. The
 *          forward entry stands for the connection: it counts, ages and names the server; the
 *          reverse entry, where there is one, goes with it
 * Units    ms since the worker started, ticks in entries
 * Threads  owner worker only
 * Memory   none of its own
 * Limits   at the stated capacity the least valuable of a few connections (of either family), or
 *          when the table finds no room above 80 % of it that of the new connection's candidates,
 *          gives way: closed, embryonic, idle longest. A connection active within the last
 *          LB_EVICT_IDLE_S never does; below 80 % none does
 * Errors   open: NULL with the drop reason
 * Source   DESIGN 3.4, 3.5, 3.7
 * Tests    tests/unit/test_conn.c
 */
#ifndef LB_CONN_H
#define LB_CONN_H

#include "packet/key.h"
#include "packet/packet.h"
#include "steer/conn_table.h"
#include "steer/iface.h"
#include "steer/nat_addr_set.h"
#include "steer/nat_source.h"
#include "steer/next_hop.h"
#include "steer/owner_map.h"
#include "steer/persist_table.h"
#include "steer/schedule.h"
#include "steer/service_table.h"

#define LB_EVICT_IDLE_S 60u   /* an established connection idle for less is in use */
#define LB_AGE_SWEEP_MS 4000u /* the whole table is visited once in this time */
#define LB_RECORD_KEEP_MIN_S \
	10u /* a record lives two sweeps at least, so that the sweep keeps it */

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

/* Where the ageing sweep is. */
struct lb_age {
	uint64_t last_ms;
	uint64_t credit;    /* buckets * ms that are due */
	uint32_t next;      /* bucket, those of IPv4 first */
	uint32_t n_reroute; /* buckets still to be visited since the routes changed */
	bool has_displaced; /* an entry may have been moved past the sweep */
};

/* A worker's tables: everything that steering reads and writes. */
struct lb_steer {
	uint32_t worker;
	uint32_t n_workers;
	const struct lb_owner_map *owners; /* NULL with one worker */
	uint32_t n_nat_services;           /* services whose replies carry no address of ours */
	uint64_t seed;
	uint32_t conns_max; /* stated capacity of this worker */
	uint32_t conns;     /* connections now (pairs); control: ro */
	uint32_t
		table_changes; /* moves on with each insertion and removal: pointers to entries that
				   were found before are void */
	struct lb_conn_table *conn_table;
	struct lb_service_table *service_table;
	struct lb_nat_addr_set *nat_addr_set;
	struct lb_persist_table *persist;
	struct lb_next_hops *next_hops;
	const struct lb_route_table *routes; /* NULL: none yet */
	const struct lb_service **services;  /* LB_SERVICES_MAX */
	struct lb_schedule_state *schedule;  /* LB_SERVICES_MAX */
	struct lb_real *reals;               /* LB_REALS_MAX */
	uint16_t *member_generation;         /* LB_TARGETS_MAX */
	struct lb_target_map targets;
	const struct lb_nat_source **nat_sources; /* LB_NAT_SOURCES_MAX */
	struct lb_nat_cursor *nat_cursors;        /* LB_NAT_SOURCES_MAX * 2, v4 then v6 */
	struct lb_addr *nat_addrs;                /* by id, LB_NAT_ADDR_IDS_MAX + 1 */
	struct lb_ifaces ifaces;
	struct lb_traffic_cell *service_traffic; /* LB_SERVICES_MAX */
	struct lb_traffic_cell *real_traffic;    /* LB_REALS_MAX */
	uint64_t *counters;                      /* LB_COUNTER_N */
	struct lb_age age;
};

/* Counters and traffic have one writer and are read by control at any time. */
static inline void lb_add(uint64_t *cell, uint64_t n)
{
	__atomic_store_n(cell, __atomic_load_n(cell, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void lb_count(struct lb_steer *st, enum lb_counter counter)
{
	lb_add(&st->counters[counter], 1);
}

struct lb_conn_request {
	const struct lb_key *key; /* client to VIP; not in the table */
	uint32_t hash;
	uint32_t slot;
	uint32_t real_id;
	uint32_t client_next_hop;
	const struct lb_conn *leaving; /* asked what would be: an entry that will be gone by then */
};

/* What a new connection is going to be, decided before anything is written. */
struct lb_conn_plan {
	struct lb_key replies; /* of a NAT connection */
	bool takes_over;     /* what stands at that key is over or an orphan, and has to go first */
	struct lb_conn like; /* its forward entry but for what the table keeps there */
};

/* 0, or the drop reason. Only `cursor` moves on, which is the one of the request or a copy of it;
 * of a service that is not fullnat it is not looked at. */
enum lb_counter lb_conn_plan_open(const struct lb_steer *st, const struct lb_conn_request *rq,
				  struct lb_nat_cursor *cursor, struct lb_conn_plan *out);

/* The request's walk over NAT sources. */
struct lb_nat_cursor *lb_conn_cursor_of(const struct lb_steer *st,
					const struct lb_conn_request *rq);

/* Has the table room below the stated capacity, or somebody who would give way? */
bool lb_conn_has_room(const struct lb_steer *st, bool is_v6, uint32_t hash, uint64_t now_ms);

/* Opens a connection: picks the NAT source, inserts its entries, evicts where the limits above
 * allow it. Returns the forward entry; NULL: *reason says why. */
struct lb_conn *lb_conn_open(struct lb_steer *st, const struct lb_conn_request *rq, uint64_t now_ms,
			     enum lb_counter *reason);

/* Is the entry's service and real server still whose it was? Then *real_id is that server. */
bool lb_conn_is_valid(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
		      uint32_t *real_id);

/* NULL when the entry's service or real server has been given to another; then the pair is
 * removed and counted (conn_orphaned). Otherwise *real_id is the connection's server. */
struct lb_conn *lb_conn_validate(struct lb_steer *st, struct lb_conn *conn, bool is_v6,
				 uint32_t *real_id);

static inline bool lb_conn_is_reply(const struct lb_conn *conn)
{
	return conn->kind == LB_CONN_TCP_REV || conn->kind == LB_CONN_UDP_REV;
}

/* Only the client's packets pass: no reverse entry. */
static inline bool lb_conn_is_one_way(const struct lb_conn *conn)
{
	return !lb_conn_is_reply(conn) && lb_forwarding_is_one_way(conn->fwd.forwarding);
}

/* May a client's new SYN with this 5-tuple end the old connection? Yes once it is closing, and
 * while a server that takes nobody any more has not answered it. */
bool lb_conn_may_reopen(const struct lb_steer *st, const struct lb_conn *conn);

/* Notes a packet of this direction: last tick, and for TCP the state in both entries. */
void lb_conn_track(struct lb_steer *st, struct lb_conn *conn, bool is_v6, uint8_t tcp_flags,
		   uint64_t now_ms);

/* What a packet of this entry's direction has to carry when it leaves; of a one-way connection
 * what it came with. The entry is valid. */
void lb_conn_translation(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
			 struct lb_tuple *out);

/* The same for a client's packet of this key; `conn` need not be in the table. */
void lb_conn_translate_forward(const struct lb_steer *st, const struct lb_conn *conn,
			       const struct lb_key *key, struct lb_tuple *out);

/* The client is reached by another next hop now. */
void lb_conn_set_client_next_hop(struct lb_steer *st, struct lb_conn *conn, bool is_v6,
				 uint32_t next_hop);

/* The other direction's key and entry; false / NULL when it cannot be told or is not there. */
bool lb_conn_peer_key(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
		      struct lb_key *out);
struct lb_conn *lb_conn_peer(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6);

/* Removes its entries. */
void lb_conn_close(struct lb_steer *st, struct lb_conn *conn, bool is_v6, enum lb_counter why);

/* conn_age.c: visits buckets in proportion to the time since the last call; at most `max_buckets`.
 * Removes what has idled too long and orphans, refreshes the persistence records of what lives,
 * and forgets learnt next hops that nothing uses. */
void lb_conn_age(struct lb_steer *st, uint64_t now_ms, uint32_t max_buckets);

/* After a change of routes: clients' next hops are looked up again within a sweep. */
void lb_conn_age_reroute(struct lb_steer *st);

/* When a record of this service that is made or confirmed now expires. */
uint32_t lb_conn_record_expires_s(const struct lb_service *svc, uint64_t now_ms);

/* Idle time in ticks after which this entry's connection is removed. */
uint32_t lb_conn_timeout_ticks(const struct lb_steer *st, const struct lb_conn *conn);

/* TCP: a side has ended its half, or both have and only time is waited for. */
bool lb_conn_is_closing(const struct lb_conn *conn);
bool lb_conn_is_over(const struct lb_conn *conn);

#endif
