#include "steer/toeplitz.h"

/* The 32 bits of the key that begin at its bit `at`. */
static uint32_t window(const uint8_t *key, uint32_t at)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | (at / 8 + i < LB_TOEPLITZ_KEY_BYTES ? key[at / 8 + i] : 0u);
	return (uint32_t)(bits >> (8 - at % 8));
}

void lb_toeplitz_init(struct lb_toeplitz *t, const uint8_t key[LB_TOEPLITZ_KEY_BYTES])
{
	for (uint32_t half = 0; half < 2 * LB_TOEPLITZ_BYTES_MAX; half++)
		for (uint32_t value = 0; value < 16; value++) {
			t->half[half][value] = 0;
			for (uint32_t bit = 0; bit < 4; bit++)
				if ((value >> (3 - bit) & 1u) != 0)
					t->half[half][value] ^= window(key, 4 * half + bit);
		}
}
