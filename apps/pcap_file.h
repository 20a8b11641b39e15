/* pcap_file.h - captures in the classic pcap format, Ethernet only.
 *
 * Role     reads frames with their times, writes frames with theirs
 * Shape    a reader and a writer around a stdio stream
 * Units    time in ns since the epoch of the capture; lengths in bytes
 * Threads  one per file
 * Memory   the reader's frame buffer is the caller's
 * Limits   LB_PCAP_FRAME_MAX bytes a frame; a longer record is an error. Both byte orders and both
 *          precisions (µs, ns) are read; written is the host's order
 * Errors   0 or -errno with lb_error
 * Source   the file format as libpcap documents it (pcap-savefile(5))
 * Tests    tests/unit/test_pcap_file.c, tests/golden/
 */
#ifndef LB_PCAP_FILE_H
#define LB_PCAP_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lb/error.h"

#define LB_PCAP_FRAME_MAX 262144u

struct lb_pcap_reader {
	FILE *file;
	const char *name;
	bool is_swapped;
	bool is_ns;
	uint64_t n_frames; /* read so far */
};

struct lb_pcap_writer {
	FILE *file;
	const char *name;
	bool is_ns;
};

struct lb_pcap_frame {
	uint64_t time_ns;
	uint32_t len;      /* bytes in the file */
	uint32_t wire_len; /* bytes that there were */
};

/* `name` must live as long as the reader. -EINVAL: not such a capture. */
int lb_pcap_open(const char *name, struct lb_pcap_reader *r, struct lb_error *err);

/* 1: a frame; 0: the end; -errno. Writes at most `size` bytes; a frame longer than that is
 * -E2BIG. */
int lb_pcap_read(struct lb_pcap_reader *r, uint8_t *bytes, uint32_t size, struct lb_pcap_frame *out,
		 struct lb_error *err);

/* May be called on a zeroed reader, and twice. */
void lb_pcap_close(struct lb_pcap_reader *r);

int lb_pcap_create(const char *name, bool is_ns, struct lb_pcap_writer *w, struct lb_error *err);
int lb_pcap_write(struct lb_pcap_writer *w, uint64_t time_ns, const uint8_t *bytes, uint32_t len,
		  struct lb_error *err);

/* Reports what could not be written. May be called on a zeroed writer, and twice. */
int lb_pcap_finish(struct lb_pcap_writer *w, struct lb_error *err);

#endif
