/* report.h - what control asks of the workers, and what they tell.
 *
 * Role     questions about a worker's own tables and packets, which control may not read itself
 * Shape    a query goes to every worker; each tells any number of reports and then a last one
 * Units    as in the parts
 * Threads  a query is made by control and read by workers until each has told its last report;
 *          reports are copied through a bounded byte ring of each worker
 * Memory   values
 * Limits   LB_QUERIES_MAX queries that some worker has not answered yet
 * Errors   none
 * Source   docs/threads.md, decision 0090
 * Tests    tests/eal/test_dataplane.c, tests/unit/test_api.c
 */
#ifndef LB_REPORT_H
#define LB_REPORT_H

#include "lb/explain.h"
#include "lb/listing.h"
#include "lb/records.h"
#include "lb/trace.h"

#define LB_QUERIES_MAX 16u

enum lb_query_type {
	LB_QUERY_EXPLAIN,
	LB_QUERY_TRACE, /* the last report comes at once, the packets follow */
	LB_QUERY_LISTING,
	LB_QUERY_RECORDS,
	LB_QUERY_N,
};

struct lb_query {
	uint32_t type;
	uint32_t id; /* not 0; comes back with every report */
	union {
		struct lb_question question;
		struct lb_trace_filter filter;
		struct lb_listing_query listing;
		struct lb_records_query records;
	};
};

struct lb_report {
	uint32_t type; /* of the query */
	uint32_t id;
	uint32_t worker;
	bool is_last; /* of this worker to this query */
	union {
		struct lb_answer answer;
		struct lb_trace_record trace; /* not in the last report */
		struct lb_listing_record conn; /* not in the last report */
		struct lb_listing_end page;    /* in the last report of the query's worker */
		struct lb_records_record record; /* not in the last report */
		struct lb_records_end records;   /* in the last report of the query's worker */
	};
};

#endif
