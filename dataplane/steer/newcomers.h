/* newcomers.h - which clients have tried to open a connection in the last seconds.
 *
 * Role     tells a client that tries again from a flood of random sources, when there is no room
 *          for both: a TCP client repeats its SYN, a forged source does not
 * Shape    a Bloom filter of one line per client and two generations: a line holds the clients
 *          of its generation of now and of the one before. A generation lasts long where few come
 *          and is short where many do, each line by itself
 * Units    ms since the worker started
 * Threads  owner worker only
 * Memory   8 bytes a connection of the worker, 16 MB at least, in the caller's block; touched only
 *          while there is no room for all
 * Limits   a note is kept for 2 to 4 s under a flood of a million new clients a second and more,
 *          for 8 to 16 s of 100 000 and fewer (16 MB). Many notes make strangers look known, of a
 *          million a second about one in 300, of five million one in 8
 * Errors   none
 * Source   decision 0080; Bloom (1970), blocked as in Putze, Sanders, Singler (2007)
 * Tests    tests/unit/test_newcomers.c
 */
#ifndef LB_NEWCOMERS_H
#define LB_NEWCOMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A generation. A SYN is repeated after 1 s and again after 2, 4 and 8 s more: when some of
 * them are lost on their way the two that have to meet here are far apart. */
#define LB_NEWCOMERS_SHORT_MS 2048u
#define LB_NEWCOMERS_LONG_MS 8192u

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
