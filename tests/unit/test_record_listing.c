/* Every record that holds comes once, page by page; what is cleared is gone, and its client chooses
 * anew. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "pipeline_state.h"
#include "random.h"
#include "world.h"

#define N_CLIENTS 120u

struct met {
	bool is_v6;
	uint16_t group;
	uint32_t member;
	uint32_t n_listed;
};

static struct met met[N_CLIENTS];

static void open_world(struct world *w)
{
	world_open(w, &(struct world_options){.n_connections = 1000, .n_records = 400});
	world_service(w, &(struct world_service){
				 .slot = 0, .first_port = 80, .n_servers = 3, .group_id = 1});
	world_service(w, &(struct world_service){.slot = 1,
						 .vip = WORLD_VIP6,
						 .protocol = IPPROTO_UDP,
						 .first_port = 53,
						 .n_servers = 3,
						 .group_id = 2,
						 .persist_timeout_ms = 60000});
}

static void send_first(struct world *w, uint32_t who, uint16_t sport)
{
	char client[LB_ADDR_TEXT_MAX];
	struct frame f;

	snprintf(client, sizeof(client), met[who].is_v6 ? "2001:db8:1::%u" : "198.51.100.%u",
		 who + 1);
	if (met[who].is_v6)
		world_udp(&f, client, sport, WORLD_VIP6, 53);
	else
		world_tcp(&f, client, sport, WORLD_VIP, 80, LB_TCP_SYN);
	cr_assert_eq(world_send(w, &f), LB_VERDICT_TX);
}

static void meet_clients(struct world *w, struct test_random *r)
{
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		met[i] = (struct met){.is_v6 = test_random_below(r, 2) == 0};
		met[i].group = met[i].is_v6 ? 2 : 1;
		send_first(w, i, 30000);
	}
}

static void note_record(const struct lb_records_record *rec)
{
	char text[LB_ADDR_TEXT_MAX], wanted[LB_ADDR_TEXT_MAX];
	unsigned who;

	lb_addr_format(&rec->client, text);
	cr_assert(sscanf(text, lb_addr_is_v4(&rec->client) ? "198.51.100.%u" : "2001:db8:1::%u",
			 &who) == 1,
		  "%s", text);
	cr_assert(who >= 1 && who <= N_CLIENTS);
	who--;
	snprintf(wanted, sizeof(wanted), met[who].is_v6 ? "2001:db8:1::%u" : "198.51.100.%u",
		 who + 1);
	cr_expect_str_eq(text, wanted);
	cr_expect_eq(rec->group_id, met[who].group);
	cr_expect_eq(rec->expires_in_s, met[who].is_v6 ? 60u : 3600u);
	met[who].member = rec->member_id;
	met[who].n_listed++;
}

/* All pages of one question; how many were told, or cleared. */
static uint32_t walk(struct world *w, struct lb_records_query q, struct test_random *r)
{
	uint32_t n_cleared = 0, n_told = 0;
	struct lb_records_end end;

	for (uint32_t i = 0; i < N_CLIENTS; i++)
		met[i].n_listed = 0;
	do {
		struct lb_records_record rec;
		struct lb_record_listing l;
		bool is_told;

		q.limit = 1 + test_random_below(r, 20);
		lb_record_listing_start(&l, &q);
		while (lb_pipeline_records(w->pl, &l, w->now_ms, &rec, &is_told))
			if (is_told)
				note_record(&rec);
		end = lb_pipeline_records_end(w->pl, &l);
		cr_assert(l.n_told <= q.limit);
		n_told += l.n_told;
		n_cleared += end.n_cleared;
		q.place = end.place;
	} while (!end.is_end);
	cr_expect_eq(q.is_clearing ? n_told : n_cleared, 0);
	return q.is_clearing ? n_cleared : n_told;
}

static void expect_listed(bool v4, bool v6)
{
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		cr_expect_eq(met[i].n_listed, met[i].is_v6 ? v6 : v4, "client %u", i);
}

Test(record_listing, every_record_comes_once)
{
	struct test_random r = {test_seed("record_listing")};
	struct lb_records_query q = {0};
	struct world w;

	open_world(&w);
	meet_clients(&w, &r);
	cr_expect_eq(walk(&w, q, &r), N_CLIENTS);
	expect_listed(true, true);
	q.has_group = true;
	q.group_id = 2;
	walk(&w, q, &r);
	expect_listed(false, true);
	q.has_group = false;
	q.has_client = true;
	lb_prefix_parse("198.51.100.0/24", &q.client);
	walk(&w, q, &r);
	expect_listed(true, false);
	lb_prefix_parse("198.51.100.128/25", &q.client);
	cr_expect_eq(walk(&w, q, &r), 0);
	world_close(&w);
}

Test(record_listing, members_choose_and_void_records_are_left_out)
{
	struct test_random r = {7};
	struct lb_records_query q = {.has_members = true};
	uint32_t n_all = 0, n_of_one;
	struct world w;

	open_world(&w);
	meet_clients(&w, &r);
	cr_expect_eq(walk(&w, q, &r), 0, "a list without members");
	q.has_members = false;
	walk(&w, q, &r);
	q.has_members = true;
	q.n_members = 1;
	q.members[0] = met[0].member;
	n_of_one = walk(&w, q, &r);
	for (uint32_t i = 0; i < N_CLIENTS; i++) {
		n_all += met[i].member == met[0].member;
		cr_expect_eq(met[i].n_listed, met[i].member == met[0].member);
	}
	cr_expect_eq(n_of_one, n_all);
	cr_expect_gt(n_all, 0);
	cr_expect_lt(n_all, N_CLIENTS);
	world_command(&w, LB_CMD_MEMBER, met[0].member, NULL, 1);
	cr_expect_eq(walk(&w, q, &r), 0, "its records are void");
	q.has_members = false;
	cr_expect_eq(walk(&w, q, &r), N_CLIENTS - n_all);
	world_close(&w);
}

Test(record_listing, cleared_records_are_gone_and_clients_choose_anew)
{
	struct test_random r = {test_seed("cleared_records")};
	struct lb_records_query q = {.is_clearing = true, .has_group = true, .group_id = 1};
	uint32_t n_v4 = 0;
	struct world w;

	open_world(&w);
	meet_clients(&w, &r);
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		n_v4 += !met[i].is_v6;
	cr_expect_eq(walk(&w, q, &r), n_v4);
	cr_expect_eq(walk(&w, q, &r), 0);
	q.is_clearing = false;
	q.has_group = false;
	cr_expect_eq(walk(&w, q, &r), N_CLIENTS - n_v4);
	expect_listed(false, true);
	/* connections stay; ageing brings no record back */
	cr_expect_eq(lb_pipeline_conns(w.pl), N_CLIENTS);
	world_pass_time(&w, 8000, 10);
	q.has_group = true;
	q.group_id = 1;
	cr_expect_eq(walk(&w, q, &r), 0);
	for (uint32_t i = 0; i < N_CLIENTS; i++)
		if (!met[i].is_v6)
			send_first(&w, i, 30001);
	cr_expect_eq(walk(&w, q, &r), n_v4);
	world_close(&w);
}

Test(record_listing, a_page_visits_no_more_than_its_bound)
{
	struct lb_records_query q = {.limit = 1000};
	struct lb_records_record rec;
	struct lb_record_listing l;
	struct world w;
	bool is_told;

	world_open(&w, &(struct world_options){.n_records = LB_RECORDS_PLACES_MAX});
	lb_record_listing_start(&l, &q);
	while (lb_pipeline_records(w.pl, &l, 0, &rec, &is_told))
		cr_assert(!is_told);
	cr_expect_eq(lb_pipeline_records_end(w.pl, &l).place, LB_RECORDS_PLACES_MAX);
	cr_expect(!lb_pipeline_records_end(w.pl, &l).is_end);
	q.place = UINT32_MAX;
	lb_record_listing_start(&l, &q);
	cr_expect(!lb_pipeline_records(w.pl, &l, 0, &rec, &is_told));
	cr_expect(lb_pipeline_records_end(w.pl, &l).is_end);
	world_close(&w);
}
