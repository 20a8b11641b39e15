/* state_spread.h - the spread of each service's connections over its servers.
 *
 * Role     what spread.h says of live connections, for each service that it can be told of
 * Shape    one table for an answer, in the order of the configuration
 * Units    thousandths
 * Threads  the loop's thread
 * Memory   heap, freed by the caller; during the call 4 bytes a real id and 16 bytes a server of
 *          the largest pool
 * Limits   time in proportion to the services, each times the servers of its pool
 * Errors   out of memory: nothing is known of any service
 * Source   docs/promises.md
 * Tests    tests/unit/test_api_promises.c
 *
 * Connections are counted by service and by real server, not by both: the services that share a
 * pool have one spread together. There is none where the counts would mix what has different
 * shares: a real server that is in another used pool too, services of the pool with different
 * schedulers or different servers that take new clients, services without tracking (most of their
 * connections are in no table).
 */
#ifndef LB_STATE_SPREAD_H
#define LB_STATE_SPREAD_H

#include "control.h"

struct lb_state_spread {
	uint32_t permille;   /* LB_SPREAD_UNKNOWN: it cannot be told, or there is no connection */
	uint32_t n_services; /* whose connections these are, this one included */
};

/* NULL: out of memory, or no services. */
struct lb_state_spread *lb_state_spreads(const struct lb_control *ctl);

#endif
