/* api_write.h - requests that change the configuration.
 *
 * Role     request -> struct lb_write, and its end -> answer
 * Shape    one call; the answer follows when the write has ended
 * Threads  the loop's thread, the edit itself on the helper
 * Memory   a context per write, freed with the answer
 * Limits   those of write.h
 * Errors   answered
 * Source   DESIGN 4.4
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_API_WRITE_H
#define LB_API_WRITE_H

#include "control.h"
#include "http.h"

/* `resource` as in document_edit.h, "config" for the whole document. */
void lb_api_write(struct lb_control *ctl, struct lb_http_exchange *x, const char *resource);

#endif
