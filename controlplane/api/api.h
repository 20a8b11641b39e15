/* api.h - the REST API: paths and methods to the control loop, answers back.
 *
 * Role     /api/v1, /healthz, /readyz, /metrics over the HTTP server
 * Shape    a table of routes; reads answer at once, writes become a struct lb_write and answer when
 *          it ends
 * Units    as in openapi.yaml
 * Threads  the loop's thread; edits of the document run on the helper
 * Memory   own heap; a request's body becomes the write's
 * Limits   those of http.h and write.h
 * Errors   application/problem+json (RFC 9457) with `errors`
 * Source   DESIGN 4.4, controlplane/api/openapi.yaml
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_API_H
#define LB_API_H

#include "control.h"
#include "http.h"

struct lb_api;

/* Opens nothing yet: see lb_api_http. */
int lb_api_create(struct lb_control *ctl, struct lb_api **out);

/* After lb_control_stop. NULL is allowed. */
void lb_api_destroy(struct lb_api *api);

struct lb_http *lb_api_http(struct lb_api *api);

#endif
