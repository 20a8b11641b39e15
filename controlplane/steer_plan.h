/* steer_plan.h - what the XDP program has to redirect, as rules and as the map entries they make.
 *
 * Role     rules (address, protocol, ports, why) -> sorted, unique map entries; difference of two
 *          such plans
 * Shape    pure functions over sorted arrays; a port range becomes its at most 30 aligned
 *          power-of-two blocks
 * Units    ports in host order, addresses in network order
 * Threads  pure
 * Memory   a plan owns its two arrays
 * Limits   LB_STEER_ADDRS_MAX and LB_STEER_BLOCKS_MAX entries
 * Errors   -E2BIG past a limit with lb_error, -ENOMEM
 * Source   DESIGN 3.9
 * Tests    tests/unit/test_steer_plan.c (naive twin)
 */
#ifndef LB_STEER_PLAN_H
#define LB_STEER_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/bpf_shared.h"
#include "lb/addr.h"
#include "lb/error.h"
#include "lb/service.h"

enum lb_steer_kind {
	LB_STEER_SERVICE,    /* to a VIP: protocol, ports */
	LB_STEER_NAT_SOURCE, /* to a NAT source: TCP and UDP, ports; `protocol` is not read */
	LB_STEER_REPLY,      /* from a real server of a nat service: protocol, ports */
	LB_STEER_LOCAL,      /* address of this host: neither protocol nor ports are read */
};

struct lb_steer_rule {
	struct lb_addr addr;
	struct lb_port_range ports;
	uint8_t kind;     /* enum lb_steer_kind */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};

struct lb_steer_plan_addr {
	struct lb_steer_addr_key key;
	struct lb_steer_addr value;
};

/* Both arrays are sorted by memcmp of their keys, each key once. */
struct lb_steer_plan {
	struct lb_steer_plan_addr *addrs;
	size_t n_addrs;
	struct lb_steer_block_key *blocks;
	size_t n_blocks;
};

/* Rules may repeat and overlap. `out` is overwritten; free it with lb_steer_plan_fini. */
int lb_steer_plan_init(struct lb_steer_plan *out, const struct lb_steer_rule *rules, size_t n,
		       struct lb_error *err);
void lb_steer_plan_fini(struct lb_steer_plan *plan);

/* What both plans have, and what either has. */
int lb_steer_plan_common(struct lb_steer_plan *out, const struct lb_steer_plan *a,
			 const struct lb_steer_plan *b);
int lb_steer_plan_union(struct lb_steer_plan *out, const struct lb_steer_plan *a,
			const struct lb_steer_plan *b, struct lb_error *err);

#endif
