/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The workers' packets to their AF_XDP sockets, everything else to the kernel.
 *
 * A frame is looked at if it is in a VLAN of ours, behind at most two tags, or untagged where we
 * have an untagged interface.
 *
 * A packet is ours when its destination is a configured service or NAT source, or its source a
 * real server whose replies pass through us (nat) and its destination no address of this host. An
 * ICMP error is ours when the packet that answers its quote would be, or when it quotes a tunnel in
 * which a packet goes to a service. What has no readable port (fragments, endless extension
 * headers) follows its addresses alone. Ours without a socket is dropped: the kernel holds the VIPs
 * and would reset connections that live in the workers. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf_shared.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* libxdp takes a program for the standard AF_XDP one only with this mark. */
__uint(xsk_prog_version, 1) SEC("xdp_metadata");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, LB_STEER_QUEUES_MAX);
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_steer_addr_key);
	__type(value, struct lb_steer_addr);
	__uint(max_entries, LB_STEER_ADDRS_MAX);
} ballast_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_steer_block_key);
	__type(value, __u32);
	__uint(max_entries, LB_STEER_BLOCKS_MAX);
} ballast_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct lb_steer_port);
	__uint(max_entries, 1);
} ballast_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, LB_STEER_STAT_N);
} ballast_stats SEC(".maps");

#define PROTO_UNKNOWN 255
#define OFFSET_MAX 0x3fff

/* <linux/icmp.h> drags in the C library. */
#define UNREACHABLE 3
#define TIME_EXCEEDED 11
#define PARAMETER_PROBLEM 12
#define ICMPV6_ERROR_FIRST 1 /* unreachable, too big, time exceeded, parameter problem */
#define ICMPV6_ERROR_LAST 4

struct flow {
	struct lb_steer_addr_key src;
	struct lb_steer_addr_key dst;
	__u16 sport; /* host order; valid with has_ports */
	__u16 dport;
	__u8 proto; /* IP protocol, or PROTO_UNKNOWN behind headers that were not walked */
	__u8 has_ports;
	__u8 is_hidden; /* a fragment, or a chain too long: there is no upper header to read */
};

/* The packet by offsets from its first byte. */
struct packet {
	struct xdp_md *ctx;
	void *data;
	void *end;
};

static __always_inline void count(__u32 stat)
{
	__u64 *value = bpf_map_lookup_elem(&ballast_stats, &stat);

	if (value)
		(*value)++;
}

static __always_inline void mapped(struct lb_steer_addr_key *out, __be32 v4_be)
{
	out->addr_be[0] = 0;
	out->addr_be[1] = 0;
	out->addr_be[2] = bpf_htonl(0xffff);
	out->addr_be[3] = v4_be;
}

/* The parsers return the offset of the upper header, or 0 for what is cut short or no IP. A quoted
 * first fragment has its ports; one that arrives goes where its followers go, by addresses. */
static __always_inline __u32 parse_ipv4(const struct packet *p, __u32 off, int is_quote,
					struct flow *f)
{
	struct iphdr *ip;
	__u32 ihl;
	__u16 frag;

	if (off > OFFSET_MAX)
		return 0;
	ip = p->data + off;
	if ((void *)(ip + 1) > p->end)
		return 0;
	ihl = ip->ihl * 4;
	if (ip->version != 4 || ihl < sizeof(*ip))
		return 0;
	mapped(&f->src, ip->saddr);
	mapped(&f->dst, ip->daddr);
	f->proto = ip->protocol;
	frag = bpf_ntohs(ip->frag_off);
	f->is_hidden = (frag & (is_quote ? 0x1fff : 0x3fff)) != 0;
	return off + ihl;
}

static __always_inline int is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_AH || next == IPPROTO_FRAGMENT;
}

struct walk {
	struct xdp_md *ctx;
	__u32 off;
	__u8 next;
	__u8 is_hidden;
	__u8 is_quote;
	__u8 is_cut;
};

/* One extension header; 1 ends the walk. */
static long step(__u32 i, struct walk *w)
{
	__u8 ext[8];

	(void)i;
	if (!is_extension(w->next) || w->is_hidden)
		return 1;
	if (bpf_xdp_load_bytes(w->ctx, w->off, ext, sizeof(ext)) != 0) {
		w->is_cut = 1;
		return 1;
	}
	if (w->next == IPPROTO_FRAGMENT) {
		__u16 offset = (ext[2] << 8 | ext[3]) & 0xfff8;
		__u16 more = ext[3] & 1;

		/* Without both it is an atomic fragment, a whole packet. */
		w->is_hidden = offset || (more && !w->is_quote);
		w->off += 8;
	} else if (w->next == IPPROTO_AH) {
		w->off += (ext[1] + 2) * 4;
	} else {
		w->off += (ext[1] + 1) * 8;
	}
	w->next = ext[0];
	return 0;
}

static __always_inline __u32 parse_ipv6(const struct packet *p, __u32 off, int is_quote,
					struct flow *f)
{
	struct walk w = {.ctx = p->ctx, .is_quote = is_quote};
	struct ipv6hdr *ip;

	if (off > OFFSET_MAX)
		return 0;
	ip = p->data + off;
	if ((void *)(ip + 1) > p->end)
		return 0;
	if (ip->version != 6)
		return 0;
	__builtin_memcpy(&f->src, &ip->saddr, sizeof(f->src));
	__builtin_memcpy(&f->dst, &ip->daddr, sizeof(f->dst));
	f->proto = ip->nexthdr;
	off += sizeof(*ip);
	if (!is_extension(f->proto))
		return off;
	w.off = off;
	w.next = f->proto;
	bpf_loop(LB_STEER_EXTENSIONS_MAX, step, &w, 0);
	if (w.is_cut)
		return 0;
	f->proto = w.next;
	f->is_hidden = w.is_hidden;
	if (is_extension(w.next)) {
		f->proto = PROTO_UNKNOWN;
		f->is_hidden = 1;
	}
	return w.off;
}

static __always_inline int read_ports(const struct packet *p, __u32 off, struct flow *f)
{
	__be16 *ports;

	if (off > OFFSET_MAX)
		return 0;
	ports = p->data + off;
	if ((void *)(ports + 2) > p->end)
		return 0;
	f->sport = bpf_ntohs(ports[0]);
	f->dport = bpf_ntohs(ports[1]);
	f->has_ports = 1;
	return 1;
}

static __noinline int in_blocks(const struct lb_steer_addr_key *addr, __u32 side_proto_port,
				__u32 sizes)
{
	struct lb_steer_block_key key = {};
	__u32 port = side_proto_port & 0xffff;

	if (!addr)
		return 0;
	__builtin_memcpy(key.addr_be, addr->addr_be, sizeof(key.addr_be));
	key.proto = (side_proto_port >> 16) & 0xff;
	key.side = side_proto_port >> 24;
	for (__u32 bits = 0; bits <= LB_STEER_BLOCK_BITS_MAX; bits++) {
		if (!(sizes & (1u << bits)))
			continue;
		key.bits = bits;
		key.port = port & (0xffff0000u >> bits);
		if (bpf_map_lookup_elem(&ballast_blocks, &key))
			return 1;
	}
	return 0;
}

static __always_inline int matches(const struct lb_steer_addr *entry, __u32 side,
				   const struct lb_steer_addr_key *addr, const struct flow *f)
{
	__u32 tcp = entry->sizes[side][LB_STEER_TCP];
	__u32 udp = entry->sizes[side][LB_STEER_UDP];
	__u32 port = side == LB_STEER_TO ? f->dport : f->sport;

	if (f->proto == PROTO_UNKNOWN)
		return (tcp | udp) != 0;
	if (f->proto == IPPROTO_TCP)
		return f->has_ports ? in_blocks(addr, side << 24 | LB_STEER_TCP << 16 | port, tcp)
				    : tcp != 0;
	if (f->proto == IPPROTO_UDP)
		return f->has_ports ? in_blocks(addr, side << 24 | LB_STEER_UDP << 16 | port, udp)
				    : udp != 0;
	return 0;
}

static __always_inline int is_ours(const struct flow *f)
{
	struct lb_steer_addr *to, *from;

	to = bpf_map_lookup_elem(&ballast_addrs, &f->dst);
	if (to && matches(to, LB_STEER_TO, &f->dst, f))
		return 1;
	from = bpf_map_lookup_elem(&ballast_addrs, &f->src);
	if (!from || (to && to->is_local))
		return 0;
	return matches(from, LB_STEER_FROM, &f->src, f);
}

static __always_inline int is_same(const struct lb_steer_addr_key *a,
				   const struct lb_steer_addr_key *b)
{
	return a->addr_be[0] == b->addr_be[0] && a->addr_be[1] == b->addr_be[1] &&
	       a->addr_be[2] == b->addr_be[2] && a->addr_be[3] == b->addr_be[3];
}

/* Of an error about a tunnel: did the packet in it go to a service? */
static __always_inline int quotes_tunnel(const struct packet *p, __u32 off,
					 const struct flow *quoted)
{
	struct flow inner = {};
	__u8 *first;

	if (quoted->proto == IPPROTO_UDP)
		off += 8;
	else if (quoted->proto != IPPROTO_IPIP && quoted->proto != IPPROTO_IPV6)
		return 0;
	if (off > OFFSET_MAX)
		return 0;
	first = p->data + off;
	if ((void *)(first + 1) > p->end)
		return 0;
	if (*first >> 4 == 4)
		off = parse_ipv4(p, off, 1, &inner);
	else
		off = parse_ipv6(p, off, 1, &inner);
	return off && !inner.is_hidden && read_ports(p, off, &inner) && is_ours(&inner);
}

/* The packet quoted by an ICMP error left for where the error comes from; what would answer it has
 * its addresses and ports the other way round. */
static __always_inline int quotes_ours(const struct packet *p, __u32 off, const struct flow *outer)
{
	struct flow quoted = {}, answer = {};

	if (outer->proto == IPPROTO_ICMP)
		off = parse_ipv4(p, off, 1, &quoted);
	else
		off = parse_ipv6(p, off, 1, &quoted);
	if (!off || !is_same(&outer->dst, &quoted.src))
		return 0;
	if (!quoted.is_hidden && (quoted.proto == IPPROTO_TCP || quoted.proto == IPPROTO_UDP) &&
	    !read_ports(p, off, &quoted))
		return 0;
	answer.src = quoted.dst;
	answer.dst = quoted.src;
	answer.sport = quoted.dport;
	answer.dport = quoted.sport;
	answer.proto = quoted.proto;
	answer.has_ports = quoted.has_ports;
	return is_ours(&answer) || quotes_tunnel(p, off, &quoted);
}

static __always_inline int is_icmp_error(const struct packet *p, __u32 off, __u8 proto)
{
	__u8 *type;

	if (off > OFFSET_MAX)
		return 0;
	type = p->data + off;
	if ((void *)(type + 8) > p->end)
		return 0;
	if (proto == IPPROTO_ICMP)
		return *type == UNREACHABLE || *type == TIME_EXCEEDED || *type == PARAMETER_PROBLEM;
	return *type >= ICMPV6_ERROR_FIRST && *type <= ICMPV6_ERROR_LAST;
}

static __always_inline int is_mac(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

/* Tags as lb/vlan.h packs them. */
static __always_inline __u32 tag_type(__be16 type)
{
	if (type == bpf_htons(ETH_P_8021Q))
		return 1;
	if (type == bpf_htons(ETH_P_8021AD))
		return 2;
	return type == bpf_htons(ETH_P_QINQ1) ? 3 : 0;
}

struct tag {
	__be16 tci;
	__be16 type; /* of what follows */
};

/* The IP packet's offset and type, and the tags before it but those of id 0; 0: cut short, or what
 * punt.bpf.c has marked. */
static __always_inline __u32 walk_tags(const struct packet *p, __be16 *type, __u32 *tags)
{
	__u32 off = sizeof(struct ethhdr);

#pragma unroll
	for (int i = 0; i < 2; i++) {
		__u32 kind = tag_type(*type), id;
		struct tag *tag = p->data + off;

		if (!kind)
			break;
		if ((void *)(tag + 1) > p->end)
			return 0;
		id = bpf_ntohs(tag->tci) & 0xfff;
		if (!id && kind == 2)
			return 0;
		if (id)
			*tags = *tags << 16 | kind << 12 | id;
		*type = tag->type;
		off += sizeof(*tag);
	}
	return off;
}

static __always_inline int is_our_vlan(const struct lb_steer_port *port, __u32 tags)
{
	if (!tags)
		return port->is_untagged_ours;
	for (__u32 i = 0; i < LB_STEER_TAGS_MAX && i < port->n_tags; i++)
		if (port->tags[i] == tags)
			return 1;
	return 0;
}

static __always_inline int is_for_us(const struct packet *p, const struct ethhdr *eth)
{
	__be16 type = eth->h_proto;
	struct lb_steer_port *port;
	struct flow f = {};
	__u32 zero = 0, tags = 0, l3, l4;
	__u8 icmp_proto;

	port = bpf_map_lookup_elem(&ballast_port, &zero);
	if (!port || !is_mac(eth->h_dest, port->mac))
		return 0;
	l3 = walk_tags(p, &type, &tags);
	if (!l3 || !is_our_vlan(port, tags))
		return 0;
	if (type == bpf_htons(ETH_P_IP)) {
		l4 = parse_ipv4(p, l3, 0, &f);
		icmp_proto = IPPROTO_ICMP;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		l4 = parse_ipv6(p, l3, 0, &f);
		icmp_proto = IPPROTO_ICMPV6;
	} else {
		return 0;
	}
	if (!l4)
		return 0;
	if (!f.is_hidden && f.proto == icmp_proto)
		return is_icmp_error(p, l4, f.proto) && quotes_ours(p, l4 + 8, &f);
	if (!f.is_hidden && !read_ports(p, l4, &f))
		return 0;
	return is_ours(&f);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	struct packet p = {ctx, (void *)(long)ctx->data, (void *)(long)ctx->data_end};
	struct ethhdr *eth = p.data;
	int action;

	if ((void *)(eth + 1) > p.end || !is_for_us(&p, eth)) {
		count(LB_STEER_PASSED);
		return XDP_PASS;
	}
	action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
	count(action == XDP_REDIRECT ? LB_STEER_REDIRECTED : LB_STEER_NO_SOCKET);
	return action;
}
