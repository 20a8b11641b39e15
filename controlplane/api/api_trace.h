/* api_trace.h - POST /api/v1/trace: the next packets that match a filter, each on its way.
 *
 * Role     body -> filter for the workers; their records -> answer
 * Shape    one call; the answer follows when enough packets have come or time is over
 * Units    seconds
 * Threads  the loop's thread
 * Memory   a context per request; its text grows with each packet, to some 2 MB at most
 * Limits   one trace at a time, then 409; LB_TRACE_COUNT_MAX packets, LB_TRACE_TIMEOUT_MAX_S. When
 *          the client leaves, the trace ends
 * Errors   answered, each with its JSON Pointer
 * Source   openapi.yaml (trace); decision 0091
 * Tests    tests/unit/test_api_trace.c
 */
#ifndef LB_API_TRACE_H
#define LB_API_TRACE_H

#include "control.h"
#include "http.h"

#define LB_TRACE_COUNT_DEFAULT 10u
#define LB_TRACE_TIMEOUT_DEFAULT_S 10u
#define LB_TRACE_TIMEOUT_MAX_S 300u

void lb_api_trace(struct lb_control *ctl, struct lb_http_exchange *x);

#endif
