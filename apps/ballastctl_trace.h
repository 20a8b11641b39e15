/* ballastctl_trace.h - the next packets that match a filter, pass by pass.
 *
 * Role     puts the filter to the daemon, waits, shows each packet's way
 * Shape    one command
 * Threads  one
 * Memory   freed before it returns
 * Limits   those of the client; the daemon's for count and time
 * Errors   enum lb_ctl_exit; printed. No packet in the time given is no error
 * Source   controlplane/api/openapi.yaml (TraceFilter, TracedPacket)
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_TRACE_H
#define LB_BALLASTCTL_TRACE_H

#include "ballastctl_show.h"

int lb_ctl_trace(const struct lb_ctl_view *view);

#endif
