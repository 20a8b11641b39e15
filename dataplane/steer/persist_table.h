/* persist_table.h - which machine each client stays on.
 *
 * Role     client address under the group's mask -> machine, shared by every service of the group
 *          and by all workers
 * Shape    64-byte lines of four 16-byte records {key, value}; two candidate lines per key. The
 *          key is exact for IPv4 (group, masked address); for IPv6 it is a keyed 63-bit
 *          fingerprint of group and masked address (two clients that collide share a machine)
 * Units    seconds since the process started for expiry
 * Threads  any worker reads without a lock; a client's first packet makes one 16-byte
 *          compare-exchange, a refresh is one plain store
 * Memory   caller's zeroed block, one for the process
 * Limits   both lines full of live records: the one that expires first gives way (counted)
 * Errors   init: -EINVAL; hot calls: none
 * Source   DESIGN 3.5, decision 0003
 * Tests    tests/unit/test_persist_table.c (naive twin), tests/race/race_persist_table.c
 */
#ifndef LB_PERSIST_TABLE_H
#define LB_PERSIST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"

struct lb_persist_table;

#define LB_MACHINE_GENERATION_BITS 14u /* generations are compared by serial number (RFC 1982) */

struct lb_record {
	uint32_t machine_id;
	uint32_t generation; /* of the machine when the record was made */
	uint32_t expires_s;
};

size_t lb_persist_bytes(uint32_t n_records);
int lb_persist_init(void *mem, uint32_t n_records, uint64_t seed, struct lb_persist_table **out);

uint64_t lb_persist_key(const struct lb_persist_table *t, uint16_t group_id,
			const struct lb_addr *masked_client);

void lb_persist_prefetch(const struct lb_persist_table *t, uint64_t key);

/* True and *out for a record that has not expired. Whether its machine is still in that
 * generation is the caller's question. */
bool lb_persist_lookup(const struct lb_persist_table *t, uint64_t key, uint32_t now_s,
		       struct lb_record *out);

enum lb_persist_result {
	LB_PERSIST_WRITTEN,
	LB_PERSIST_LOST,    /* another worker was first: *rec is its record now, follow it */
	LB_PERSIST_EVICTED, /* written, and another client's live record gave way */
};

/* Writes *rec for key. `void_value`: the caller found a record of this key whose machine is down
 * or may not be used; NULL when it found none. Replaces exactly that one. `client` is kept beside
 * the record for display. */
enum lb_persist_result lb_persist_write(struct lb_persist_table *t, uint64_t key,
					const struct lb_addr *client, uint32_t now_s,
					const struct lb_record *void_value,
					struct lb_record *rec);

/* Moves the expiry of the record on if it still is key's and says `machine_id`; at most once a
 * second per record makes a store. */
void lb_persist_refresh(struct lb_persist_table *t, uint64_t key, uint32_t machine_id,
			uint32_t now_s, uint32_t expires_s);

/* Live records now; walks the whole table, control only. */
uint64_t lb_persist_count(const struct lb_persist_table *t, uint32_t now_s);

#endif
