/* names.h - what the configuration calls the ids that workers speak of.
 *
 * Role     slot, server and interface ids -> what people wrote
 * Shape    a value over the configuration in force and its reconciliation; questions
 * Threads  the loop's thread
 * Memory   borrows both
 * Limits   a look-up walks the services, or the servers of one pool
 * Errors   an id that the configuration does not use any more has no name: index LB_CFG_NONE, "?"
 * Tests    tests/unit/test_api.c, tests/golden/ (ballast_replay --explain)
 */
#ifndef LB_NAMES_H
#define LB_NAMES_H

#include "lb/config.h"
#include "reconcile.h"

struct lb_names {
	const struct lb_config *cfg;
	const struct lb_reconcile *reconcile;
};

/* Index into cfg->services. */
uint32_t lb_names_service_idx(const struct lb_names *n, uint32_t slot);
uint32_t lb_names_find_service(const struct lb_names *n, const char *name);
/* Index into the pool of the service in `slot`. */
uint32_t lb_names_real_idx(const struct lb_names *n, uint32_t service_idx, uint32_t real_id);

const char *lb_names_service(const struct lb_names *n, uint32_t slot);
const char *lb_names_real(const struct lb_names *n, uint32_t slot, uint32_t real_id);
/* The group of that id; what it is called. */
const char *lb_names_group(const struct lb_names *n, uint32_t group_id);
/* The real server at this address in a service of the group; a look-up walks the services. */
const char *lb_names_group_real(const struct lb_names *n, uint32_t group_id,
				const struct lb_addr *addr);
const char *lb_names_iface(const struct lb_names *n, uint32_t iface);

/* "192.0.2.10:80", "[2001:db8::10]:80" */
#define LB_END_TEXT_MAX (LB_ADDR_TEXT_MAX + 8)
const char *lb_end_format(const struct lb_addr *addr, rte_be16_t port_be,
			  char text[LB_END_TEXT_MAX]);
/* The same way round; -EINVAL: not an address with a port. */
int lb_end_parse(const char *text, struct lb_addr *addr, rte_be16_t *port_be);

#define LB_MAC_TEXT_MAX 18
const char *lb_mac_format(const uint8_t mac[6], char text[LB_MAC_TEXT_MAX]);

#endif
