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
#define NAME_COLUMNS 71

struct options {
	const char *glob;
	bool is_quick;
	bool is_list; /* nothing but the rows' names */
	struct bench_effort effort;
	FILE *json;
};

static const char *const pass_names[LB_PASS_N] = {"admit", "choose", "deliver", "account"};

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

static double ns(double cycles)
{
	return cycles / tsc_per_ns;
}

static void print_floor(double cycles, int width)
{
	if (cycles > 0)
		printf(" %*.1f", width, ns(cycles));
	else
		printf(" %*s", width, "-");
}

static void print_passes(const struct bench_result *r)
{
	double sum = 0;

	printf("    cycles by pass:");
	for (uint32_t pass = 0; pass < LB_PASS_N; pass++) {
		printf("  %s %.1f", pass_names[pass], r->passes[pass]);
		sum += r->passes[pass];
	}
	printf("  together %.1f\n", sum);
}

static double mpps_of(const struct bench_row *row, const struct bench_result *r)
{
	return row->n_workers * 1e3 / ns(r->median);
}

/* Of several workers the cycles are one worker's for one of its packets, and the rate is that of
 * all of them. */
static void print_row(const struct bench_row *row, const struct bench_result *r)
{
	printf("%-*s %7.1f %7.1f %7.1f %8.1f %8.1f %8.1f %7.1f", NAME_COLUMNS, row->name,
	       ns(r->min), ns(r->median), ns(r->max), r->min, r->median, r->max, mpps_of(row, r));
	if (r->bytes_per_conn > 0)
		printf(" %7.0f", r->bytes_per_conn);
	else
		printf(" %7s", "-");
	print_floor(r->loop, 8);
	print_floor(r->reads, 8);
	print_floor(r->bare_min, 7);
	print_floor(r->bare_median, 7);
	putchar('\n');
	if (r->has_passes)
		print_passes(r);
	fflush(stdout);
}

/* The floors that a row lacks are null. */
static void write_number(FILE *json, const char *name, double value)
{
	if (value > 0)
		fprintf(json, ", \"%s\": %.2f", name, value);
	else
		fprintf(json, ", \"%s\": null", name);
}

static void write_row(const struct bench_row *row, const struct bench_result *r, FILE *json)
{
	fprintf(json, "%s\n  {\"row\": \"%s\", \"workers\": %u, \"runs\": %u",
		ftell(json) > 1 ? "," : "", row->name, row->n_workers, r->n_runs);
	write_number(json, "ns_min", ns(r->min));
	write_number(json, "ns_median", ns(r->median));
	write_number(json, "ns_max", ns(r->max));
	write_number(json, "cycles_min", r->min);
	write_number(json, "cycles_median", r->median);
	write_number(json, "cycles_max", r->max);
	write_number(json, "mpps", mpps_of(row, r));
	write_number(json, "bytes_per_connection", r->bytes_per_conn);
	write_number(json, "loop_ns", ns(r->loop));
	write_number(json, "read_ns", ns(r->reads));
	write_number(json, "bare_ns_min", ns(r->bare_min));
	write_number(json, "bare_ns_median", ns(r->bare_median));
	if (r->has_passes) {
		fputs(", \"pass_cycles\": {", json);
		for (uint32_t pass = 0; pass < LB_PASS_N; pass++)
			fprintf(json, "%s\"%s\": %.2f", pass > 0 ? ", " : "", pass_names[pass],
				r->passes[pass]);
		fputc('}', json);
	}
	fputc('}', json);
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
		bench_measure(row, &opt->effort, &result);
		print_row(row, &result);
		if (opt->json != NULL)
			write_row(row, &result, opt->json);
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int usage(FILE *out, int status)
{
	fprintf(out,
		"usage: ballast_bench [--rows GLOB] [--quick] [--passes] [--runs N] [--json FILE]\n"
		"       ballast_bench --list [--rows GLOB] [--quick]\n"
		"What a packet costs in the pipeline, beside the floor of the same run.\n"
		"  --rows GLOB  only rows whose name matches, such as 'fullnat in*'\n"
		"  --quick      a few rows, three runs of each: under a minute\n"
		"  --passes     as many runs more, in which each pass is timed by itself\n"
		"  --runs N     1 to %u runs of each row\n"
		"  --json FILE  the same figures as JSON\n"
		"  --list       the rows' names and nothing else\n",
		BENCH_RUNS_MAX);
	return status;
}

static bool parse_value(const char *name, const char *value, struct options *opt)
{
	if (strcmp(name, "--rows") == 0) {
		opt->glob = value;
		return true;
	}
	if (strcmp(name, "--runs") == 0) {
		opt->effort.n_runs = (uint32_t)strtoul(value, NULL, 10);
		return opt->effort.n_runs >= 1 && opt->effort.n_runs <= BENCH_RUNS_MAX;
	}
	if (strcmp(name, "--json") != 0)
		return false;
	opt->json = fopen(value, "w");
	if (opt->json == NULL)
		perror(value);
	return opt->json != NULL;
}

static bool parse(int argc, char **argv, struct options *opt)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			opt->is_quick = true;
		else if (strcmp(argv[i], "--passes") == 0)
			opt->effort.is_watched = true;
		else if (strcmp(argv[i], "--list") == 0)
			opt->is_list = true;
		else if (i + 1 >= argc || !parse_value(argv[i], argv[i + 1], opt))
			return false;
		else
			i++;
	}
	if (opt->effort.n_runs == 0)
		opt->effort.n_runs = opt->is_quick ? RUNS_QUICK : BENCH_RUNS_MAX;
	return true;
}

static void print_head(void)
{
	printf("%-*s %23s %26s %7s %7s %8s %8s %15s\n", NAME_COLUMNS, "", "ns/packet min med max",
	       "TSC cycles min med max", "Mpps", "B/conn", "loop ns", "read ns", "bare min med");
}

static void end_json(FILE *json)
{
	fseek(json, 0, SEEK_END);
	fputs("\n]\n", json);
	fclose(json);
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
	if (!opt.is_list) {
		measure_tsc();
		print_head();
	}
	if (opt.json != NULL)
		fputs("[", opt.json), fflush(opt.json);
	for (uint32_t i = 0; i < n; i++) {
		if (fnmatch(opt.glob, rows[i].name, 0) != 0 || (opt.is_quick && !rows[i].is_quick))
			continue;
		n_shown++;
		if (opt.is_list) {
			puts(rows[i].name);
		} else if (!run_apart(&rows[i], &opt)) {
			fprintf(stderr, "ballast_bench: the row '%s' failed\n", rows[i].name);
			return 1;
		}
	}
	if (opt.json != NULL)
		end_json(opt.json);
	if (n_shown == 0)
		fprintf(stderr, "ballast_bench: no row matches '%s'\n", opt.glob);
	return n_shown == 0;
}
