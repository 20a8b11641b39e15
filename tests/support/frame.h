/* frame.h - test frames, built by words.
 *
 * Role     makes the bytes of a frame from outside to inside, fills lengths and checksums, puts
 *          views over it, and says what is wrong with a frame
 * Shape    frame_eth(&f); frame_ipv4(&f, src, dst); frame_tcp(&f, 40000, 80, LB_TCP_SYN);
 *          frame_text(&f, "hello"); frame_finish(&f);
 * Units    ports, types and lengths in host order, addresses as text, offsets from the frame's
 *          first byte
 * Threads  values
 * Memory   the bytes are inside struct frame (headroom and tailroom too); frame_exact() is heap
 * Limits   FRAME_BYTES_MAX; building past it, or an address that is none, ends the test
 * Errors   frame_verify() returns the first complaint as a sentence
 * Tests    tests/unit/test_frame.c
 */
#ifndef FRAME_H
#define FRAME_H

#include "packet/packet.h"

#define FRAME_HEADROOM 128u
#define FRAME_TAILROOM 128u
#define FRAME_BYTES_MAX 4096u

#define FRAME_ICMP4_UNREACHABLE 3u
#define FRAME_ICMP4_TIME_EXCEEDED 11u
#define FRAME_ICMP6_UNREACHABLE 1u
#define FRAME_ICMP6_TOO_BIG 2u

struct frame {
	uint32_t len;
	uint32_t l3_off;   /* 0: no IP header yet */
	uint32_t l4_off;   /* 0: no TCP, UDP or ICMP header yet */
	uint32_t next_off; /* where the protocol of the next header is to be written; 0: nowhere */
	uint8_t proto;     /* of l4_off */
	bool is_v6;
	bool has_udp_checksum; /* false: it stays 0 */
	uint8_t room[FRAME_HEADROOM + FRAME_BYTES_MAX + FRAME_TAILROOM];
};

/* --- outside to inside; each starts where the one before ended --- */

/* Empties the frame and begins with MAC 02:00:00:00:00:02 -> 02:00:00:00:00:01. */
void frame_eth(struct frame *f);
void frame_eth_macs(struct frame *f, const uint8_t dst[6], const uint8_t src[6]);
/* A type for what the builder has no word for; the bytes follow by frame_bytes(). */
void frame_ethertype(struct frame *f, uint16_t type);
void frame_vlan(struct frame *f, uint16_t id);
/* Any tag: its type, and priority and id as they stand in it. */
void frame_tag(struct frame *f, uint16_t type, uint16_t tag);

/* TTL or hop limit 64. */
void frame_ipv4(struct frame *f, const char *src, const char *dst);
/* Right after frame_ipv4(): a multiple of 4 bytes, at most 40, of no-operation options. */
void frame_ipv4_options(struct frame *f, uint32_t n);
/* Offset in bytes, a multiple of 8. */
void frame_ipv4_fragment(struct frame *f, uint16_t offset, bool more);
void frame_ipv6(struct frame *f, const char *src, const char *dst);
/* An extension header of `n` bytes, a multiple of 8 (type: IPPROTO_HOPOPTS, _ROUTING, _DSTOPTS;
 * IPPROTO_AH: a multiple of 4, 12 or more, its own way to write its length). */
void frame_ipv6_extension(struct frame *f, uint8_t type, uint32_t n);
void frame_ipv6_fragment(struct frame *f, uint16_t offset, bool more);
/* A protocol for what the builder has no word for; the bytes follow by frame_bytes(). */
void frame_ip_proto(struct frame *f, uint8_t proto);
void frame_ttl(struct frame *f, uint8_t ttl);

void frame_tcp(struct frame *f, uint16_t sport, uint16_t dport, uint8_t flags);
void frame_tcp_numbers(struct frame *f, uint32_t seq, uint32_t ack);
/* Right after frame_tcp(): a multiple of 4 bytes, at most 40, of no-operation options. */
void frame_tcp_options(struct frame *f, uint32_t n);
void frame_udp(struct frame *f, uint16_t sport, uint16_t dport);
void frame_udp_without_checksum(struct frame *f);
/* ICMP or ICMPv6 by the frame's family; `rest` is the header's second word. */
void frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t rest);

void frame_bytes(struct frame *f, const void *bytes, uint32_t n);
void frame_text(struct frame *f, const char *text);
void frame_fill(struct frame *f, uint32_t n); /* bytes that differ from each other */
/* The IP packet of a finished frame, cut to its first `n` bytes; returns how many there were. */
uint32_t frame_quote(struct frame *f, const struct frame *quoted, uint32_t n);

/* Lengths and checksums of the outer packet (not of a quote: finish that frame first). */
void frame_finish(struct frame *f);
/* The checksums only: after writing a wrong length by hand. */
void frame_checksums(struct frame *f);
/* Ethernet padding: appends zeros up to a frame of `len` bytes. After frame_finish(). */
void frame_pad(struct frame *f, uint32_t len);

/* --- by hand, for frames that are wrong --- */

uint8_t *frame_at(struct frame *f, uint32_t off);
void frame_put8(struct frame *f, uint32_t off, uint8_t value);
void frame_put16(struct frame *f, uint32_t off, uint16_t value);
void frame_put32(struct frame *f, uint32_t off, uint32_t value);
uint16_t frame_get16(const struct frame *f, uint32_t off);

/* --- views --- */

/* Over the frame itself, with headroom and tailroom. Everything else is zero. */
struct lb_pkt frame_view(struct frame *f);
/* Over a heap block of exactly the first `len` bytes: a read past the end is seen by ASan. No
 * headroom, no tailroom; free(p.data) afterwards. */
struct lb_pkt frame_exact(const struct frame *f, uint32_t len);

/* What lb_parse makes of those bytes; they are gone afterwards. */
struct lb_pkt frame_parse_exact(const struct frame *f, uint32_t len);

/* The name of the counter under which it was dropped, or "no drop". */
const char *frame_drop_name(const struct lb_pkt *p);

/* --- judging --- */

/* Checks every length and checksum of a frame: IPv4 header, TCP, UDP, ICMP, ICMPv6, and of the
 * packet that an ICMP error quotes, as far as it is there. NULL: all is well; otherwise what is
 * wrong. Written apart from the code under test, from the RFCs. */
const char *frame_verify(const uint8_t *bytes, uint32_t len);

/* One's complement sum over whole messages, the slow and obvious way; folded, not inverted. */
uint16_t frame_sum(const uint8_t *bytes, uint32_t n, uint32_t start);

#endif
