/* neighbours.h - link-layer addresses of the next hops, kept fresh by the kernel.
 *
 * Role     makes the kernel resolve and keep every next hop of `paths`; mirrors its states there
 * Shape    managed neighbours (NTF_EXT_MANAGED); where the kernel has none, a probe each
 *          LB_NEIGHBOURS_PROBE_MS
 * Units    -
 * Threads  control thread only
 * Memory   one flag and one time per next hop id
 * Limits   those of paths
 * Errors   0 or -errno; missing rights turn managing off, the mirror goes on
 * Source   DESIGN 3.9
 * Tests    tests/system/test_netlink.c
 */
#ifndef LB_NEIGHBOURS_H
#define LB_NEIGHBOURS_H

#include "netlink.h"
#include "paths.h"
#include "rtnl.h"

#define LB_NEIGHBOURS_PROBE_MS 1000u
#define LB_NEIGHBOURS_RESOLVE_MS 100u /* not asked more often for one id */

struct lb_neighbours;

/* `links` are read at every call and belong to the caller. */
int lb_neighbours_create(struct lb_neighbours **out, struct lb_rtnl *nl, struct lb_paths *paths,
			 const struct lb_link *links, size_t n_links);

/* Does not touch the kernel. NULL is allowed. */
void lb_neighbours_destroy(struct lb_neighbours *nb);

/* RTM_NEWNEIGH and RTM_DELNEIGH, notified. True when a next hop changed or has to be managed. */
bool lb_neighbours_message(struct lb_neighbours *nb, const struct nlmsghdr *msg);

/* A dump: begin, each row, end; next hops that it does not have are to be managed anew. What bears
 * our mark and is no next hop of ours was left by a killed run, and is removed. */
void lb_neighbours_begin(struct lb_neighbours *nb);
void lb_neighbours_row(struct lb_neighbours *nb, const struct nlmsghdr *msg);
void lb_neighbours_end(struct lb_neighbours *nb);

/* After settle: makes new next hops managed, lets freed ones go. */
void lb_neighbours_manage(struct lb_neighbours *nb);

/* Asks the kernel to resolve this next hop now. */
void lb_neighbours_resolve(struct lb_neighbours *nb, uint32_t id, uint64_t now_ms);

/* Where the kernel cannot manage: probes every next hop. */
bool lb_neighbours_needs_probes(const struct lb_neighbours *nb);
void lb_neighbours_probe(struct lb_neighbours *nb, uint64_t now_ms);

/* Lets all managed ones go. */
void lb_neighbours_release(struct lb_neighbours *nb);

/* 0: managed or probed; otherwise why not (-EPERM). */
int lb_neighbours_error(const struct lb_neighbours *nb);

#endif
