/* pipeline.h - the packet's way through Ballast.
 *
 * Role     one burst of packet views in, verdicts out; the tables that this needs; the commands
 *          that change them; ageing
 * Shape    four passes over a burst (admit, choose, deliver, account), see pipeline.c
 * Units    time in ms since the worker started, passed in; wall time is never read
 * Threads  one worker (or ballast_replay, or a test) owns a pipeline; the persistence table is
 *          shared between pipelines, control reads `counters` and traffic with relaxed loads
 * Memory   caller's zeroed block of lb_pipeline_bytes(); nothing allocated afterwards. Arrays are
 *          sized for limits.h and touched only where used
 * Limits   each table's own; LB_BURST_MAX packets a run; replies originated are rate-limited
 * Errors   init: -EINVAL; hot calls: none, packets end with a verdict
 * Source   DESIGN 1, 3.1
 * Tests    tests/unit/test_pipeline.c, tests/golden/, tests/fuzz/fuzz_pipeline.c
 */
#ifndef LB_PIPELINE_H
#define LB_PIPELINE_H

#include "lb/command.h"
#include "lb/dataplane.h"
#include "lb/explain.h"
#include "lb/trace.h"
#include "packet/packet.h"
#include "steer/conn_listing.h"
#include "steer/conn_table.h"
#include "steer/fragment_table.h"
#include "steer/next_hop.h"
#include "steer/persist_table.h"
#include "steer/record_listing.h"
#include "steer/rss_map.h"

struct lb_pipeline;

struct lb_pipeline_params {
	uint32_t worker; /* own index */
	uint32_t n_workers;
	uint32_t n_connections; /* this worker's share, of which each takes two entries; one-way
				   connections take one, so that there may be twice as many */
	uint64_t seed;
	struct lb_persist_table *persist; /* shared */
	const struct lb_rss_map *rss; /* shared; may be filled until the first burst. NULL: none */
};

size_t lb_pipeline_bytes(const struct lb_pipeline_params *params);

/* `mem` zeroed and aligned to 128 bytes; the pipeline lives inside it. */
int lb_pipeline_init(void *mem, const struct lb_pipeline_params *params, struct lb_pipeline **out);

/* Runs a burst; `b->pkt[0..n-1]` have bytes, lengths and iface set. Afterwards every packet has a
 * verdict other than CONTINUE and is counted. The caller transmits, punts and frees, and reports
 * what it could not do with lb_pipeline_count(). */
void lb_pipeline_run(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms);

/* Between bursts: one command from control. LB_CMD_ASK and LB_CMD_GENERATION are the
 * caller's. */
void lb_pipeline_apply(struct lb_pipeline *pl, const struct lb_cmd *cmd);

/* Between bursts: ages connections, refreshes their records; a bounded number of buckets per
 * call, so that the whole table is visited about every 4 s. */
void lb_pipeline_age(struct lb_pipeline *pl, uint64_t now_ms);

/* A fragment that waits for its first one ends with LB_VERDICT_HOLD. Its bytes, unchanged, stay
 * with the caller under `held_slot` (below LB_HELD_MAX) together with port and is_handed, until
 * this gives the slot back. To be called after bursts and ageing until it gives nothing: what is
 * not taken back leaves no room for others. Slots come in the order of holding. */
struct lb_held_back {
	uint16_t slot;
	bool is_ended; /* as a drop, already counted; otherwise it is to be run again */
};
uint32_t lb_pipeline_take_back(struct lb_pipeline *pl, struct lb_held_back *out, uint32_t max);

/* lb_pipeline_run for a burst of packets that were taken back, all of it and nothing else: they
 * have been counted as received, and are held no longer. Some may have to wait anew. */
void lb_pipeline_run_again(struct lb_pipeline *pl, struct lb_burst *b, uint64_t now_ms);

/* After ageing, until it says false: the next frame of our own to send, about a connection whose
 * server is down (steer/conn_ask.h). `p` is a view of LB_QUESTION_ROOM bytes of headroom and as
 * many of tailroom; it has data, len and out_port afterwards, and is counted as originated and
 * tx. */
#define LB_QUESTION_ROOM 128u
bool lb_pipeline_take_question(struct lb_pipeline *pl, struct lb_pkt *p);

/* Next hops needed and unresolved since the last call, each once; writes at most `max` ids. */
uint32_t lb_pipeline_take_unresolved(struct lb_pipeline *pl, uint32_t *ids, uint32_t max);

/* Moves a packet already counted as TX or PUNT to a drop (queue or ring full): `from` is
 * LB_COUNT_tx or LB_COUNT_punted. */
void lb_pipeline_uncount(struct lb_pipeline *pl, enum lb_counter from, enum lb_counter reason);

/* Of a frame for the kernel: does somebody of ours wait for it (steer/awaited.h)? */
bool lb_pipeline_is_awaited(const struct lb_pipeline *pl, const struct lb_pkt *p);

/* Adds to a counter that the caller keeps: injected, handed_in. */
void lb_pipeline_count(struct lb_pipeline *pl, enum lb_counter counter, uint64_t n);

/* Any thread. */
uint64_t lb_pipeline_counter(const struct lb_pipeline *pl, enum lb_counter counter);
void lb_pipeline_service_traffic(const struct lb_pipeline *pl, uint32_t slot,
				 struct lb_traffic *add_to);
void lb_pipeline_real_traffic(const struct lb_pipeline *pl, uint32_t real_id,
			      struct lb_traffic *add_to);
uint32_t lb_pipeline_conns(const struct lb_pipeline *pl);

/* Entries of its connection tables in use now, and how many it has room for. */
uint32_t lb_pipeline_entries(const struct lb_pipeline *pl);
uint32_t lb_pipeline_entries_max(const struct lb_pipeline *pl);

/* Between bursts: what would happen to a packet of this 5-tuple now. Changes nothing. */
void lb_pipeline_explain(const struct lb_pipeline *pl, const struct lb_question *q, uint64_t now_ms,
			 struct lb_answer *out);

/* Between bursts: the next bucket of a page of connections; false: the page has ended, as *end
 * says. Changes nothing of the pipeline. */
bool lb_pipeline_list(const struct lb_pipeline *pl, struct lb_conn_listing *l, uint64_t now_ms,
		      struct lb_listing_record out[2], uint32_t *n);
struct lb_listing_end lb_pipeline_list_end(const struct lb_pipeline *pl,
					   const struct lb_conn_listing *l);

/* The same for persistence records, place by place; a page that clears removes them. */
bool lb_pipeline_records(const struct lb_pipeline *pl, struct lb_record_listing *l, uint64_t now_ms,
			 struct lb_records_record *out, bool *is_told);
struct lb_records_end lb_pipeline_records_end(const struct lb_pipeline *pl,
					      const struct lb_record_listing *l);

/* For --explain: called after each pass for each packet that the pass worked on, when set. The
 * packet path pays one predictable branch per pass. */
typedef void (*lb_pipeline_observer)(void *ctx, enum lb_pass pass, uint32_t idx,
				     const struct lb_pkt *pkt);
void lb_pipeline_observe(struct lb_pipeline *pl, lb_pipeline_observer on_pass, void *ctx);

#endif
