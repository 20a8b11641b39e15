/* maglev_table.h - the inside of struct lb_maglev, for the packet path only.
 *
 * Role     what choosing a server by hash reads
 * Shape    one block: head, a key per server, slots
 * Threads  immutable but for n_refs
 * Memory   one block, on the heap or where the control plane wants it
 * Tests    tests/unit/test_maglev.c, tests/unit/test_schedule.c
 */
#ifndef LB_MAGLEV_TABLE_H
#define LB_MAGLEV_TABLE_H

#include <assert.h>

#include "lb/maglev.h"

struct lb_maglev {
	uint64_t content;
	uint32_t n_servers;
	uint32_t size;
	uint32_t n_refs;       /* atomic; any owner */
	const uint64_t *keys;  /* hash of each server's address */
	const uint16_t *slots; /* positions in the list */
	struct lb_maglev_home home; /* no give_back: the heap */
};

static_assert(LB_SERVICE_SERVERS_MAX <= UINT16_MAX + 1u, "a slot names every server in 16 bits");

#endif
