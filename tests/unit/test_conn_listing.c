/* Every connection comes once, page by page, with what is known of it. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "pipeline_state.h"
#include "random.h"
#include "world.h"

#define N_CONNS 300u

struct opened {
	uint32_t who;
	uint32_t slot;
	uint16_t sport;
	bool is_listed;
};

static struct opened opened[N_CONNS];

static void open_world(struct world *w)
{
	world_open(w, &(struct world_options){.n_connections = 2000});
	world_service(w, &(struct world_service){.slot = 0, .first_port = 80, .n_servers = 3});
	world_service(w, &(struct world_service){.slot = 1,
						 .vip = WORLD_VIP6,
						 .protocol = IPPROTO_UDP,
						 .first_port = 53,
						 .forwarding = LB_FORWARD_DSR,
						 .n_servers = 3});
}

static void open_conns(struct world *w, struct test_random *r)
{
	for (uint32_t i = 0; i < N_CONNS; i++) {
		struct opened *o = &opened[i];
		char client[LB_ADDR_TEXT_MAX];
		struct frame f;

		*o = (struct opened){.who = 1 + test_random_below(r, 6),
				     .slot = test_random_below(r, 2),
				     .sport = (uint16_t)(30000 + i)};
		snprintf(client, sizeof(client), o->slot == 0 ? "198.51.100.%u" : "2001:db8:1::%u",
			 o->who);
		if (o->slot == 0)
			world_tcp(&f, client, o->sport, WORLD_VIP, 80, LB_TCP_SYN);
		else
			world_udp(&f, client, o->sport, WORLD_VIP6, 53);
		cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
	}
}

static void check_record(const struct lb_listing_record *c)
{
	struct opened *o = &opened[rte_be_to_cpu_16(c->client_port_be) - 30000u];
	char text[LB_ADDR_TEXT_MAX], wanted[LB_ADDR_TEXT_MAX];

	cr_assert(!o->is_listed, "listed twice");
	o->is_listed = true;
	snprintf(wanted, sizeof(wanted), o->slot == 0 ? "198.51.100.%u" : "2001:db8:1::%u", o->who);
	cr_expect_str_eq(lb_addr_format(&c->client, text), wanted);
	cr_expect_str_eq(lb_addr_format(&c->vip, text), o->slot == 0 ? WORLD_VIP : WORLD_VIP6);
	cr_expect_eq(c->slot, o->slot);
	cr_expect_eq(c->proto, o->slot == 0 ? IPPROTO_TCP : IPPROTO_UDP);
	cr_expect_eq(c->real_id < 8, o->slot == 0);
	cr_expect_eq(c->idle_ms, 4096);
	cr_expect_str_eq(lb_answer_tcp_state(c->tcp_state), o->slot == 0 ? "syn_sent" : "");
	if (o->slot == 0) /* fullnat: as the server sees it */
		cr_expect_str_eq(lb_addr_format(&c->new_src, text), WORLD_VIP);
	else
		cr_expect_str_eq(lb_addr_format(&c->new_src, text), wanted);
}

static bool is_wanted(const struct opened *o, const struct lb_listing_query *q)
{
	return (q->slot == UINT32_MAX || q->slot == o->slot) &&
	       (!q->has_src || (o->slot == 0 && o->who < 4));
}

/* All pages of one question. */
static void list(struct world *w, struct lb_listing_query q, struct test_random *r)
{
	struct lb_listing_record out[2];
	struct lb_conn_listing l;
	struct lb_listing_end end;
	uint32_t n_pages = 0, n;

	for (uint32_t i = 0; i < N_CONNS; i++)
		opened[i].is_listed = false;
	do {
		uint32_t n_page = 0;

		q.limit = 2 + test_random_below(r, 40);
		lb_conn_listing_start(&l, &q);
		while (lb_pipeline_list(w->pl, &l, w->now_ms, out, &n)) {
			for (uint32_t i = 0; i < n; i++)
				check_record(&out[i]);
			n_page += n;
		}
		cr_assert(n_page <= q.limit);
		end = lb_pipeline_list_end(w->pl, &l);
		q.bucket = end.bucket;
		n_pages++;
	} while (!end.is_end);
	cr_expect_gt(n_pages, 1);
	for (uint32_t i = 0; i < N_CONNS; i++)
		cr_expect_eq(opened[i].is_listed, is_wanted(&opened[i], &q), "connection %u", i);
}

Test(conn_listing, every_connection_comes_once)
{
	struct test_random r = {test_seed("conn_listing")};
	struct lb_listing_query q = {.slot = UINT32_MAX};
	struct world w;

	open_world(&w);
	open_conns(&w, &r);
	w.now_ms = 5000 + 4096;
	list(&w, q, &r);
	q.slot = 1;
	list(&w, q, &r);
	q.slot = UINT32_MAX;
	q.has_src = true;
	lb_prefix_parse("198.51.100.0/30", &q.src);
	list(&w, q, &r);
	world_close(&w);
}

Test(conn_listing, connections_that_lost_their_service_are_left_out)
{
	struct test_random r = {1};
	struct lb_listing_query q = {.slot = UINT32_MAX};
	struct world w;

	open_world(&w);
	open_conns(&w, &r);
	world_no_service(&w, 1);
	q.slot = 0;
	w.now_ms = 5000 + 4096;
	list(&w, q, &r);
	world_close(&w);
}

Test(conn_listing, a_page_visits_no_more_than_its_bound)
{
	struct lb_listing_query q = {.slot = UINT32_MAX, .limit = 1000};
	struct lb_listing_record out[2];
	struct lb_conn_listing l;
	struct world w;
	uint32_t n, n_visited = 0;

	world_open(&w, &(struct world_options){.n_connections = LB_LISTING_BUCKETS_MAX});
	lb_conn_listing_start(&l, &q);
	while (lb_pipeline_list(w.pl, &l, 0, out, &n))
		n_visited++;
	cr_expect_eq(n_visited, LB_LISTING_BUCKETS_MAX);
	cr_expect(!lb_pipeline_list_end(w.pl, &l).is_end);
	q.bucket = UINT32_MAX;
	lb_conn_listing_start(&l, &q);
	cr_expect(!lb_pipeline_list(w.pl, &l, 0, out, &n));
	cr_expect(lb_pipeline_list_end(w.pl, &l).is_end);
	world_close(&w);
}
