/* ids.h - stable small numbers for things that the configuration names.
 *
 * Role     key (a name, an address, ...) -> id, the same id for as long as the key is in use
 * Shape    chained hash over dense arrays; changes happen in rounds: begin, get every key that is
 *          wanted, then commit (keys that nobody asked for are freed). Who may have to take a
 *          round back opens it in a copy
 * Units    keys are `key_bytes` bytes compared whole, so padding in them must be zero
 * Threads  one; any may ask and copy while no round is open
 * Memory   own heap, grows with the highest id in use, never shrinks
 * Limits   ids first..end-1; past that get says -ENOSPC. Freed ids are given out again oldest
 *          first, and only while more than `keep_free` are free or no fresh one is left
 * Errors   get: -ENOSPC, -ENOMEM; copy: -ENOMEM
 * Source   DESIGN 3.4 (epochs), 3.5 (generations)
 * Tests    tests/unit/test_ids.c (naive twin)
 */
#ifndef LB_IDS_H
#define LB_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_IDS_NONE UINT32_MAX

struct lb_ids;

struct lb_ids_params {
	size_t key_bytes;
	uint32_t first; /* lowest id */
	uint32_t end;   /* one past the highest */
	uint32_t keep_free;
};

int lb_ids_create(const struct lb_ids_params *params, struct lb_ids **out);

/* The same ids for the same keys, now and later. No round may be open. */
int lb_ids_copy(const struct lb_ids *ids, struct lb_ids **out);

/* NULL is allowed. */
void lb_ids_destroy(struct lb_ids *ids);

/* Opens a round; none may be open. */
void lb_ids_begin(struct lb_ids *ids);

/* The id of `key`, given out now if need be, and marked as wanted in this round. *is_first (may be
 * NULL) tells whether this round asks for the key for the first time. */
int lb_ids_get(struct lb_ids *ids, const void *key, uint32_t *id, bool *is_first);

/* Ends a round: unmarked ids are freed and their epoch moves on. */
void lb_ids_commit(struct lb_ids *ids);

/* LB_IDS_NONE: the key has no id. */
uint32_t lb_ids_find(const struct lb_ids *ids, const void *key);

/* One past the highest id ever given out: the bound for walking all ids. */
uint32_t lb_ids_bound(const struct lb_ids *ids);

/* Ids in use now. */
uint32_t lb_ids_count(const struct lb_ids *ids);

bool lb_ids_is_used(const struct lb_ids *ids, uint32_t id);

/* In use before this round and not asked for in it: commit would free it. */
bool lb_ids_is_leaving(const struct lb_ids *ids, uint32_t id);

/* Given out in the open round. */
bool lb_ids_is_new(const struct lb_ids *ids, uint32_t id);

/* How often the id has been freed. */
uint32_t lb_ids_epoch(const struct lb_ids *ids, uint32_t id);

/* The key of an id in use. */
const void *lb_ids_key(const struct lb_ids *ids, uint32_t id);

#endif
