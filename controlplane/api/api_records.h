/* api_records.h - GET and DELETE /api/v1/persistence: the clients' records, listed or cleared.
 *
 * Role     query -> pages of a worker's walk; their records -> answer with the next page's cursor,
 *          or how many were cleared
 * Shape    one call; the answer follows when the page has ended, of DELETE when the table has
 * Threads  the loop's thread
 * Memory   a context per request with LB_RECORDS_LIMIT_MAX records
 * Limits   those of lb/records.h: a page may hold fewer than asked for, or none, and go on. A page
 *          that has not ended after LB_INQUIRY_PATIENCE_MS is answered 504; what DELETE has
 *          cleared by then stays cleared
 * Errors   answered: every wrong parameter by its name
 * Source   openapi.yaml (listPersistence, clearPersistence); decisions 0092, 0093
 * Tests    tests/unit/test_api_records.c
 */
#ifndef LB_API_RECORDS_H
#define LB_API_RECORDS_H

#include "control.h"
#include "http.h"

#define LB_API_RECORDS_LIMIT_DEFAULT 100u

void lb_api_records(struct lb_control *ctl, struct lb_http_exchange *x);

#endif
