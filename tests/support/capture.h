/* capture.h - capture files of the classic pcap format, for tests.
 *
 * Role     writes the input of net_pcap and reads its output back
 * Shape    a file of records; microsecond stamps, Ethernet, this machine's byte order
 * Units    bytes
 * Threads  one
 * Memory   the caller's frame
 * Limits   frames of at most CAPTURE_FRAME_MAX bytes
 * Errors   a file that cannot be opened or is no capture ends the test
 * Source   draft-ietf-opsawg-pcap
 * Tests    used by tests/eal
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdint.h>
#include <stdio.h>

#define CAPTURE_FRAME_MAX 65535u

FILE *capture_create(const char *path);
void capture_write(FILE *f, const void *frame, uint32_t len);

FILE *capture_open(const char *path);
/* Length of the next frame, of which at most `size` bytes are copied; 0 at the end. */
uint32_t capture_read(FILE *f, void *frame, uint32_t size);

#endif
