#include "runtime/publish.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_WORKERS 3u

static struct lb_spsc_ring *make_ring(uint32_t n_cells, uint32_t cell_bytes)
{
	size_t bytes = (lb_spsc_bytes(n_cells, cell_bytes) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, bytes);
	struct lb_spsc_ring *r = NULL;

	cr_assert_not_null(mem);
	memset(mem, 0, bytes);
	cr_assert_eq(lb_spsc_init(mem, n_cells, cell_bytes, &r), 0);
	return r;
}

struct world {
	struct lb_mailbox mailboxes[N_WORKERS];
	struct lb_publisher *publisher;
	uint64_t next_value[N_WORKERS]; /* of the next command that this worker must get */
	uint64_t generation[N_WORKERS];
};

static void open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		w->mailboxes[i].commands = make_ring(LB_COMMANDS_MAX, sizeof(struct lb_cmd));
		w->mailboxes[i].events = make_ring(LB_EVENTS_MAX, sizeof(struct lb_event));
	}
	cr_assert_eq(lb_publisher_create(w->mailboxes, N_WORKERS, &w->publisher), 0);
}

static void close_world(struct world *w)
{
	lb_publisher_destroy(w->publisher);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		free(w->mailboxes[i].commands);
		free(w->mailboxes[i].events);
	}
}

/* Commands carry a running number, generations are apart. */
static void publish(struct world *w, uint64_t *value, size_t n, uint64_t generation)
{
	struct lb_cmd *cmds = calloc(n + 1, sizeof(*cmds));

	cr_assert_not_null(cmds);
	for (size_t i = 0; i < n; i++)
		cmds[i] = (struct lb_cmd){.type = LB_CMD_TARGET, .value = (*value)++};
	cr_assert_eq(lb_publisher_publish(w->publisher, cmds, n, generation), 0);
	free(cmds);
}

/* A worker takes at most n commands; returns how many. */
static uint32_t work(struct world *w, uint32_t worker, uint32_t n)
{
	uint32_t taken = 0;
	struct lb_cmd cmd;

	while (taken < n && lb_spsc_pop(w->mailboxes[worker].commands, &cmd, 1) == 1) {
		taken++;
		if (cmd.type == LB_CMD_GENERATION) {
			struct lb_event ack = {LB_EVENT_ACK, worker, cmd.value};

			cr_assert_gt(cmd.value, w->generation[worker]);
			w->generation[worker] = cmd.value;
			cr_assert_eq(lb_spsc_push(w->mailboxes[worker].events, &ack, 1), 1);
		} else {
			cr_assert_eq(cmd.value, w->next_value[worker]++, "lost or out of order");
		}
	}
	return taken;
}

Test(publish, the_slowest_worker_decides_what_is_acknowledged)
{
	struct world w;
	uint64_t value = 0;
	size_t n_queued;

	open_world(&w);
	publish(&w, &value, 2, 7);
	cr_expect_eq(lb_publisher_acked(w.publisher), 0);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		cr_expect_eq(lb_publisher_worker_acked(w.publisher, i, &n_queued), 0);
		cr_expect_eq(n_queued, 3);
	}
	work(&w, 0, 3);
	work(&w, 2, 3);
	cr_expect_eq(lb_publisher_poll(w.publisher, NULL, 0), 0);
	cr_expect_eq(lb_publisher_acked(w.publisher), 0);
	cr_expect_eq(lb_publisher_worker_acked(w.publisher, 2, &n_queued), 7);
	cr_expect_eq(n_queued, 0);
	work(&w, 1, 3);
	lb_publisher_poll(w.publisher, NULL, 0);
	cr_expect_eq(lb_publisher_acked(w.publisher), 7);
	close_world(&w);
}

Test(publish, generations_must_grow)
{
	struct world w;
	uint64_t value = 0;

	open_world(&w);
	cr_expect_eq(lb_publisher_publish(w.publisher, NULL, 0, 0), -EINVAL);
	publish(&w, &value, 0, 5);
	cr_expect_eq(lb_publisher_publish(w.publisher, NULL, 0, 5), -EINVAL);
	cr_expect_eq(work(&w, 0, 10), 1, "what is refused leaves nothing behind");
	close_world(&w);
}

Test(publish, what_a_full_ring_refuses_is_kept_and_comes_in_order)
{
	struct world w;
	uint64_t value = 0, generation = 0;
	unsigned int seed = 4711;
	size_t n_queued, most = 0;

	open_world(&w);
	for (uint32_t round = 0; round < 400; round++) {
		publish(&w, &value, (size_t)(rand_r(&seed) % 300), ++generation);
		if (round == 200)
			publish(&w, &value, 5 * LB_COMMANDS_MAX, ++generation);
		/* Worker 0 keeps up, the others take less and less. */
		work(&w, 0, UINT32_MAX);
		work(&w, 1, (uint32_t)rand_r(&seed) % 200);
		work(&w, 2, (uint32_t)rand_r(&seed) % 20);
		lb_publisher_poll(w.publisher, NULL, 0);
		lb_publisher_worker_acked(w.publisher, 2, &n_queued);
		most = n_queued > most ? n_queued : most;
	}
	cr_expect_gt(most, 2 * LB_COMMANDS_MAX, "the rings were hardly full");
	for (uint32_t round = 0; lb_publisher_acked(w.publisher) < generation; round++) {
		cr_assert_lt(round, 100, "commands are stuck");
		for (uint32_t i = 0; i < N_WORKERS; i++)
			work(&w, i, UINT32_MAX);
		lb_publisher_poll(w.publisher, NULL, 0);
	}
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		cr_expect_eq(w.next_value[i], value, "worker %u", i);
		lb_publisher_worker_acked(w.publisher, i, &n_queued);
		cr_expect_eq(n_queued, 0);
	}
	close_world(&w);
}

Test(publish, a_next_hop_is_asked_for_once_and_none_is_lost)
{
	struct lb_event events[10], event = {.type = LB_EVENT_RESOLVE};
	uint8_t seen[LB_NEXT_HOPS_MAX] = {0};
	struct world w;
	size_t n, total = 0;

	open_world(&w);
	for (uint32_t i = 0; i < N_WORKERS; i++)
		for (uint32_t id = 1; id <= 200; id++) {
			event.value = id * 327;
			cr_assert_eq(lb_spsc_push(w.mailboxes[i].events, &event, 1), 1);
		}
	while ((n = lb_publisher_poll(w.publisher, events, 10)) > 0) {
		for (size_t i = 0; i < n; i++) {
			cr_expect(events[i].type == LB_EVENT_RESOLVE &&
				  events[i].worker == UINT32_MAX);
			cr_expect_eq(seen[events[i].value]++, 0);
		}
		total += n;
		cr_assert_leq(total, 200);
	}
	cr_expect_eq(total, 200);
	cr_expect(seen[327] == 1 && seen[200 * 327] == 1);
	close_world(&w);
}

Test(publish, acknowledgements_pass_unread_next_hops)
{
	struct lb_event event = {.type = LB_EVENT_RESOLVE, .value = 3}, out;
	struct world w;

	open_world(&w);
	cr_assert_eq(lb_spsc_push(w.mailboxes[0].events, &event, 1), 1);
	cr_assert_eq(lb_publisher_publish(w.publisher, NULL, 0, 1), 0);
	for (uint32_t i = 0; i < N_WORKERS; i++)
		work(&w, i, 1);
	cr_expect_eq(lb_publisher_poll(w.publisher, NULL, 0), 0);
	cr_expect_eq(lb_publisher_acked(w.publisher), 1);
	cr_expect_eq(lb_publisher_poll(w.publisher, &out, 1), 1);
	cr_expect_eq(out.value, 3);
	close_world(&w);
}
