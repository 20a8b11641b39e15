/* memory.h - the workers' tables, outside EAL's heap.
 *
 * Role     maps the big blocks, on huge pages where the kernel has them, and refuses stated
 *          limits that this machine cannot hold
 * Shape    anonymous mappings without reservation: a table touches pages as it fills
 * Units    bytes
 * Threads  control, at start and stop
 * Memory   zeroed, page aligned
 * Limits   the machine's available memory at start, see lb_memory_check
 * Errors   map: NULL; check: -ENOMEM with lb_error naming limit, need and what there is
 * Tests    tests/unit/test_memory.c
 */
#ifndef LB_MEMORY_H
#define LB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "lb/error.h"

void *lb_memory_map(size_t bytes);
void lb_memory_unmap(void *mem, size_t bytes);

/* MemAvailable of /proc/meminfo; UINT64_MAX when it cannot be read. */
uint64_t lb_memory_available(void);

/* `n` entries of `limit` (its place in the configuration) need `bytes`; `available` is what the
 * machine has for them. */
int lb_memory_check(const char *limit, uint64_t n, uint64_t bytes, uint64_t available,
		    struct lb_error *err);

#endif
