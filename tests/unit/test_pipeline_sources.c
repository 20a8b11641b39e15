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
