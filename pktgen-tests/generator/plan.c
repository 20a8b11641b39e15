#include "plan.h"

#include <string.h>

#define CLIENT_PORT_FIRST 1024u
#define CLIENT_PORTS 64512u
#define VIPS 128u
#define SERVICE_PORT_FIRST 80u

const char *const gen_forwarding_name[GEN_FORWARDING_N] = {
	[GEN_DSR] = "dsr", [GEN_IPIP] = "ipip",       [GEN_GUE] = "gue",
	[GEN_NAT] = "nat", [GEN_FULLNAT] = "fullnat", [GEN_MIRROR] = "mirror",
};

const uint8_t gen_gateway_mac[GEN_MAC_BYTES] = {2, 0, 0, 2, 0, 1};

static void put_ipv4(uint8_t *out, uint32_t base, uint32_t n)
{
	uint32_t addr = base + n;

	out[0] = (uint8_t)(addr >> 24);
	out[1] = (uint8_t)(addr >> 16);
	out[2] = (uint8_t)(addr >> 8);
	out[3] = (uint8_t)addr;
}

/* 2001:2:0:SUBNET::HIGH:n */
static void put_ipv6(uint8_t *out, uint8_t subnet, uint8_t high, uint32_t n)
{
	memset(out, 0, 16);
	out[0] = 0x20;
	out[1] = 0x01;
	out[3] = 0x02;
	out[7] = subnet;
	out[13] = high;
	out[14] = (uint8_t)(n >> 8);
	out[15] = (uint8_t)n;
}

/* Numbers of clients and services are mostly powers of two, which need no division. */
static uint32_t divide(uint32_t value, uint32_t by, uint32_t *rest)
{
	if ((by & (by - 1)) == 0) {
		*rest = value & (by - 1);
		return value >> __builtin_ctz(by);
	}
	*rest = value % by;
	return value / by;
}

void gen_plan_flow(const struct gen_plan *plan, uint32_t flow, struct gen_flow *out)
{
	bool is_flood = (flow & GEN_FLOOD) != 0;
	uint32_t number = flow & ~GEN_FLOOD;
	uint32_t client, service, port;

	divide(number, plan->n_services, &service);
	port = divide(number, is_flood ? GEN_CLIENTS_MAX : plan->n_clients, &client);
	if (port >= CLIENT_PORTS)
		port %= CLIENT_PORTS;
	out->client_port = (uint16_t)(CLIENT_PORT_FIRST + port);
	out->vip_port = (uint16_t)(SERVICE_PORT_FIRST + service / VIPS);
	if (plan->is_v6) {
		put_ipv6(out->client, is_flood ? 2 : 1, 0, client);
		put_ipv6(out->vip, 3, 0, 1 + service % VIPS);
	} else {
		put_ipv4(out->client, is_flood ? 0xc6128000u : 0xc6120000u, client);
		put_ipv4(out->vip, 0xc6130001u, service % VIPS);
	}
}

void gen_plan_server_addr(const struct gen_plan *plan, uint32_t server, uint8_t out[GEN_ADDR_MAX])
{
	if (plan->is_v6)
		put_ipv6(out, 3, 1, server);
	else
		put_ipv4(out, 0xc6130100u, server);
}

void gen_plan_server_mac(uint32_t server, uint8_t out[GEN_MAC_BYTES])
{
	const uint8_t mac[GEN_MAC_BYTES] = {2, 0, 0, 1, (uint8_t)(server >> 8), (uint8_t)server};

	memcpy(out, mac, sizeof(mac));
}

uint32_t gen_plan_server_of_mac(const uint8_t mac[GEN_MAC_BYTES])
{
	static const uint8_t prefix[] = {2, 0, 0, 1};

	if (memcmp(mac, prefix, sizeof(prefix)) != 0)
		return 0;
	return (uint32_t)mac[4] << 8 | mac[5];
}

/* Of a number below `n`, at least one. */
static uint32_t walk_bits(uint32_t n)
{
	return n <= 2 ? 1 : 32u - (uint32_t)__builtin_clz(n - 1);
}

uint32_t gen_plan_walk_length(uint32_t n)
{
	return 1u << walk_bits(n);
}

/* Odd factors and right shifts are one-to-one on `bits` bits, so that no flow comes twice. */
uint32_t gen_plan_walk(uint32_t n, uint32_t position)
{
	uint32_t bits = walk_bits(n), mask = (1u << bits) - 1, x = position & mask;

	x = x * 0x9e3779b1u & mask;
	x ^= x >> (bits + 1) / 2;
	x = x * 0x85ebca6bu & mask;
	x ^= x >> (bits + 1) / 2;
	return x < n ? x : UINT32_MAX;
}
