/* xsk.h - an AF_XDP socket as the driver of DPDK opens it: by libxdp, which takes the program that
 * is attached for the standard one or does not.
 *
 * Role     stands for a worker's queue in tests of steering
 * Shape    one socket with its memory, receive only
 * Units    frames are bytes from the Ethernet header on
 * Threads  one
 * Memory   64 frames of 4 KiB
 * Limits   64 frames received
 * Errors   end the test
 * Tests    used by tests/system
 */
#ifndef TEST_XSK_H
#define TEST_XSK_H

#include <stddef.h>
#include <stdint.h>

struct xsk;

struct xsk *xsk_open(const char *netdev, uint32_t queue);
void xsk_close(struct xsk *xsk);

/* The next frame, waiting for it at most `timeout_ms`: its length, 0 when none came. */
size_t xsk_receive(struct xsk *xsk, uint8_t *frame, size_t size, int timeout_ms);

#endif
