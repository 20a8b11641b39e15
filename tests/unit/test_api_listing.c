/* GET /api/v1/connections over a data plane of the test: whose page is asked for, what its records
 * become, and where the next page begins. */
#include "api_fixture.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

static char text[API_ANSWER_MAX];

static void tell_page(uint32_t worker, uint32_t bucket, bool is_end)
{
	api_add_report(1 - worker, true); /* not asked */
	api_add_report(worker, true)->page = (struct lb_listing_end){bucket, is_end};
}

Test(api_listing, pages_follow_each_other_through_the_workers)
{
	struct api_fixture f;
	struct lb_listing_query *q;
	int fd;

	api_start(&f);
	q = &fake_dataplane()->asked.listing;
	fd = api_begin(&f, "GET", "/api/v1/connections", NULL);
	cr_expect_eq(fake_dataplane()->asked.type, LB_QUERY_LISTING);
	cr_expect(q->worker == 0 && q->bucket == 0 && q->limit == 100 && q->slot == UINT32_MAX &&
		  !q->has_src);
	tell_page(0, 512, false);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"connections\":[],\"cursor\":\"0-512\"}") != NULL, "%s", text);
	fd = api_begin(&f, "GET", "/api/v1/connections?cursor=0-512&limit=2", NULL);
	cr_expect(q->worker == 0 && q->bucket == 512 && q->limit == 2);
	tell_page(0, 1000, true);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"connections\":[],\"cursor\":\"1-0\"}") != NULL, "%s", text);
	fd = api_begin(
		&f, "GET",
		"/api/v1/connections?cursor=1-0&client=198.51.100.0%2F24&virtual_service=www",
		NULL);
	cr_expect(q->worker == 1 && q->bucket == 0 && q->slot == 0 && q->has_src &&
		  q->src.len == 24);
	tell_page(1, 1000, true);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"connections\":[]}") != NULL, "%s", text);
	api_stop(&f);
}

Test(api_listing, records_get_names)
{
	struct api_fixture f;
	int fd;

	api_start(&f);
	fd = api_begin(&f, "GET", "/api/v1/connections", NULL);
	api_add_report(0, false)->conn = (struct lb_listing_record){
		.client = lb_addr_from_v4(RTE_BE32(0xc6336407)),
		.vip = lb_addr_from_v4(RTE_BE32(0xc000020a)),
		.new_src = lb_addr_from_v4(RTE_BE32(0xc000020a)),
		.client_port_be = RTE_BE16(40000),
		.vip_port_be = RTE_BE16(80),
		.new_sport_be = RTE_BE16(20001),
		.proto = IPPROTO_TCP,
		.tcp_state = 3,
		.slot = 0,
		.real_id = 1,
		.idle_ms = 2048,
		.timeout_ms = 900000};
	tell_page(0, 1, false);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"protocol\":\"tcp\",\"client\":\"198.51.100.7:40000\","
			       "\"virtual_ip\":\"192.0.2.10:80\",\"virtual_service\":\"www\","
			       "\"real_server\":\"b\",\"forwarding\":\"fullnat\","
			       "\"source\":\"192.0.2.10:20001\",\"tcp_state\":\"established\","
			       "\"idle_s\":2.048,\"timeout_s\":900.000,\"worker\":0}") != NULL,
		  "%s", text);
	api_stop(&f);
}

Test(api_listing, what_cannot_be_listed_is_refused_and_a_late_worker_is_told)
{
	static const struct {
		const char *query, *has;
	} cases[] = {
		{"limit=1", "must be a number of 2 to 1000"},
		{"limit=1001", "\"pointer\":\"limit\""},
		{"cursor=2-0", "must be the one of the page before"},
		{"cursor=-1-0", "\"pointer\":\"cursor\""},
		{"cursor=0-1x", "\"pointer\":\"cursor\""},
		{"cursor=0", "\"pointer\":\"cursor\""},
		{"client=nobody", "\"pointer\":\"client\""},
		{"virtual_service=none", "\"pointer\":\"virtual_service\""},
		{"page=2", "is no parameter"},
		{"limit=%322%", "\"pointer\":\"limit\""},
		{"cursor=0-000000000000000000000000000001", "\"pointer\":\"cursor\""},
	};
	struct api_fixture f;
	char path[96];

	api_start(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "/api/v1/connections?%s", cases[i].query);
		cr_expect_eq(api_get(&f, path, text), 400, "%s", path);
		cr_expect(strstr(text, cases[i].has) != NULL, "%s: %s", path, text);
	}
	cr_expect_eq(api_get(&f, "/api/v1/connections", text), 504);
	fake_dataplane()->is_deaf = true;
	cr_expect_eq(api_get(&f, "/api/v1/connections", text), 503);
	fake_dataplane()->is_deaf = false;
	api_begin(&f, "GET", "/api/v1/connections", NULL);
	api_stop(&f);
}
