/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* At a real server: takes the outer header off what `ipip` and `gue` services send, before the
 * kernel sees it. For servers whose kernel has no ipip, ip6tnl or fou.
 *
 * Only tunnels from the configured sources are opened: whoever may send through one may send with
 * any source address. Everything else goes to the kernel as it is. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf_shared.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 gue_port = 9886; /* host order */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct lb_steer_addr_key);
	__type(value, __u8);
	__uint(max_entries, LB_DECAP_SOURCES_MAX);
} decap_sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, LB_DECAP_STAT_N);
} decap_stats SEC(".maps");

#define ECN_MASK 3
#define ECN_CE 3
#define HEADERS_MAX (60 + sizeof(struct udphdr)) /* IPv4 with options, and UDP */

struct outer {
	struct lb_steer_addr_key src;
	__u32 n_bytes; /* 0: no tunnel */
	__u8 proto;
	__u8 traffic_class;
};

static __always_inline void count(__u32 stat)
{
	__u64 *value = bpf_map_lookup_elem(&decap_stats, &stat);

	if (value)
		(*value)++;
}

static __always_inline void parse_ipv4(void *at, void *end, struct outer *o)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return;
	/* A tunnel of Ballast is never fragmented. */
	if ((ip->frag_off & bpf_htons(0x3fff)) != 0)
		return;
	o->src.addr_be[0] = 0;
	o->src.addr_be[1] = 0;
	o->src.addr_be[2] = bpf_htonl(0xffff);
	o->src.addr_be[3] = ip->saddr;
	o->proto = ip->protocol;
	o->traffic_class = ip->tos;
	o->n_bytes = ip->ihl * 4;
}

static __always_inline void parse_ipv6(void *at, void *end, struct outer *o)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return;
	__builtin_memcpy(&o->src, &ip->saddr, sizeof(o->src));
	o->proto = ip->nexthdr;
	o->traffic_class = (__u8)(ip->priority << 4 | ip->flow_lbl[0] >> 4);
	o->n_bytes = sizeof(*ip);
}

/* What stands in front of the inner packet; n_bytes 0: nothing that we take off. */
static __always_inline void parse_tunnel(struct ethhdr *eth, void *end, struct outer *o)
{
	struct udphdr *udp;

	if (eth->h_proto == bpf_htons(ETH_P_IP))
		parse_ipv4(eth + 1, end, o);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		parse_ipv6(eth + 1, end, o);
	if (o->n_bytes == 0 || o->proto == IPPROTO_IPIP || o->proto == IPPROTO_IPV6)
		return;
	udp = (void *)(eth + 1) + o->n_bytes;
	if (o->proto != IPPROTO_UDP || (void *)(udp + 1) > end || udp->dest != bpf_htons(gue_port))
		o->n_bytes = 0;
	else
		o->n_bytes += sizeof(*udp);
}

/* RFC 6040 4.2: a mark that the tunnel got on its way goes on to the inner packet. -1: the inner
 * packet cannot carry it and is dropped, as congestion would have it. */
static __always_inline int mark_ipv4(struct iphdr *ip)
{
	__u32 sum;

	if ((ip->tos & ECN_MASK) == 0)
		return -1;
	/* RFC 1624 equation 3; the traffic class is the low byte of its word. */
	sum = (__u16)~bpf_ntohs(ip->check) + (__u16)~ip->tos + (ip->tos | ECN_CE);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = bpf_htons((__u16)~sum);
	ip->tos |= ECN_CE;
	return 0;
}

static __always_inline int mark_ipv6(struct ipv6hdr *ip)
{
	if ((ip->flow_lbl[0] & ECN_MASK << 4) == 0)
		return -1;
	ip->flow_lbl[0] |= ECN_CE << 4;
	return 0;
}

/* The type of the inner packet, 0: it is none, or cut. */
static __always_inline __u16 inner_type(void *at, void *end, __u8 proto)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end)
		return 0;
	if (ip->version == 4 && proto != IPPROTO_IPV6)
		return ETH_P_IP;
	if (ip->version == 6 && proto != IPPROTO_IPIP && at + sizeof(struct ipv6hdr) <= end)
		return ETH_P_IPV6;
	return 0;
}

SEC("xdp")
int ballast_decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *inner;
	struct ethhdr *eth = data, copy;
	struct outer o = {};
	__u16 type;
	int rc = 0;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	parse_tunnel(eth, end, &o);
	if (o.n_bytes == 0 || o.n_bytes > HEADERS_MAX)
		return XDP_PASS;
	if (bpf_map_lookup_elem(&decap_sources, &o.src) == NULL) {
		count(LB_DECAP_STAT_STRANGER);
		return XDP_PASS;
	}
	inner = (void *)(eth + 1) + o.n_bytes;
	type = inner_type(inner, end, o.proto);
	if (type == 0) {
		count(LB_DECAP_STAT_MALFORMED);
		return XDP_PASS;
	}
	if ((o.traffic_class & ECN_MASK) == ECN_CE) {
		if (type == ETH_P_IP)
			rc = mark_ipv4(inner);
		else if (inner + sizeof(struct ipv6hdr) <= end)
			rc = mark_ipv6(inner);
	}
	if (rc != 0) {
		count(LB_DECAP_STAT_CONGESTION);
		return XDP_DROP;
	}
	copy = *eth;
	copy.h_proto = bpf_htons(type);
	if (bpf_xdp_adjust_head(ctx, (int)o.n_bytes) != 0)
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	*eth = copy;
	count(LB_DECAP_STAT_OPENED);
	return XDP_PASS;
}
