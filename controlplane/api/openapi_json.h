/* openapi_json.h - the contract as JSON, for GET /api/v1/openapi.json.
 *
 * Role     the bytes of openapi.yaml in JSON, made by scripts/gen-schema
 * Shape    one constant string
 * Threads  constants; any thread
 * Memory   none
 * Limits   none
 * Errors   none
 * Tests    tests/unit/test_schema.c
 */
#ifndef LB_OPENAPI_JSON_H
#define LB_OPENAPI_JSON_H

#include <stddef.h>

extern const char lb_openapi_json[];       /* ends in a NUL */
extern const size_t lb_openapi_json_bytes; /* without the NUL */

#endif
