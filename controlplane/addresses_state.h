/* addresses_state.h - the insides of struct lb_addresses, shared by addresses.c (what we hold) and
 * addresses_mirror.c (what is there).
 *
 * Role     what is known of the host's addresses
 * Shape    rows of the kernel's table, and entries that we hold or want
 * Threads  control thread only
 * Memory   own heap
 * Limits   those of addresses.h
 * Tests    tests/unit/test_addresses.c, tests/system/test_netlink.c
 */
#ifndef LB_ADDRESSES_STATE_H
#define LB_ADDRESSES_STATE_H

#include "addresses.h"

struct lb_addresses_row {
	struct lb_addr addr;
	uint32_t ifindex;
	uint8_t prefix_len;
	uint8_t protocol;
};

/* A pass over the entries: what is not wanted goes first. */
enum lb_addresses_phase { LB_ADDRESSES_REMOVE, LB_ADDRESSES_ADD, LB_ADDRESSES_DONE };

struct lb_addresses_entry {
	struct lb_addr addr;
	uint32_t ifindex;
	enum lb_addresses_phase todo; /* in which phase of the pass; LB_ADDRESSES_DONE: in none */
	bool is_held;
	bool is_due;     /* held since before the dump under way began, which so has to have it */
	bool is_missing; /* and had not */
};

struct lb_addresses_rows {
	struct lb_addresses_row *list;
	size_t n;
	size_t room;
};

struct lb_addresses {
	struct lb_addresses_rows now;  /* sorted by address */
	struct lb_addresses_rows next; /* the dump under way */
	struct lb_addr *locals;
	size_t n_locals;
	size_t n_unused;
	struct lb_addresses_entry *entries; /* held or wanted; sorted by netdev and address */
	size_t n_entries;
	enum lb_addresses_phase phase;
	size_t at;
	size_t n_left;
	size_t n_refused;
	int error;
	uint64_t n_asked;
	struct lb_rtnl_batch batch;
	bool are_unmarked;
	struct lb_announcer *announcer; /* NULL: none */
};

/* By netdev and address, for qsort and bsearch. */
int lb_addresses_compare(const void *x, const void *y);

#endif
