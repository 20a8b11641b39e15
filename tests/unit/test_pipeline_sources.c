/* Which source addresses and ports fullnat connections get. */
#include "pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "world.h"

#define SYN LB_TCP_SYN
#define CLIENT "198.51.100.7"

/* A client's connection, handshake and all; false: refused, and w->last says why. *f is its SYN as
 * the server got it. */
static bool open_conn(struct world *w, uint16_t sport, struct frame *f)
{
	struct frame answer, ack;

	world_tcp(f, CLIENT, sport, WORLD_VIP, WORLD_NAT_FIRST, SYN);
	if (world_send(w, f) != LB_VERDICT_TX)
		return false;
	world_tcp_answer(&answer, f, SYN | LB_TCP_ACK);
	cr_assert_eq(world_send(w, &answer), LB_VERDICT_TX);
	world_tcp(&ack, CLIENT, sport, WORLD_VIP, WORLD_NAT_FIRST, LB_TCP_ACK);
	cr_assert_eq(world_send(w, &ack), LB_VERDICT_TX);
	return true;
}

Test(pipeline_sources, ports_of_services_are_never_nat_sources)
{
	struct frame f;
	struct world w;

	world_open(&w, NULL);
	/* The service takes all of the NAT range but the last ten ports. */
	world_service(&w, &(struct world_service){.first_port = WORLD_NAT_FIRST,
						  .last_port = WORLD_NAT_LAST - 10,
						  .n_servers = 1});
	for (uint16_t i = 0; i < 300; i++) {
		if (open_conn(&w, (uint16_t)(1000 + i), &f))
			cr_expect_gt(world_fields(&f).sport, WORLD_NAT_LAST - 10);
		else
			cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_nat_exhausted);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), 10, "each free port is found in the end");
	world_close(&w);
}

Test(pipeline_sources, sources_of_closed_connections_serve_again_when_no_other_is_free)
{
	struct frame f, to_server, answer;
	char closed_source[LB_ADDR_TEXT_MAX];
	uint16_t closed_port;
	struct world w;

	world_open(&w, NULL);
	/* All of the NAT range but the last ten ports is the service's own. */
	world_service(&w, &(struct world_service){.first_port = WORLD_NAT_FIRST,
						  .last_port = WORLD_NAT_LAST - 10,
						  .n_servers = 1});
	for (uint16_t i = 0; i < 300 && lb_pipeline_conns(w.pl) < 10; i++) {
		if (open_conn(&w, (uint16_t)(1000 + i), &f) && lb_pipeline_conns(w.pl) == 4)
			to_server = f;
	}
	cr_assert_eq(lb_pipeline_conns(w.pl), 10);
	snprintf(closed_source, sizeof(closed_source), "%s", world_fields(&to_server).src);
	closed_port = world_fields(&to_server).sport;
	world_tcp_answer(&answer, &to_server, LB_TCP_RST | LB_TCP_ACK);
	cr_assert_eq(world_send(&w, &answer), LB_VERDICT_TX);

	/* The nine others are open: only the closed one's source may be given out, and once. */
	uint32_t n_sent = 0;
	for (uint16_t i = 0; i < 300; i++) {
		if (!open_conn(&w, (uint16_t)(2000 + i), &f)) {
			cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_nat_exhausted);
			continue;
		}
		n_sent++;
		cr_expect_str_eq(world_fields(&f).src, closed_source);
		cr_expect_eq(world_fields(&f).sport, closed_port);
	}
	cr_expect_eq(n_sent, 1);
	cr_expect_eq(lb_pipeline_conns(w.pl), 10);
	world_close(&w);
}

#define N_PORTS 64u
#define PORT 80u

static enum lb_verdict send_from(struct world *w, uint32_t client, uint8_t flags, struct frame *f)
{
	char addr[LB_ADDR_TEXT_MAX];

	snprintf(addr, sizeof(addr), "198.51.%u.%u", 100 + client / 250, 1 + client % 250);
	world_tcp(f, addr, 1024, WORLD_VIP, PORT, flags);
	return world_send(w, f);
}

/* The server's answer to *syn, which has reached it, and the client's to that. */
static void shake_hands(struct world *w, uint32_t client, const struct frame *syn)
{
	struct frame answer, ack;

	world_tcp_answer(&answer, syn, SYN | LB_TCP_ACK);
	cr_expect_eq(world_send(w, &answer), LB_VERDICT_TX, "client %u", client);
	cr_expect_eq(send_from(w, client, LB_TCP_ACK, &ack), LB_VERDICT_TX, "client %u", client);
}

static void open_few_ports(struct world *w)
{
	world_open(w, NULL);
	w->nat_source.last_port = (uint16_t)(w->nat_source.first_port + N_PORTS - 1);
	world_command(w, LB_CMD_NAT_SOURCE, 0, &w->nat_source, 0);
	world_service(w, &(struct world_service){.first_port = PORT, .n_servers = 1});
	/* What follows within 2 s is of one tick. */
	world_pass_time(w, (1u << LB_TICK_SHIFT_MS) - w->now_ms % (1u << LB_TICK_SHIFT_MS), 100);
}

Test(pipeline_sources, a_handshake_outlives_the_flood_that_has_taken_all_ports)
{
	struct frame f, syn[N_PORTS];
	bool is_used[N_PORTS] = {0};
	struct world w;

	open_few_ports(&w);
	for (uint32_t i = 0; i < N_PORTS; i++)
		cr_assert_eq(send_from(&w, i, SYN, &f), LB_VERDICT_TX);
	world_pass_time(&w, 100, 10);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		cr_expect_eq(send_from(&w, 100 + i, SYN, &f), LB_VERDICT_DROP);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_unproven);
	}
	/* They come again, and each takes one of the flood's places, nobody a handshake's. */
	world_pass_time(&w, 1000, 10);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		/* Strangers move the search on, by more or less. */
		for (uint32_t k = 0; k < i * 7 % 5; k++)
			cr_expect_eq(send_from(&w, 1000 + 8 * i + k, SYN, &f), LB_VERDICT_DROP);
		cr_assert_eq(send_from(&w, 100 + i, SYN, &syn[i]), LB_VERDICT_TX, "client %u", i);
	}
	for (uint32_t i = 0; i < N_PORTS; i++) {
		uint32_t port = world_fields(&syn[i]).sport - w.nat_source.first_port;

		cr_assert_lt(port, N_PORTS);
		cr_expect_not(is_used[port], "client %u has another one's source", i);
		is_used[port] = true;
		shake_hands(&w, 100 + i, &syn[i]);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), N_PORTS);
	/* All are in use now: nobody gets one, however often he asks. */
	for (uint32_t i = 0; i < 3; i++, world_pass_time(&w, 1000, 10)) {
		cr_expect_eq(send_from(&w, 0, SYN, &f), LB_VERDICT_DROP);
		cr_expect_eq(w.last.drop_reason, LB_COUNT_drop_nat_exhausted);
	}
	world_close(&w);
}

Test(pipeline_sources, ports_that_a_flood_has_left_serve_at_the_first_attempt)
{
	struct world w;
	struct frame f;

	open_few_ports(&w);
	for (uint32_t i = 0; i < 10 * N_PORTS; i++)
		send_from(&w, i, SYN, &f);
	cr_expect_eq(lb_pipeline_conns(w.pl), N_PORTS);
	world_pass_time(&w, 300000, 1000);
	cr_expect_eq(lb_pipeline_conns(w.pl), 0);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		cr_assert_eq(send_from(&w, 1000 + i, SYN, &f), LB_VERDICT_TX, "client %u", i);
		shake_hands(&w, 1000 + i, &f);
	}
	cr_expect_eq(lb_pipeline_conns(w.pl), N_PORTS);
	world_close(&w);
}
