/* packet.h - the view of a packet that the passes work on, and the burst of them.
 *
 * Role     one type for a packet, whether its bytes live in an mbuf, a pcap record or on a test's
 *          stack
 * Shape    a view: pointer, lengths, what parsing found, the verdict so far
 * Units    _be fields in network order as in the packet; offsets in bytes from `data`
 * Threads  belongs to the worker that runs the burst
 * Memory   the bytes belong to whoever made the view; a pass may move `data` within the headroom
 * Limits   LB_BURST_MAX packets; of a frame in several buffers the first LB_CONTIGUOUS_MIN bytes
 *          stand together, which is more than any header is read or any answer quotes
 * Errors   a packet ends with a verdict, and LB_VERDICT_DROP with the counter that names why
 * Source   DESIGN 3.1, STYLE 2.3
 * Tests    tests/unit/test_parse.c, tests/unit/test_pipeline.c
 */
#ifndef LB_PACKET_H
#define LB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lb/addr.h"
#include "lb/counters.h"
#include "lb/limits.h"
#include "lb/verdict.h"

/* The 5-tuple as it stands in the packet. `proto` is a whole word, so that keys are compared and
 * hashed as words. IPv4 uses words 0..3 only. */
struct lb_key4 {
	rte_be32_t src_be;
	rte_be32_t dst_be;
	rte_be32_t ports_be; /* source port in the first two bytes, destination port in the last */
	uint32_t proto;      /* IPPROTO_TCP or IPPROTO_UDP */
};

struct lb_key6 {
	rte_be32_t src_be[4];
	rte_be32_t dst_be[4];
	rte_be32_t ports_be;
	uint32_t proto;
};

struct lb_key {
	union {
		struct lb_key4 v4;
		struct lb_key6 v6;
	};
	bool is_v6;
};

/* Of a client's persistence record: its key, and the two lines of the table that may hold it. */
struct lb_record_key {
	uint64_t word; /* never 0 */
	uint32_t line[2];
};

enum lb_pkt_kind {
	LB_PKT_OTHER,      /* not IP, or a protocol that we do not serve: the kernel's */
	LB_PKT_FLOW,       /* TCP or UDP with ports; `key` is set */
	LB_PKT_ICMP_ERROR, /* `key` is the quoted packet's, as quoted; `quote_off` is set */
	LB_PKT_TUNNEL_ERROR, /* ICMP error about a tunnel of ours; set by admit: `key` is that of
				the packet in the tunnel */
	LB_PKT_FRAGMENT,   /* no ports: they are 0 in key; l4_off is the fragment's first byte */
};

#define LB_TCP_FIN 0x01u
#define LB_TCP_SYN 0x02u
#define LB_TCP_RST 0x04u
#define LB_TCP_ACK 0x10u

/* A frame in one buffer has no parts. Of one in several `data` is in the first; a pass that has
 * cut it or put another packet in its place leaves fewer bytes in `rest`. */
#define LB_CONTIGUOUS_MIN 1536u

struct lb_part {
	const uint8_t *data;
	uint32_t len;
};

/* The first line is what most packets touch beside their key. */
struct lb_pkt {
	/* set by the maker of the view */
	uint8_t *data;     /* Ethernet header */
	uint32_t len;      /* contiguous bytes from data */
	uint32_t headroom; /* writable bytes before data */
	uint32_t tailroom; /* writable bytes after data + len */
	uint32_t rest;     /* bytes that follow in other buffers; 0: len is the whole frame */
	uint8_t port;      /* where it came in */
	bool is_handed;    /* another worker handed it over */

	uint8_t iface;    /* the port's interface with these tags; set by the passes */
	uint8_t out_port; /* of out_iface; set by the passes */
	uint32_t hash;    /* of key, by the connection table's seed; set by the passes */

	/* set by lb_parse, which clears everything from here to `key` */
	uint8_t kind;      /* enum lb_pkt_kind */
	uint8_t proto;     /* of the outermost IP packet */
	uint8_t tcp_flags; /* 0 unless TCP with a complete header */
	uint8_t l3_off;    /* IP header; behind the tags */
	uint16_t l4_off;   /* TCP, UDP or ICMP header */
	uint16_t ip_len;   /* of the IP packet, header included; frame padding excluded */
	uint32_t tags;     /* lb/vlan.h; 0: the frame is untagged */

	/* set by the passes */
	uint32_t next_hop;    /* id */
	uint16_t drop_reason; /* enum lb_counter */
	uint8_t verdict;      /* enum lb_verdict */
	uint8_t out_iface;
	uint8_t forwarding; /* enum lb_forwarding of its connection; of replies LB_FORWARD_NAT */
	bool is_reply;      /* travels from the server to the client */
	bool is_originated; /* the bytes were replaced by a packet of ours; the one that came in is
			       counted as dropped under drop_reason */
	bool has_record_key;
	struct lb_conn *conn; /* entry of this direction, NULL: none */

	struct lb_key key;  /* set by lb_parse */
	uint32_t service;   /* slot; UINT32_MAX: none */
	uint32_t real_id;   /* UINT32_MAX: none */
	uint16_t quote_off; /* quoted IP header of an ICMP error; 0: none. Set by lb_parse */
	uint16_t owner;     /* worker, for HAND_OVER */
	const struct lb_part *parts; /* of `rest`; set by the maker, read only, void when there is
					none */
	struct lb_key to; /* what deliver writes in NAT modes: addresses and ports of the packet
			      that leaves, of the family of `key` */
	struct lb_record_key record_key; /* where has_record_key says so */

	/* of kind ICMP_ERROR only; set by lb_parse */
	uint16_t quote_l4_off;
	uint16_t quote_end; /* the quoted packet's bytes end here, or are cut here */

	/* of kind FRAGMENT only */
	uint16_t fragment_off; /* IPv6 fragment header; set by lb_parse */
	uint8_t fragment_part; /* enum lb_fragment_part */
	uint16_t held_slot;    /* with the verdict HOLD: under which the caller keeps the bytes */
	rte_be32_t new_id_be;  /* identification that it leaves with in NAT modes */
};

_Static_assert(offsetof(struct lb_pkt, kind) == 32, "what is cleared is two vectors");
_Static_assert(offsetof(struct lb_pkt, key) == 64, "the first line is all that lies before");

static inline void lb_pkt_clear(struct lb_pkt *p)
{
	const size_t from = offsetof(struct lb_pkt, kind);

	memset((uint8_t *)p + from, 0, offsetof(struct lb_pkt, key) - from);
	p->service = UINT32_MAX;
	p->real_id = UINT32_MAX;
	p->quote_off = 0;
}

struct lb_burst {
	struct lb_pkt pkt[LB_BURST_MAX];
	uint32_t n;
	struct lb_pkt *live[LB_BURST_MAX]; /* packets without a verdict, in order */
	uint32_t n_live;
};

static inline uint32_t lb_burst_idx(const struct lb_burst *b, const struct lb_pkt *p)
{
	return (uint32_t)(p - b->pkt);
}

/* The headers that were found have moved by so many bytes against `data`. */
static inline void lb_pkt_move_offsets(struct lb_pkt *p, int32_t by)
{
	p->l4_off = (uint16_t)(p->l4_off + by);
	if (p->kind == LB_PKT_FLOW)
		return;
	p->quote_off = (uint16_t)(p->quote_off + by);
	if (p->kind == LB_PKT_ICMP_ERROR) {
		p->quote_l4_off = (uint16_t)(p->quote_l4_off + by);
		p->quote_end = (uint16_t)(p->quote_end + by);
	}
}

/* Bytes of the frame. */
static inline uint32_t lb_pkt_bytes(const struct lb_pkt *p)
{
	return p->len + p->rest;
}

static inline void lb_pkt_drop(struct lb_pkt *p, enum lb_counter reason)
{
	p->verdict = LB_VERDICT_DROP;
	p->drop_reason = (uint16_t)reason;
}

#endif
