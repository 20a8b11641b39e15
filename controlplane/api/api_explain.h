/* api_explain.h - GET /api/v1/explain: what would happen to a packet of a 5-tuple now.
 *
 * Role     query -> question to the workers, and their answers -> answer
 * Shape    one call; the answer follows when every worker has answered
 * Threads  the loop's thread
 * Memory   a context per request, freed with the answer
 * Limits   those of inquiry.h: past LB_QUERIES_MAX unanswered questions 503, after
 *          LB_INQUIRY_PATIENCE_MS without every worker's answer 504 with the worker's number
 * Errors   answered: every wrong or missing parameter by its name
 * Source   openapi.yaml (explain)
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_API_EXPLAIN_H
#define LB_API_EXPLAIN_H

#include "control.h"
#include "http.h"

void lb_api_explain(struct lb_control *ctl, struct lb_http_exchange *x);

#endif
