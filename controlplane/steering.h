/* steering.h - which packets the kernel gives to the workers' AF_XDP sockets.
 *
 * Role     loads and attaches our XDP program, keeps its maps, reads its counts; the only module
 *          that knows libbpf
 * Shape    one handle for the process: address and port maps shared by all netdevs, program,
 *          socket map and counts per netdev
 * Units    as in steer_plan.h
 * Threads  control thread only
 * Memory   kernel memory by the number of entries; a sorted copy of them here
 * Limits   LB_IFACES_MAX netdevs; bpf_shared.h for entries; LB_STEER_QUEUES_MAX queues a netdev
 * Errors   -EPERM without the rights, -EBUSY when another program or another Ballast is on the
 *          netdev, -ENODEV, -E2BIG; all with a sentence
 * Source   DESIGN 3.9
 * Tests    tests/system/test_steering.c, tests/system/test_steer_program.c
 */
#ifndef LB_STEERING_H
#define LB_STEERING_H

#include <stddef.h>
#include <stdint.h>

#include "lb/error.h"
#include "lb/limits.h"
#include "steer_plan.h"

struct lb_steering;

/* -EPERM (CAP_BPF, CAP_NET_ADMIN): the caller reports "off because" and goes on without. */
int lb_steering_open(struct lb_steering **out, struct lb_error *err);

/* Attaches to `netdev` as interface `iface`, before its port starts: native, or the kernel's
 * generic mode where the driver cannot. What a killed run of ours left there is replaced in one
 * step, so that at no moment the kernel sees the workers' packets. */
int lb_steering_attach(struct lb_steering *st, uint32_t iface, const char *netdev,
		       struct lb_error *err);

/* After the workers' ports are stopped, and after the VIPs have left the netdev (or the kernel
 * would answer for them). Not attached: nothing happens. */
void lb_steering_detach(struct lb_steering *st, uint32_t iface);

/* Detaches whatever is attached. NULL is allowed. */
void lb_steering_close(struct lb_steering *st);

/* The netdev's link-layer address changed; attach reads the first one itself. */
int lb_steering_set_mac(struct lb_steering *st, uint32_t iface, const uint8_t mac[6]);

/* The VLANs of this netdev in which we have interfaces, 0 for untagged frames, which alone attach
 * begins with; at most LB_STEER_TAGS_MAX. What comes in others is the kernel's. */
int lb_steering_set_tags(struct lb_steering *st, uint32_t iface, const uint32_t *tags, uint32_t n);

/* The wanted rules in two halves: restrict removes every entry that `rules` do not need (before
 * the removal is published to the workers), extend adds those that are missing (after they have
 * acknowledged). On error the maps are as they were before the call. */
int lb_steering_restrict(struct lb_steering *st, const struct lb_steer_rule *rules, size_t n,
			 struct lb_error *err);
int lb_steering_extend(struct lb_steering *st, const struct lb_steer_rule *rules, size_t n,
		       struct lb_error *err);

/* Sums over the CPUs. -ENOENT: not attached. */
int lb_steering_stats(const struct lb_steering *st, uint32_t iface, uint64_t out[LB_STEER_STAT_N]);

/* For the start-up report: "native on eth1, 3 addresses, 5 port blocks", "not attached". */
const char *lb_steering_describe(const struct lb_steering *st, uint32_t iface, char *text,
				 size_t size);

/* Everything that the netdev `from` receives goes on as if received on `to`. Lives as long as the
 * netdev `from`, without a handle. After lb_steering_attach to `to`: in generic mode the frames
 * have to be kept from the program. */
int lb_steering_redirect(unsigned int from_ifindex, unsigned int to_ifindex, struct lb_error *err);

#endif
