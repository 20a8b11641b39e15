/* limits.h - every bound that both planes have to agree on.
 *
 * Role     one place for the sizes of ids and of the arrays that they index
 * Limits   what happens at each bound is said beside it
 */
#ifndef LB_LIMITS_H
#define LB_LIMITS_H

#include <stdint.h>

/* Past these the configuration is refused with the place and the bound. */
#define LB_SERVICES_MAX 65536u	  /* service slots; a slot fits 16 bits */
#define LB_REALS_MAX 1048576u	  /* (address, port) of real servers; 20 bits */
#define LB_MACHINES_MAX 1048576u  /* distinct real-server addresses; 20 bits */
#define LB_TARGETS_MAX 4194304u	  /* machine-at-port and machine-in-group states */
#define LB_GROUPS_MAX 65535u	  /* persistence groups; group ids are 1-based, 0 is none */
#define LB_NAT_SOURCES_MAX 4096u  /* declared ones and the VIPs that serve as their own */
#define LB_IFACES_MAX 16u
#define LB_WORKERS_MAX 64u
#define LB_SERVICE_PORTS_MAX 64u  /* entries of a service's `ports` list */
/* Entries of the service look-up: one per port, up to 30 per range, two more per service. */
#define LB_SERVICE_ENTRIES_MAX 262144u
#define LB_SERVICE_SERVERS_MAX 65536u
#define LB_SERVICE_SEQUENCE_MAX 1048576u /* weights of one service after their common divisor */
#define LB_NAT_ADDRS_MAX 256u	  /* addresses of one NAT source and family */
#define LB_NAT_ADDR_IDS_MAX 65535u /* distinct NAT source addresses; ids are 1-based */

/* Next hop ids: the lower half is given out by the control plane, the upper half by each worker
 * to the link-layer addresses that it learns from clients on the link. */
#define LB_NEXT_HOPS_MAX 65536u
#define LB_NEXT_HOP_LEARNED 32768u
#define LB_NEXT_HOP_NONE 0u /* never resolved; id 0 is not given out */

#define LB_ROUTES_MAX 16384u /* mirrored kernel routes; past it the log says so, the rest unused */
#define LB_BURST_MAX 32u
#define LB_NAME_MAX 80u /* 64 characters, or "service:NAME:7" of an inline object, and NUL */
#define LB_DEVICE_MAX 256u
#define LB_NETDEV_MAX 16u /* a kernel network device's name and NUL */

/* Largest idle timeout: connections keep their last packet in 16 bits of 2.048 s ticks. */
#define LB_TIMEOUT_MAX_S 86400u

#endif
