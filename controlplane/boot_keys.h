/* boot_keys.h - keys of the configuration that take effect at the next start only.
 *
 * Role     lets the running ones go on under a new configuration (which ones changed is told by
 *          lb_document_boot_changes)
 * Shape    a pure function over struct lb_config
 * Threads  pure
 * Memory   no heap
 * Errors   none
 * Source   STYLE 2.7
 * Tests    tests/eal/test_ballastd.py
 */
#ifndef LB_BOOT_KEYS_H
#define LB_BOOT_KEYS_H

#include "lb/config.h"

/* Puts the running boot keys in the place of those of `next`. Neighbours follow their interface by
 * its name; those of an interface that is not running are left out. */
void lb_boot_keys_keep(const struct lb_config *running, struct lb_config *next);

#endif
