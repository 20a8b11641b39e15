/* token_bucket.h - how often something may happen.
 *
 * Role     bounds the packets that a worker originates, so that Ballast cannot be used to amplify
 * Shape    one value; inline functions
 * Units    time in ms passed in; tokens in thousandths
 * Threads  belongs to one worker
 * Memory   24 bytes
 * Limits   never holds more than the burst
 * Errors   none
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_TOKEN_BUCKET_H
#define LB_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct lb_token_bucket {
	uint64_t last_ms;
	uint32_t thousandths;
	uint32_t per_s;
	uint32_t burst;
};

static inline void lb_token_bucket_init(struct lb_token_bucket *b, uint32_t per_s, uint32_t burst)
{
	*b = (struct lb_token_bucket){0, burst * 1000u, per_s, burst};
}

/* One more? Takes a token if there is one and `kept` would stay behind. Time that goes back counts
 * as no time. */
static inline bool lb_token_bucket_take_above(struct lb_token_bucket *b, uint32_t kept,
					      uint64_t now_ms)
{
	uint64_t elapsed = now_ms > b->last_ms ? now_ms - b->last_ms : 0;
	uint64_t full = b->burst * UINT64_C(1000);
	uint64_t have;

	b->last_ms += elapsed;
	/* A day fills any bucket; the bound keeps the product from overflowing. */
	if (elapsed > UINT64_C(86400000))
		elapsed = UINT64_C(86400000);
	have = b->thousandths + elapsed * b->per_s;
	b->thousandths = (uint32_t)(have < full ? have : full);
	if (b->thousandths < (kept + UINT64_C(1)) * 1000u)
		return false;
	b->thousandths -= 1000u;
	return true;
}

static inline bool lb_token_bucket_take(struct lb_token_bucket *b, uint64_t now_ms)
{
	return lb_token_bucket_take_above(b, 0, now_ms);
}

/* What was taken was not used. */
static inline void lb_token_bucket_give_back(struct lb_token_bucket *b)
{
	b->thousandths += 1000u;
}

#endif
