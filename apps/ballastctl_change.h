/* ballastctl_change.h - the commands that change the configuration.
 *
 * Role     apply a document, set the admin state of a real server
 * Shape    one function per command
 * Units    bytes
 * Threads  one
 * Memory   freed before it returns
 * Limits   a document of LB_CTL_BODY_MAX_BYTES
 * Errors   enum lb_ctl_exit; printed
 * Source   controlplane/api/openapi.yaml (WriteResult); RFC 9110 (If-Match), RFC 7396
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_CHANGE_H
#define LB_BALLASTCTL_CHANGE_H

#include "ballastctl_show.h"

/* Reads the file, shows what it changes and, unless it is a dry run, puts it in force; refused when
 * somebody else changes the configuration in between. */
int lb_ctl_apply(const struct lb_ctl_view *view);

/* "enabled", "drain", "disabled". */
int lb_ctl_set_admin_state(const struct lb_ctl_view *view, const char *state);

#endif
