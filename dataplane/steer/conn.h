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
 * Limits   who gives way at the stated capacity: conn_room.h. A connection active within the last
 *          LB_EVICT_IDLE_S never does; below 80 % of the room none that is established does
 * Errors   open: NULL with the drop reason
 * Source   DESIGN 3.4, 3.5, 3.7
 * Tests    tests/unit/test_conn.c
 */
#ifndef LB_CONN_H
#define LB_CONN_H

#include "packet/key.h"
#include "packet/packet.h"
#include "packet/wire.h"
#include "steer/awaited.h"
#include "steer/conn_ask.h"
#include "steer/conn_fifo.h"
#include "steer/conn_find.h"
#include "steer/iface.h"
#include "steer/nat_addr_set.h"
#include "steer/nat_source.h"
#include "steer/newcomers.h"
#include "steer/next_hop.h"
#include "steer/owner_map.h"
#include "steer/persist_table.h"
#include "steer/rss_map.h"
#include "steer/schedule.h"
#include "steer/seeded_hash.h"
#include "steer/service_table.h"
#include "steer/tcp_track.h"

#define LB_EVICT_IDLE_S 60u   /* an established connection idle for less is in use */
#define LB_AGE_SWEEP_MS 4000u /* the whole table is visited once in this time */
#define LB_RECORD_KEEP_MIN_S \
	10u /* a record lives two sweeps at least, so that the sweep keeps it */

struct lb_way_count {
	uint64_t pkts;
	uint64_t bytes;
};

/* Traffic of a service or a server: one writer, control reads it at any time. */
struct lb_traffic_cell {
	uint64_t conns;
	uint64_t conns_live;
	struct lb_way_count way[2]; /* to the server, to the client */
};

/* What each packet of a service reads and counts, copied from its object: one line, so that an
 * established packet need not follow the pointer. */
struct lb_service_line {
	struct lb_traffic_cell traffic;
	rte_be32_t vip4_be; /* 0: of IPv6 */
	uint16_t life;      /* its epoch, or LB_LIFE_NONE */
	rte_be16_t gue_port_be;
	uint8_t forwarding;
	uint8_t persist_len;
	uint16_t group_id; /* 0: no persistence */
	uint8_t server_down_action;
	uint8_t unused[3];
};

/* The same of a server. */
struct lb_real_line {
	struct lb_traffic_cell traffic;
	rte_be32_t addr4_be; /* 0: of IPv6 */
	uint32_t next_hop;
	rte_be16_t port_be;
	uint16_t life;
	uint8_t via_gateway;
	uint8_t unused[3];
};

_Static_assert(sizeof(struct lb_service_line) == 64 && sizeof(struct lb_real_line) == 64, "lines");

/* In place of the epoch of who has a slot or id: nobody. One that nobody ever had has 0 there, and
 * no entry names it. */
#define LB_LIFE_NONE 0x100u

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
	const struct lb_rss_map *rss;      /* NULL with one worker; it may know nothing */
	uint32_t n_nat_services;           /* services whose replies carry no address of ours */
	uint32_t n_stateless;              /* services without an entry per connection */
	uint64_t seed;
	uint32_t entries_max; /* room of this worker: two for each stated connection */
	uint32_t entries;     /* in use now, both families; control: ro */
	uint32_t conns;       /* connections now; control: ro */
	uint32_t
		table_changes; /* moves on with each insertion and removal: pointers to entries that
				   were found before are void */
	struct lb_conn_table *conn_table;
	struct lb_service_table *service_table;
	struct lb_nat_addr_set *nat_addr_set;
	struct lb_awaited *awaited;
	struct lb_persist_table *persist;
	struct lb_next_hops *next_hops;
	const struct lb_next_hop *hops;      /* all of them, by id */
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
	struct lb_service_line *service_lines; /* LB_SERVICES_MAX */
	struct lb_table_line *table_lines;     /* LB_SERVICES_MAX */
	struct lb_real_line *real_lines;       /* LB_REALS_MAX */
	uint64_t *counters;                    /* LB_COUNTER_N */
	struct lb_age age;
	uint32_t n_embryonic;      /* of the connections */
	struct lb_conn_fifo begun; /* connections by their first packet */
	struct lb_conn_fifo over;  /* ... by their end */
	struct lb_newcomers newcomers;
	struct lb_hash_seed newcomer_seed;
	struct lb_service_limits *limits; /* LB_SERVICES_MAX */
	struct lb_promise_cell *promises; /* LB_SERVICES_MAX */
	uint32_t *down_since_s;           /* LB_TARGETS_MAX; of those that are down: since when */
	struct lb_asks asks;
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

/* Has the client tried to open a connection lately? */
enum lb_proof {
	LB_PROOF_UNASKED,
	LB_PROOF_NEW,
	LB_PROOF_PROVEN,
};

struct lb_service_limits;
struct lb_promise_cell;

struct lb_conn_request {
	const struct lb_key *key; /* client to VIP; not in the table */
	uint32_t hash;
	uint32_t slot;
	uint32_t real_id;
	uint32_t client_next_hop;
	uint8_t tcp_flags;             /* of the packet that opens it */
	const struct lb_conn *leaving; /* asked what would be: an entry that will be gone by then */
	bool is_question;    /* nothing is to be noted, taken or evicted */
	bool has_ample_room; /* conn_room.h's own, as `proof`: it has been seen already */
	enum lb_proof proof; /* conn_room.c's own */
};

/* What a new connection is going to be, decided before anything is written. */
struct lb_conn_plan {
	struct lb_key replies; /* of a NAT connection */
	uint32_t replies_hash;
	bool takes_over; /* what stands at that key is over, embryonic or an orphan: it goes */
	bool is_oldest;  /* ... and is the oldest embryonic one towards the server */
	uint16_t nat_addr_id; /* of fullnat: from where it leaves; of others 0 */
	rte_be16_t nat_port_be;
};

/* 0, or the drop reason. Only `cursor` moves on, which is the one of the request or a copy of it;
 * of a service that is not fullnat it is not looked at. */
enum lb_counter lb_conn_plan_open(const struct lb_steer *st, const struct lb_conn_request *rq,
				  struct lb_nat_cursor *cursor, struct lb_conn_plan *out);

/* The forward entry of what was planned, where its kind stands already, but for the time. */
void lb_conn_fill_forward(const struct lb_steer *st, const struct lb_conn_request *rq,
			  const struct lb_conn_plan *plan, struct lb_conn *fwd);

/* The request's walk over NAT sources. */
struct lb_nat_cursor *lb_conn_cursor_of(const struct lb_steer *st,
					const struct lb_conn_request *rq);

/* Opens a connection: picks the NAT source, inserts its entries, evicts where the limits above
 * allow it. Returns the forward entry; NULL: *reason says why. */
struct lb_conn *lb_conn_open(struct lb_steer *st, struct lb_conn_request *rq, uint64_t now_ms,
			     enum lb_counter *reason);

/* The other direction's key and entry; false / NULL when it cannot be told or is not there. */
bool lb_conn_peer_key(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
		      struct lb_key *out);
struct lb_conn *lb_conn_peer(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6);

/* How many entries a connection takes. */
static inline uint32_t lb_conn_n_entries(uint8_t forwarding)
{
	return lb_forwarding_is_one_way(forwarding) ? 1 : 2;
}

/* Is the room used to 80 % or more? Below that no established connection gives way. */
static inline bool lb_conn_is_room_used(const struct lb_steer *st)
{
	return (uint64_t)st->entries * 5 >= (uint64_t)st->entries_max * 4;
}

static inline bool lb_conn_is_reply(const struct lb_conn *conn)
{
	/* The kind stands in the lowest bits, where the key's comparison wants it too: of the byte
	 * this is one instruction, of the bit field four. */
	return (*(const uint8_t *)conn & LB_CONN_REPLY_BIT) != 0;
}

static inline bool lb_conn_is_tcp(const struct lb_conn *conn)
{
	return (conn->kind & LB_CONN_PROTO_BITS) == LB_CONN_TCP_FWD;
}

/* The server of the entry, by its id and the life in which the connection knows it. A reverse entry
 * has both in one word, so that replies need not ask their peer. */
static inline void lb_conn_server(const struct lb_steer *st, const struct lb_conn *conn, bool is_v6,
				  uint32_t *real_id, uint16_t *life)
{
	uint32_t word;

	if (lb_conn_is_reply(conn)) {
		word = *lb_conn_server_word(st->conn_table, conn, is_v6);
		*real_id = word & 0xffffffu;
		*life = (uint16_t)(word >> 24);
		return;
	}
	*real_id = conn->fwd.real_id;
	*life = conn->fwd.real_epoch;
}

/* Ends what lb_conn_validate has found to be nobody's. */
void lb_conn_end_orphan(struct lb_steer *st, struct lb_conn *conn, bool is_v6);

/* Is the entry's service and real server still whose it was? Then *real_id is that server. */
static inline bool lb_conn_is_valid(const struct lb_steer *st, const struct lb_conn *conn,
				    bool is_v6, uint32_t *real_id)
{
	uint16_t life;

	lb_conn_server(st, conn, is_v6, real_id, &life);
	return likely(st->service_lines[conn->service].life == conn->service_epoch) &&
	       likely(st->real_lines[*real_id].life == life);
}

/* NULL when the entry's service or real server has been given to another; then the pair is
 * removed and counted (conn_orphaned). Otherwise *real_id is the connection's server. */
static inline struct lb_conn *lb_conn_validate(struct lb_steer *st, struct lb_conn *conn,
					       bool is_v6, uint32_t *real_id)
{
	if (likely(lb_conn_is_valid(st, conn, is_v6, real_id)))
		return conn;
	lb_conn_end_orphan(st, conn, is_v6);
	return NULL;
}

/* Only the client's packets pass: no reverse entry. */
static inline bool lb_conn_is_one_way(const struct lb_conn *conn)
{
	return !lb_conn_is_reply(conn) && lb_forwarding_is_one_way(conn->fwd.forwarding);
}

/* May a client's new SYN with this 5-tuple end the old connection? Yes once it is closing, and
 * while a server that takes nobody any more has not answered it. */
bool lb_conn_may_reopen(const struct lb_steer *st, const struct lb_conn *conn);

/* What is known of a UDP connection, in `state`. */
enum lb_udp_state {
	LB_UDP_NEW,
	LB_UDP_ANSWERED, /* a server answers forged packets too */
	LB_UDP_HEARD,    /* the client has sent again, after a tick or after an answer, which passes
			  * unseen where connections are one-way */
};

/* Both entries get the state, and what goes with it is kept right. */
void lb_conn_set_state(struct lb_steer *st, struct lb_conn *conn, bool is_v6, uint32_t state);

/* conn_track.c. The state after a packet of this direction; `is_later`: than the last one by a
 * tick. A reset or FIN that does not fit the connection's numbers changes nothing and counts
 * (tcp_outside_window). */
void lb_conn_track_tcp(struct lb_steer *st, struct lb_conn *conn, const struct lb_pkt *p);
void lb_conn_track_udp(struct lb_steer *st, struct lb_conn *conn, bool is_v6, bool is_later);

/* Where the client of a TCP connection is: by its first packet; by a later one, as far as that
 * fits. */
void lb_conn_begin_numbers(struct lb_conn *fwd, const struct lb_pkt *p);
void lb_conn_follow_numbers(struct lb_conn *fwd, const struct lb_pkt *p);

/* Once in 64 KiB of either direction. */
static inline bool lb_conn_has_moved(const struct lb_conn *fwd, const struct lb_pkt *p)
{
	const uint8_t *tcp = p->data + p->l4_off;

	return ((lb_load_be16(tcp + LB_TCP_SEQ_OFF) ^ fwd->fwd.seq_hi_be) |
		(lb_load_be16(tcp + LB_TCP_ACK_OFF) ^ fwd->fwd.ack_hi_be)) != 0;
}

/* Notes a packet of this direction: last tick, where the client is, and the state in both
 * entries. */
static inline void lb_conn_track(struct lb_steer *st, struct lb_conn *conn, const struct lb_pkt *p,
				 uint16_t tick)
{
	bool is_later = conn->last_tick != tick;

	if (unlikely(is_later))
		conn->last_tick = tick;
	if (likely(conn->kind == LB_CONN_TCP_FWD && conn->state == LB_TCP_ESTABLISHED) &&
	    likely(p->tcp_flags == LB_TCP_ACK)) {
		if (unlikely(lb_conn_has_moved(conn, p)))
			lb_conn_follow_numbers(conn, p);
		return;
	}
	if (likely(conn->kind == LB_CONN_TCP_REV && conn->state == LB_TCP_ESTABLISHED) &&
	    likely(p->tcp_flags == LB_TCP_ACK))
		return;
	if (lb_conn_is_tcp(conn))
		lb_conn_track_tcp(st, conn, p);
	else if (unlikely(conn->state != LB_UDP_HEARD))
		lb_conn_track_udp(st, conn, p->key.is_v6, is_later);
}

/* What a packet of this entry's direction has to carry when it leaves: addresses and ports of
 * `out`, family and protocol as the packet has them. Not of a one-way connection. The entry is
 * valid. */
static inline void lb_conn_translate4(const struct lb_steer *st, const struct lb_conn *conn,
				      const struct lb_key4 *key, struct lb_key4 *out)
{
	const struct lb_real_line *real;
	rte_be16_t sport_be, dport_be;

	if (lb_conn_is_reply(conn)) {
		out->src_be = st->service_lines[conn->service].vip4_be;
		out->dst_be = conn->rev.client_be[0];
		out->ports_be = lb_ports(conn->rev.vip_port_be, conn->rev.client_port_be);
		return;
	}
	real = &st->real_lines[conn->fwd.real_id];
	out->src_be = key->src_be;
	out->dst_be = real->addr4_be;
	sport_be = lb_ports_first(key->ports_be);
	dport_be = real->port_be != 0 ? real->port_be : lb_ports_second(key->ports_be);
	if (conn->fwd.nat_addr_id != 0) {
		out->src_be = lb_addr_v4(&st->nat_addrs[conn->fwd.nat_addr_id]);
		sport_be = conn->fwd.nat_port_be;
	}
	out->ports_be = lb_ports(sport_be, dport_be);
}

void lb_conn_translate6(const struct lb_steer *st, const struct lb_conn *conn,
			const struct lb_key6 *key, struct lb_key6 *out);

/* The client is reached by another next hop now. */
void lb_conn_set_client_next_hop(struct lb_steer *st, struct lb_conn *conn, bool is_v6,
				 uint32_t next_hop);

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

/* Nothing says yet that there is a client: no handshake was finished, or no datagram has followed
 * the first. */
bool lb_conn_is_embryonic(const struct lb_conn *conn);

#endif
