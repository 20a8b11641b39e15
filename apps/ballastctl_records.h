/* ballastctl_records.h - persistence records: shown and cleared.
 *
 * Role     `show persistence` and `clear persistence`
 * Shape    a function each
 * Threads  one
 * Memory   freed before they return
 * Limits   those of the client and of ballastctl_pages.h
 * Errors   enum lb_ctl_exit; printed
 * Source   controlplane/api/openapi.yaml (listPersistence, clearPersistence)
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_RECORDS_H
#define LB_BALLASTCTL_RECORDS_H

#include "ballastctl_show.h"

int lb_ctl_show_persistence(const struct lb_ctl_view *view);
int lb_ctl_clear_persistence(const struct lb_ctl_view *view);

#endif
