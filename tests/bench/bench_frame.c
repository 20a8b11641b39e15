#include "bench_frame.h"

#include <netinet/in.h>
#include <string.h>

#include "bench_plan.h"
#include "frame.h"
#include "steer/conn.h"

#define ETH_BYTES 14u
#define TCP_BYTES 20u
#define UDP_BYTES 8u
#define FRAME_MAX 256u

const uint8_t bench_mac_own[6] = {2, 0, 0, 0, 0, 0xfe};
const uint8_t bench_mac_router[6] = {2, 0, 0, 0, 0, 1};

void bench_mac_of_server(uint32_t server, uint8_t mac[6])
{
	memcpy(mac, (uint8_t[]){2, 0, 1, 0, (uint8_t)(server >> 8), (uint8_t)server}, 6);
}

static uint32_t ip_bytes(bool is_v6)
{
	return is_v6 ? 40 : 20;
}

uint32_t bench_frame_bytes(bool is_v6)
{
	return is_v6 ? ETH_BYTES + 40 + TCP_BYTES : 60; /* padded */
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Ethernet, IP and TCP headers; what padding there is stays as it is. */
void bench_frame_write(uint8_t *data, const struct lb_key *key, uint8_t flags)
{
	uint8_t *ip = data + ETH_BYTES, *tcp = ip + ip_bytes(key->is_v6);

	memset(data, 0, 80);
	memcpy(data, bench_mac_own, 6);
	memcpy(data + 6, bench_mac_router, 6);
	if (key->is_v6) {
		memcpy(data + 12, "\x86\xdd\x60\x00\x00\x00\x00\x14\x06\x40", 10);
		memcpy(ip + 8, &key->v6, 32);
		memcpy(tcp, &key->v6.ports_be, 4);
	} else {
		memcpy(data + 12, "\x08\x00\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06", 12);
		memcpy(ip + 12, &key->v4, 8);
		put16(ip + 10, (uint16_t)~frame_sum(ip, 20, 0));
		memcpy(tcp, &key->v4.ports_be, 4);
	}
	tcp[12] = 5 << 4;
	tcp[13] = flags;
}

void bench_frame_seal(uint8_t *data, bool is_v6)
{
	const uint8_t *addrs = data + ETH_BYTES + (is_v6 ? 8 : 12);
	uint8_t *tcp = data + ETH_BYTES + ip_bytes(is_v6);
	uint32_t pseudo = frame_sum(addrs, is_v6 ? 32 : 8, IPPROTO_TCP + TCP_BYTES);

	put16(tcp + 16, (uint16_t)~frame_sum(tcp, TCP_BYTES, pseudo));
}

void bench_frame_key(const uint8_t *data, bool is_v6, struct lb_key *key)
{
	const uint8_t *ip = data + ETH_BYTES, *tcp = ip + ip_bytes(is_v6);

	memset(key, 0, sizeof(*key));
	key->is_v6 = is_v6;
	if (is_v6) {
		memcpy(&key->v6, ip + 8, 32);
		memcpy(&key->v6.ports_be, tcp, 4);
		key->v6.proto = ip[6];
	} else {
		memcpy(&key->v4, ip + 12, 8);
		memcpy(&key->v4.ports_be, tcp, 4);
		key->v4.proto = ip[9];
	}
}

/* --- judging --------------------------------------------------------------------------------- */

static const char *judge_server(const uint8_t *mac, const struct bench_expected *e,
				uint32_t *server)
{
	uint8_t wanted[6];

	*server = (uint32_t)mac[4] << 8 | mac[5];
	bench_mac_of_server(*server, wanted);
	if (memcmp(mac, wanted, 6) != 0)
		return "to no server's MAC address";
	if (*server - e->server_first >= e->n_servers)
		return "to another server";
	return NULL;
}

static struct lb_addr read_addr(const uint8_t *at, bool is_v6)
{
	struct lb_addr addr = {{0, 0, RTE_BE32(0xffff), 0}};

	memcpy(is_v6 ? &addr.word_be[0] : &addr.word_be[3], at, is_v6 ? 16 : 4);
	return addr;
}

static bool is_addr(struct lb_addr addr, bool is_v6, uint32_t net, uint32_t number)
{
	struct lb_addr wanted = bench_addr(is_v6, net, number);

	return lb_addr_equal(&addr, &wanted);
}

/* Headers of a tunnel to `server`, and behind them a packet that is whole; *inner is it in a frame
 * of its own. */
static const char *judge_tunnel(const uint8_t *data, uint32_t len, const struct bench_expected *e,
				uint32_t server, uint8_t inner[FRAME_MAX])
{
	const bool is_v6 = e->key->is_v6, is_gue = e->forwarding == LB_FORWARD_GUE;
	const uint8_t *ip = data + ETH_BYTES, *src = ip + (is_v6 ? 8 : 12);
	uint32_t n_outer = ip_bytes(is_v6) + (is_gue ? UDP_BYTES : 0);
	uint8_t proto = is_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	if (len < ETH_BYTES + n_outer || len - n_outer > FRAME_MAX)
		return "no tunnel around it";
	if ((is_v6 ? ip[6] : ip[9]) != (is_gue ? IPPROTO_UDP : proto))
		return "another protocol than the tunnel's";
	if (!is_addr(read_addr(src, is_v6), is_v6, BENCH_TUNNEL_SOURCE, 1) ||
	    !is_addr(read_addr(src + (is_v6 ? 16 : 4), is_v6), is_v6, BENCH_SERVERS, server + 1))
		return "a tunnel between other addresses";
	memcpy(inner, data, ETH_BYTES);
	memcpy(inner + ETH_BYTES, ip + n_outer, len - n_outer - ETH_BYTES);
	return frame_verify(inner, len - n_outer);
}

static bool is_nat_source(const struct lb_key *key)
{
	struct lb_addr src = key->is_v6 ? read_addr((const uint8_t *)key->v6.src_be, true)
					: lb_addr_from_v4(key->v4.src_be);

	for (uint32_t i = 1; i <= BENCH_N_NAT_SOURCES; i++)
		if (is_addr(src, key->is_v6, BENCH_NAT_SOURCES, i))
			return true;
	return false;
}

/* Without its source: address and port. */
static void clear_source(struct lb_key *key)
{
	if (key->is_v6) {
		memset(key->v6.src_be, 0, sizeof(key->v6.src_be));
		key->v6.ports_be &= RTE_BE32(0xffff);
	} else {
		key->v4.src_be = 0;
		key->v4.ports_be &= RTE_BE32(0xffff);
	}
}

static void set_destination(struct lb_key *key, struct lb_addr addr)
{
	if (key->is_v6)
		memcpy(key->v6.dst_be, &addr, sizeof(addr));
	else
		key->v4.dst_be = lb_addr_v4(&addr);
}

static const char *judge_key(const uint8_t *data, const struct bench_expected *e, uint32_t server)
{
	struct lb_key seen, wanted = *e->key;

	bench_frame_key(data, wanted.is_v6, &seen);
	if (!e->is_reply && !lb_forwarding_is_one_way((uint8_t)e->forwarding))
		set_destination(&wanted, bench_addr(wanted.is_v6, BENCH_SERVERS, server + 1));
	if (e->is_any_source) {
		if (!is_nat_source(&seen))
			return "from no NAT source";
		clear_source(&seen);
		clear_source(&wanted);
	}
	if (wanted.is_v6 ? memcmp(&seen.v6, &wanted.v6, sizeof(seen.v6)) != 0
			 : memcmp(&seen.v4, &wanted.v4, sizeof(seen.v4)) != 0)
		return "with other addresses or ports";
	return NULL;
}

static bool is_of_family(const uint8_t *data, bool is_v6)
{
	return memcmp(data + 12, is_v6 ? "\x86\xdd" : "\x08\x00", 2) == 0;
}

const char *bench_frame_judge(const uint8_t *data, uint32_t len, const struct bench_expected *e)
{
	uint8_t inner[FRAME_MAX];
	const char *wrong = frame_verify(data, len);
	uint32_t server = 0;

	if (wrong == NULL && !is_of_family(data, e->key->is_v6))
		wrong = "not of its family";
	if (wrong == NULL && memcmp(data + 6, bench_mac_own, 6) != 0)
		wrong = "from another MAC address than ours";
	if (wrong == NULL && e->is_reply && memcmp(data, bench_mac_router, 6) != 0)
		wrong = "not to the router";
	if (wrong == NULL && !e->is_reply)
		wrong = judge_server(data, e, &server);
	if (wrong != NULL)
		return wrong;
	if (lb_forwarding_is_tunnel((uint8_t)e->forwarding)) {
		wrong = judge_tunnel(data, len, e, server, inner);
		data = inner;
	}
	return wrong != NULL ? wrong : judge_key(data, e, server);
}
