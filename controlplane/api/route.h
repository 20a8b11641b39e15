/* route.h - which resource a path names.
 *
 * Role     path -> route and resource
 * Shape    a constant table, looked through in order
 * Threads  pure
 * Memory   no heap
 * Limits   LB_ROUTE_RESOURCE_MAX; longer paths name nothing
 * Errors   NULL: no such path, also for a name with a slash or a NUL in it
 * Source   DESIGN 4.4
 * Tests    tests/unit/test_route.c
 */
#ifndef LB_ROUTE_H
#define LB_ROUTE_H

#include "http_parse.h"

enum lb_route_id {
	LB_ROUTE_HEALTHZ,
	LB_ROUTE_READYZ,
	LB_ROUTE_METRICS,
	LB_ROUTE_OPENAPI,
	LB_ROUTE_CONFIG,
	LB_ROUTE_STATUS,
	LB_ROUTE_STATS,
	LB_ROUTE_WORKERS,
	LB_ROUTE_MACHINES,
	LB_ROUTE_MACHINE,
	LB_ROUTE_EXPLAIN,
	LB_ROUTE_TRACE,
	LB_ROUTE_CONNECTIONS,
	LB_ROUTE_PERSISTENCE,
	LB_ROUTE_DOCUMENT, /* a list or an object of the document (config/document_edit.h) */
	LB_ROUTE_N,
};

struct lb_api_route {
	enum lb_route_id id;
	const char *path; /* segments; * stands for a name */
	uint32_t methods; /* bits 1 << enum lb_http_method; HEAD goes with GET */
};

#define LB_ROUTE_PREFIX "/api/v1/"
#define LB_ROUTE_RESOURCE_MAX 192u

/* `resource` gets the path below LB_ROUTE_PREFIX with its names unescaped: what document_edit.h and
 * the state are asked for. Empty for paths outside of it. */
const struct lb_api_route *lb_route_find(const char *path, char resource[LB_ROUTE_RESOURCE_MAX]);

/* "GET, HEAD, PUT" for the Allow header. */
const char *lb_route_allow(const struct lb_api_route *route, char *text, size_t size);

#endif
