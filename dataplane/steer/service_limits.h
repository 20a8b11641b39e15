/* service_limits.h - how many new connections a second a service may have, and how many at all.
 *
 * Role     a worker's share of one service's limits
 * Shape    a token bucket and a number
 * Units    connections; ms passed in
 * Threads  owner worker only
 * Memory   32 bytes a service
 * Limits   each worker has an equal share, rounded up, so that N workers may let N - 1 more pass
 *          than was asked for. The bucket holds a second's worth; half of it is for clients that
 *          come again
 * Errors   none
 * Tests    tests/unit/test_conn_room.c
 */
#ifndef LB_SERVICE_LIMITS_H
#define LB_SERVICE_LIMITS_H

#include "lb/service.h"
#include "packet/token_bucket.h"

struct lb_service_limits {
	struct lb_token_bucket starts; /* per_s 0: no limit */
	uint32_t conns_max;            /* 0: no limit */
};

static inline uint32_t lb_service_limits_share(uint32_t all, uint32_t n_workers)
{
	return (uint32_t)(((uint64_t)all + n_workers - 1) / n_workers);
}

/* What the bucket holds stays when the limit does. */
static inline void lb_service_limits_set(struct lb_service_limits *l, uint32_t starts_per_s,
					 uint32_t conns_max, uint32_t n_workers)
{
	uint32_t per_s = lb_service_limits_share(starts_per_s, n_workers);

	l->conns_max = lb_service_limits_share(conns_max, n_workers);
	if (l->starts.per_s != per_s)
		lb_token_bucket_init(&l->starts, per_s, per_s);
}

static inline bool lb_service_limits_is_full(const struct lb_service_limits *l, uint64_t conns)
{
	return l->conns_max != 0 && conns >= l->conns_max;
}

static inline bool lb_service_limits_take(struct lb_service_limits *l, bool is_proven,
					  uint64_t now_ms)
{
	uint32_t kept = is_proven ? 0 : l->starts.burst / 2;

	return l->starts.per_s == 0 || lb_token_bucket_take_above(&l->starts, kept, now_ms);
}

#endif
