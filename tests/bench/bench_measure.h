/* bench_measure.h - runs one row and says what it cost.
 *
 * Role     the clock of the bench: timed bursts, the floor beside them, and the check that every
 *          packet was forwarded; in a last run, that each left as it must (bench_frame.h)
 * Shape    one call per row
 * Units    TSC cycles per packet
 * Threads  one per worker of the row, each with a pipeline and a pool of its own, on a core of its
 *          own where there are enough; all start a run together
 * Memory   of the row's worlds (bench_world.h)
 * Limits   BENCH_RUNS_MAX runs, BENCH_WORKERS_MAX workers
 * Errors   a packet that is not forwarded as the row says ends the program with a sentence
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <x86intrin.h>

#include "bench_rows.h"

#define BENCH_RUNS_MAX 9u
#define BENCH_WORKERS_MAX 2u

struct bench_effort {
	uint32_t n_runs;
	bool is_watched; /* as many runs more, pass by pass; not of a look-up alone */
};

struct bench_result {
	uint32_t n_runs;
	double min; /* of the runs */
	double median;
	double max;
	double loop;           /* median of the same bursts without the pipeline */
	double reads;          /* ... of random reads, 16 in flight */
	double bare_min;       /* of the bare loop; 0: the row has no known connections */
	double bare_median;
	double bytes_per_conn; /* of the connection table, per open connection; 0: does not apply */
	bool has_passes;
	double passes[LB_PASS_N]; /* of the run with the least sum; of the first worker */
};

static inline uint64_t bench_tsc(void)
{
	return __rdtsc();
}

void bench_measure(const struct bench_row *row, const struct bench_effort *effort,
		   struct bench_result *out);

#endif
