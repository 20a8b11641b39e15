/* config_tables.h - the consistent-hash tables of a configuration.
 *
 * Role     builds one table for all services that would have equal ones; lets a new configuration
 *          go on with the tables of the one in force
 * Shape    cfg->tables, sorted by content; services name theirs by index
 * Units    slots
 * Threads  build: any thread, the helper's while the daemon runs (65537 slots of 1000 servers take
 *          some 5 ms, 655373 of 6553 some 100 ms)
 * Memory   references in cfg->tables, released by lb_config_free
 * Limits   as lb/maglev.h
 * Errors   build: -ENOMEM
 * Source   decision 0041
 * Tests    tests/unit/test_config_tables.c
 */
#ifndef LB_CONFIG_TABLES_H
#define LB_CONFIG_TABLES_H

#include "lb/config.h"

/* Once, when everything else of `cfg` is filled in and checked. Tables that `now` (NULL: nothing)
 * has as well are taken from there: nobody frees it meanwhile. */
int lb_config_build_tables(struct lb_config *cfg, const struct lb_config *now);

#endif
