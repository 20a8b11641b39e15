/* wire.h - raw frames on a netdev, for tests.
 *
 * Role     sends and receives whole frames in the namespace in which it was opened
 * Shape    a packet socket
 * Units    frames are bytes from the Ethernet header on
 * Threads  one
 * Memory   a descriptor
 * Limits   -
 * Errors   end the test
 * Tests    used by tests/system
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int wire_open(const char *netdev);
void wire_send(int wire, const uint8_t *frame, size_t len);

/* Waits for a received frame that `wanted` accepts, at most `timeout_ms`; false: none came. */
bool wire_expect(int wire, bool (*wanted)(const uint8_t *frame, size_t len, const void *arg),
		 const void *arg, int timeout_ms);

#endif
