#include <criterion/criterion.h>
#include <string.h>

#include "random.h"
#include "steer/seeded_hash.h"

/* The multilinear sum, written out in 32-bit limbs as on paper. */
static uint64_t naive_hash(const struct lb_hash_seed *s, const uint64_t *words, uint32_t n)
{
	uint32_t acc[4];

	for (uint32_t limb = 0; limb < 4; limb++)
		acc[limb] = (uint32_t)(s->k[0] >> (32 * limb));
	for (uint32_t w = 0; w < n; w++) {
		for (uint32_t i = 0; i < 4; i++) {
			for (uint32_t j = 0; j < 2 && i + j < 4; j++) {
				uint64_t k = (uint32_t)(s->k[w + 1] >> (32 * i));
				uint64_t part = k * (uint32_t)(words[w] >> (32 * j));

				for (uint32_t limb = i + j; limb < 4; limb++) {
					part += acc[limb];
					acc[limb] = (uint32_t)part;
					part >>= 32;
				}
			}
		}
	}
	return lb_hash_mix((uint64_t)acc[3] << 32 | acc[2]);
}

Test(seeded_hash, agrees_with_the_sum_on_paper)
{
	struct test_random r = {test_seed("agrees_with_the_sum_on_paper")};
	struct lb_hash_seed s;

	lb_hash_seed_init(&s, test_random(&r));
	for (int i = 0; i < 10000; i++) {
		uint64_t words[LB_HASH_WORDS_MAX];
		uint32_t n = 1 + test_random_below(&r, LB_HASH_WORDS_MAX);

		for (uint32_t w = 0; w < n; w++)
			words[w] = i % 3 == 0 ? UINT64_MAX - (uint64_t)i : test_random(&r);
		cr_assert_eq(lb_hash_words(&s, words, n), naive_hash(&s, words, n), "step %d", i);
	}
}

/* Addresses in a row, ports in a row, one bit at a time: what traffic really looks like. */
static uint64_t regular_word(int shape, uint64_t i)
{
	switch (shape) {
	case 0:
		return i;
	case 1:
		return i << 32;
	case 2:
		return i << 48;
	case 3:
		return i << 32 | i;
	default:
		return i * 256 | 10ull << 56;
	}
}

/* The same for 32-bit words, in limbs of 16 bits. */
static uint32_t naive_hash32(const struct lb_hash32_seed *s, const uint32_t *words, uint32_t n)
{
	uint32_t acc[4];

	for (uint32_t limb = 0; limb < 4; limb++)
		acc[limb] = (uint16_t)(s->k[0] >> (16 * limb));
	for (uint32_t w = 0; w < n; w++) {
		for (uint32_t i = 0; i < 4; i++) {
			for (uint32_t j = 0; j < 2 && i + j < 4; j++) {
				uint32_t k = (uint16_t)(s->k[w + 1] >> (16 * i));
				uint32_t part = k * (uint16_t)(words[w] >> (16 * j));

				for (uint32_t limb = i + j; limb < 4; limb++) {
					part += acc[limb];
					acc[limb] = (uint16_t)part;
					part >>= 16;
				}
			}
		}
	}
	return lb_hash32_mix(acc[3] << 16 | acc[2]);
}

Test(seeded_hash, of_32_bit_words_agrees_with_the_sum_on_paper)
{
	struct test_random r = {test_seed("of_32_bit_words_agrees_with_the_sum_on_paper")};
	struct lb_hash32_seed s;

	lb_hash32_seed_init(&s, test_random(&r));
	for (int i = 0; i < 10000; i++) {
		uint32_t words[LB_HASH32_WORDS_MAX];
		uint32_t n = 1 + test_random_below(&r, LB_HASH32_WORDS_MAX);

		for (uint32_t w = 0; w < n; w++)
			words[w] = i % 3 == 0 ? UINT32_MAX - (uint32_t)i
					      : (uint32_t)test_random(&r);
		cr_assert_eq(lb_hash32_words(&s, words, n), naive_hash32(&s, words, n), "step %d",
			     i);
	}
}

enum { BUCKETS = 4096, KEYS = 65536 };

/* How far the buckets are from equal; 4095 degrees of freedom: mean 4095, standard deviation 90. */
static double chi2_of(const uint32_t count[BUCKETS])
{
	double chi2 = 0;

	for (int b = 0; b < BUCKETS; b++) {
		double off = count[b] - (double)KEYS / BUCKETS;

		chi2 += off * off * BUCKETS / KEYS;
	}
	return chi2;
}

Test(seeded_hash, regular_keys_fill_buckets_like_random_ones)
{
	static uint32_t count[BUCKETS], count32[BUCKETS];

	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct lb_hash_seed s;
		struct lb_hash32_seed s32;

		lb_hash_seed_init(&s, seed);
		lb_hash32_seed_init(&s32, seed);
		for (int shape = 0; shape < 5; shape++) {
			memset(count, 0, sizeof(count));
			memset(count32, 0, sizeof(count32));
			for (uint64_t i = 0; i < KEYS; i++) {
				uint64_t words[2] = {regular_word(shape, i), 6};
				uint32_t words32[3] = {(uint32_t)words[0],
						       (uint32_t)(words[0] >> 32), 6};
				uint32_t hash = (uint32_t)lb_hash_words(&s, words, 2);

				count[lb_hash_reduce(hash, BUCKETS)]++;
				hash = lb_hash32_words(&s32, words32, 3);
				count32[lb_hash_reduce(hash, BUCKETS)]++;
			}
			cr_expect_lt(chi2_of(count), 4095 + 6 * 90.0, "seed %d shape %d", (int)seed,
				     shape);
			cr_expect_lt(chi2_of(count32), 4095 + 6 * 90.0, "seed %d shape %d, 32 bits",
				     (int)seed, shape);
		}
	}
}

Test(seeded_hash, another_seed_gives_another_order)
{
	struct lb_hash_seed a, b;
	uint32_t same = 0;

	lb_hash_seed_init(&a, 1);
	lb_hash_seed_init(&b, 2);
	for (uint64_t i = 0; i < 1000; i++)
		same += lb_hash_reduce((uint32_t)lb_hash_words(&a, &i, 1), 1000) ==
			lb_hash_reduce((uint32_t)lb_hash_words(&b, &i, 1), 1000);
	cr_assert_lt(same, 10u);
}

Test(seeded_hash, reduce_covers_the_whole_range_and_nothing_else)
{
	for (uint32_t n = 1; n < 100; n++) {
		cr_expect_eq(lb_hash_reduce(0, n), 0u);
		cr_expect_eq(lb_hash_reduce(UINT32_MAX, n), n - 1);
	}
}
