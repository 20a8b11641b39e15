/* side.h - the ports to and from one device under test.
 *
 * Role     opens DPDK's ports, in their order: `arms` of them lead to each device under test, the
 *          first with the clients behind it, the last with the servers
 * Units    packets
 * Threads  one
 * Memory   one pool of mbufs for all ports
 * Limits   GEN_SIDES_MAX sides, two arms
 * Errors   negative errno, and a sentence on standard error
 * Tests    tests/eal/test_pktgen_tests.py
 */
#ifndef GEN_SIDE_H
#define GEN_SIDE_H

#include "plan.h"

struct rte_mbuf;
struct rte_mempool;

#define GEN_SIDES_MAX 16u
#define GEN_ARMS_MAX 2u
#define GEN_BURST_MAX 32u

struct gen_side {
	uint16_t ports[GEN_ARMS_MAX];
	uint32_t n_ports;
	uint8_t dut_mac[GEN_ARMS_MAX][GEN_MAC_BYTES];
};

struct gen_sides {
	struct rte_mempool *pool;
	struct gen_side side[GEN_SIDES_MAX];
	uint32_t n;
};

/* EAL has been started. `dut_macs` NULL: those of the plan, counted over all ports. */
int gen_sides_open(struct gen_sides *sides, uint32_t arms, const char *dut_macs);
/* Waits for every link; -ETIMEDOUT after `ms`. */
int gen_sides_wait(const struct gen_sides *sides, uint32_t ms);
void gen_sides_close(struct gen_sides *sides);

static inline uint16_t gen_side_clients(const struct gen_side *side)
{
	return side->ports[0];
}

static inline uint16_t gen_side_servers(const struct gen_side *side)
{
	return side->ports[side->n_ports - 1];
}

#endif
