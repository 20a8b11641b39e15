/* seeded_hash.h - hash of a few words under a secret seed.
 *
 * Role     what the tables keyed by packet contents use, so that nobody outside can choose keys
 *          that collide
 * Shape    multilinear: the upper half of k0 + k1*w1 + ... + kn*wn, of 64-bit words mod 2^128 with
 *          128-bit keys or of 32-bit words mod 2^64 with 64-bit keys, then a fixed bijection. Over
 *          a random seed any two different inputs of one length give independent, uniform values
 *          (pairwise collisions in b bits: 2^-b); the bijection keeps that and scatters regular
 *          inputs (addresses in a row). The second form has half the bits and a third of the work
 * Units    none
 * Threads  pure; the seed is read-only after init
 * Memory   96 or 88 bytes per seed
 * Limits   LB_HASH_WORDS_MAX words, LB_HASH32_WORDS_MAX of 32 bits
 * Errors   none
 * Source   Lemire & Kaser, Strongly universal string hashing is fast (2014); decision 0002
 * Tests    tests/unit/test_seeded_hash.c
 */
#ifndef LB_SEEDED_HASH_H
#define LB_SEEDED_HASH_H

#include <stdint.h>

#define LB_HASH_WORDS_MAX 5u
#define LB_HASH32_WORDS_MAX 10u

struct lb_hash_seed {
	unsigned __int128 k[LB_HASH_WORDS_MAX + 1];
};

struct lb_hash32_seed {
	uint64_t k[LB_HASH32_WORDS_MAX + 1];
};

/* A bijection of 64 bits in which every input bit reaches every output bit. */
static inline uint64_t lb_hash_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

#define LB_HASH_FACTOR 0x9e3779b97f4a7c15u

/* Both halves of the product in one word. With LB_HASH_FACTOR for one of them, or something like
 * it, every bit of the other reaches the whole word. Half of a mix, but no bijection. */
static inline uint64_t lb_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline void lb_hash_seed_init(struct lb_hash_seed *s, uint64_t seed)
{
	uint64_t counter = seed;

	for (uint32_t i = 0; i <= LB_HASH_WORDS_MAX; i++) {
		uint64_t upper = lb_hash_mix(counter += 0x9e3779b97f4a7c15u);
		uint64_t lower = lb_hash_mix(counter += 0x9e3779b97f4a7c15u);

		s->k[i] = (unsigned __int128)upper << 64 | lower;
	}
}

/* Precondition: n <= LB_HASH_WORDS_MAX, the same for all inputs that are compared. */
static inline uint64_t lb_hash_words(const struct lb_hash_seed *s, const uint64_t *words,
				     uint32_t n)
{
	unsigned __int128 sum = s->k[0];

	for (uint32_t i = 0; i < n; i++)
		sum += s->k[i + 1] * words[i];
	return lb_hash_mix((uint64_t)(sum >> 64));
}

/* A bijection of 32 bits in which every input bit reaches the upper ones. */
static inline uint32_t lb_hash32_mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	return x * 0x846ca68bu;
}

static inline void lb_hash32_seed_init(struct lb_hash32_seed *s, uint64_t seed)
{
	for (uint32_t i = 0; i <= LB_HASH32_WORDS_MAX; i++)
		s->k[i] = lb_hash_mix(seed += 0x9e3779b97f4a7c15u);
}

/* Precondition: n <= LB_HASH32_WORDS_MAX, the same for all inputs that are compared. */
static inline uint32_t lb_hash32_words(const struct lb_hash32_seed *s, const uint32_t *words,
				       uint32_t n)
{
	uint64_t sum = s->k[0];

	for (uint32_t i = 0; i < n; i++)
		sum += s->k[i + 1] * words[i];
	return lb_hash32_mix((uint32_t)(sum >> 32));
}

/* Maps 32 uniform bits to 0..n-1 without a division. */
static inline uint32_t lb_hash_reduce(uint32_t hash, uint32_t n)
{
	return (uint32_t)((uint64_t)hash * n >> 32);
}

#endif
