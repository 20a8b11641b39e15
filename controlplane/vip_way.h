/* vip_way.h - the way of a probe to a virtual IP at one server.
 *
 * Role     answers health's question by what the workers forward by: next hops of reconcile,
 *          interfaces of the kernel path, tunnel sources of the configuration
 * Shape    one function
 * Threads  control thread only
 * Memory   none
 * Limits   none
 * Errors   false: the server's fault (DOWN) or this host's (UNABLE)
 * Source   decision 0110
 * Tests    tests/system/test_vip_probe.py
 */
#ifndef LB_VIP_WAY_H
#define LB_VIP_WAY_H

#include "health/health.h"

/* `ctl` is a struct lb_control. */
bool lb_vip_way_find(void *ctl, const struct lb_probe_spec *spec, struct lb_vip_way *out,
		     struct lb_no_way *none);

#endif
