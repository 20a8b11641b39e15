/* Who gets which server: persistence records, failing, draining and returning servers. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "random.h"
#include "steer/conn.h"
#include "world.h"

#define N_CLIENTS 100u
#define GROUP 7u
#define UP (LB_TARGET_NEW | LB_TARGET_KEEP)
#define DRAINS LB_TARGET_KEEP
#define DISABLED 0u

static const uint16_t PORTS[] = {135, 55000, 55001};

static void client_name(char text[LB_ADDR_TEXT_MAX], uint32_t n, bool is_v6)
{
	snprintf(text, LB_ADDR_TEXT_MAX, is_v6 ? "2001:db8:1::%x" : "198.51.100.%u", n + 1);
}

static void open_farm(struct world *w, bool is_v6, uint32_t n_servers)
{
	world_open(w, &(struct world_options){.n_connections = 5000});
	for (uint32_t i = 0; i < 3; i++)
		world_service(w, &(struct world_service){.slot = i,
							 .vip = is_v6 ? WORLD_VIP6 : WORLD_VIP,
							 .first_port = PORTS[i],
							 .group_id = GROUP,
							 .idle_timeout_ms = 14400000,
							 .persist_timeout_ms = 7200000,
							 .n_servers = n_servers});
}

/* Opens a connection and returns its server; WORLD_REALS: refused. */
static uint32_t connect_from(struct world *w, const char *client, const char *vip, uint16_t sport,
			     uint16_t port)
{
	struct frame f, r;
	uint32_t server;

	world_tcp(&f, client, sport, vip, port, LB_TCP_SYN);
	if (world_send(w, &f) != LB_VERDICT_TX || w->last.is_originated)
		return WORLD_REALS;
	server = world_server_of(&f);
	world_tcp_answer(&r, &f, LB_TCP_SYN | LB_TCP_ACK);
	cr_assert_eq(world_send(w, &r), LB_VERDICT_TX);
	world_tcp(&f, client, sport, vip, port, LB_TCP_ACK);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	cr_assert_eq(world_server_of(&f), server);
	return server;
}

static uint32_t connect_client(struct world *w, uint32_t n, uint16_t sport, uint16_t port)
{
	char client[LB_ADDR_TEXT_MAX];

	client_name(client, n, false);
	return connect_from(w, client, WORLD_VIP, sport, port);
}

Test(affinity, a_client_keeps_its_server_on_every_port_of_the_group)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		const char *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
		char client[LB_ADDR_TEXT_MAX];
		uint32_t got[2] = {0};
		struct world w;

		open_farm(&w, is_v6, 2);
		for (uint32_t i = 0; i < N_CLIENTS; i++) {
			uint32_t server;

			client_name(client, i, is_v6);
			server = connect_from(&w, client, vip, 40000, PORTS[i % 3]);
			cr_assert_lt(server, 2);
			got[server]++;
			for (uint32_t j = 0; j < 3; j++)
				cr_expect_eq(connect_from(&w, client, vip, (uint16_t)(40001 + j),
							  PORTS[j]),
					     server, "%s on port %u", client, PORTS[j]);
		}
		/* Records are dealt out by three services, each exactly round robin. */
		cr_expect(got[0] >= N_CLIENTS / 2 - 2 && got[0] <= N_CLIENTS / 2 + 2, "%u of %u",
			  got[0], N_CLIENTS);
		cr_expect_eq(world_count(&w, LB_COUNT_record_created), N_CLIENTS);
		cr_expect_eq(world_count(&w, LB_COUNT_record_hit), 3 * N_CLIENTS);
		cr_expect_eq(world_count(&w, LB_COUNT_record_bypassed), 0);
		world_close(&w);
	}
}

Test(affinity, clients_of_a_server_that_fails_move_and_nobody_else)
{
	uint32_t before[N_CLIENTS];
	struct world w;

	open_farm(&w, false, 3);
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		before[i] = connect_client(&w, i, 40000, 135);
	world_server_down(&w, 1, 1);
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		uint32_t now = connect_client(&w, i, 40001, 55000);

		cr_expect_neq(now, 1);
		if (before[i] != 1)
			cr_expect_eq(now, before[i], "client %u", i);
		before[i] = now;
	}
	/* It comes back: who has moved stays, new clients get it again. */
	world_server_state(&w, 1, UP);
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		cr_expect_eq(connect_client(&w, i, 40002, 55001), before[i], "client %u", i);
	cr_expect_eq(world_count(&w, LB_COUNT_record_void), (N_CLIENTS + 1) / 3);
	for (uint32_t i = 0; i < 3; i++)
		before[i] = connect_client(&w, N_CLIENTS + i, 40000, 135);
	cr_expect_eq(before[0] + before[1] + before[2], 0 + 1 + 2, "each server gets one");
	world_close(&w);
}

Test(affinity, a_record_made_before_its_machine_went_down_and_returned_is_void)
{
	struct world w;
	uint32_t first;

	open_farm(&w, false, 2);
	first = connect_client(&w, 0, 40000, 135);
	world_server_down(&w, first, 1);
	world_server_state(&w, first, UP);
	connect_client(&w, 0, 40001, 135);
	cr_expect_eq(world_count(&w, LB_COUNT_record_void), 1);
	/* Generations wrap: one from the far end of the ring is an older one still. */
	for (uint32_t g = 2; g < (1u << LB_MEMBER_GENERATION_BITS) + 2; g += 1000) {
		uint32_t server = connect_client(&w, 0, (uint16_t)(41000 + g / 1000), 135);

		world_server_down(&w, server, g & ((1u << LB_MEMBER_GENERATION_BITS) - 1));
		world_server_state(&w, server, UP);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_record_void), 5);
	world_close(&w);
}

Test(affinity, a_draining_server_keeps_its_clients_and_gets_no_new_ones)
{
	struct world w;

	open_farm(&w, false, 2);
	for (uint32_t i = 0; i < 10; i++)
		connect_client(&w, i, 40000, 135);
	world_server_state(&w, 0, DRAINS);
	for (uint32_t i = 0; i < 10; i++) {
		char client[LB_ADDR_TEXT_MAX];
		struct frame f;

		cr_expect_eq(connect_client(&w, i, 40001, 55000), i % 2 == 0 ? 0 : 1,
			     "client %u keeps its server", i);
		client_name(client, i, false);
		world_tcp(&f, client, 40000, WORLD_VIP, 135, LB_TCP_ACK);
		cr_expect_eq(world_send(&w, &f), LB_VERDICT_TX, "and its connections");
		cr_expect_eq(connect_client(&w, 50 + i, 40001, 55000), 1, "a new client");
	}
	world_close(&w);
}

Test(affinity, a_disabled_server_keeps_its_connections_only)
{
	struct frame f;
	struct world w;
	uint32_t server;

	open_farm(&w, false, 2);
	server = connect_client(&w, 0, 40000, 135);
	world_server_state(&w, server, DISABLED);
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 135, LB_TCP_ACK);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), server);
	cr_expect_eq(connect_client(&w, 0, 40001, 135), 1 - server);
	cr_expect_eq(world_count(&w, LB_COUNT_record_void), 1);
	world_close(&w);
}

Test(affinity, a_syn_that_a_dead_server_never_answered_is_scheduled_anew)
{
	struct frame f;
	struct world w;
	uint32_t server;

	open_farm(&w, false, 2);
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 135, LB_TCP_SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	server = world_server_of(&f);
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 135, LB_TCP_SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), server, "a repeated SYN stays");
	world_server_down(&w, server, 1);
	world_tcp(&f, "198.51.100.1", 40000, WORLD_VIP, 135, LB_TCP_SYN);
	cr_assert_eq(world_send(&w, &f), LB_VERDICT_TX);
	cr_expect_eq(world_server_of(&f), 1 - server);
	world_close(&w);
}

Test(affinity, new_records_choose_machines_that_are_up_in_the_whole_group)
{
	struct world w;

	open_farm(&w, false, 2);
	/* Server 0 answers on 135 but not on every port of the group. */
	world_command(&w, LB_CMD_TARGET, 100, NULL, 0);
	for (uint32_t i = 0; i < 10; i++)
		cr_expect_eq(connect_client(&w, i, 40000, 135), 1);
	/* None is up everywhere: the service chooses for itself and leaves no record. */
	world_command(&w, LB_CMD_TARGET, 101, NULL, 0);
	for (uint32_t i = 20; i < 30; i++)
		cr_expect_lt(connect_client(&w, i, 40000, 135), 2);
	cr_expect_eq(world_count(&w, LB_COUNT_record_created), 10);
	cr_expect_eq(world_count(&w, LB_COUNT_record_bypassed), 10);
	world_close(&w);
}

Test(affinity, a_service_without_the_machine_chooses_for_itself_and_leaves_the_record)
{
	struct world w;
	uint32_t server;

	open_farm(&w, false, 2);
	server = connect_client(&w, 0, 40000, 135);
	world_service(&w, &(struct world_service){.slot = 1,
						  .first_port = 55000,
						  .group_id = GROUP,
						  .n_servers = 1,
						  .first_server = 5});
	cr_expect_eq(connect_client(&w, 0, 40001, 55000), 5);
	cr_expect_eq(world_count(&w, LB_COUNT_record_bypassed), 1);
	cr_expect_eq(connect_client(&w, 0, 40002, 55001), server);
	world_close(&w);
}

Test(affinity, a_record_outlives_its_timeout_while_the_client_is_connected)
{
	struct world w;
	uint32_t server;

	open_farm(&w, false, 2);
	for (uint32_t i = 0; i < 3; i++) { /* a timeout shorter than the sweep, too */
		world_close(&w);
		world_open(&w, NULL);
		world_service(&w, &(struct world_service){.first_port = 135,
							  .group_id = GROUP,
							  .idle_timeout_ms = 14400000,
							  .persist_timeout_ms = i == 0   ? 1000
										: i == 1 ? 30000
											 : 600000,
							  .n_servers = 2});
		server = connect_client(&w, 0, 40000, 135);
		connect_client(&w, 1, 40000, 135);
		world_pass_time(&w, 14000000, 200);
		cr_expect_eq(connect_client(&w, 0, 40001, 135), server, "round %u", i);
		cr_expect_eq(world_count(&w, LB_COUNT_record_hit), 1, "round %u", i);
		/* All connections idle out, then the record does. */
		world_pass_time(&w, 14500000, 500);
		cr_expect_eq(lb_pipeline_conns(w.pl), 0);
		world_pass_time(&w, 700000, 500);
		cr_expect_eq(lb_persist_count(w.persist, (uint32_t)(w.now_ms / 1000)), 0);
	}
	world_close(&w);
}

Test(affinity, weights_hold_over_each_cycle)
{
	static const uint32_t weights[] = {5, 3, 0, 2};
	uint32_t got[4] = {0};
	struct world w;

	world_open(&w, NULL);
	world_service(&w, &(struct world_service){.first_port = 80,
						  .scheduler = LB_SCHED_WEIGHTED_ROUND_ROBIN,
						  .n_servers = 4,
						  .weights = weights});
	for (uint32_t i = 0; i < 500; i++)
		got[connect_client(&w, i % N_CLIENTS, (uint16_t)(40000 + i / N_CLIENTS), 80)]++;
	for (uint32_t i = 0; i < 4; i++)
		cr_expect_eq(got[i], weights[i] * 50, "server %u got %u", i, got[i]);
	world_close(&w);
}

/* A naive model beside the real thing: who may get a new client, and who follows a record. */
struct model {
	uint32_t state[3];
	uint32_t generation[3];
	uint32_t server[N_CLIENTS]; /* of the client's record; UINT32_MAX: none */
	uint32_t record_generation[N_CLIENTS];
};

static void change_a_server(struct world *w, struct model *m, struct test_random *r)
{
	static const uint32_t states[] = {UP, DRAINS, DISABLED};
	uint32_t i = test_random_below(r, 3);

	if (test_random_below(r, 2) == 0) {
		m->state[i] = 0;
		world_server_down(w, i, ++m->generation[i]);
		return;
	}
	m->state[i] = states[test_random_below(r, 3)];
	world_server_state(w, i, m->state[i]);
}

static void connect_and_compare(struct world *w, struct model *m, uint32_t client, uint32_t n)
{
	uint32_t old = m->server[client];
	uint32_t got = connect_client(w, client, (uint16_t)(1024 + n), PORTS[n % 3]);
	bool follows = old != UINT32_MAX && (m->state[old] & LB_TARGET_KEEP) != 0 &&
		       m->record_generation[client] == m->generation[old];

	if (follows) {
		cr_assert_eq(got, old, "step %u: client %u has a record", n, client);
		return;
	}
	if (got == WORLD_REALS) {
		for (uint32_t i = 0; i < 3; i++)
			cr_assert_eq(m->state[i] & LB_TARGET_NEW, 0, "step %u: %u is up", n, i);
		return;
	}
	cr_assert_neq(m->state[got] & LB_TARGET_NEW, 0, "step %u: %u is not up", n, got);
	m->server[client] = got;
	m->record_generation[client] = m->generation[got];
}

/* New services in the old places end all connections, but no record. */
static void end_all_connections(struct world *w, uint8_t epoch)
{
	for (uint32_t i = 0; i < 3; i++)
		world_service(w, &(struct world_service){.slot = i,
							 .first_port = PORTS[i],
							 .epoch = epoch,
							 .group_id = GROUP,
							 .persist_timeout_ms = 7200000,
							 .n_servers = 3});
	world_pass_time(w, 2 * LB_AGE_SWEEP_MS, 500);
	cr_assert_eq(lb_pipeline_conns(w->pl), 0);
}

Test(affinity, follows_a_naive_model_through_random_failures)
{
	struct test_random r = {test_seed("affinity")};
	struct model m = {.state = {UP, UP, UP}};
	struct world w;

	open_farm(&w, false, 3);
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		m.server[i] = UINT32_MAX;
	for (uint32_t n = 0; n < 20000; n++) {
		if (test_random_below(&r, 20) == 0)
			change_a_server(&w, &m, &r);
		connect_and_compare(&w, &m, test_random_below(&r, N_CLIENTS), n % 60000);
		if (n % 700 == 699)
			end_all_connections(&w, (uint8_t)(n / 700 + 1));
	}
	world_close(&w);
}
