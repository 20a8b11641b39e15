/* fragment_table.h - packets that come in parts: what was decided about them, and who waits.
 *
 * Role     keeps what became of a packet's first fragment, so that the later ones, which have no
 *          ports, go the same way; gives a place to those that come before it
 * Shape    one record per packet, in the order of their age; a place is a number under which
 *          whoever has the bytes keeps them. Places come back once, in the order in which they
 *          were taken, when the first fragment is there, when it is too late or room is needed
 * Units    ms since the worker started; bytes of frames for places, of the packet for offsets
 * Threads  owner worker only; lb_fragment_owner is the same on all
 * Memory   caller's zeroed block of lb_fragment_table_bytes()
 * Limits   LB_FRAGMENTS_MAX records: the oldest goes. LB_WAITING_MAX fragments and
 *          LB_WAITING_BYTES_MAX bytes wait: the packet that has waited longest goes, and its places
 *          come back to be dropped (drop_fragment_full). Who waits for nobody has a decision, so
 *          fragments without a first one never take more than LB_WAITING_MAX of the records.
 *          LB_FRAGMENT_LIFE_MS from the fragment that made it, once more from the first fragment,
 *          then a record is gone (drop_fragment_timeout)
 * Errors   none
 * Source   RFC 791, RFC 8200 4.5, RFC 1858, RFC 5722 (overlaps end a packet); decision 0050
 * Tests    tests/unit/test_fragment_table.c, tests/unit/test_pipeline_fragments.c
 *
 * A part that overlaps the first fragment could carry other ports than those by which the packet
 * was let through, so it is dropped, and all that is left of its packet too
 * (drop_fragment_overlap). Overlaps further behind change nothing that was decided here: the
 * receiver judges them.
 */
#ifndef LB_FRAGMENT_TABLE_H
#define LB_FRAGMENT_TABLE_H

#include <stddef.h>

#include "packet/fragment.h"

#define LB_FRAGMENTS_MAX 4096u
#define LB_WAITING_MAX 256u
#define LB_WAITING_BYTES_MAX (512u << 10)
#define LB_HELD_MAX 384u /* places: of those that wait, and of those not yet taken back */
#define LB_HELD_NONE UINT32_MAX
#define LB_FRAGMENT_LIFE_MS 2000u

/* What became of the first fragment: all that deliver has to know about a later one. */
struct lb_fragment_decision {
	uint8_t verdict; /* CONTINUE, HAND_OVER, PUNT or DROP */
	uint8_t is_reply;
	uint8_t forwarding;
	uint8_t service_epoch;
	uint8_t real_epoch;
	uint16_t drop_reason;
	uint16_t owner;
	uint32_t next_hop;
	uint32_t service;
	uint32_t real_id;
	uint32_t hash;
	rte_be32_t new_id_be;
	struct lb_key to;
};

struct lb_fragment_table;

size_t lb_fragment_table_bytes(void);
/* `mem` zeroed and aligned to 64 bytes. */
void lb_fragment_table_init(void *mem, uint64_t seed, uint32_t worker, uint32_t n_workers,
			    struct lb_fragment_table **out);

/* The worker where all fragments of this packet meet. */
uint32_t lb_fragment_owner(const struct lb_fragment_table *t, const struct lb_key *id,
			   uint32_t n_workers);

/* A first fragment with these ports: true, unless it contradicts an earlier part of its packet;
 * then all of the packet is dropped from now on. *new_id_be is what its packet is to be called. */
bool lb_fragment_admit_first(struct lb_fragment_table *t, const struct lb_fragment *f,
			     rte_be32_t ports_be, uint64_t now_ms, rte_be32_t *new_id_be);

/* Right after that: what became of it. Those that wait for it are to be run again. */
void lb_fragment_decide(struct lb_fragment_table *t, const struct lb_fragment *f,
			rte_be32_t ports_be, const struct lb_fragment_decision *decision,
			uint64_t now_ms);

/* A later fragment: what became of its packet's first, NULL when that has not come. */
const struct lb_fragment_decision *lb_fragment_follow(struct lb_fragment_table *t,
						      const struct lb_fragment *f, uint64_t now_ms);

/* It waits, with `n_bytes` of frame: returns its place, below LB_HELD_MAX. LB_HELD_NONE: all are
 * taken because nobody took back what was given back. Precondition: nothing to follow. */
uint32_t lb_fragment_hold(struct lb_fragment_table *t, const struct lb_fragment *f,
			  uint32_t n_bytes, uint64_t now_ms);

/* The decision holds no longer; the packet is a stranger again. */
void lb_fragment_forget(struct lb_fragment_table *t, const struct lb_key *id);

/* Ends what is too old; a bounded number a call. */
void lb_fragment_age(struct lb_fragment_table *t, uint64_t now_ms);

/* Places that are given back: free from now on. */
struct lb_place_back {
	uint16_t slot;
	uint16_t drop_reason; /* enum lb_counter; LB_COUNTER_N: to be run again */
};
uint32_t lb_fragment_take_back(struct lb_fragment_table *t, struct lb_place_back *out,
			       uint32_t max);

/* Records now. */
uint32_t lb_fragment_records(const struct lb_fragment_table *t);

#endif
