/* conn_table.h - which real server each live flow was given: the table itself.
 *
 * Role     finds the entry of a 5-tuple as it stands in a packet, one entry for each direction
 * Pointers an entry stays where it is through look-ups and through the removal of others. An insert
 *          moves others exactly when it adds to *n_displaced, lb_conn_tidy whenever it likes; then
 *          every pointer into that family is void
 * Shape    per family an array of two-entry buckets holding full keys inline (IPv4: one 64-byte
 *          line of 2 x 32 bytes; IPv6: 128 bytes of 2 x 64, and 8 more apart). Each key has two
 *          buckets; insertion prefers the first while it has room, then the second, then displaces
 *          others
 * Units    keys in network order; `last_tick` in ticks of 2^11 ms since the worker started
 * Threads  owner worker only; control sees it through counters, never directly
 * Memory   caller's zeroed block of lb_conn_table_bytes(); nothing allocated afterwards
 * Limits   displacement looks at LB_CONN_SEARCH_MAX buckets at most; when it finds no room insert
 *          fails, changes nothing, and the caller decides whom to evict (conn.h). That does not
 *          happen below 85 % of a table of 1000 entries or more. Look-ups cannot fail and read at
 *          most two buckets
 * Errors   init: -EINVAL past LB_CONN_ENTRIES_MAX or on unaligned memory; hot calls: none
 * Source   DESIGN 3.4; Pagh & Rodler, Cuckoo Hashing (2004); decision 0002
 * Tests    tests/unit/test_conn_table.c (naive twin), tests/fuzz/
 */
#ifndef LB_CONN_TABLE_H
#define LB_CONN_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "packet/packet.h"

#define LB_TICK_SHIFT_MS 11u
#define LB_CONN_ENTRIES_MAX (1u << 28) /* per family; the hash has 32 bits */
#define LB_CONN_SEARCH_MAX 1024u

static inline uint16_t lb_tick(uint64_t now_ms)
{
	return (uint16_t)(now_ms >> LB_TICK_SHIFT_MS);
}

/* The lowest bits are those of the protocol's number, so that they are compared with the key. */
#define LB_CONN_PROTO_BITS 3u
#define LB_CONN_REPLY_BIT 4u

enum lb_conn_kind {
	LB_CONN_FREE,
	LB_CONN_UDP_FWD = 1, /* client to VIP */
	LB_CONN_TCP_FWD = 2,
	LB_CONN_UDP_REV = 5, /* server to NAT source (fullnat) or to client (nat) */
	LB_CONN_TCP_REV = 6,
};

/* The part of an entry behind its key, the same for both families, so that the passes have one
 * type to work on. */
struct lb_conn {
	uint8_t kind : 3;    /* enum lb_conn_kind; part of the key match by its protocol */
	uint8_t state : 4;   /* enum lb_tcp_state or lb_udp_state, the same in both entries */
	uint8_t spilled : 1; /* the table's own, about the bucket and not about this entry: write
				fields one by one, never the struct as a whole */
	uint8_t service_epoch;
	uint16_t last_tick; /* last packet in this direction */
	uint16_t service;   /* slot */
	uint16_t client_next_hop;
	union {
		struct { /* client to server */
			uint32_t real_id : 20;
			uint32_t forwarding : 4; /* enum lb_forwarding, as it was opened: a service
						    that changes its mode keeps its connections */
			uint32_t real_epoch : 8;
			rte_be16_t nat_port_be;
			uint16_t nat_addr_id; /* 0: the client's own address (nat) */
			/* Upper halves of the sequence number and the acknowledgement that the
			 * client has got to (tcp_window.h); of UDP 0. */
			rte_be16_t seq_hi_be;
			rte_be16_t ack_hi_be;
		} fwd;
		struct { /* server to client; the VIP is the service's */
			rte_be16_t client_port_be;
			rte_be16_t vip_port_be;
			rte_be32_t client_be[]; /* 1 word IPv4, 4 words IPv6 */
		} rev;
	};
};

struct lb_conn_table;

/* Bytes for `n_v4` and `n_v6` entries (a NAT connection takes two); rounded up to buckets, at least
 * two buckets a family. 0 past LB_CONN_ENTRIES_MAX. */
size_t lb_conn_table_bytes(uint32_t n_v4, uint32_t n_v6);

/* `mem` is zeroed and aligned to 128 bytes. The table lives inside it. */
int lb_conn_table_init(void *mem, uint32_t n_v4, uint32_t n_v6, uint64_t seed,
		       struct lb_conn_table **out);

/* Hash, prefetch and look-up are inline in conn_find.h. */

/* A zeroed entry but for kind (which the caller gives and which fits key->proto). The key must not
 * be there. NULL: no room even by displacing, and nothing has moved. *n_displaced grows by the
 * entries moved to their other bucket; when it grows, all other pointers are void. */
struct lb_conn *lb_conn_insert(struct lb_conn_table *t, const struct lb_key *key, uint32_t hash,
			       enum lb_conn_kind kind, uint64_t *n_displaced);

/* A word of the caller's that goes with a reverse entry, to be set when it has been inserted. */
void lb_conn_set_server_word(struct lb_conn_table *t, struct lb_conn *rev, bool is_v6,
			     uint32_t word);

/* Moves nothing: pointers to other entries stay good. */
void lb_conn_remove(struct lb_conn_table *t, struct lb_conn *conn, bool is_v6);

/* The key of an entry that is in use. */
void lb_conn_key(const struct lb_conn *conn, bool is_v6, struct lb_key *out);

/* The entries of both buckets of `hash`, for choosing whom to evict: at most 4, in use ones only.
 * Returns how many. */
uint32_t lb_conn_candidates(const struct lb_conn_table *t, bool is_v6, uint32_t hash,
			    struct lb_conn *out[4]);

/* Walk for ageing: bucket index 0..lb_conn_n_buckets(family)-1, its two entries. */
uint32_t lb_conn_n_buckets(const struct lb_conn_table *t, bool is_v6);
uint32_t lb_conn_bucket(const struct lb_conn_table *t, bool is_v6, uint32_t bucket,
			struct lb_conn *out[2]);

/* Upkeep for the ageing pass, `n_buckets` steps at the table's own cursor (as many as were walked
 * is right): takes entries home into their first bucket where that has room again and forgets which
 * buckets once had spilled, so that a look-up of an unknown key goes on reading one bucket however
 * long the table has been in use. May move entries. */
void lb_conn_tidy(struct lb_conn_table *t, bool is_v6, uint32_t n_buckets);

/* Entries that there is room for, and entries in use. */
uint32_t lb_conn_capacity(const struct lb_conn_table *t, bool is_v6);
uint32_t lb_conn_count(const struct lb_conn_table *t, bool is_v6);

#endif
