/* nat_source.c - walks addresses x own ports so that each pair comes once in a cycle.
 *
 * The cycle has `total` places, the address running fastest, so that neighbours differ in their
 * address and a port of one address rests for as long as it can. The walk steps by a prime above
 * every possible `total`, never a multiple of the number of addresses: whatever the source's size
 * is now, and also after its object has been replaced by one of another size under the same
 * cursor, the step has no divisor in common with it.
 */
#include "steer/nat_source.h"

#include <assert.h>

#include <rte_branch_prediction.h>

#include "steer/seeded_hash.h"

#define STEP 2654435761u /* a prime near 2^32 over the golden ratio: neighbours lie far apart */

static_assert(LB_NAT_ADDRS_MAX * 65536u < STEP, "longer than the longest cycle");

static uint32_t owner_of(uint32_t port, uint32_t n_workers)
{
	return port % n_workers;
}

/* The worker's first port; its others follow in steps of n_workers. May lie past the last. */
static inline uint32_t own_first_port(const struct lb_nat_source *src,
				      const struct lb_nat_share *share)
{
	uint32_t ahead;

	if (share->n_workers == 1)
		return src->first_port;
	ahead = share->worker + share->n_workers - owner_of(src->first_port, share->n_workers);
	return src->first_port + ahead % share->n_workers;
}

static inline uint32_t own_port_count(const struct lb_nat_source *src,
				      const struct lb_nat_share *share, uint32_t first)
{
	if (first > src->last_port)
		return 0;
	return share->n_workers == 1 ? src->last_port - first + 1
				     : (src->last_port - first) / share->n_workers + 1;
}

/* (next + STEP) % total */
static inline void step_on(struct lb_nat_cursor *cursor, uint32_t total)
{
	if (unlikely(cursor->total != total)) {
		cursor->total = total;
		cursor->step = STEP % total;
		cursor->next %= total;
	}
	cursor->next += cursor->step;
	if (cursor->next >= total)
		cursor->next -= total;
}

bool lb_nat_source_next(const struct lb_nat_source *src, struct lb_nat_cursor *cursor, bool is_v6,
			const struct lb_nat_share *share, struct lb_nat_candidate *out)
{
	const struct lb_nat_addr *addrs = is_v6 ? src->v6 : src->v4;
	uint32_t n_addrs = is_v6 ? src->n_v6 : src->n_v4;
	uint32_t first = own_first_port(src, share);
	uint32_t total = n_addrs * own_port_count(src, share, first);
	uint32_t port;

	assert(share->worker < share->n_workers && src->first_port <= src->last_port);
	if (total == 0)
		return false;
	if (!cursor->is_started) {
		uint64_t place = (uint64_t)addrs[0].id << 32 | (uint64_t)share->worker << 1 | is_v6;

		cursor->next = (uint32_t)lb_hash_mix(share->seed ^ lb_hash_mix(place + 1));
		cursor->total = 0;
		cursor->is_started = 1;
	}
	step_on(cursor, total);
	port = first + cursor->next / n_addrs * share->n_workers;
	out->addr = &addrs[cursor->next % n_addrs];
	out->port_be = rte_cpu_to_be_16((uint16_t)port);
	return true;
}

uint32_t lb_nat_source_owner(const struct lb_nat_source *src, rte_be16_t port_be,
			     uint32_t n_workers)
{
	uint32_t port = rte_be_to_cpu_16(port_be);

	if (port < src->first_port || port > src->last_port)
		return UINT32_MAX;
	return owner_of(port, n_workers);
}
