/* steering_netdev.h - a network device that carries our XDP program.
 *
 * Role     claims it, loads the program, attaches it beside or instead of nobody else's, detaches
 * Shape    a struct for each interface, zeroed while nothing is attached
 * Threads  control thread only
 * Memory   the program's, in the kernel
 * Limits   LB_STEER_TAGS_MAX tags
 * Errors   those of steering.h; set: -ENOENT while nothing is attached
 * Source   DESIGN 3.9
 * Tests    tests/system/test_steering.c
 */
#ifndef LB_STEERING_NETDEV_H
#define LB_STEERING_NETDEV_H

#include <net/if.h>
#include <stdint.h>

#include "bpf/bpf_shared.h"
#include "lb/error.h"

struct steer_bpf;

struct lb_steered_netdev {
	struct steer_bpf *program; /* NULL: not attached */
	char name[IF_NAMESIZE];
	int ifindex;
	int claim;                 /* socket whose name says that a living Ballast has the netdev */
	uint32_t mode;             /* XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE */
	int native_err;            /* why not native */
	struct lb_steer_port port; /* as the program has it */
};

/* The program gets these two maps, which all netdevs share. */
int lb_steered_attach(struct lb_steered_netdev *dev, const char *netdev, int addrs_fd,
		      int blocks_fd, struct lb_error *err);

/* Not attached: nothing happens. */
void lb_steered_detach(struct lb_steered_netdev *dev);

/* Frames to this MAC are ours. */
int lb_steered_set_mac(struct lb_steered_netdev *dev, const uint8_t mac[6]);

/* Those with these tags; 0 stands for none. */
int lb_steered_set_tags(struct lb_steered_netdev *dev, const uint32_t *tags, uint32_t n);

#endif
