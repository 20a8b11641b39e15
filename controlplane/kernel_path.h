/* kernel_path.h - the host's kernel around the workers: what it steers to them, holds for them and
 * gets back from them.
 *
 * Role     puts steering, netlink, punt and the ports' twins together in the order of DESIGN 3.9,
 *          for the control loop; derives rules, addresses and destinations from the configuration
 * Shape    one handle; open before the ports start, join after, before_publish and after_ack around
 *          each configuration
 * Units    as in the modules below it
 * Threads  control thread only
 * Memory   own heap, in proportion to the configuration
 * Limits   those of steering.h, netlink.h, punt.h and twins.h; LB_PUNTS_PER_TICK frames and about
 *          LB_PUNT_BYTES_PER_TICK a tick, the rest waits in the workers' rings
 * Errors   a missing netdev is an error; missing rights turn a part off and the report says why
 * Source   DESIGN 3.9
 * Tests    tests/unit/test_kernel_rules.c, tests/system/
 */
#ifndef LB_KERNEL_PATH_H
#define LB_KERNEL_PATH_H

#include <stdbool.h>

#include "lb/config.h"
#include "lb/dataplane.h"
#include "lb/error.h"
#include "netlink.h"
#include "text.h"

/* The loop's other work waits for no more than this. */
#define LB_PUNTS_PER_TICK 256u
#define LB_PUNT_BYTES_PER_TICK (256u * 1024)

struct event_base;
struct lb_kernel_path;

struct lb_kernel_path_params {
	struct event_base *base;
	const struct lb_cfg_node *node; /* until join has returned */
	const char *state_dir;           /* NULL: none */
	struct lb_netlink_events events; /* on_locals is this module's own */
};

/* Attaches the program to every af_xdp interface, before the ports start. */
int lb_kernel_path_open(const struct lb_kernel_path_params *params, struct lb_kernel_path **out,
			struct lb_error *err);

/* After the ports have started: makes their twins and reads the kernel's network. `dp` must outlive
 * `kp` but for its last call, close. */
int lb_kernel_path_join(struct lb_kernel_path *kp, struct lb_dataplane *dp, struct lb_error *err);

/* Takes addresses and steering entries away: no new packets reach the workers. The program stays
 * attached until close, so that the kernel does not answer what is still on its way. */
void lb_kernel_path_release(struct lb_kernel_path *kp);

/* After the workers have stopped. NULL is allowed. */
void lb_kernel_path_close(struct lb_kernel_path *kp);

/* Begins to tell what the kernel knows through the events. */
void lb_kernel_path_start(struct lb_kernel_path *kp);

/* `next` is about to be published: its destinations are made known; what it no longer serves is
 * taken from the kernel's netdevs and from the steering. On error nothing has changed. */
int lb_kernel_path_before_publish(struct lb_kernel_path *kp, const struct lb_config *next,
				  struct lb_error *err);

/* Every worker has acknowledged what was announced last: its entries and addresses are made. */
void lb_kernel_path_after_ack(struct lb_kernel_path *kp);

/* Moves frames from the workers to the kernel; true when there were any. */
bool lb_kernel_path_punt(struct lb_kernel_path *kp, struct lb_dataplane *dp);

/* Questions to netlink, in the form that reconcile asks them. */
uint32_t lb_kernel_path_next_hop_of(void *kp, const struct lb_addr *addr);
bool lb_kernel_path_is_on_link(void *kp, const struct lb_addr *addr);
void lb_kernel_path_resolve(struct lb_kernel_path *kp, uint32_t next_hop);
/* The netdev that frames of this interface leave by, 0: none, and the tags that they need there. */
uint32_t lb_kernel_path_wire(const struct lb_kernel_path *kp, uint32_t iface, uint32_t *tags);
void lb_kernel_path_set_mac(struct lb_kernel_path *kp, uint32_t iface, const uint8_t mac[6]);

/* Lines for the start-up report. */
void lb_kernel_path_report(const struct lb_kernel_path *kp, struct lb_text *out);

/* Keys for the interface's object in status. */
void lb_kernel_path_status(const struct lb_kernel_path *kp, uint32_t iface, struct lb_text *json);

#endif
