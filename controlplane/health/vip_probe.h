/* vip_probe.h - asks virtual IPs at single servers, by the way that clients' packets take.
 *
 * Role     sends the packets of probes through dsr, ipip and gue, and tells what answers them
 * Shape    one packet socket per family for all interfaces, on the loop; a filter in the kernel
 *          leaves out what no probe can have asked for
 * Units    ports in host order
 * Threads  the loop's; no call blocks
 * Memory   two descriptors, the marks
 * Limits   LB_VIP_NUMBERS under way; answers are read LB_VIP_BURST at a time, the sockets' buffers
 *          bound the rest
 * Errors   what this host cannot do is LB_PROBE_UNABLE, not the server's fault
 * Source   decision 0110
 * Tests    tests/system/test_vip_answer.c, test_vip_probe.py
 *
 * The kernel of this host holds the VIP itself, so none of its sockets could ask another machine
 * for it: packets are written here, and the answers are read before the kernel's IP refuses them
 * as coming from one of its own addresses.
 */
#ifndef LB_VIP_PROBE_H
#define LB_VIP_PROBE_H

#include "health/vip_marks.h"

#define LB_VIP_BURST 64u

struct event_base;
struct lb_vip_probes;

/* UP or DOWN. May start and end probes. */
typedef void (*lb_on_vip_answer)(void *ctx, uint32_t probe, enum lb_probe_outcome outcome,
				 const char *reason);

int lb_vip_probes_create(struct event_base *base, uint64_t seed, lb_on_vip_answer on_answer,
			 void *ctx, struct lb_vip_probes **out);

/* NULL is allowed. */
void lb_vip_probes_destroy(struct lb_vip_probes *v);

/* One packet. PENDING: *number is taken, until lb_vip_probe_end. A server that accepts is answered
 * by a reset: it keeps nothing, and its program is never woken. */
enum lb_probe_outcome lb_vip_probe_start(struct lb_vip_probes *v, struct lb_vip_question *question,
					 uint16_t *number, const char **reason);

/* No answer is waited for any more. 0 is allowed. */
void lb_vip_probe_end(struct lb_vip_probes *v, uint16_t number);

/* Takes the answers that lie there, at most `max` of each family. */
void lb_vip_probes_receive(struct lb_vip_probes *v, uint32_t max);

#endif
