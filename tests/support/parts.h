/* parts.h - test frames cut into fragments, and put together again.
 *
 * Role     what an IP layer on the way does to a packet, and what the receiver's does, in the plain
 *          way: written apart from the code under test
 * Shape    n = parts_cut(&whole, 7, 512, parts, PARTS_MAX); parts_join(parts, n, &whole) == NULL
 * Units    bytes behind the headers, multiples of 8
 * Threads  values
 * Memory   caller's frames
 * Limits   PARTS_MAX parts; more, or an impossible size, ends the test
 * Errors   parts_join returns the first complaint as a sentence
 * Tests    test_fragment.c
 */
#ifndef PARTS_H
#define PARTS_H

#include "frame.h"

#define PARTS_MAX 16u

/* The finished frame's IP packet in parts of `n_bytes` behind the IP header; IPv6 extension headers
 * all stand behind the fragment header. Returns how many. */
uint32_t parts_cut(const struct frame *whole, uint32_t id, uint32_t n_bytes,
		   struct frame parts[PARTS_MAX]);

/* Parts in any order, each once, make the whole packet. */
const char *parts_join(const struct frame *parts, uint32_t n, struct frame *whole);

#endif
