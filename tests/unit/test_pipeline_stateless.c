/* Packets of services without an entry per connection, one promise at a time; the property over
 * many changes is in test_stateless.c. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "world.h"

#define SYN LB_TCP_SYN
#define ACK LB_TCP_ACK
#define RST LB_TCP_RST
#define UP (LB_TARGET_NEW | LB_TARGET_KEEP)

static const struct world_service STATELESS = {.first_port = 80,
					       .forwarding = LB_FORWARD_DSR,
					       .scheduler = LB_SCHED_MAGLEV,
					       .is_stateless = true,
					       .n_servers = 4};

static void open_world(struct world *w, uint8_t protocol, uint32_t n_connections)
{
	struct world_service svc = STATELESS;

	svc.protocol = protocol;
	world_open(w, &(struct world_options){.n_connections = n_connections});
	world_service(w, &svc);
}

/* With server 0 left out (its weight is 0) or heavier: slots change either way. */
static void reweigh(struct world *w, uint8_t protocol, uint32_t weight)
{
	const uint32_t weights[4] = {weight, 1, 1, 1};
	struct world_service svc = STATELESS;

	svc.protocol = protocol;
	svc.weights = weights;
	world_service(w, &svc);
}

/* Client n's packet; whose MAC it left with, WORLD_REALS: it did not. */
static uint32_t speak(struct world *w, uint32_t n, uint8_t protocol, uint8_t flags)
{
	char client[32];
	struct frame f;

	snprintf(client, sizeof(client), "198.51.%u.%u", 100 + n / 250, 1 + n % 250);
	if (protocol == IPPROTO_TCP)
		world_tcp(&f, client, 40000, WORLD_VIP, 80, flags);
	else
		world_udp(&f, client, 40000, WORLD_VIP, 80);
	if (world_send(w, &f) != LB_VERDICT_TX || w->last.is_originated)
		return WORLD_REALS;
	return *frame_at(&f, 5);
}

/* A client of server 0. */
static uint32_t client_of_first(struct world *w, uint8_t protocol)
{
	for (uint32_t n = 0; n < 1000; n++)
		if (speak(w, n, protocol, ACK) == 0)
			return n;
	cr_assert(false, "server 0 has no slot");
	return 0;
}

Test(pipeline_stateless, a_quiet_service_remembers_nobody)
{
	struct world w;
	uint32_t server;

	open_world(&w, 0, 0);
	for (uint32_t n = 0; n < 200; n++) {
		server = speak(&w, n, IPPROTO_TCP, SYN);
		cr_assert_lt(server, 4);
		cr_assert_eq(speak(&w, n, IPPROTO_TCP, ACK), server);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_stateless), 200);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 0);
	world_close(&w);
}

Test(pipeline_stateless, an_old_connection_is_adopted_and_a_new_one_gets_the_new_server)
{
	uint32_t who, other;
	struct world w;

	open_world(&w, 0, 0);
	who = client_of_first(&w, IPPROTO_TCP);
	cr_assert_eq(speak(&w, who, IPPROTO_TCP, SYN), 0);
	reweigh(&w, 0, 0);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), 0, "it was there before");
	cr_expect_eq(world_count(&w, LB_COUNT_conn_adopted), 1);
	cr_expect_eq(lb_pipeline_conns(w.pl), 1);
	/* The same slot, under a service that has not heard of the connection. */
	world_close(&w);
	open_world(&w, 0, 0);
	reweigh(&w, 0, 0);
	other = speak(&w, who, IPPROTO_TCP, SYN);
	cr_expect(other > 0 && other < 4, "weight 0 takes nobody");
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), other);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_created), 1);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_adopted), 0);
	world_close(&w);
}

/* Its packets go where they belong, but there is nothing left to remember. */
Test(pipeline_stateless, a_reset_is_passed_on_and_adopted_by_nobody)
{
	struct world w;
	uint32_t who;

	open_world(&w, 0, 0);
	who = client_of_first(&w, IPPROTO_TCP);
	reweigh(&w, 0, 0);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, RST), 0);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	world_close(&w);
}

Test(pipeline_stateless, clients_of_a_server_that_is_down_come_back_to_it_but_those_who_left_stay)
{
	uint32_t who, server;
	struct world w;

	open_world(&w, 0, 0);
	who = client_of_first(&w, IPPROTO_TCP);
	world_server_state(&w, 0, 0);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), 0, "a connection stays, as with entries");
	server = speak(&w, who, IPPROTO_TCP, SYN);
	cr_expect(server > 0 && server < 4);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), server);
	world_server_state(&w, 0, UP);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), server, "opened elsewhere, it stays there");
	cr_expect_eq(lb_pipeline_conns(w.pl), 1);
	world_close(&w);
}

/* The SYN opens an entry elsewhere, and what stands behind it in the burst must find that. */
Test(pipeline_stateless, a_connection_that_speaks_twice_in_one_burst_has_one_server)
{
	struct frame f[2];
	struct world w;
	char client[32];
	uint32_t who;

	open_world(&w, 0, 0);
	who = client_of_first(&w, IPPROTO_TCP);
	world_server_state(&w, 0, LB_TARGET_KEEP);
	snprintf(client, sizeof(client), "198.51.%u.%u", 100 + who / 250, 1 + who % 250);
	world_tcp(&f[0], client, 40000, WORLD_VIP, 80, SYN);
	world_tcp(&f[1], client, 40000, WORLD_VIP, 80, ACK);
	world_send_burst(&w, f, 2);
	cr_expect_neq(*frame_at(&f[0], 5), 0);
	cr_expect_eq(*frame_at(&f[1], 5), *frame_at(&f[0], 5));
	world_close(&w);
}

Test(pipeline_stateless, datagrams_stay_while_their_server_drains_and_move_when_it_is_down)
{
	uint32_t who, server;
	struct world w;

	open_world(&w, IPPROTO_UDP, 0);
	who = client_of_first(&w, IPPROTO_UDP);
	world_server_state(&w, 0, LB_TARGET_KEEP);
	cr_expect_eq(speak(&w, who, IPPROTO_UDP, 0), 0);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	world_server_state(&w, 0, 0);
	server = speak(&w, who, IPPROTO_UDP, 0);
	cr_expect(server > 0 && server < 4);
	world_server_state(&w, 0, UP);
	cr_expect_eq(speak(&w, who, IPPROTO_UDP, 0), server, "it has an entry there");
	reweigh(&w, IPPROTO_UDP, 0);
	cr_expect_eq(speak(&w, who, IPPROTO_UDP, 0), server);
	world_close(&w);
}

/* Packets in mid-stream of nobody, from everywhere, at slots that settle. */
Test(pipeline_stateless, a_flood_is_adopted_up_to_a_share_of_the_table_and_evicts_nobody)
{
	struct world w;

	open_world(&w, 0, 500); /* and so 1000 of one entry each */
	reweigh(&w, 0, 40);
	for (uint32_t n = 0; n < 20000; n++)
		cr_assert_lt(speak(&w, n, IPPROTO_TCP, ACK), 4, "served all the same");
	cr_expect_eq(lb_pipeline_conns(w.pl), 800);
	cr_expect_eq(world_count(&w, LB_COUNT_conn_evicted_embryonic) +
			     world_count(&w, LB_COUNT_conn_evicted_idle),
		     0);
	cr_expect_gt(world_count(&w, LB_COUNT_found_by_hash), 1000);
	for (uint32_t n = 20000; n < 20100; n++)
		cr_assert_lt(speak(&w, n, IPPROTO_TCP, SYN), 4, "new ones find room");
	cr_expect_eq(world_count(&w, LB_COUNT_drop_table_full), 0);
	world_close(&w);
}

/* Without an entry the second packet of such a connection would go to the server that is down. */
Test(pipeline_stateless, without_room_only_clients_of_a_server_that_is_away_are_refused)
{
	uint32_t n_refused = 0, n_served = 0, server;
	struct world w;

	open_world(&w, 0, 50);
	world_server_state(&w, 0, 0);
	for (uint32_t n = 0; n < 2000; n++) {
		server = speak(&w, n, IPPROTO_TCP, SYN);
		if (server == WORLD_REALS) {
			n_refused++;
			continue;
		}
		/* Established, and so in use: it gives way to nobody. */
		cr_assert_eq(speak(&w, n, IPPROTO_TCP, ACK), server, "client %u", n);
		n_served++;
	}
	cr_expect_gt(n_served, 1400, "those of the other servers need no room");
	cr_expect_gt(n_refused, 200);
	cr_expect_eq(world_count(&w, LB_COUNT_drop_table_full), n_refused);
	cr_expect_leq(lb_pipeline_conns(w.pl), 100);
	world_close(&w);
}

/* Tracking as usual, and a table that is full: whoever gets no entry is served by the hash, from
 * the first packet to the last. */
Test(pipeline_stateless, without_room_tracked_connections_go_by_the_hash_alone)
{
	struct world_service svc = STATELESS;
	uint32_t server;
	struct world w;

	svc.is_stateless = false;
	world_open(&w, &(struct world_options){.n_connections = 50});
	world_service(&w, &svc);
	for (uint32_t n = 0; n < 2000; n++) {
		server = speak(&w, n, IPPROTO_TCP, SYN);
		cr_assert_lt(server, 4, "client %u", n);
		cr_assert_eq(speak(&w, n, IPPROTO_TCP, ACK), server);
		cr_assert_eq(speak(&w, n, IPPROTO_TCP, ACK), server);
	}
	cr_expect_eq(world_count(&w, LB_COUNT_drop_table_full), 0);
	cr_expect_gt(world_count(&w, LB_COUNT_conn_hash_only), 1800);
	cr_expect_gt(world_count(&w, LB_COUNT_found_by_hash), 3600);
	cr_expect_leq(lb_pipeline_conns(w.pl), 100);
	world_close(&w);
}

/* Entries that the table makes needless go; those that it does not stay. */
Test(pipeline_stateless, the_sweep_releases_what_the_table_says_as_well)
{
	uint32_t who, n_entries;
	struct world w;

	open_world(&w, 0, 0);
	who = client_of_first(&w, IPPROTO_TCP);
	reweigh(&w, 0, 3);
	for (uint32_t n = 0; n < 400; n++)
		speak(&w, n, IPPROTO_TCP, ACK);
	n_entries = lb_pipeline_conns(w.pl);
	cr_expect_gt(n_entries, 20, "adopted by those that slots had");
	world_pass_time(&w, 5000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), n_entries, "not while they settle");
	reweigh(&w, 0, 1);
	world_pass_time(&w, WORLD_SETTLE_MS, 500);
	reweigh(&w, 0, 1); /* what control does when the time has come */
	world_pass_time(&w, 5000, 500);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0, "the weights are as they were");
	cr_expect_eq(world_count(&w, LB_COUNT_conn_released), n_entries);
	cr_expect_eq(speak(&w, who, IPPROTO_TCP, ACK), 0);
	world_close(&w);
}
