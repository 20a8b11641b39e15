/* ballastctl_explain.h - what would happen to a packet, for a person.
 *
 * Role     asks the daemon about a 5-tuple and shows each step and the servers that were eligible
 * Shape    one command
 * Threads  one
 * Memory   freed before it returns
 * Limits   those of the client
 * Errors   enum lb_ctl_exit; printed
 * Source   controlplane/api/openapi.yaml (Explanation)
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_EXPLAIN_H
#define LB_BALLASTCTL_EXPLAIN_H

#include "ballastctl_show.h"

int lb_ctl_explain(const struct lb_ctl_view *view);

#endif
