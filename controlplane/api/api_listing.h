/* api_listing.h - GET /api/v1/connections: what is in the workers' connection tables, page by page.
 *
 * Role     query -> one worker's page; its records -> answer with the next page's cursor
 * Shape    one call; the answer follows when the page has ended
 * Threads  the loop's thread
 * Memory   a context per request; its text grows to some 500 KB at most
 * Limits   those of lb/listing.h: a page may hold fewer than asked for, or none, and go on. After
 *          LB_INQUIRY_PATIENCE_MS without its end 504
 * Errors   answered: every wrong parameter by its name
 * Source   openapi.yaml (listConnections); decision 0092
 * Tests    tests/unit/test_api_listing.c
 */
#ifndef LB_API_LISTING_H
#define LB_API_LISTING_H

#include "control.h"
#include "http.h"

#define LB_API_LISTING_LIMIT_DEFAULT 100u

void lb_api_listing(struct lb_control *ctl, struct lb_http_exchange *x);

#endif
