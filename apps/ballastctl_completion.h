/* ballastctl_completion.h - what shells need to complete the words of ballastctl.
 *
 * Role     scripts for bash, zsh and fish, and the names that they offer
 * Shape    made from ballastctl_words.h, so that a new command or option is in all of them
 * Threads  one
 * Memory   none
 * Limits   none
 * Errors   an unknown shell or kind of names; a daemon that cannot be reached has no names
 * Tests    tests/unit/test_completion.py (runs bash's completion), tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_COMPLETION_H
#define LB_BALLASTCTL_COMPLETION_H

#include "ballastctl_show.h"

/* False: nobody knows this shell. */
bool lb_ctl_put_completion(FILE *out, const char *shell);

/* The names of all `kind` (servers, services, groups), a line each. */
int lb_ctl_put_names(const struct lb_ctl_view *view, const char *kind);

#endif
