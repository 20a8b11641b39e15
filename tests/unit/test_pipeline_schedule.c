#include <criterion/criterion.h>

#include "world.h"

#define CLIENT "198.51.100.7"
#define SERVERS 5

static void open_world(struct world *w, uint64_t seed, enum lb_scheduler scheduler)
{
	struct world_options options = {.seed = seed};

	world_open(w, &options);
	world_service(w, &(struct world_service){
				 .first_port = 80, .n_servers = SERVERS, .scheduler = scheduler});
}

/* The server of a new connection. */
static uint32_t connect_from(struct world *w, uint16_t port)
{
	struct frame f;

	world_tcp(&f, CLIENT, port, WORLD_VIP, 80, LB_TCP_SYN);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	return world_server_of(&f);
}

Test(pipeline_schedule, maglev_nodes_of_other_seeds_agree_also_without_a_server)
{
	uint32_t got[2][300], away = 2, count[SERVERS] = {0};
	struct world w;

	for (int node = 0; node < 2; node++) {
		open_world(&w, 1 + (uint64_t)node * 4711, LB_SCHED_MAGLEV);
		for (uint16_t i = 0; i < 300; i++) {
			if (i == 150)
				world_server_state(&w, away, 0);
			got[node][i] = connect_from(&w, (uint16_t)(30000 + i));
		}
		cr_expect_str_eq(world_imbalance(&w), "");
		world_close(&w);
	}
	for (int i = 0; i < 300; i++) {
		cr_expect_eq(got[0][i], got[1][i], "client port %d", 30000 + i);
		cr_expect(i < 150 || got[0][i] != away, "client port %d", 30000 + i);
		count[got[0][i]]++;
	}
	for (int s = 0; s < SERVERS; s++)
		cr_expect_gt(count[s], 10u, "server %d", s);
}

Test(pipeline_schedule, source_hash_keeps_a_client_on_its_server)
{
	struct world w;
	uint32_t first;

	open_world(&w, 1, LB_SCHED_SOURCE_HASH);
	first = connect_from(&w, 30000);
	for (uint16_t i = 1; i < 50; i++)
		cr_expect_eq(connect_from(&w, (uint16_t)(30000 + i)), first);
	world_close(&w);
}

Test(pipeline_schedule, least_connections_goes_by_what_lives)
{
	uint32_t server_of[200], live[SERVERS] = {0}, lowest = UINT32_MAX, highest = 0;
	struct frame f;
	struct world w;

	open_world(&w, 1, LB_SCHED_LEAST_CONNECTIONS);
	for (uint16_t i = 0; i < 200; i++)
		live[server_of[i] = connect_from(&w, (uint16_t)(30000 + i))]++;
	for (int s = 0; s < SERVERS; s++) {
		lowest = live[s] < lowest ? live[s] : lowest;
		highest = live[s] > highest ? live[s] : highest;
	}
	cr_expect_leq(highest - lowest, 6u, "%u to %u", lowest, highest);
	/* Those of server 3 end and are aged out; the next come to it whenever it is drawn. */
	for (uint16_t i = 0; i < 200; i++) {
		if (server_of[i] != 3)
			continue;
		world_tcp(&f, CLIENT, (uint16_t)(30000 + i), WORLD_VIP, 80, LB_TCP_RST);
		world_send(&w, &f);
	}
	world_pass_time(&w, 30000, 1000);
	cr_assert_gt(live[3], 20u);
	live[3] = 0;
	for (uint16_t i = 200; i < 240; i++)
		live[connect_from(&w, (uint16_t)(30000 + i))]++;
	cr_expect_gt(live[3], 9u, "%u of 40, 8 would be its share", live[3]);
	world_close(&w);
}
