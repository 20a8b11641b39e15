/* template.h - the frames that clients send, and what servers answer.
 *
 * Role     writes the frame of a flow by copying a prepared one and filling in what differs:
 *          addresses, ports, stamp, checksums; turns a received frame into a server's answer
 * Shape    gen_template_init(&t, &plan, shape); gen_template_write(&t, &plan, flow, time, buf)
 * Units    `size` counts the check sequence, as RFC 2544 does: a frame of 64 has 60 bytes here
 * Threads  pure
 * Memory   the frame is inside the template
 * Limits   GEN_SIZE_MIN..GEN_SIZE_MAX; a size too small for its headers is raised to the smallest
 *          that holds them (UDP over IPv6: 74)
 * Errors   none
 * Source   RFC 768: a UDP checksum that comes out as 0 is sent as 0xffff
 * Tests    tests/unit/test_generator_frame.c
 */
#ifndef GEN_TEMPLATE_H
#define GEN_TEMPLATE_H

#include "plan.h"

#define GEN_SIZE_MIN 64u
#define GEN_SIZE_MAX 1518u
#define GEN_FCS_BYTES 4u
#define GEN_COPY_MIN 64u

struct gen_template {
	uint32_t len;
	uint32_t l4_off;
	uint64_t ip_sum; /* of the fixed words of an IPv4 header */
	uint64_t l4_sum; /* of the fixed words of L4 and its pseudo header */
	uint8_t bytes[GEN_SIZE_MAX];
};

struct gen_template_shape {
	uint32_t size;
	uint8_t tcp_flags;
	const uint8_t *dst_mac; /* ballastd's port */
};

void gen_template_init(struct gen_template *t, const struct gen_plan *plan,
		       const struct gen_template_shape *shape);

/* Writes `t->len` bytes to `out`, which has room for GEN_COPY_MIN. */
void gen_template_write(const struct gen_template *t, const struct gen_plan *plan, uint32_t flow,
			uint32_t time, uint8_t *out);

/* Turns a frame that reached a server (nat, fullnat) into its answer, in place: ends swapped, a SYN
 * answered by SYN and ACK, the stamp kept. The frame has been judged well (inspect.h). */
void gen_reply(uint8_t *frame, const uint8_t dst_mac[GEN_MAC_BYTES]);

#endif
