/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* bpf_shared.h - every map key and value that Ballast's programs in the kernel share with it.
 *
 * Role     the single definition for both sides: bpf/ compiles it for the kernel, steering for us
 * Shape    two questions per packet: is this address anything to us, and in which port blocks;
 *          then one hash look-up per block size that exists there
 * Units    addresses in network order, IPv4 in its mapped form as in lb/addr.h; ports in host
 *          order with the bits below the block's size cleared
 * Threads  the kernel reads, control writes; an address says which block sizes exist only after
 *          the blocks are there
 * Memory   hashes without preallocation: kernel memory grows with what is in them
 * Limits   LB_STEER_ADDRS_MAX, LB_STEER_BLOCKS_MAX: past them control refuses by name
 * Errors   none
 * Source   DESIGN 3.9
 * Tests    tests/system/test_steer_program.c, test_decap_program.c
 */
#ifndef LB_BPF_SHARED_H
#define LB_BPF_SHARED_H

#include <linux/types.h>

/* The AF_XDP driver of DPDK 22.11 (libxdp 1.3) takes an attached program for the standard one only
 * under this name, and puts its sockets into a map that has to be called xsks_map. */
#define LB_STEER_PROGRAM "xsk_def_prog"
/* This map tells a program of ours from everybody else's of that name. */
#define LB_STEER_OWN_MAP "ballast_blocks"

#define LB_STEER_QUEUES_MAX 64
#define LB_STEER_ADDRS_MAX 1048576
#define LB_STEER_BLOCKS_MAX 1048576
#define LB_STEER_EXTENSIONS_MAX 8 /* IPv6 extension headers walked */
#define LB_STEER_BLOCK_BITS_MAX 16

enum lb_steer_side {
	LB_STEER_TO,   /* the packet's destination: services and NAT sources */
	LB_STEER_FROM, /* the packet's source: replies of real servers in nat mode */
	LB_STEER_SIDE_N,
};

enum lb_steer_proto {
	LB_STEER_TCP,
	LB_STEER_UDP,
	LB_STEER_PROTO_N,
};

struct lb_steer_addr_key {
	__u32 addr_be[4];
};

struct lb_steer_addr {
	/* Bit n: blocks with n leading bits exist here (0: all ports, 16: one port). */
	__u32 sizes[LB_STEER_SIDE_N][LB_STEER_PROTO_N];
	__u32 is_local; /* an address of this host: what comes to it from a real server may be the
			   answer to our own probe */
};

struct lb_steer_block_key {
	__u32 addr_be[4];
	__u16 port; /* host order, low bits clear */
	__u8 bits;  /* leading bits of the port that count */
	__u8 proto; /* enum lb_steer_proto */
	__u32 side; /* enum lb_steer_side */
};

#define LB_STEER_TAGS_MAX 16 /* VLANs of one netdev that are ours */

/* One row, index 0, per netdev. */
struct lb_steer_port {
	__u8 mac[6]; /* frames to another one are not for us: a bridge may flood them */
	__u8 is_untagged_ours;
	__u8 n_tags;
	__u32 tags[LB_STEER_TAGS_MAX]; /* as in lb/vlan.h */
};

/* Per netdev and CPU. */
enum lb_steer_stat {
	LB_STEER_REDIRECTED,
	LB_STEER_NO_SOCKET, /* ours, dropped: no worker's socket was there */
	LB_STEER_PASSED,    /* the kernel's */
	LB_STEER_STAT_N,
};

/* decap.bpf.c, at a real server: tunnels are opened from these addresses only. */
#define LB_DECAP_SOURCES_MAX 64
#define LB_DECAP_PROGRAM "ballast_decap"

enum lb_decap_stat {
	LB_DECAP_STAT_OPENED,
	LB_DECAP_STAT_STRANGER,   /* a tunnel from elsewhere: to the kernel as it is */
	LB_DECAP_STAT_MALFORMED,  /* no whole IP header inside: to the kernel as it is */
	LB_DECAP_STAT_CONGESTION, /* dropped: the inner packet cannot carry the mark */
	LB_DECAP_STAT_N,
};

_Static_assert(sizeof(struct lb_steer_addr_key) == 16, "map layout");
_Static_assert(sizeof(struct lb_steer_addr) == 20, "map layout");
_Static_assert(sizeof(struct lb_steer_block_key) == 24, "map layout: no padding in a key");
_Static_assert(sizeof(struct lb_steer_port) == 72, "map layout");

#endif
