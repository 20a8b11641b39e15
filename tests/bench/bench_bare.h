/* bench_bare.h - the least that a row's packets could cost: a bare loop beside the pipeline.
 *
 * Role     parses a packet, finds its connection by the whole key, writes the MAC addresses of the
 *          connection's server and counts packets and bytes for that server. There are no services,
 *          no states, ages, next hops, translations or tunnels, and no views or verdicts as the
 *          pipeline has them: it is a floor, not a load balancer
 * Shape    one object per row, with a table of the row's flows of its own: lines of four entries of
 *          16 bytes (IPv6: one of 64), a quarter full, the next place where one is taken;
 *          CRC32 and a multiplication as hash. Bursts of 32 in two passes, as a program has them
 *          that gets no more at a time: parse, hash and ask for the line; compare, write and count.
 *          Headers are asked for eight ahead
 * Units    counts
 * Threads  one
 * Memory   64 bytes a flow (IPv6: 256), from bench_alloc()
 * Limits   servers below 2^16
 * Errors   none; what is not found is not counted, and the caller compares
 * Source   ANCHORS' section 4: the figures to reach stand beside such a loop of their machine
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include "bench_world.h"

struct bench_bare;

/* Knows the row's flows in one direction. */
struct bench_bare *bench_bare_create(const struct bench_world *w, bool is_reply);

/* Every packet of the pool, once; returns how many were found and counted. */
uint32_t bench_bare_run(struct bench_bare *b, const struct bench_world *w);

#endif
