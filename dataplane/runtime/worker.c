#include "runtime/worker.h"
#include "runtime/mbuf_view.h"
#include "runtime/worker_block.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>

#include <sys/prctl.h>

#define HOUSEKEEPING_ROUNDS 64u
#define COMMAND_BURST 32u
#define COMMAND_BURSTS_MAX 8u /* a round: what the packets have to wait for is bounded */
#define RESOLVE_MAX 32u
#define INJECT_MAX LB_BURST_MAX

/* Idle: polls on for SPIN_US, then each sleep is an eighth of the idle time so far. */
#define SPIN_US 64u
#define SLEEP_MAX_US 900u
#define TIMER_SLACK_NS 1000ul

static_assert(LB_PORT_QUEUES_MAX <= UINT16_MAX && LB_IFACES_MAX <= UINT8_MAX, "fields hold them");

void lb_worker_assign_queues(struct lb_worker *w)
{
	w->n_queues = 0;
	for (uint32_t p = 0; p < w->n_ports; p++)
		for (uint32_t q = w->idx; q < w->ports[p].n_rx; q += w->n_workers)
			w->queues[w->n_queues++] = (struct lb_worker_queue){
				.ethdev = w->ports[p].rx[q].ethdev,
				.queue = w->ports[p].rx[q].queue,
				.port = (uint8_t)p,
			};
}

/* The one place where a packet's buffer is freed. */
static void free_done(struct lb_worker *w)
{
	rte_pktmbuf_free_bulk(w->done, w->n_done);
	w->n_done = 0;
}

static void queue_for_tx(struct lb_worker *w, uint32_t port, struct rte_mbuf *m)
{
	assert(port < w->n_ports && w->idx < w->ports[port].n_tx);
	w->tx[port][w->n_tx[port]++] = m;
}

static void transmit(struct lb_worker *w)
{
	for (uint32_t i = 0; i < w->n_ports; i++) {
		const struct lb_port_queue *q = &w->ports[i].tx[w->idx];
		uint16_t sent;

		if (w->n_tx[i] == 0)
			continue; /* or a port without a queue for us */
		sent = rte_eth_tx_burst(q->ethdev, q->queue, w->tx[i], w->n_tx[i]);
		for (; sent < w->n_tx[i]; sent++) {
			lb_pipeline_uncount(w->pipeline, LB_COUNT_tx, LB_COUNT_drop_tx_full);
			w->done[w->n_done++] = w->tx[i][sent];
		}
		w->n_tx[i] = 0;
	}
}

/* Part of the ring is kept for what somebody waits for. */
static bool has_room_for(const struct lb_worker *w, const struct lb_pkt *p)
{
	return lb_byte_ring_room(w->punt) > LB_PUNT_KEPT_BYTES ||
	       lb_pipeline_is_awaited(w->pipeline, p);
}

/* The one place where a frame is given to the kernel. */
static void punt(struct lb_worker *w, const struct lb_pkt *p, const struct rte_mbuf *m)
{
	uint32_t len = lb_pkt_bytes(p);
	uint8_t joined[LB_FRAME_MAX];

	if (len > LB_FRAME_MAX)
		lb_pipeline_uncount(w->pipeline, LB_COUNT_punted, LB_COUNT_drop_too_large);
	else if (!has_room_for(w, p) ||
		 !lb_byte_ring_put(w->punt, p->port, rte_pktmbuf_read(m, 0, len, joined), len))
		lb_pipeline_uncount(w->pipeline, LB_COUNT_punted, LB_COUNT_drop_punt_full);
}

/* The owner gets the packet as it came; what its ring refuses stays with us. */
static bool hand_over(struct lb_worker *w, const struct lb_pkt *p, struct rte_mbuf *m)
{
	struct lb_handed handed = {.mbuf = m, .port = p->port};

	assert(p->owner < w->n_workers && p->owner != w->idx);
	if (lb_spsc_push(w->hand_out[p->owner], &handed, 1) == 1)
		return true;
	lb_pipeline_count(w->pipeline, LB_COUNT_handed_out, (uint64_t)-1);
	lb_pipeline_count(w->pipeline, LB_COUNT_drop_hand_over_full, 1);
	return false;
}

/* For a port that sends frames of one buffer only; NULL: it has none that is large enough. */
static struct rte_mbuf *join(struct lb_worker *w, uint32_t port, struct rte_mbuf *m)
{
	struct rte_mbuf *joined = rte_pktmbuf_copy(m, w->ports[port].pool, 0, UINT32_MAX);

	w->done[w->n_done++] = m;
	if (joined != NULL && joined->nb_segs == 1)
		return joined;
	lb_pipeline_uncount(w->pipeline, LB_COUNT_tx, LB_COUNT_drop_too_large);
	rte_pktmbuf_free(joined);
	return NULL;
}

/* Out by this port: by our own queue, or through the ring to the worker that has one for us. */
static void send_out(struct lb_worker *w, uint32_t port, struct rte_mbuf *m)
{
	uint32_t sender = lb_port_sender(&w->ports[port], w->idx);
	struct lb_handed handed = {.mbuf = m, .port = port, .is_finished = 1};

	if (unlikely(m->nb_segs > 1) && !w->ports[port].sends_chains) {
		m = handed.mbuf = join(w, port, m);
		if (m == NULL)
			return;
	}
	if (sender == w->idx) {
		queue_for_tx(w, port, m);
		return;
	}
	if (lb_spsc_push(w->hand_out[sender], &handed, 1) == 1) {
		lb_pipeline_uncount(w->pipeline, LB_COUNT_tx, LB_COUNT_handed_out);
		return;
	}
	lb_pipeline_uncount(w->pipeline, LB_COUNT_tx, LB_COUNT_drop_hand_over_full);
	w->done[w->n_done++] = m;
}

/* Verdicts to deeds; every mbuf of the burst is sent, handed over or freed afterwards. */
static void commit(struct lb_worker *w)
{
	for (uint32_t i = 0; i < w->burst.n; i++) {
		const struct lb_pkt *p = &w->burst.pkt[i];
		struct rte_mbuf *m = w->mbufs[i];

		switch ((enum lb_verdict)p->verdict) {
		case LB_VERDICT_TX:
			lb_view_commit(p, m);
			send_out(w, p->out_port, m);
			continue;
		case LB_VERDICT_HAND_OVER:
			if (hand_over(w, p, m))
				continue;
			break;
		case LB_VERDICT_PUNT:
			punt(w, p, m);
			break;
		case LB_VERDICT_HOLD:
			w->held[p->held_slot] = (struct lb_held){m, p->port, p->is_handed};
			continue;
		default:
			assert(p->verdict == LB_VERDICT_DROP);
		}
		w->done[w->n_done++] = m;
	}
	transmit(w);
	free_done(w);
}

static void add_to_burst(struct lb_worker *w, struct rte_mbuf *m, uint8_t port)
{
	struct lb_burst *b = &w->burst;

	if (lb_view_make(m, port, w->parts[b->n], &b->pkt[b->n])) {
		w->mbufs[b->n++] = m;
		return;
	}
	lb_pipeline_count(w->pipeline, LB_COUNT_rx, 1);
	lb_pipeline_count(w->pipeline, LB_COUNT_drop_too_large, 1);
	w->done[w->n_done++] = m;
}

static uint32_t serve_queue(struct lb_worker *w, const struct lb_worker_queue *q)
{
	struct rte_mbuf *rx[LB_BURST_MAX];
	uint32_t n = rte_eth_rx_burst(q->ethdev, q->queue, rx, LB_BURST_MAX);

	if (n == 0)
		return 0;
	w->burst.n = 0;
	for (uint32_t i = 0; i < n; i++)
		add_to_burst(w, rx[i], q->port);
	lb_pipeline_run(w->pipeline, &w->burst, w->now_ms);
	commit(w);
	return n;
}

static uint32_t serve_hand_in(struct lb_worker *w, struct lb_spsc_ring *ring)
{
	struct lb_handed handed[LB_BURST_MAX];
	uint32_t n = lb_spsc_pop(ring, handed, LB_BURST_MAX), n_finished = 0;

	if (n == 0)
		return 0;
	w->burst.n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (handed[i].is_finished) {
			queue_for_tx(w, handed[i].port, handed[i].mbuf);
			n_finished++;
		} else {
			add_to_burst(w, handed[i].mbuf, (uint8_t)handed[i].port);
		}
	}
	for (uint32_t i = 0; i < w->burst.n; i++)
		w->burst.pkt[i].is_handed = true;
	lb_pipeline_run(w->pipeline, &w->burst, w->now_ms);
	/* The pipeline counts what it is given as received; the sender has done that already. */
	lb_pipeline_count(w->pipeline, LB_COUNT_rx, -(uint64_t)(n - n_finished));
	lb_pipeline_count(w->pipeline, LB_COUNT_handed_in, n);
	lb_pipeline_count(w->pipeline, LB_COUNT_tx, n_finished);
	commit(w);
	return n;
}

/* Fragments that have waited: their first one is there, or they have ended. What runs again is only
 * later fragments, which release nobody, so this comes to an end. */
static void serve_held(struct lb_worker *w)
{
	struct lb_held_back back[LB_BURST_MAX];
	uint32_t n;

	while ((n = lb_pipeline_take_back(w->pipeline, back, LB_BURST_MAX)) != 0) {
		w->burst.n = 0;
		for (uint32_t i = 0; i < n; i++) {
			const struct lb_held *held = &w->held[back[i].slot];
			struct lb_pkt *p = &w->burst.pkt[w->burst.n];

			if (back[i].is_ended) {
				w->done[w->n_done++] = held->mbuf;
				continue;
			}
			lb_view_make(held->mbuf, held->port, w->parts[w->burst.n], p);
			p->is_handed = held->is_handed;
			w->mbufs[w->burst.n++] = held->mbuf;
		}
		w->reporter.tracer.is_again = true;
		lb_pipeline_run_again(w->pipeline, &w->burst, w->now_ms);
		w->reporter.tracer.is_again = false;
		commit(w);
	}
}

static uint32_t serve(struct lb_worker *w)
{
	uint32_t work = 0;

	/* Before the first configuration every packet would be a stranger. */
	if (w->acked == 0)
		return 0;
	for (uint32_t q = 0; q < w->n_queues; q++)
		work += serve_queue(w, &w->queues[q]);
	for (uint32_t i = 0; i < w->n_workers; i++)
		if (w->hand_in[i] != NULL)
			work += serve_hand_in(w, w->hand_in[i]);
	serve_held(w);
	return work;
}

static uint32_t take_commands(struct lb_worker *w)
{
	struct lb_cmd cmds[COMMAND_BURST];
	uint32_t total = 0;

	for (uint32_t round = 0; round < COMMAND_BURSTS_MAX; round++) {
		uint32_t n = lb_spsc_pop(w->mailbox.commands, cmds, COMMAND_BURST);

		for (uint32_t i = 0; i < n; i++) {
			if (cmds[i].type == LB_CMD_GENERATION)
				w->generation = cmds[i].value;
			else if (cmds[i].type == LB_CMD_ASK)
				lb_reporter_take(&w->reporter, cmds[i].object);
			else
				lb_pipeline_apply(w->pipeline, &cmds[i]);
		}
		total += n;
		if (n < COMMAND_BURST)
			break;
	}
	return total;
}

/* A full event ring keeps the acknowledgement here; a later generation includes it. */
static void acknowledge(struct lb_worker *w)
{
	struct lb_event ack = {.type = LB_EVENT_ACK, .worker = w->idx, .value = w->generation};

	if (w->generation != w->acked && lb_spsc_push(w->mailbox.events, &ack, 1) == 1)
		w->acked = w->generation;
}

/* Takes no more than the event ring holds, so that none is lost; one cell is left for an
 * acknowledgement. */
static void ask_for_next_hops(struct lb_worker *w)
{
	uint32_t room = lb_spsc_room(w->mailbox.events);
	struct lb_event events[RESOLVE_MAX];
	uint32_t ids[RESOLVE_MAX], n;

	if (room <= 1)
		return;
	n = lb_pipeline_take_unresolved(w->pipeline, ids, RTE_MIN(room - 1, RESOLVE_MAX));
	for (uint32_t i = 0; i < n; i++)
		events[i] = (struct lb_event){
			.type = LB_EVENT_RESOLVE, .worker = w->idx, .value = ids[i]};
	n -= lb_spsc_push(w->mailbox.events, events, n);
	assert(n == 0);
}

/* Sends what the kernel wants sent. */
static uint32_t take_injected(struct lb_worker *w)
{
	uint8_t frame[LB_FRAME_MAX];
	uint32_t n = 0, port, len;

	while (n < INJECT_MAX && lb_byte_ring_get(w->inject, &port, frame, sizeof(frame), &len)) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->ports[port].pool);
		char *room = m == NULL ? NULL : rte_pktmbuf_append(m, (uint16_t)len);

		n++;
		lb_pipeline_count(w->pipeline, LB_COUNT_injected, 1);
		if (room != NULL) {
			memcpy(room, frame, len);
			lb_pipeline_count(w->pipeline, LB_COUNT_tx, 1);
			queue_for_tx(w, port, m);
			continue;
		}
		lb_pipeline_count(w->pipeline,
				  m == NULL ? LB_COUNT_drop_tx_full : LB_COUNT_drop_too_large, 1);
		if (m != NULL)
			w->done[w->n_done++] = m;
	}
	transmit(w);
	free_done(w);
	return n;
}

/* Asks those who are to be reset and say nothing, a burst of them at a time. */
static void send_questions(struct lb_worker *w)
{
	uint8_t room[2 * LB_QUESTION_ROOM];

	for (uint32_t n = 0; n < LB_BURST_MAX; n++) {
		struct lb_pkt p = {.data = room + LB_QUESTION_ROOM,
				   .headroom = LB_QUESTION_ROOM,
				   .tailroom = LB_QUESTION_ROOM};
		struct rte_mbuf *m;

		if (!lb_pipeline_take_question(w->pipeline, &p))
			break;
		m = rte_pktmbuf_alloc(w->ports[p.out_port].pool);
		if (m == NULL) {
			lb_pipeline_uncount(w->pipeline, LB_COUNT_tx, LB_COUNT_drop_tx_full);
			continue;
		}
		memcpy(rte_pktmbuf_append(m, (uint16_t)p.len), p.data, p.len);
		send_out(w, p.out_port, m);
	}
	transmit(w);
	free_done(w);
}

static uint32_t keep_house(struct lb_worker *w)
{
	uint32_t work = take_commands(w);

	acknowledge(w);
	if (w->now_ms != w->aged_ms) {
		lb_pipeline_age(w->pipeline, w->now_ms);
		send_questions(w);
		w->aged_ms = w->now_ms;
	}
	ask_for_next_hops(w);
	work += lb_reporter_keep_house(&w->reporter);
	if (w->inject != NULL)
		work += take_injected(w);
	return work;
}

/* Waits longer the longer nothing has come, at most 1 ms. */
static void rest(const struct lb_worker *w, uint64_t tsc)
{
	uint64_t idle_us = (tsc - w->idle_since_tsc) * 1000 / w->tsc_per_ms;
	uint64_t sleep_us = idle_us / 8 < SLEEP_MAX_US ? idle_us / 8 : SLEEP_MAX_US;
	struct timespec ts = {.tv_nsec = (long)sleep_us * 1000};

	if (idle_us < SPIN_US)
		rte_pause();
	else
		nanosleep(&ts, NULL);
}

int lb_worker_main(void *worker)
{
	struct lb_worker *w = worker;
	uint64_t tsc = rte_rdtsc();
	uint32_t round = 0;

	/* The default slack of 50 us would be added to each sleep. */
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	w->idle_since_tsc = tsc;
	lb_worker_stats_start(&w->stats, tsc);
	while (!atomic_load_explicit(w->stop, memory_order_acquire)) {
		uint32_t work;

		w->now_ms = (tsc - w->start_tsc) / w->tsc_per_ms;
		work = serve(w);
		if (work == 0 || ++round % HOUSEKEEPING_ROUNDS == 0)
			work += keep_house(w);
		if (work > 0)
			w->idle_since_tsc = tsc;
		else
			rest(w, tsc);
		tsc = rte_rdtsc();
		lb_worker_stats_iteration(&w->stats, tsc, work);
	}
	return 0;
}
