/* spsc_ring.h - messages of one size from one thread to another.
 *
 * Role     the command ring and the event ring of a worker
 * Shape    2^k cells copied in and out by value; each end keeps its own position and a copy of the
 *          other's, so that a burst costs one shared load and one shared store
 * Units    cells
 * Threads  one producer, one consumer; lb_spsc_count from either
 * Memory   caller's zeroed block of lb_spsc_bytes(), aligned to 64 bytes
 * Limits   full: push takes fewer than it was given and says so; the caller keeps the rest
 * Errors   init: -EINVAL on a number of cells that is no power of two or past 2^31
 * Source   Lamport (1983); C11 atomics instead of rte_ring, so that the thread sanitizer sees
 *          every edge and the race test links no DPDK
 * Tests    tests/race/race_command_ring.c, tests/unit/test_spsc_ring.c
 */
#ifndef LB_SPSC_RING_H
#define LB_SPSC_RING_H

#include <stddef.h>
#include <stdint.h>

struct lb_spsc_ring;

size_t lb_spsc_bytes(uint32_t n_cells, uint32_t cell_bytes);
int lb_spsc_init(void *mem, uint32_t n_cells, uint32_t cell_bytes, struct lb_spsc_ring **out);

/* Producer. Copies the first cells that fit, returns how many. */
uint32_t lb_spsc_push(struct lb_spsc_ring *r, const void *cells, uint32_t n);

/* Producer. Cells that a push would take now; the consumer can only make it more. */
uint32_t lb_spsc_room(struct lb_spsc_ring *r);

/* Consumer. Copies at most n cells out, returns how many. */
uint32_t lb_spsc_pop(struct lb_spsc_ring *r, void *cells, uint32_t n);

/* Either end: cells inside; the other end may be changing it. */
uint32_t lb_spsc_count(const struct lb_spsc_ring *r);

#endif
