/* byte_ring.h - frames as bytes from one thread to another.
 *
 * Role     what goes to the kernel and comes from it crosses here, so that the control thread
 *          never touches an mbuf
 * Shape    2^k bytes; each record is a head of 8 bytes (length, tag), the bytes and padding to 8
 * Units    bytes
 * Threads  one producer, one consumer
 * Memory   caller's zeroed block of lb_byte_ring_bytes(), aligned to 64 bytes
 * Limits   full, or a record that can never fit: put refuses and changes nothing
 * Errors   init: -EINVAL on a size that is no power of two, below 64 or past 2^30
 * Source   Lamport (1983)
 * Tests    tests/race/race_byte_ring.c, tests/unit/test_byte_ring.c
 */
#ifndef LB_BYTE_RING_H
#define LB_BYTE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lb_byte_ring;

size_t lb_byte_ring_bytes(uint32_t size_bytes);
int lb_byte_ring_init(void *mem, uint32_t size_bytes, struct lb_byte_ring **out);

/* Producer. False: no room now. */
bool lb_byte_ring_put(struct lb_byte_ring *r, uint32_t tag, const void *bytes, uint32_t len);

/* Producer: bytes that are free now, heads of records included. */
uint32_t lb_byte_ring_room(const struct lb_byte_ring *r);

/* Consumer. False: empty. Otherwise one record is taken: *tag and its whole length in *len, of
 * which the first `size` bytes are copied to `bytes`. */
bool lb_byte_ring_get(struct lb_byte_ring *r, uint32_t *tag, void *bytes, uint32_t size,
		      uint32_t *len);

#endif
