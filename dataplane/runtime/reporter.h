/* reporter.h - a worker's answers to what control asks.
 *
 * Role     takes queries from the command ring between bursts, tells reports
 * Shape    one per worker: a byte ring to control
 * Units    as in lb/report.h
 * Threads  the worker; control is the ring's other end (lb_reporter_read)
 * Memory   inside struct lb_worker; the ring is in the worker's block
 * Limits   LB_REPORT_RING_BYTES. Room for one last report to each of LB_QUERIES_MAX queries is kept
 *          free by all others, so an answer always fits; a traced packet that finds no other room
 *          is counted (trace_lost), a page waits for room. One page of connections and one of
 *          persistence records at a time: a query that comes before the last page has ended is
 *          told an empty one that goes on where it began
 * Errors   none
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_REPORTER_H
#define LB_REPORTER_H

#include "lb/report.h"
#include "pipeline_trace.h"
#include "runtime/byte_ring.h"

#define LB_REPORT_RING_BYTES 262144u
#define LB_LISTING_STEP 64u
#define LB_RECORDS_STEP 256u

struct lb_reporter {
	uint32_t worker;
	struct lb_pipeline *pipeline;
	struct lb_byte_ring *ring;
	const uint64_t *now_ms; /* the worker's */
	uint32_t trace_id;      /* query of the trace that runs */
	struct lb_tracer tracer;
	bool is_listing;
	struct lb_query listing_query; /* of the page that is being told */
	struct lb_conn_listing listing;
	bool is_at_records;
	struct lb_query records_query; /* of the page that is being told */
	struct lb_record_listing records;
};

/* `pipeline`, `worker` and `ring` are set. */
void lb_reporter_init(struct lb_reporter *r, const uint64_t *now_ms);

void lb_reporter_take(struct lb_reporter *r, const struct lb_query *query);

/* Now and then, between bursts; goes on with pages: LB_LISTING_STEP buckets of connections and
 * LB_RECORDS_STEP places of records a call. True: there was something to do. */
bool lb_reporter_keep_house(struct lb_reporter *r);

/* Control. False: there is none now. */
bool lb_reporter_read(struct lb_byte_ring *ring, struct lb_report *out);

#endif
