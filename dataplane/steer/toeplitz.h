/* toeplitz.h - the hash by which network cards spread flows over their queues.
 *
 * Role     computes in software what a card computes under the same key
 * Shape    a table for each half byte of the input, made from the key once; the hash is linear, so
 *          that parts may be combined by exclusive or
 * Units    input in network order, as it stands in the packet
 * Threads  pure; the tables are read-only after init
 * Memory   4.6 KiB
 * Limits   LB_TOEPLITZ_BYTES_MAX bytes of input: two IPv6 addresses and two ports
 * Errors   none
 * Source   Krawczyk, LFSR-based hashing and authentication (1994); Microsoft's published RSS
 *          verification suite
 * Tests    tests/unit/test_toeplitz.c (those vectors, naive twin)
 */
#ifndef LB_TOEPLITZ_H
#define LB_TOEPLITZ_H

#include <stdint.h>

#define LB_TOEPLITZ_BYTES_MAX 36u
#define LB_TOEPLITZ_KEY_BYTES (LB_TOEPLITZ_BYTES_MAX + 4u)

struct lb_toeplitz {
	uint32_t half[2 * LB_TOEPLITZ_BYTES_MAX][16]; /* the upper half of a byte first */
};

void lb_toeplitz_init(struct lb_toeplitz *t, const uint8_t key[LB_TOEPLITZ_KEY_BYTES]);

/* Precondition: first + n <= LB_TOEPLITZ_BYTES_MAX. The share of the bytes that stand at `first`
 * and behind it in the whole input. */
static inline uint32_t lb_toeplitz(const struct lb_toeplitz *t, const void *bytes, uint32_t first,
				   uint32_t n)
{
	const uint8_t *b = bytes;
	uint32_t hash = 0;

	for (uint32_t i = 0; i < n; i++)
		hash ^= t->half[2 * (first + i)][b[i] >> 4] ^
			t->half[2 * (first + i) + 1][b[i] & 15u];
	return hash;
}

#endif
