/* kernel_path_state.h - the insides of struct lb_kernel_path, shared by kernel_path.c and
 * kernel_path_report.c.
 *
 * Role     what the way to the kernel and back is made of
 * Shape    one struct; interfaces by their index in the configuration
 * Threads  the loop's thread
 * Memory   own heap
 * Limits   LB_IFACES_MAX
 * Tests    tests/system/test_kernel_side.py
 */
#ifndef LB_KERNEL_PATH_STATE_H
#define LB_KERNEL_PATH_STATE_H

#include "kernel_path.h"
#include "kernel_rules.h"
#include "punt.h"
#include "steering.h"
#include "twins.h"

struct lb_kernel_iface {
	char name[LB_NAME_MAX];
	uint32_t port; /* index of the first interface of the same device */
	uint32_t tags;
	bool is_af_xdp;
	bool is_attached;
	struct lb_punt *punt; /* NULL: off */
	struct lb_error off;  /* why there is neither that nor a twin */
	uint64_t punts_lost;  /* frames for the kernel without a way to it */
};

struct lb_kernel_path {
	struct lb_kernel_path_params params;
	struct lb_dataplane *dp;
	struct lb_twins *twins;
	struct lb_netlink *netlink;   /* NULL before join */
	struct lb_steering *steering; /* NULL: off */
	struct lb_error steering_off;
	struct lb_kernel_rules rules; /* of the configuration that was published last */
	struct lb_addr *locals;
	size_t n_locals;
	uint32_t n_ifaces;
	struct lb_kernel_iface iface[LB_IFACES_MAX];
	uint8_t frame[LB_PUNT_FRAME_MAX];
};

#endif
