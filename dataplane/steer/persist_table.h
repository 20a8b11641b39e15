/* persist_table.h - which machine each client stays on.
 *
 * Role     client address under the group's mask -> machine, shared by every service of the group
 *          and by all workers
 * Shape    64-byte lines of four 16-byte records {key, value}; two candidate lines per key. The
 *          key is exact for IPv4 (group, masked address); for IPv6 it is the group and a keyed
 *          46-bit fingerprint of the masked address (two clients of a group that collide share a
 *          machine)
 * Units    seconds since the process started for expiry, the same clock on all workers to within
 *          a second; past 2^30 - 1 s (34 years) an expiry stays there
 * Threads  any worker, without a lock. Look-ups only load. A client's first packet makes two
 *          16-byte compare-exchanges, one to take a place and one to make the record valid, and
 *          counts the placement; replacing a void or expired record of the client makes one
 *          exchange, a refresh one of 8 bytes, at most once a second
 * Memory   caller's zeroed block, one for the process: 64 bytes a stated record, 8 MB for members
 * Limits   at most LB_PERSIST_RECORDS_MAX. There are twice the stated number of places, so that
 *          almost no record (1 in 200 000) gives way before that many clients are live. Both lines
 *          full of live records: the one that expires first gives way (counted)
 * Errors   init: -EINVAL past the limit or on memory not aligned to 64 bytes; hot calls: none
 * Source   DESIGN 3.5, decision 0003
 * Tests    tests/unit/test_persist_table.c (naive twin), tests/race/race_persist_table.c
 */
#ifndef LB_PERSIST_TABLE_H
#define LB_PERSIST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "packet/packet.h"

struct lb_persist_table;

#define LB_PERSIST_RECORDS_MAX (1u << 28)
#define LB_MEMBER_GENERATION_BITS 12u /* generations are compared by serial number (RFC 1982) */

struct lb_record {
	uint32_t member_id;  /* a machine in this group: its lb_service_server.group_target_id */
	uint32_t generation; /* of the member when the record was made */
	uint32_t expires_s;
};

size_t lb_persist_bytes(uint32_t n_records);
int lb_persist_init(void *mem, uint32_t n_records, uint64_t seed, struct lb_persist_table **out);

/* Good for as long as the table. */
struct lb_record_key lb_persist_key(const struct lb_persist_table *t, uint16_t group_id,
				    const struct lb_addr *masked_client);

/* The same of the client that a packet to the VIP comes from, under the group's mask. */
struct lb_record_key lb_persist_key_of(const struct lb_persist_table *t, uint16_t group_id,
				       const struct lb_key *flow, uint8_t mask_len);

void lb_persist_prefetch(const struct lb_persist_table *t, struct lb_record_key key);

/* True and *out for a record that has not expired. Whether its member is still in that
 * generation is the caller's question. */
bool lb_persist_lookup(const struct lb_persist_table *t, struct lb_record_key key, uint32_t now_s,
		       struct lb_record *out);

enum lb_persist_result {
	LB_PERSIST_WRITTEN,
	LB_PERSIST_LOST,    /* another worker was first: *rec is its record now, follow it */
	LB_PERSIST_EVICTED, /* written, and another client's live record gave way */
};

/* Writes *rec for key, unless the client has a live record already. `void_value`: the caller found
 * that record and its machine is down or may not be used; NULL when it found none. Exactly that
 * one is replaced then, wherever its expiry has moved to. `masked_client` is what `key` of IPv6 was
 * made of, kept for display; of IPv4 nobody looks at it. Of any number of workers that write for
 * one key at once all but one get LOST, with the record of that one. (Past 256 interrupted
 * attempts, which takes as many changes by others to this client's eight places during the call:
 * LOST with *rec as it was, no record.) */
enum lb_persist_result lb_persist_write(struct lb_persist_table *t, struct lb_record_key key,
					const struct lb_addr *masked_client, uint32_t now_s,
					const struct lb_record *void_value, struct lb_record *rec);

/* Moves the expiry of the record on if it still is key's and says `member_id`, also when it has
 * just expired; at most once a second per record makes a store. */
void lb_persist_refresh(struct lb_persist_table *t, struct lb_record_key key, uint32_t member_id,
			uint32_t now_s, uint32_t expires_s);

/* Tells the table which records may give way first: those of older generations of the member. Any
 * worker, when it hears of it. */
void lb_persist_set_generation(struct lb_persist_table *t, uint32_t member_id, uint32_t generation);

/* For listing: places 0..slots-1; true and the outputs for a place with a live record. */
uint64_t lb_persist_slots(const struct lb_persist_table *t);
bool lb_persist_entry(const struct lb_persist_table *t, uint64_t slot, uint32_t now_s,
		      struct lb_addr *client, uint16_t *group_id, struct lb_record *out);

/* Removes the record at this place if it still is this client's and says `member_id`, whatever its
 * expiry has moved to. False: it was not, or it changed while it was tried. */
bool lb_persist_remove(struct lb_persist_table *t, uint64_t slot, const struct lb_addr *client,
		       uint16_t group_id, uint32_t member_id);

/* Live records now; walks the whole table, control only. */
uint64_t lb_persist_count(const struct lb_persist_table *t, uint32_t now_s);

#endif
