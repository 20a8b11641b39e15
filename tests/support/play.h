/* play.h - bytes as a story: frames, commands and time for one pipeline.
 *
 * Role     what fuzz_pipeline and the random test run; every byte string is some story
 * Shape    one function; each byte of the string is an act, those behind it its choices
 * Threads  one
 * Memory   a world of its own, small enough that tables fill up
 * Limits   a story ends with its bytes
 * Errors   what world.h checks after each burst ends the test
 * Tests    fuzz_pipeline.c, test_pipeline_random.c
 */
#ifndef PLAY_H
#define PLAY_H

#include <stddef.h>
#include <stdint.h>

struct play_totals {
	uint64_t sent;       /* frames that the pipeline transmitted */
	uint64_t originated; /* of these, its own */
	uint64_t dropped;
	uint64_t punted;
	uint64_t conns;      /* created */
	uint64_t translated; /* ICMP errors */
	uint64_t parted;     /* fragments that waited in vain */
};

/* `totals` may be NULL. */
void play(const uint8_t *story, size_t size, struct play_totals *totals);

#endif
