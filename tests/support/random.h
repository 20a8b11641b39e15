/* random.h - repeatable random numbers for tests.
 *
 * Role     a seed that a failing test names and LB_TEST_SEED brings back
 * Shape    splitmix64
 * Threads  one generator per thread
 */
#ifndef LB_TEST_RANDOM_H
#define LB_TEST_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct test_random {
	uint64_t state;
};

/* LB_TEST_SEED, or another one in each run; printed for whoever has to repeat the run. */
static inline uint64_t test_seed(const char *test)
{
	const char *text = getenv("LB_TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text != NULL ? strtoull(text, NULL, 0)
			    : (uint64_t)now.tv_sec << 20 ^ (uint64_t)now.tv_nsec;
	fprintf(stderr, "%s: LB_TEST_SEED=%llu\n", test, (unsigned long long)seed);
	return seed;
}

static inline uint64_t test_random(struct test_random *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static inline uint32_t test_random_below(struct test_random *r, uint32_t n)
{
	return (uint32_t)((test_random(r) >> 32) * n >> 32);
}

/* Words at which one's complement sums carry, wrap and vanish, mixed with any. */
static inline uint32_t test_random_word(struct test_random *r)
{
	static const uint32_t corners[] = {0,	       0xffff,	   0xffff0000, 0xffffffff,
					   0x00010000, 0x0000fffe, 0x80008000, 1};
	uint64_t x = test_random(r);

	return x % 4 == 0 ? corners[x >> 8 & 7] : (uint32_t)(x >> 16);
}

#endif
