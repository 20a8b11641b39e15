/* plan.h - the numbering plan: who is who in a run.
 *
 * Role     gives every flow its client and virtual service, every server its address and MAC, by
 *          number, so that whoever sees a frame can tell what it must look like
 * Shape    IPv4 in 198.18.0.0/15 (RFC 2544), IPv6 in 2001:2::/48 (RFC 5180); pktgen-tests/run
 *          writes ballastd's configuration from the same plan
 *            clients    198.18.0.0/17     2001:2:0:1::n        port 1024 + n / clients
 *            flooders   198.18.128.0/17   2001:2:0:2::n
 *            services   198.19.0.1-128    2001:2:0:3::n        port 80 + n / 128
 *            servers    198.19.1.0 + n    2001:2:0:3::1:n      MAC 02:00:00:01:n
 *            gateway    of the clients' side                   MAC 02:00:00:02:00:01
 *            ballastd   its port n                             MAC 02:00:00:03:00:n
 * Units    numbers from 0 (servers from 1, as in their addresses); ports in host order
 * Threads  pure
 * Memory   values
 * Limits   GEN_CLIENTS_MAX, GEN_SERVERS_MAX, GEN_SERVICES_MAX, GEN_FLOWS_MAX; the caller keeps them
 * Errors   none
 * Tests    tests/unit/test_generator_frame.c
 */
#ifndef GEN_PLAN_H
#define GEN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define GEN_CLIENTS_MAX 32768u
#define GEN_SERVERS_MAX 16000u
#define GEN_SERVICES_MAX 4096u
#define GEN_FLOWS_MAX (1u << 24)
#define GEN_FLOOD 0x80000000u /* a flow number with this bit is a flooder's, never answered for */

#define GEN_MAC_BYTES 6u
#define GEN_ADDR_MAX 16u

enum gen_forwarding {
	GEN_DSR,
	GEN_IPIP,
	GEN_GUE,
	GEN_NAT,
	GEN_FULLNAT,
	GEN_MIRROR, /* no balancer: testpmd's macswap */
	GEN_FORWARDING_N,
};

extern const char *const gen_forwarding_name[GEN_FORWARDING_N];

struct gen_plan {
	enum gen_forwarding forwarding;
	bool is_v6;
	bool is_tcp;
	uint32_t n_clients;
	uint32_t n_services;
	uint32_t n_servers;
};

/* Addresses in network order; IPv4 takes the first four bytes. */
struct gen_flow {
	uint8_t client[GEN_ADDR_MAX];
	uint8_t vip[GEN_ADDR_MAX];
	uint16_t client_port;
	uint16_t vip_port;
};

void gen_plan_flow(const struct gen_plan *plan, uint32_t flow, struct gen_flow *out);
void gen_plan_server_addr(const struct gen_plan *plan, uint32_t server, uint8_t out[GEN_ADDR_MAX]);
void gen_plan_server_mac(uint32_t server, uint8_t out[GEN_MAC_BYTES]);
/* The number of the server with this MAC, 0 where it is none. */
uint32_t gen_plan_server_of_mac(const uint8_t mac[GEN_MAC_BYTES]);
extern const uint8_t gen_gateway_mac[GEN_MAC_BYTES];

static inline uint32_t gen_plan_addr_bytes(const struct gen_plan *plan)
{
	return plan->is_v6 ? 16u : 4u;
}

/* The position'th flow of a scattered walk over [0, n): each one once in `n` positions that give
 * one, those past the end give UINT32_MAX and are skipped. The walk repeats after
 * gen_plan_walk_length(n). */
uint32_t gen_plan_walk_length(uint32_t n);
uint32_t gen_plan_walk(uint32_t n, uint32_t position);

#endif
