/* ballast_bench - what a packet costs in the pipeline: no NIC, no root, one core.
 *
 * Each row opens its connections through the pipeline, then runs bursts of 32 packets of random
 * flows from a pool of buffers larger than the L2 cache. Beside it, in the same run, stands the
 * floor: the same bursts without the pipeline, random reads in a block as large as the row's
 * connection table with 16 in flight, and the same packets through a bare loop (bench_bare.h):
 * parse, connection, MAC addresses, count. Every packet's verdict is checked afterwards. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_measure.h"
#include "bench_rows.h"

#define RUNS_QUICK 3u

struct options {
	const char *glob;
	bool is_quick;
	FILE *json;
};

static double tsc_per_ns;

static void measure_tsc(void)
{
	struct timespec a, b;
	uint64_t from = bench_tsc();
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 50e6);
	tsc_per_ns = (double)(bench_tsc() - from) / ns;
}

/* Of several workers the cycles are one worker's for one of its packets, and the rate is that of
 * all of them. */
static void print_row(const struct bench_row *row, const struct bench_result *r, FILE *json)
{
	double ns = r->median / tsc_per_ns, mpps = row->n_workers * 1e3 / ns;

	printf("%-52s %7.1f %7.1f %7.1f %8.1f %7.1f %7.0f %8.1f %8.1f %7.1f %7.1f\n", row->name,
	       r->min / tsc_per_ns, ns, r->max / tsc_per_ns, r->median, mpps, r->bytes_per_conn,
	       r->loop / tsc_per_ns, r->reads / tsc_per_ns, r->bare_min / tsc_per_ns,
	       r->bare_median / tsc_per_ns);
	fflush(stdout);
	if (json == NULL)
		return;
	fprintf(json,
		"%s\n  {\"row\": \"%s\", \"workers\": %u, \"ns_min\": %.2f, \"ns_median\": %.2f, "
		"\"ns_max\": %.2f, \"cycles_median\": %.1f, \"mpps\": %.3f, "
		"\"bytes_per_connection\": %.0f, \"loop_ns\": %.2f, \"read_ns\": %.2f, "
		"\"bare_ns_min\": %.2f, \"bare_ns\": %.2f}",
		ftell(json) > 1 ? "," : "", row->name, row->n_workers, r->min / tsc_per_ns, ns,
		r->max / tsc_per_ns, r->median, mpps, r->bytes_per_conn, r->loop / tsc_per_ns,
		r->reads / tsc_per_ns, r->bare_min / tsc_per_ns, r->bare_median / tsc_per_ns);
	fflush(json);
}

/* In a process of its own: the row's memory is gone afterwards. */
static bool run_apart(const struct bench_row *row, const struct options *opt)
{
	struct bench_result result;
	int status = 1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		bench_measure(row, opt->is_quick ? RUNS_QUICK : BENCH_RUNS_MAX, &result);
		print_row(row, &result, opt->json);
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int usage(FILE *out, int status)
{
	fprintf(out, "usage: ballast_bench [--rows GLOB] [--quick] [--json FILE]\n"
		     "What a packet costs in the pipeline, beside the floor of the same run.\n"
		     "  --rows GLOB  only rows whose name matches, such as 'fullnat in*'\n"
		     "  --quick      a few rows, three runs of each: under a minute\n"
		     "  --json FILE  the same figures as JSON\n");
	return status;
}

static bool parse(int argc, char **argv, struct options *opt)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			opt->is_quick = true;
		} else if (i + 1 < argc && strcmp(argv[i], "--rows") == 0) {
			opt->glob = argv[++i];
		} else if (i + 1 < argc && strcmp(argv[i], "--json") == 0) {
			opt->json = fopen(argv[++i], "w");
			if (opt->json == NULL) {
				perror(argv[i]);
				return false;
			}
		} else {
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options opt = {.glob = "*"};
	static struct bench_row rows[BENCH_ROWS_MAX];
	uint32_t n = bench_rows(rows), n_shown = 0;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (!parse(argc, argv, &opt))
		return usage(stderr, 2);
	measure_tsc();
	printf("%-52s %23s %8s %7s %7s %8s %8s %15s\n", "", "ns/packet min med max", "cycles",
	       "Mpps", "B/conn", "loop ns", "read ns", "bare min med");
	if (opt.json != NULL)
		fputs("[", opt.json), fflush(opt.json);
	for (uint32_t i = 0; i < n; i++) {
		if (fnmatch(opt.glob, rows[i].name, 0) != 0 || (opt.is_quick && !rows[i].is_quick))
			continue;
		if (!run_apart(&rows[i], &opt))
			return 1;
		n_shown++;
	}
	if (opt.json != NULL) {
		fseek(opt.json, 0, SEEK_END);
		fputs("\n]\n", opt.json);
		fclose(opt.json);
	}
	if (n_shown == 0)
		fprintf(stderr, "ballast_bench: no row matches '%s'\n", opt.glob);
	return n_shown == 0;
}
