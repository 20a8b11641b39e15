#include "inspect.h"

#include "wire.h"

/* Where the header behind an IP header begins; 0: cut off, or nothing that we send. */
static uint32_t skip_ip(const uint8_t *frame, uint32_t len, uint32_t off, uint32_t *proto)
{
	if (off + GEN_IPV4_BYTES <= len && frame[off] == 0x45) {
		*proto = frame[off + 9];
		return off + GEN_IPV4_BYTES;
	}
	if (off + GEN_IPV6_BYTES <= len && frame[off] >> 4 == 6) {
		*proto = frame[off + 6];
		return off + GEN_IPV6_BYTES;
	}
	return 0;
}

/* The client's own packet inside what the balancer may have put around it. */
static bool find_packet(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
			struct gen_seen *out)
{
	uint32_t proto = 0, off = GEN_ETH_BYTES, next = skip_ip(frame, len, off, &proto);
	bool is_gue = plan->forwarding == GEN_GUE && proto == GEN_PROTO_UDP;

	if (next != 0 && (proto == GEN_PROTO_IPIP || proto == GEN_PROTO_IPV6 || is_gue)) {
		off = is_gue ? next + GEN_UDP_BYTES : next;
		next = skip_ip(frame, len, off, &proto);
	}
	out->ip_off = off;
	out->l4_off = next;
	out->is_tcp = proto == GEN_PROTO_TCP;
	return next != 0 && (proto == GEN_PROTO_TCP || proto == GEN_PROTO_UDP);
}

void gen_inspect(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
		 struct gen_seen *out)
{
	uint32_t stamp;

	memset(out, 0, sizeof(*out));
	if (len < GEN_ETH_BYTES || !find_packet(plan, frame, len, out))
		return;
	stamp = out->is_tcp ? GEN_TCP_STAMP_OFF : GEN_UDP_STAMP_OFF;
	if (out->l4_off + stamp + GEN_STAMP_BYTES > len)
		return;
	out->server = gen_plan_server_of_mac(frame);
	if (out->server != 0)
		out->place = GEN_AT_SERVER;
	else if (memcmp(frame, gen_gateway_mac, GEN_MAC_BYTES) == 0)
		out->place = GEN_AT_CLIENT;
	out->flow = gen_get32(frame + out->l4_off + stamp);
	out->time = gen_get32(frame + out->l4_off + stamp + 4);
}

/* Lengths and checksums of one IP packet; `n` bytes are left for it. */
static const char *complain_ip(const uint8_t *ip, uint32_t n, uint32_t *ip_bytes)
{
	if (ip[0] >> 4 == 6) {
		*ip_bytes = GEN_IPV6_BYTES + gen_get16(ip + 4);
		return *ip_bytes <= n ? NULL : "IPv6 length past the frame";
	}
	*ip_bytes = gen_get16(ip + 2);
	if (*ip_bytes > n || *ip_bytes < GEN_IPV4_BYTES)
		return "IPv4 length does not fit the frame";
	return gen_fold(gen_sum(0, ip, GEN_IPV4_BYTES)) == 0xffff ? NULL : "IPv4 header checksum";
}

static const char *complain_l4(const uint8_t *ip, uint32_t ip_bytes)
{
	bool is_v6 = ip[0] >> 4 == 6;
	uint32_t head = is_v6 ? GEN_IPV6_BYTES : GEN_IPV4_BYTES, proto = ip[is_v6 ? 6 : 9];
	uint32_t n = ip_bytes - head;
	const uint8_t *l4 = ip + head;
	uint64_t sum = gen_sum_pseudo(proto, n);

	if (n < (proto == GEN_PROTO_TCP ? GEN_TCP_BYTES : GEN_UDP_BYTES))
		return "too short for its transport header";
	if (proto == GEN_PROTO_UDP && gen_get16(l4 + 4) != n)
		return "UDP length";
	if (proto == GEN_PROTO_UDP && gen_get16(l4 + 6) == 0)
		return "UDP checksum taken away";
	sum = gen_sum(sum, ip + (is_v6 ? 8 : 12), is_v6 ? 32 : 8);
	return gen_fold(gen_sum(sum, l4, n)) == 0xffff ? NULL : "TCP or UDP checksum";
}

static const char *complain_tunnel(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
				   const struct gen_seen *seen)
{
	const uint8_t *ip = frame + GEN_ETH_BYTES;
	bool is_v6 = ip[0] >> 4 == 6;
	uint8_t server[GEN_ADDR_MAX];
	uint32_t ip_bytes = 0;
	const char *wrong;

	if (seen->ip_off == GEN_ETH_BYTES)
		return "no tunnel around it";
	wrong = complain_ip(ip, len - GEN_ETH_BYTES, &ip_bytes);
	if (wrong != NULL)
		return wrong;
	if (is_v6 != plan->is_v6)
		return "tunnel of the other family";
	gen_plan_server_addr(plan, seen->server, server);
	if (memcmp(ip + (is_v6 ? 24 : 16), server, is_v6 ? 16 : 4) != 0)
		return "tunnel to another server than its MAC";
	/* RFC 6935 would let a GUE header go without one over IPv6; Ballast makes it. */
	return plan->forwarding == GEN_GUE ? complain_l4(ip, ip_bytes) : NULL;
}

/* Addresses and ports against the plan, as they must be where the frame was seen. */
static const char *complain_ends(const struct gen_plan *plan, const uint8_t *frame,
				 const struct gen_seen *seen)
{
	uint32_t n = gen_plan_addr_bytes(plan);
	const uint8_t *src = frame + seen->ip_off + (plan->is_v6 ? 8 : 12), *dst = src + n;
	const uint8_t *sport = frame + seen->l4_off, *dport = sport + 2;
	bool is_answer = seen->place == GEN_AT_CLIENT && plan->forwarding != GEN_MIRROR;
	uint8_t server[GEN_ADDR_MAX];
	struct gen_flow flow;

	gen_plan_flow(plan, seen->flow, &flow);
	if (is_answer) {
		if (memcmp(src, flow.vip, n) != 0 || gen_get16(sport) != flow.vip_port)
			return "answer not from the service";
		if (memcmp(dst, flow.client, n) != 0 || gen_get16(dport) != flow.client_port)
			return "answer to another client";
		return NULL;
	}
	if (gen_get16(dport) != flow.vip_port)
		return "to another port";
	gen_plan_server_addr(plan, seen->server, server);
	if (plan->forwarding == GEN_NAT || plan->forwarding == GEN_FULLNAT) {
		if (memcmp(dst, server, n) != 0)
			return "to another server than its MAC";
	} else if (memcmp(dst, flow.vip, n) != 0) {
		return "to another virtual IP";
	}
	if (plan->forwarding == GEN_FULLNAT)
		return memcmp(src, flow.client, n) != 0 ? NULL : "the client's address is left";
	if (memcmp(src, flow.client, n) != 0 || gen_get16(sport) != flow.client_port)
		return "from another client";
	return NULL;
}

const char *gen_inspect_complain(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
				 const struct gen_seen *seen)
{
	const uint8_t *ip = frame + seen->ip_off;
	const char *wrong = NULL;
	uint32_t ip_bytes = 0;

	if (plan->is_v6 != (ip[0] >> 4 == 6))
		return "of the other family";
	if (plan->is_tcp != seen->is_tcp)
		return "of the other protocol";
	if (seen->place == GEN_AT_SERVER && seen->server > plan->n_servers)
		return "to a server that there is not";
	if (plan->forwarding == GEN_IPIP || plan->forwarding == GEN_GUE)
		wrong = complain_tunnel(plan, frame, len, seen);
	if (wrong == NULL)
		wrong = complain_ip(ip, len - seen->ip_off, &ip_bytes);
	if (wrong == NULL)
		wrong = complain_l4(ip, ip_bytes);
	return wrong != NULL ? wrong : complain_ends(plan, frame, seen);
}
