/* ballast_bench - what a packet costs in the pipeline: no NIC, no root, one core.
 *
 * Each row opens its connections through the pipeline, then runs bursts of 32 packets of random
 * flows from a pool of buffers larger than the L2 cache. Beside it, in the same run, stands the
 * floor: the same bursts without the pipeline, and random reads in a block as large as the row's
 * connection table with 16 in flight. Every packet's verdict is checked afterwards. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench_world.h"

#define RUNS 9
#define BURSTS (BENCH_POOL / LB_BURST_MAX)

enum work { WORK_IN, WORK_REPLY, WORK_NEW };

struct row {
	const char *name;
	struct bench_shape shape;
	enum work work;
};

#define K 1000u
#define M 1000000u

static const struct row rows[] = {
	{"dsr, IPv4, 1 flow, 1/100", {false, LB_FORWARD_DSR, 1, 100, 1, 100 * K, false}, WORK_IN},
	{"dsr, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_DSR, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"ipip, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_IPIP, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"gue, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_GUE, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"fullnat in, IPv4, 1 flow, 1/100",
	 {false, LB_FORWARD_FULLNAT, 1, 100, 1, 100 * K, false},
	 WORK_IN},
	{"fullnat in, IPv4, 64 k flows, 1/100",
	 {false, LB_FORWARD_FULLNAT, 1, 100, 64 * K, 100 * K, false},
	 WORK_IN},
	{"fullnat in, IPv4, 1 M flows, 1/100",
	 {false, LB_FORWARD_FULLNAT, 1, 100, M, 1250 * K, false},
	 WORK_IN},
	{"fullnat in, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_FULLNAT, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"fullnat reply, IPv4, 1 flow, 1/100",
	 {false, LB_FORWARD_FULLNAT, 1, 100, 1, 100 * K, false},
	 WORK_REPLY},
	{"fullnat reply, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_FULLNAT, 256, 1024, M, 1250 * K, false},
	 WORK_REPLY},
	{"nat in, IPv4, 1 flow, 1/100",
	 {false, LB_FORWARD_NAT, 1, 100, 1, 100 * K, false},
	 WORK_IN},
	{"nat in, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_NAT, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"nat reply, IPv4, 1 M flows, 256/1000",
	 {false, LB_FORWARD_NAT, 256, 1024, M, 1250 * K, false},
	 WORK_REPLY},
	{"fullnat in, IPv6, 1 flow, 1/100",
	 {true, LB_FORWARD_FULLNAT, 1, 100, 1, 100 * K, false},
	 WORK_IN},
	{"fullnat in, IPv6, 1 M flows, 256/1000",
	 {true, LB_FORWARD_FULLNAT, 256, 1024, M, 1250 * K, false},
	 WORK_IN},
	{"fullnat new, IPv4, 256/1000",
	 {false, LB_FORWARD_FULLNAT, 256, 1024, 1, 2 * M, false},
	 WORK_NEW},
	{"fullnat new, IPv4, 256/1000, persistence",
	 {false, LB_FORWARD_FULLNAT, 256, 1024, 1, 2 * M, true},
	 WORK_NEW},
};

struct sample {
	double pipeline; /* cycles per packet */
	double loop;
	double reads;
};

static double tsc_per_ns;

static void measure_tsc(void)
{
	struct timespec a, b;
	uint64_t from = __rdtsc();
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &a);
	do {
		clock_gettime(CLOCK_MONOTONIC, &b);
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	} while (ns < 50e6);
	tsc_per_ns = (double)(__rdtsc() - from) / ns;
}

static struct lb_burst burst;

/* The burst loop without the pipeline: make the views, touch each packet's first line. */
static uint64_t run_loop(const struct bench_world *w)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < BURSTS; i++) {
		for (uint32_t j = 0; j < LB_BURST_MAX; j++) {
			bench_view(w, i * LB_BURST_MAX + j, &burst.pkt[j]);
			sum += burst.pkt[j].data[26];
		}
	}
	return sum;
}

/* Random reads in a working set of the table's size, 16 in flight. */
static uint64_t run_reads(struct bench_world *w, const uint8_t *block, size_t bytes)
{
	uint64_t sum = 0, lines = bytes / 64, at[16];

	for (uint32_t i = 0; i < BENCH_POOL / 16; i++) {
		for (uint32_t j = 0; j < 16; j++)
			at[j] = bench_random(w) % lines * 64;
		for (uint32_t j = 0; j < 16; j++)
			sum += block[at[j]];
	}
	return sum;
}

static uint64_t run_pipeline(struct bench_world *w, uint64_t *n_sent)
{
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < BURSTS; i++) {
		uint64_t from = __rdtsc();

		burst.n = LB_BURST_MAX;
		for (uint32_t j = 0; j < LB_BURST_MAX; j++)
			bench_view(w, i * LB_BURST_MAX + j, &burst.pkt[j]);
		lb_pipeline_run(w->pl, &burst, w->now_ms);
		cycles += __rdtsc() - from;
		for (uint32_t j = 0; j < LB_BURST_MAX; j++)
			*n_sent += burst.pkt[j].verdict == LB_VERDICT_TX &&
				   !burst.pkt[j].is_originated;
	}
	return cycles;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void fill(struct bench_world *w, enum work work)
{
	if (work == WORK_NEW)
		bench_fill_new(w);
	else
		bench_fill_known(w, work == WORK_REPLY);
}

static struct sample measure(struct bench_world *w, enum work work, uint8_t *block)
{
	uint64_t n_sent = 0, from, keep = 0;
	struct sample s;

	fill(w, work);
	from = __rdtsc();
	keep += run_loop(w);
	s.loop = (double)(__rdtsc() - from) / BENCH_POOL;
	from = __rdtsc();
	keep += run_reads(w, block, w->table_bytes);
	s.reads = (double)(__rdtsc() - from) / BENCH_POOL;
	fill(w, work);
	s.pipeline = (double)run_pipeline(w, &n_sent) / BENCH_POOL;
	if (n_sent != BENCH_POOL) {
		fprintf(stderr, "ballast_bench: %llu of %u packets were forwarded (%llu)\n",
			(unsigned long long)n_sent, BENCH_POOL, (unsigned long long)keep);
		exit(1);
	}
	return s;
}

static void print_row(const struct row *row, const double *pipeline, const struct sample *floor,
		      FILE *json, bool is_first)
{
	double median = pipeline[RUNS / 2];

	printf("%-42s %7.1f %7.1f %7.1f %8.1f %7.1f %8.1f %8.1f\n", row->name,
	       pipeline[0] / tsc_per_ns, median / tsc_per_ns, pipeline[RUNS - 1] / tsc_per_ns,
	       median, 1e3 * tsc_per_ns / median, floor->loop / tsc_per_ns,
	       floor->reads / tsc_per_ns);
	fflush(stdout);
	if (json != NULL)
		fprintf(json,
			"%s\n  {\"row\": \"%s\", \"ns\": [%.2f, %.2f, %.2f], \"cycles\": %.1f, "
			"\"loop_ns\": %.2f, \"read_ns\": %.2f}",
			is_first ? "" : ",", row->name, pipeline[0] / tsc_per_ns,
			median / tsc_per_ns, pipeline[RUNS - 1] / tsc_per_ns, median,
			floor->loop / tsc_per_ns, floor->reads / tsc_per_ns);
}

static void run_row(const struct row *row, FILE *json, bool is_first)
{
	double pipeline[RUNS], loop[RUNS], reads[RUNS];
	struct bench_world *w = bench_world_create(&row->shape);
	uint8_t *block = bench_alloc(w->table_bytes);
	struct sample floor;

	memset(block, 1, w->table_bytes);
	for (int i = 0; i < RUNS; i++) {
		struct sample s = measure(w, row->work, block);

		pipeline[i] = s.pipeline;
		loop[i] = s.loop;
		reads[i] = s.reads;
	}
	qsort(pipeline, RUNS, sizeof(double), compare_doubles);
	qsort(loop, RUNS, sizeof(double), compare_doubles);
	qsort(reads, RUNS, sizeof(double), compare_doubles);
	floor = (struct sample){0, loop[RUNS / 2], reads[RUNS / 2]};
	print_row(row, pipeline, &floor, json, is_first);
}

/* In a process of its own: the row's memory is gone afterwards. */
static bool run_apart(const struct row *row, FILE *json, bool is_first)
{
	int status = 1;
	pid_t child;

	fflush(stdout);
	if (json != NULL)
		fflush(json);
	child = fork();
	if (child == 0) {
		run_row(row, json, is_first);
		if (json != NULL)
			fflush(json);
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int usage(FILE *out, int status)
{
	fprintf(out, "usage: ballast_bench [--rows GLOB] [--json FILE]\n"
		     "Costs of a packet in the pipeline beside the floor of the same run.\n"
		     "  --rows GLOB  only rows whose name matches, such as 'fullnat in*'\n"
		     "  --json FILE  the same figures as JSON\n");
	return status;
}

int main(int argc, char **argv)
{
	const char *glob = "*";
	FILE *json = NULL;
	bool is_first = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout, 0);
		if (i + 1 < argc && strcmp(argv[i], "--rows") == 0)
			glob = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "--json") == 0)
			json = fopen(argv[++i], "w");
		else
			return usage(stderr, 2);
	}
	measure_tsc();
	printf("%-42s %23s %8s %7s %8s %8s\n", "", "ns/packet min med max", "cycles", "Mpps",
	       "loop ns", "read ns");
	if (json != NULL)
		fputs("[", json);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (fnmatch(glob, rows[i].name, 0) != 0)
			continue;
		if (!run_apart(&rows[i], json, is_first))
			return 1;
		is_first = false;
	}
	if (json != NULL) {
		fputs("\n]\n", json);
		fclose(json);
	}
	return 0;
}
