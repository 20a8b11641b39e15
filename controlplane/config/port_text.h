/* port_text.h - ports, ranges, listen addresses and Ethernet addresses as the document writes them.
 *
 * Role     text -> value for what lb/addr.h does not read
 * Shape    plain functions, true when the whole text was read
 * Units    ports in host order
 * Threads  any; no state
 * Memory   none
 * Limits   ports 1..65535; "any" is 0..65535
 * Errors   false; *out is then not to be used
 * Tests    tests/unit/test_schema.c
 */
#ifndef LB_PORT_TEXT_H
#define LB_PORT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/service.h"

/* "6005-59530" or "any". */
bool lb_ports_parse(const char *text, struct lb_port_range *out);

/* "127.0.0.1:8480" or "[::1]:8480". */
bool lb_listen_parse(const char *text, struct lb_addr *addr, uint16_t *port);

/* "02:00:00:00:00:11"; neither a group address nor all zero. */
bool lb_mac_parse(const char *text, uint8_t mac[6]);

#endif
