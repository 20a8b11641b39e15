/* What several workers do side by side: order, disagreement, turns. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "random.h"
#include "team.h"

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK

/* --- order --- */

#define FLOWS 30u
#define PACKETS 3000u
#define QUEUE_MAX 4096u

/* Frames that wait, first in, first out. */
struct queue {
	struct frame *frames[QUEUE_MAX];
	uint32_t head, tail;
};

static void put(struct queue *q, struct frame *f)
{
	cr_assert_lt(q->tail, QUEUE_MAX);
	q->frames[q->tail++] = f;
}

struct order {
	struct team team;
	struct queue arrived[TEAM_MAX];
	struct queue rings[TEAM_MAX][TEAM_MAX]; /* to, from */
	struct frame frames[PACKETS];
	struct frame burst[LB_BURST_MAX];
	uint16_t nat_port[FLOWS];
	uint32_t last_seq[FLOWS];
	uint32_t n_sent;
};

static uint32_t seq_of(struct frame *f)
{
	return (uint32_t)frame_get16(f, 38) << 16 | frame_get16(f, 40);
}

static void check_order(struct order *o, struct frame *f)
{
	uint16_t port = frame_get16(f, 34);
	uint32_t flow = 0;

	while (flow < FLOWS && o->nat_port[flow] != port)
		flow++;
	cr_assert_lt(flow, FLOWS, "port %u", port);
	cr_assert_gt(seq_of(f), o->last_seq[flow], "flow %u", flow);
	o->last_seq[flow] = seq_of(f);
	o->n_sent++;
}

/* Worker `w` takes a burst out of a queue. */
static void serve(struct order *o, uint32_t w, struct queue *q, bool is_ring, uint32_t max)
{
	struct frame *taken[LB_BURST_MAX];
	struct world *world = &o->team.w[w];
	uint32_t n = 0;

	while (n < max && q->head < q->tail) {
		taken[n] = q->frames[q->head++];
		o->burst[n] = *taken[n];
		n++;
	}
	world->is_handed = is_ring;
	world_send_burst(world, o->burst, n);
	for (uint32_t i = 0; i < n; i++) {
		if (world->burst.pkt[i].verdict == LB_VERDICT_HAND_OVER) {
			cr_assert_not(is_ring);
			put(&o->rings[world->burst.pkt[i].owner][w], taken[i]);
			continue;
		}
		cr_assert_eq(world->burst.pkt[i].verdict, LB_VERDICT_TX);
		check_order(o, &o->burst[i]);
	}
}

static void client_of(uint32_t flow, char client[LB_ADDR_TEXT_MAX])
{
	snprintf(client, LB_ADDR_TEXT_MAX, "198.51.100.%u", 1 + flow);
}

static void open_flows(struct order *o)
{
	char client[LB_ADDR_TEXT_MAX];
	struct frame f;

	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		client_of(flow, client);
		world_tcp(&f, client, 40000, WORLD_VIP, 80, SYN);
		cr_assert_eq(team_send(&o->team, flow % o->team.n, &f)->last.verdict,
			     LB_VERDICT_TX);
		o->nat_port[flow] = world_fields(&f).sport;
	}
}

Test(pipeline_order, a_flow_that_arrives_at_one_worker_leaves_in_order)
{
	static struct order o;
	struct test_random r = {test_seed("order")};
	char client[LB_ADDR_TEXT_MAX];

	team_open(&o.team, TEAM_MAX, r.state);
	for (uint32_t i = 0; i < TEAM_MAX; i++)
		world_service(&o.team.w[i],
			      &(struct world_service){.first_port = 80, .n_servers = 3});
	open_flows(&o);
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t flow = test_random_below(&r, FLOWS);

		client_of(flow, client);
		frame_eth(&o.frames[i]);
		frame_ipv4(&o.frames[i], client, WORLD_VIP);
		frame_tcp(&o.frames[i], 40000, 80, ACK);
		frame_tcp_numbers(&o.frames[i], 1 + i, 1);
		frame_finish(&o.frames[i]);
		put(&o.arrived[flow % TEAM_MAX], &o.frames[i]);
	}
	/* Workers and their queues have their turn at random. */
	while (o.n_sent < PACKETS) {
		uint32_t w = test_random_below(&r, TEAM_MAX), max = 1 + test_random_below(&r, 32);
		uint32_t from = test_random_below(&r, TEAM_MAX);

		serve(&o, w, &o.arrived[w], false, max);
		serve(&o, w, &o.rings[w][from], true, max);
	}
	cr_expect_gt(team_count(&o.team, LB_COUNT_handed_in), PACKETS / 4);
	team_close(&o.team);
}

/* --- workers that disagree --- */

Test(pipeline_order, a_packet_is_handed_over_once)
{
	struct team t;
	struct frame f;
	uint32_t n_again = 0;

	team_open(&t, 2, 1);
	/* Worker 1 does not know the service yet, but a nat service. */
	world_service(&t.w[0], &(struct world_service){.first_port = 80, .n_servers = 1});
	world_service(&t.w[1], &(struct world_service){.first_port = 81,
						       .n_servers = 1,
						       .forwarding = LB_FORWARD_NAT});
	for (uint16_t port = 40000; port < 40100; port++) {
		world_tcp(&f, "198.51.100.1", port, WORLD_VIP, 80, SYN);
		n_again += team_send(&t, 0, &f)->last.drop_reason == LB_COUNT_drop_hand_over_again;
	}
	cr_expect_eq(n_again, team_count(&t, LB_COUNT_drop_hand_over_again));
	/* Worker 1 takes such a packet for a reply to VIP port 80, which has one owner. */
	cr_expect(n_again == 0 || n_again == team_count(&t, LB_COUNT_handed_in), "%u", n_again);
	cr_expect_gt(team_count(&t, LB_COUNT_handed_in), 0);
	team_close(&t);
}

/* --- round robin over several workers --- */

Test(pipeline_order, round_robin_is_exact_in_each_worker_and_staggered)
{
	enum { SERVERS = 6, EACH = 60 };

	for (uint32_t n = 2; n <= 3; n++) {
		uint32_t first[TEAM_MAX], total[SERVERS] = {0};
		struct team t;

		team_open(&t, n, n);
		for (uint32_t w = 0; w < n; w++) {
			uint32_t of[SERVERS] = {0}, sent = 0;
			struct frame f;

			world_service(&t.w[w], &(struct world_service){.first_port = 80,
								       .n_servers = SERVERS});
			for (uint16_t port = 1024; sent < EACH + w; port++) {
				world_tcp(&f, "198.51.100.1", port, WORLD_VIP, 80, SYN);
				if (world_send(&t.w[w], &f) == LB_VERDICT_HAND_OVER)
					continue;
				cr_assert_lt(world_server_of(&f), SERVERS);
				if (sent++ == 0)
					first[w] = world_server_of(&f);
				of[world_server_of(&f)]++;
			}
			for (uint32_t i = 0; i < SERVERS; i++) {
				cr_expect(of[i] >= EACH / SERVERS && of[i] <= EACH / SERVERS + 1,
					  "worker %u of %u, server %u: %u", w, n, i, of[i]);
				total[i] += of[i];
			}
			cr_expect_eq((first[w] + SERVERS - first[0]) % SERVERS, w * SERVERS / n,
				     "worker %u of %u starts at %u", w, n, first[w]);
		}
		for (uint32_t i = 0; i < SERVERS; i++)
			cr_expect_leq(total[i], n * EACH / SERVERS + n - 1);
		team_close(&t);
	}
}
