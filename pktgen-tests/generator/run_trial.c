#include "run_trial.h"

#include "pace.h"
#include "template.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define STAMP_SHIFT 6u
#define LOOK_MS 5u /* between two looks at standard input */

struct run {
	const struct gen_trial *trial;
	const struct gen_side *side;
	struct rte_mempool *pool;
	struct gen_ledger *ledger;
	struct gen_template sizes[GEN_SIZES];
	struct gen_template flood;
	struct gen_pace pace;
	struct rte_mbuf *waiting[GEN_BURST_MAX]; /* built, and the ring was full */
	uint32_t n_waiting;
	uint32_t on_the_way;
	uint32_t position;   /* of the walk over the flows */
	uint32_t first_time; /* stamp of the trial's beginning */
	uint64_t n_built, n_flood, n_received;
	uint64_t hz, now, next_look, last_rx;
};

static uint64_t cycles_of_ms(const struct run *r, uint32_t ms)
{
	return r->hz * ms / 1000;
}

static void prepare(struct run *r)
{
	const struct gen_trial *trial = r->trial;
	struct gen_template_shape shape = {
		.tcp_flags = trial->is_syn ? 0x02 : 0x10,
		.dst_mac = r->side->dut_mac[0],
	};

	for (uint32_t i = 0; i < GEN_SIZES; i++) {
		shape.size = gen_trial_size(trial, i);
		gen_template_init(&r->sizes[i], &trial->plan, &shape);
	}
	shape.size = GEN_SIZE_MIN;
	shape.tcp_flags = 0x02;
	gen_template_init(&r->flood, &trial->plan, &shape);
}

static uint32_t next_flow(struct run *r)
{
	const struct gen_trial *trial = r->trial;
	uint32_t flow;

	if (trial->is_linear) {
		flow = r->position++;
		if (r->position == trial->n_flows)
			r->position = 0;
		return trial->first_flow + flow;
	}
	do
		flow = gen_plan_walk(trial->n_flows, r->position++);
	while (flow == UINT32_MAX);
	return trial->first_flow + flow;
}

/* Spread evenly: of each hundred packets the same ones are the flood's. */
static bool is_flood_next(const struct run *r)
{
	return r->trial->flood_percent != 0 &&
	       (r->n_built * r->trial->flood_percent) % 100 < r->trial->flood_percent;
}

static void build(struct run *r, struct rte_mbuf *m, uint32_t time)
{
	const struct gen_trial *trial = r->trial;
	const struct gen_template *t = &r->sizes[gen_trial_size_idx(r->n_built)];
	uint32_t flow;

	if (is_flood_next(r)) {
		t = &r->flood;
		/* Any client of the flood's network, from any port, once each. */
		flow = GEN_FLOOD | (uint32_t)(r->n_flood++ * 0x9e3779b1u);
		r->ledger->flood_sent++;
	} else {
		flow = next_flow(r);
		r->ledger->sent++;
	}
	r->on_the_way++;
	r->n_built++;
	gen_template_write(t, &trial->plan, flow, time, rte_pktmbuf_mtod(m, uint8_t *));
	m->data_len = (uint16_t)t->len;
	m->pkt_len = t->len;
	r->ledger->sent_bytes += t->len;
}

static void build_burst(struct run *r, uint32_t n)
{
	uint32_t time = (uint32_t)(r->now >> STAMP_SHIFT);

	if (n == 0)
		return;
	if (rte_pktmbuf_alloc_bulk(r->pool, r->waiting, n) != 0) {
		r->pace.late += n;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		build(r, r->waiting[i], time);
	r->n_waiting = n;
}

/* Without a window nobody waits for the device: what it does not take at once is refused. With one,
 * what waits when the sending ends was never sent. */
static void drop_waiting(struct run *r)
{
	for (uint32_t i = 0; i < r->n_waiting; i++) {
		const uint8_t *stamp = rte_pktmbuf_mtod_offset(
			r->waiting[i], const uint8_t *,
			r->sizes[0].l4_off + (r->trial->plan.is_tcp ? 4 : 8));
		bool is_flood = (*stamp & 0x80) != 0;

		r->ledger->sent_bytes -= r->waiting[i]->pkt_len;
		if (is_flood) {
			r->ledger->flood_sent--;
		} else {
			r->ledger->sent--;
			r->ledger->refused += r->trial->window == 0;
		}
		r->on_the_way -= r->on_the_way != 0;
	}
	rte_pktmbuf_free_bulk(r->waiting, r->n_waiting);
	r->n_waiting = 0;
}

static void push(struct run *r)
{
	uint16_t port = gen_side_clients(r->side);
	uint32_t n;

	if (r->n_waiting == 0)
		return;
	n = rte_eth_tx_burst(port, 0, r->waiting, (uint16_t)r->n_waiting);
	r->n_waiting -= n;
	memmove(r->waiting, r->waiting + n, r->n_waiting * sizeof(r->waiting[0]));
	if (r->trial->window == 0)
		drop_waiting(r);
}

static uint32_t n_due(struct run *r)
{
	const struct gen_trial *trial = r->trial;
	uint64_t n = GEN_BURST_MAX;

	if (trial->count != 0 && trial->count - r->n_built < n)
		n = trial->count - r->n_built;
	if (trial->window != 0)
		n = RTE_MIN(n, trial->window > r->on_the_way ? trial->window - r->on_the_way : 0u);
	return trial->rate_pps != 0 ? gen_pace_due(&r->pace, r->now, (uint32_t)n) : (uint32_t)n;
}

static void answer(struct run *r, struct rte_mbuf *m)
{
	uint16_t port = gen_side_servers(r->side);

	gen_reply(rte_pktmbuf_mtod(m, uint8_t *), r->side->dut_mac[r->side->n_ports - 1]);
	/* A full ring loses the answer; it then counts as lost. */
	if (rte_eth_tx_burst(port, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

/* Returns whether the frame has to be answered. */
static bool take(struct run *r, struct rte_mbuf *m, const struct gen_seen *seen)
{
	const struct gen_trial *trial = r->trial;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const char *complaint = NULL;
	bool is_back;

	if (seen->place != GEN_NOWHERE && (int32_t)(seen->time - r->first_time) < 0) {
		r->ledger->stale++;
		return false;
	}
	if (seen->place != GEN_NOWHERE && trial->check_every != 0 &&
	    r->n_received++ % trial->check_every == 0) {
		complaint = gen_inspect_complain(&trial->plan, frame, m->data_len, seen);
		r->ledger->checked++;
	}
	gen_ledger_book(r->ledger, trial, seen, complaint);
	r->ledger->received_bytes += m->data_len;
	if (seen->place == GEN_NOWHERE)
		return false;
	if (seen->flow & GEN_FLOOD) {
		r->on_the_way -= r->on_the_way != 0;
		return false;
	}
	is_back = seen->place == GEN_AT_CLIENT || !trial->replies;
	if (is_back) {
		gen_histogram_add(&r->ledger->latency,
				  (uint32_t)((uint32_t)(r->now >> STAMP_SHIFT) - seen->time));
		r->on_the_way -= r->on_the_way != 0;
	}
	return !is_back && complaint == NULL;
}

/* The whole burst first, so that the memory of its flows comes meanwhile. */
static void look(const struct run *r, struct rte_mbuf **burst, struct gen_seen *seen, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		gen_inspect(&r->trial->plan, rte_pktmbuf_mtod(burst[i], const uint8_t *),
			    burst[i]->data_len, &seen[i]);
		if (seen[i].flow < r->ledger->n_server_of)
			rte_prefetch0(&r->ledger->server_of[seen[i].flow]);
	}
}

static void receive(struct run *r)
{
	struct rte_mbuf *burst[GEN_BURST_MAX], *done[GEN_BURST_MAX];
	struct gen_seen seen[GEN_BURST_MAX];

	for (uint32_t i = 0; i < r->side->n_ports; i++) {
		uint16_t n = rte_eth_rx_burst(r->side->ports[i], 0, burst, GEN_BURST_MAX);
		uint32_t n_done = 0;

		if (n == 0)
			continue;
		r->now = rte_rdtsc();
		r->last_rx = r->now;
		look(r, burst, seen, n);
		for (uint16_t j = 0; j < n; j++) {
			if (take(r, burst[j], &seen[j]))
				answer(r, burst[j]);
			else
				done[n_done++] = burst[j];
		}
		rte_pktmbuf_free_bulk(done, n_done);
	}
}

static bool has_line(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

static bool is_sending(struct run *r, uint64_t end)
{
	const struct gen_trial *trial = r->trial;

	if (trial->count != 0 && r->n_built == trial->count && r->n_waiting == 0)
		return false;
	if (trial->ms != 0 && r->now >= end)
		return false;
	if (r->now < r->next_look)
		return true;
	r->next_look = r->now + cycles_of_ms(r, LOOK_MS);
	/* A full window and silence: what is out is lost, and the others need its room. */
	if (r->now - r->last_rx > cycles_of_ms(r, trial->quiet_ms))
		r->on_the_way = 0;
	return !has_line();
}

/* Until everything is back, or nothing has come for quiet_ms. */
static void drain(struct run *r)
{
	r->last_rx = r->now = rte_rdtsc();
	while (r->now - r->last_rx < cycles_of_ms(r, r->trial->quiet_ms) &&
	       gen_ledger_lost(r->ledger, r->trial) > r->ledger->refused) {
		receive(r);
		r->now = rte_rdtsc();
	}
}

int gen_run_trial(const struct gen_sides *sides, const struct gen_trial *trial,
		  struct gen_ledger *ledger, double *seconds)
{
	struct run r = {
		.trial = trial,
		.side = &sides->side[trial->side],
		.pool = sides->pool,
		.ledger = ledger,
		.hz = rte_get_tsc_hz(),
	};
	uint64_t start, end;

	if (gen_ledger_begin(ledger, trial) != 0)
		return -ENOMEM;
	prepare(&r);
	ledger->ns_per_unit = 1e9 / (double)r.hz * (1u << STAMP_SHIFT);
	start = r.now = r.last_rx = rte_rdtsc();
	r.first_time = (uint32_t)(start >> STAMP_SHIFT);
	r.next_look = start;
	end = start + cycles_of_ms(&r, trial->ms);
	gen_pace_start(&r.pace, r.hz, trial->rate_pps, start);
	do {
		if (r.n_waiting == 0)
			build_burst(&r, n_due(&r));
		push(&r);
		receive(&r);
		r.now = rte_rdtsc();
	} while (is_sending(&r, end));
	drop_waiting(&r);
	*seconds = (double)(r.now - start) / (double)r.hz;
	ledger->late = r.pace.late;
	drain(&r);
	return 0;
}
