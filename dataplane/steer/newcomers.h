/* newcomers.h - which clients have tried to open a connection in the last seconds.
 *
 * Role     tells a client that tries again from a flood of random sources, when there is no room
 *          for both: a TCP client repeats its SYN after a second, a forged source does not
 * Shape    a Bloom filter of one line per client and two generations: a line holds the clients
 *          of the generation in which it was last touched and of the one before
 * Units    ms since the worker started
 * Threads  owner worker only
 * Memory   8 bytes a connection of the worker, 16 MB at least, in the caller's block; touched only
 *          while there is no room for all
 * Limits   a note is kept for one generation at least and two at most. Many notes make strangers
 *          look known, in 16 MB of a million new clients a second about one in 300, of five million
 *          one in 8
 * Errors   none
 * Source   decision 0080; Bloom (1970), blocked as in Putze, Sanders, Singler (2007)
 * Tests    tests/unit/test_newcomers.c
 */
#ifndef LB_NEWCOMERS_H
#define LB_NEWCOMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_NEWCOMERS_GENERATION_MS 2048u /* a SYN is repeated 1 s after the first, then 2 s */

struct lb_newcomers_line;

struct lb_newcomers {
	struct lb_newcomers_line *lines;
	uint32_t n_lines;
};

/* Bytes of `lines` for a worker of so many connections. */
size_t lb_newcomers_bytes(uint32_t n_connections);

/* `lines` zeroed and aligned to 64 bytes. */
void lb_newcomers_init(struct lb_newcomers *nc, void *lines, uint32_t n_connections);

/* Was this client noted before? Notes it. `hash`: 64 uniform bits of whatever counts as the same
 * client. */
bool lb_newcomers_note(struct lb_newcomers *nc, uint64_t hash, uint64_t now_ms);

/* The same without a note. */
bool lb_newcomers_has(const struct lb_newcomers *nc, uint64_t hash, uint64_t now_ms);

#endif
