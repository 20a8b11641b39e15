/* twins.h - the twins of all interfaces on the loop: frames both ways, link state.
 *
 * Role     reads what the kernel sends on a twin and gives it to worker 0, with the tags of the
 *          interface; gives each frame of the workers to the twin of its VLAN, without them; looks
 *          often enough for what they have; lets each twin follow its port
 * Shape    one handle with an event per twin and one timer
 * Units    interfaces by index
 * Threads  control thread only
 * Memory   a frame's room
 * Limits   LB_TWIN_FRAMES_PER_TURN frames of each twin a turn of the loop, then others have theirs;
 *          what the ring to worker 0 has no room for is dropped and counted. The workers' frames
 *          are looked for each LB_TWIN_BUSY_US while there are any, each LB_TWIN_IDLE_US otherwise;
 *          the port's link each LB_TWIN_LINK_MS
 * Errors   as in twin.h
 * Source   DESIGN 3.9, decisions 0100, 0104
 * Tests    tests/system/test_ports.py, tests/system/test_vlan_twin.py
 */
#ifndef LB_TWINS_H
#define LB_TWINS_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/config.h"
#include "lb/dataplane.h"
#include "lb/error.h"
#include "twin.h"

#define LB_TWIN_FRAMES_PER_TURN 64u
#define LB_TWIN_BUSY_US 1000
#define LB_TWIN_IDLE_US 5000
#define LB_TWIN_CALM_MS 100u /* busy for this long after the last frame: an answer may follow */
#define LB_TWIN_LINK_MS 200u

struct event_base;
struct lb_twins;

/* `pump` moves frames from the workers to lb_twins_receive() and says whether there were any. */
struct lb_twins_params {
	struct event_base *base;
	struct lb_dataplane *dp; /* ports are started; must outlive the twins */
	bool (*pump)(void *ctx);
	void *ctx;
};
int lb_twins_create(const struct lb_twins_params *params, struct lb_twins **out);

/* NULL is allowed. */
void lb_twins_destroy(struct lb_twins *twins);

/* Makes the twin of an interface, with its addresses. Missing rights (-EPERM, -EACCES, -ENOENT)
 * leave it off, other errors are the caller's to refuse. */
int lb_twins_add(struct lb_twins *twins, uint32_t iface, const struct lb_cfg_interface *cfg,
		 struct lb_error *err);

/* Begins to carry frames. */
void lb_twins_start(struct lb_twins *twins);

/* A worker's frame for the kernel, which came by the port whose first interface is `port`: to the
 * twin of its VLAN, or as it is to that of the port's untagged interface. Writes in `frame`. False:
 * there is neither. */
bool lb_twins_receive(struct lb_twins *twins, uint32_t port, uint8_t *frame, size_t len);

/* NULL: none. */
const struct lb_twin *lb_twins_of(const struct lb_twins *twins, uint32_t iface);

#endif
