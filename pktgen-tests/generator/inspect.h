/* inspect.h - what a received frame is, and whether it is right to the last bit.
 *
 * Role     tells by MAC whether a frame reached a server or came back to a client, reads its stamp,
 *          and compares all of it with what the plan says this flow must look like there
 * Shape    gen_inspect() is cheap; gen_inspect_complain() reads every byte
 * Units    bytes from the frame's first; the stamp as it was sent
 * Threads  pure
 * Memory   reads the frame; never past `len`
 * Limits   IPv4 without options, IPv6 without extension headers: what Ballast makes of ours
 * Errors   a complaint is a constant sentence, NULL where all is well
 * Source   RFC 2003, 2473 (IP in IP), 768 with 8200 8.1 (a UDP checksum of 0 is none, over IPv4)
 * Tests    tests/unit/test_generator_frame.c
 */
#ifndef GEN_INSPECT_H
#define GEN_INSPECT_H

#include "plan.h"

enum gen_place {
	GEN_NOWHERE, /* not one of ours, or cut off */
	GEN_AT_SERVER,
	GEN_AT_CLIENT,
};

struct gen_seen {
	enum gen_place place;
	uint32_t server; /* 0 at a client */
	uint32_t flow;
	uint32_t time;
	bool is_tcp;
	uint32_t ip_off; /* of the packet that the client sent, inside a tunnel if there is one */
	uint32_t l4_off;
};

void gen_inspect(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
		 struct gen_seen *out);

/* What is wrong with a frame that is somewhere; NULL: nothing. */
const char *gen_inspect_complain(const struct gen_plan *plan, const uint8_t *frame, uint32_t len,
				 const struct gen_seen *seen);

#endif
