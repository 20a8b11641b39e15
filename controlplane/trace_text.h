/* trace_text.h - what each pass found out about a packet, in words.
 *
 * Role     the one vocabulary of ballast_replay --explain, `ballastctl trace` and the trace API
 * Shape    one line per packet and pass
 * Threads  the loop's thread, or a program's only one
 * Memory   the caller's text
 * Limits   none
 * Errors   lack of memory shows in the text (lb_text_take)
 * Source   docs/packet-walk.md
 * Tests    tests/unit/test_api_trace.c, tests/golden/70-packet-walk (docs/packet-walk.md)
 */
#ifndef LB_TRACE_TEXT_H
#define LB_TRACE_TEXT_H

#include "lb/trace.h"
#include "names.h"
#include "text.h"

extern const char *const lb_pass_name[LB_PASS_N];

/* "tcp 198.51.100.7:40000 -> 192.0.2.10:443 SYN" and so on; false: the packet did not come to this
 * pass, and nothing was written. */
bool lb_trace_text(const struct lb_names *names, const struct lb_trace_record *r, enum lb_pass pass,
		   struct lb_text *out);

/* One packet as an object of openapi.yaml (TracedPacket). */
void lb_trace_json(const struct lb_names *names, const struct lb_trace_record *r, uint32_t worker,
		   struct lb_text *out);

#endif
