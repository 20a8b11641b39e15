#include "template.h"

#include "wire.h"

#define TTL 64u

static uint32_t smallest(const struct gen_plan *plan)
{
	return GEN_ETH_BYTES + (plan->is_v6 ? GEN_IPV6_BYTES : GEN_IPV4_BYTES) +
	       (plan->is_tcp ? GEN_TCP_BYTES : GEN_UDP_BYTES + GEN_STAMP_BYTES);
}

static void write_ip(const struct gen_template *t, const struct gen_plan *plan, uint8_t *ip,
		     uint32_t l4_bytes)
{
	uint32_t proto = plan->is_tcp ? GEN_PROTO_TCP : GEN_PROTO_UDP;

	if (plan->is_v6) {
		ip[0] = 0x60;
		gen_put16(ip + 4, l4_bytes);
		ip[6] = (uint8_t)proto;
		ip[7] = TTL;
		return;
	}
	ip[0] = 0x45;
	gen_put16(ip + 2, t->l4_off - GEN_ETH_BYTES + l4_bytes);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = TTL;
	ip[9] = (uint8_t)proto;
}

static void write_l4(const struct gen_plan *plan, uint8_t *l4, uint32_t l4_bytes, uint8_t tcp_flags)
{
	uint32_t head = plan->is_tcp ? GEN_TCP_BYTES : GEN_UDP_BYTES + GEN_STAMP_BYTES;

	if (plan->is_tcp) {
		l4[12] = 5 << 4;
		l4[13] = tcp_flags;
		gen_put16(l4 + 14, 0xffff);
	} else {
		gen_put16(l4 + 4, l4_bytes);
	}
	for (uint32_t i = head; i < l4_bytes; i++)
		l4[i] = (uint8_t)i;
}

void gen_template_init(struct gen_template *t, const struct gen_plan *plan,
		       const struct gen_template_shape *shape)
{
	uint32_t wanted = shape->size - GEN_FCS_BYTES, least = smallest(plan), l4_bytes;
	uint8_t *ip = t->bytes + GEN_ETH_BYTES;

	memset(t, 0, sizeof(*t));
	t->len = wanted > least ? wanted : least;
	t->l4_off = GEN_ETH_BYTES + (plan->is_v6 ? GEN_IPV6_BYTES : GEN_IPV4_BYTES);
	l4_bytes = t->len - t->l4_off;
	memcpy(t->bytes, shape->dst_mac, GEN_MAC_BYTES);
	memcpy(t->bytes + GEN_MAC_BYTES, gen_gateway_mac, GEN_MAC_BYTES);
	gen_put16(t->bytes + 12, plan->is_v6 ? GEN_TYPE_IPV6 : GEN_TYPE_IPV4);
	write_ip(t, plan, ip, l4_bytes);
	write_l4(plan, t->bytes + t->l4_off, l4_bytes, shape->tcp_flags);
	if (!plan->is_v6)
		t->ip_sum = gen_sum(0, ip, GEN_IPV4_BYTES);
	t->l4_sum = gen_sum(gen_sum_pseudo(plan->is_tcp ? GEN_PROTO_TCP : GEN_PROTO_UDP, l4_bytes),
			    t->bytes + t->l4_off, l4_bytes);
}

void gen_template_write(const struct gen_template *t, const struct gen_plan *plan, uint32_t flow,
			uint32_t time, uint8_t *out)
{
	uint8_t *ip = out + GEN_ETH_BYTES, *l4 = out + t->l4_off;
	uint8_t *addrs = ip + (plan->is_v6 ? 8 : 12), *checksum = l4 + (plan->is_tcp ? 16 : 6);
	uint8_t *stamp = l4 + (plan->is_tcp ? GEN_TCP_STAMP_OFF : GEN_UDP_STAMP_OFF);
	struct gen_flow ends;
	uint64_t sum;

	gen_plan_flow(plan, flow, &ends);
	/* Most frames are the smallest, and a copy of known length is a few moves. */
	if (t->len <= GEN_COPY_MIN)
		memcpy(out, t->bytes, GEN_COPY_MIN);
	else
		memcpy(out, t->bytes, t->len);
	if (plan->is_v6) {
		memcpy(addrs, ends.client, 16);
		memcpy(addrs + 16, ends.vip, 16);
		sum = gen_sum(0, addrs, 32);
	} else {
		memcpy(addrs, ends.client, 4);
		memcpy(addrs + 4, ends.vip, 4);
		sum = gen_sum(0, addrs, 8);
		gen_put_checksum(ip + 10, t->ip_sum + sum);
	}
	gen_put16(l4, ends.client_port);
	gen_put16(l4 + 2, ends.vip_port);
	gen_put32(stamp, flow);
	gen_put32(stamp + 4, time);

	sum = gen_sum(gen_sum(sum, l4, 4), stamp, GEN_STAMP_BYTES);
	gen_put_checksum(checksum, t->l4_sum + sum);
	if (!plan->is_tcp && gen_get16(checksum) == 0)
		gen_put16(checksum, 0xffff);
}

static void swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t kept = a[i];

		a[i] = b[i];
		b[i] = kept;
	}
}

/* Swapped words leave the sums as they are; only a SYN's new flag changes one. */
void gen_reply(uint8_t *frame, const uint8_t dst_mac[GEN_MAC_BYTES])
{
	uint8_t *ip = frame + GEN_ETH_BYTES;
	bool is_v6 = ip[0] >> 4 == 6;
	uint8_t *addrs = ip + (is_v6 ? 8 : 12),
		*l4 = ip + (is_v6 ? GEN_IPV6_BYTES : GEN_IPV4_BYTES);
	uint32_t n_addr = is_v6 ? 16 : 4;

	memcpy(frame + GEN_MAC_BYTES, frame, GEN_MAC_BYTES);
	memcpy(frame, dst_mac, GEN_MAC_BYTES);
	swap(addrs, addrs + n_addr, n_addr);
	swap(l4, l4 + 2, 2);
	if (ip[is_v6 ? 6 : 9] == GEN_PROTO_TCP && l4[13] == GEN_TCP_SYN) {
		l4[13] |= GEN_TCP_ACK;
		gen_put16(l4 + 16, (uint16_t)~gen_fold((uint64_t)(uint16_t)~gen_get16(l4 + 16) +
						       GEN_TCP_ACK));
	}
}
