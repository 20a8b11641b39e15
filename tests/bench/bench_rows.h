/* bench_rows.h - what the bench measures: one row per kind of packet, family, flows and services.
 *
 * Role     the list of rows, made from the axes that ANCHORS' table compares, and their names
 * Shape    a plain array
 * Threads  one
 * Memory   the caller's array
 * Limits   BENCH_ROWS_MAX
 * Errors   none
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "bench_world.h"

#define BENCH_ROWS_MAX 256u

struct bench_row {
	char name[80];
	struct bench_shape shape;
	enum bench_work work;
	uint32_t n_workers;
	bool is_quick; /* belongs to --quick */
};

/* Returns how many. */
uint32_t bench_rows(struct bench_row rows[BENCH_ROWS_MAX]);

#endif
