/* table_line.h - what a packet that goes by a service's table alone reads of the service.
 *
 * Role     slots of the table and the servers that they name, without the way through the object
 * Shape    half a cache line a service, copied from its object; eight bytes a server, in the object
 * Units    none
 * Threads  owner worker only; what it points to is immutable
 * Memory   32 bytes a service slot, touched where used
 * Limits   none
 * Errors   none
 * Source   decision 0070
 * Tests    tests/unit/test_pipeline_stateless.c
 */
#ifndef LB_TABLE_LINE_H
#define LB_TABLE_LINE_H

#include "lb/service.h"

struct lb_table_server {
	uint32_t real_id;
	uint32_t target_id;
};

struct lb_table_line {
	const uint16_t *slots; /* NULL: not every packet goes by a table, or there is none */
	const struct lb_table_server *servers;
	uint32_t size;     /* slots */
	uint8_t scheduler; /* whose hash finds the slot */
	uint8_t forwarding;
	uint8_t unused[10];
};

_Static_assert(sizeof(struct lb_table_line) == 32, "two to a line");

#endif
