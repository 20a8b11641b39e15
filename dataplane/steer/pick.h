/* pick.h - the server of a new connection.
 *
 * Role     follows the client's persistence record where it holds, otherwise asks the scheduler
 *          and writes the record
 * Shape    one function over the worker's tables
 * Units    seconds since the process started, for records
 * Threads  owner worker; the persistence table is shared
 * Memory   none
 * Limits   one look-up and at most one compare-exchange per new connection
 * Errors   UINT32_MAX: no server may take the connection
 * Source   DESIGN 3.5
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_PICK_H
#define LB_PICK_H

#include "steer/conn.h"

/* Index of a server of the service in `slot` for the connection that begins with this packet. */
uint32_t lb_pick_server(struct lb_steer *st, uint32_t slot, const struct lb_key *key,
			uint64_t now_ms);

#endif
