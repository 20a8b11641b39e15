#include "bench_measure.h"

#include "bench_bare.h"
#include "bench_passes.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURSTS (BENCH_POOL / LB_BURST_MAX)

/* One worker of a row. */
struct lane {
	const struct bench_row *row;
	struct bench_world *world;
	struct bench_lane place;
	struct bench_bare *bare; /* NULL: the row has no known connections */
	struct lb_burst burst;
	struct bench_sent sent;
	pthread_barrier_t *start; /* of every run, all lanes together */
	pthread_t thread;
	uint32_t n_runs;
	bool is_watched; /* pass by pass too */
	uint64_t sum; /* of what the floor read, so that it has to be read */
	double pipeline[BENCH_RUNS_MAX];
	double loop[BENCH_RUNS_MAX];
	double reads[BENCH_RUNS_MAX];
	double bare_loop[BENCH_RUNS_MAX];
	double passes[BENCH_RUNS_MAX][LB_PASS_N];
};

static void make_views(struct lane *l, uint32_t burst)
{
	for (uint32_t j = 0; j < LB_BURST_MAX; j++)
		bench_view(l->world, burst * LB_BURST_MAX + j, &l->burst.pkt[j]);
}

/* The burst loop without the pipeline: make the views, touch each packet's first line. */
static uint64_t run_loop(struct lane *l)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < BURSTS; i++) {
		make_views(l, i);
		for (uint32_t j = 0; j < LB_BURST_MAX; j++)
			sum += l->burst.pkt[j].data[26];
	}
	return sum;
}

/* Random reads in a working set of the table's size, 16 in flight. */
static uint64_t run_reads(struct bench_world *w, const uint8_t *block)
{
	uint64_t sum = 0, lines = w->table_bytes / 64, at[16];

	for (uint32_t i = 0; i < BENCH_POOL / 16; i++) {
		for (uint32_t j = 0; j < 16; j++)
			at[j] = bench_random(w) % lines * 64;
		for (uint32_t j = 0; j < 16; j++)
			sum += block[at[j]];
	}
	return sum;
}

static uint32_t count_sent(const struct lb_burst *b)
{
	uint32_t n = 0;

	for (uint32_t j = 0; j < LB_BURST_MAX; j++)
		n += b->pkt[j].verdict == LB_VERDICT_TX && !b->pkt[j].is_originated;
	return n;
}

/* Where a burst's packets are now: a tunnel's header makes them grow. */
static void note_sent(const struct lb_burst *b, uint32_t burst, struct bench_sent *sent)
{
	for (uint32_t j = 0; j < LB_BURST_MAX; j++) {
		sent->offset[burst * LB_BURST_MAX + j] = (uint16_t)b->pkt[j].headroom;
		sent->len[burst * LB_BURST_MAX + j] = (uint16_t)b->pkt[j].len;
	}
}

/* Beside a run of the pipeline; either may be NULL. They take lines of the caches, so that a run
 * with them is not timed as a whole. */
struct watchers {
	struct bench_passes *passes;
	struct bench_sent *sent;
};

static uint64_t run_pipeline(struct lane *l, const struct watchers *w)
{
	const uint32_t ms_per_burst = l->row->shape.is_full ? BENCH_FULL_MS_PER_BURST : 0;
	uint64_t cycles = 0, n_sent = 0;

	for (uint32_t i = 0; i < BURSTS; i++) {
		uint64_t from = bench_tsc();

		l->burst.n = LB_BURST_MAX;
		make_views(l, i);
		if (w->passes != NULL)
			bench_passes_begin(w->passes, &l->burst);
		lb_pipeline_run(l->world->pl, &l->burst, l->world->now_ms);
		cycles += bench_tsc() - from;
		n_sent += count_sent(&l->burst);
		if (w->sent != NULL)
			note_sent(&l->burst, i, w->sent);
		l->world->now_ms += ms_per_burst;
	}
	if (n_sent != BENCH_POOL) {
		fprintf(stderr, "ballast_bench: %s: %llu of %u packets were forwarded (sum %llu)\n",
			l->row->name, (unsigned long long)n_sent, BENCH_POOL,
			(unsigned long long)l->sum);
		exit(1);
	}
	return cycles;
}

static uint64_t run_bare(struct lane *l)
{
	uint64_t from = bench_tsc();
	uint32_t n_found = bench_bare_run(l->bare, l->world);
	uint64_t cycles = bench_tsc() - from;

	if (n_found != BENCH_POOL) {
		fprintf(stderr, "ballast_bench: %s: %u of %u packets were found by the bare loop\n",
			l->row->name, n_found, BENCH_POOL);
		exit(1);
	}
	return cycles;
}

static uint64_t run_lookups(struct lane *l)
{
	uint64_t from = bench_tsc();
	bool is_right = bench_look_up_services(l->world);
	uint64_t cycles = bench_tsc() - from;

	if (!is_right) {
		fprintf(stderr, "ballast_bench: %s: not every service was found\n", l->row->name);
		exit(1);
	}
	return cycles;
}

static void fill(struct lane *l, uint32_t *flows)
{
	switch (l->row->work) {
	case BENCH_IN:
	case BENCH_REPLY:
		bench_fill_known(l->world, l->row->work == BENCH_REPLY, flows);
		break;
	case BENCH_NEW:
		bench_fill_new(l->world, flows);
		break;
	case BENCH_LOOKUP:
		break;
	}
}

static double per_packet(uint64_t cycles)
{
	return (double)cycles / BENCH_POOL;
}

/* What a run has opened is gone before the next, or has pushed out what another had. */
static void let_pass(struct lane *l)
{
	if (l->row->work == BENCH_NEW && !l->row->shape.is_full)
		bench_let_expire(l->world);
}

static void run_once(struct lane *l, uint32_t run, const uint8_t *block)
{
	static const struct watchers nobody;
	uint64_t from, keep = 0;

	fill(l, NULL);
	from = bench_tsc();
	keep += run_loop(l);
	l->loop[run] = per_packet(bench_tsc() - from);
	from = bench_tsc();
	keep += run_reads(l->world, block);
	l->reads[run] = per_packet(bench_tsc() - from);
	l->sum += keep;
	if (l->bare != NULL) {
		fill(l, NULL);
		l->bare_loop[run] = per_packet(run_bare(l));
	}
	fill(l, NULL);
	pthread_barrier_wait(l->start);
	l->pipeline[run] = per_packet(l->row->work == BENCH_LOOKUP ? run_lookups(l)
								   : run_pipeline(l, &nobody));
	let_pass(l);
}

/* The same packets once more, pass by pass. */
static void watch_once(struct lane *l, uint32_t run)
{
	struct bench_passes passes = {0};
	struct watchers w = {.passes = &passes};

	fill(l, NULL);
	pthread_barrier_wait(l->start);
	lb_pipeline_observe(l->world->pl, bench_passes_on_pass, &passes);
	run_pipeline(l, &w);
	lb_pipeline_observe(l->world->pl, NULL, NULL);
	for (uint32_t pass = 0; pass < LB_PASS_N; pass++)
		l->passes[run][pass] = per_packet(passes.cycles[pass]);
	let_pass(l);
}

/* Once more for bench_frame.h: what left is what had to. */
static void judge_once(struct lane *l)
{
	struct watchers w = {.sent = &l->sent};
	const char *wrong;

	fill(l, l->sent.flow);
	bench_seal(l->world);
	run_pipeline(l, &w);
	wrong = bench_judge(l->world, &l->sent, l->row->work);
	if (wrong != NULL) {
		fprintf(stderr, "ballast_bench: %s: a packet went out wrong: %s\n", l->row->name,
			wrong);
		exit(1);
	}
}

static void *run_lane(void *arg)
{
	struct lane *l = arg;
	uint8_t *block;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(l->place.worker % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (l->row->n_workers > 1)
		sched_setaffinity(0, sizeof(set), &set);
	l->world = bench_world_create(&l->row->shape, &l->place);
	if (l->row->work == BENCH_IN || l->row->work == BENCH_REPLY)
		l->bare = bench_bare_create(l->world, l->row->work == BENCH_REPLY);
	block = bench_alloc(l->world->table_bytes);
	memset(block, 1, l->world->table_bytes);
	for (uint32_t run = 0; run < l->n_runs; run++)
		run_once(l, run, block);
	for (uint32_t run = 0; l->is_watched && run < l->n_runs; run++)
		watch_once(l, run);
	if (l->row->work != BENCH_LOOKUP)
		judge_once(l);
	return NULL;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median_of(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return values[n / 2];
}

static void *start_lanes(struct lane *lanes, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) != 0)
			return NULL;
	run_lane(&lanes[0]);
	for (uint32_t i = 1; i < n; i++)
		pthread_join(lanes[i].thread, NULL);
	return lanes;
}

/* Of the run that took the least altogether. */
static void take_passes(const struct lane *l, struct bench_result *out)
{
	double least = 0;

	for (uint32_t run = 0; l->is_watched && run < l->n_runs; run++) {
		double sum = 0;

		for (uint32_t pass = 0; pass < LB_PASS_N; pass++)
			sum += l->passes[run][pass];
		if (run > 0 && sum >= least)
			continue;
		least = sum;
		memcpy(out->passes, l->passes[run], sizeof(out->passes));
	}
	out->has_passes = l->is_watched;
}

void bench_measure(const struct bench_row *row, const struct bench_effort *effort,
		   struct bench_result *out)
{
	static struct lane lanes[BENCH_WORKERS_MAX];
	double all[BENCH_WORKERS_MAX * BENCH_RUNS_MAX];
	pthread_barrier_t start;
	uint32_t n = row->n_workers, n_runs = effort->n_runs;
	struct lb_persist_table *records = row->work == BENCH_LOOKUP
						   ? NULL
						   : bench_records_create(&row->shape, n);

	pthread_barrier_init(&start, NULL, n);
	for (uint32_t i = 0; i < n; i++)
		lanes[i] = (struct lane){
			.row = row,
			.place = {i, records},
			.start = &start,
			.n_runs = n_runs,
			.is_watched = effort->is_watched && row->work != BENCH_LOOKUP,
		};
	if (start_lanes(lanes, n) == NULL) {
		fprintf(stderr, "ballast_bench: no thread for a worker\n");
		exit(1);
	}
	for (uint32_t i = 0; i < n; i++)
		memcpy(all + i * n_runs, lanes[i].pipeline, n_runs * sizeof(*all));
	*out = (struct bench_result){
		.n_runs = n_runs,
		.median = median_of(all, n * n_runs),
		.loop = median_of(lanes[0].loop, n_runs),
		.reads = median_of(lanes[0].reads, n_runs),
		.bare_median = median_of(lanes[0].bare_loop, n_runs),
		.bytes_per_conn = bench_bytes_per_conn(lanes[0].world),
	};
	out->min = all[0]; /* sorted by now */
	out->max = all[n * n_runs - 1];
	out->bare_min = lanes[0].bare_loop[0];
	take_passes(&lanes[0], out);
}
