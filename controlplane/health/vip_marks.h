/* vip_marks.h - which probe of a virtual IP an answer belongs to.
 *
 * Role     gives each probe under way a number and a token of its own and finds it again by what
 *          an answer brings back: the small state machine of a probe through the forwarding path
 * Shape    an array by number; numbers are TCP source ports and identifiers of echoes
 * Units    ports in host order
 * Threads  control thread only
 * Memory   own heap, LB_VIP_NUMBERS entries
 * Limits   LB_VIP_NUMBERS under way; a number that is free again serves again last, so that what is
 *          late for one probe does not meet the next
 * Errors   take: 0, when all numbers are in use
 * Source   decision 0110
 * Tests    tests/unit/test_vip_marks.c
 */
#ifndef LB_VIP_MARKS_H
#define LB_VIP_MARKS_H

#include "health/tcp_probe.h"
#include "lb/probe_packet.h"

/* Above the ports that Linux gives to programs which ask for any (32768-60999). */
#define LB_VIP_NUMBER_FIRST 61000u
#define LB_VIP_NUMBERS 4096u

/* What is asked, and the way there: by frames to a next hop's link-layer address. */
struct lb_vip_way {
	struct lb_probe_way packet;
	uint32_t ifindex; /* of the port's netdev */
	uint32_t tag;     /* of its frames, lb/vlan.h: none, 0x8100 or 0x88a8 */
	uint8_t mac[6];
};

struct lb_vip_question {
	struct lb_vip_way way;
	uint32_t probe;
	uint16_t port; /* 0: an echo */
	struct lb_probe_mark mark;
};

struct lb_vip_marks;

int lb_vip_marks_create(uint64_t seed, struct lb_vip_marks **out);

/* NULL is allowed. */
void lb_vip_marks_destroy(struct lb_vip_marks *m);

/* Fills in the mark and keeps a copy. Returns the number; 0: none is free. */
uint16_t lb_vip_marks_take(struct lb_vip_marks *m, struct lb_vip_question *question);

/* The probe ended; its number is free. 0 is allowed. */
void lb_vip_marks_release(struct lb_vip_marks *m, uint16_t number);

/* The question that this answers, until its release; NULL: none. UP, or DOWN with a reason. */
const struct lb_vip_question *lb_vip_marks_match(const struct lb_vip_marks *m,
						 const struct lb_probe_answer *answer,
						 enum lb_probe_outcome *outcome,
						 const char **reason);

#endif
