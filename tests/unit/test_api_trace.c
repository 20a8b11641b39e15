/* POST /api/v1/trace over a data plane of the test: the filter that workers get, what their records
 * become, and every way in which a trace ends. */
#include "api_fixture.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <unistd.h>

static char text[API_ANSWER_MAX];

static int begin(const struct api_fixture *f, const char *body)
{
	return api_begin(f, "POST", "/api/v1/trace", body);
}

static void add_report(uint32_t id, uint32_t worker, bool is_last, const struct lb_trace_record *r)
{
	struct lb_report *report = api_add_report(worker, is_last);

	report->type = LB_QUERY_TRACE;
	report->id = id;
	report->trace = *r;
}

static struct lb_trace_record syn_record(void)
{
	struct lb_trace_record r = {.at_ms = 1500,
				    .ended_in = LB_PASS_DELIVER,
				    .kind = LB_TRACE_FLOW,
				    .proto = IPPROTO_TCP,
				    .tcp_flags = 2,
				    .slot = 0,
				    .real_id = 1,
				    .verdict = LB_VERDICT_TX,
				    .in_bytes = 3,
				    .out_bytes = 200,
				    .in = {0xab, 0x01, 0xff}};

	r.src = (struct lb_trace_end){lb_addr_from_v4(RTE_BE32(0xc6336407)), RTE_BE16(40000)};
	r.dst = (struct lb_trace_end){lb_addr_from_v4(RTE_BE32(0xc000020a)), RTE_BE16(80)};
	r.new_src = (struct lb_trace_end){r.dst.addr, RTE_BE16(20001)};
	r.new_dst = (struct lb_trace_end){lb_addr_from_v4(RTE_BE32(0xc000020c)), RTE_BE16(80)};
	return r;
}

Test(api_trace, the_filter_reaches_the_workers_as_it_was_written)
{
	const struct lb_trace_filter *f;
	struct api_fixture a;
	char prefix[LB_PREFIX_TEXT_MAX];

	api_start(&a);
	begin(&a, "{\"protocol\": \"udp\", \"source\": \"198.51.100.0/24\", \"source_port\": 53, "
		  "\"destination\": \"2001:db8::10\", \"destination_port\": 65535, "
		  "\"virtual_service\": \"www\", \"only_drops\": true, \"count\": 1000, "
		  "\"timeout_s\": 300}");
	cr_expect_eq(fake_dataplane()->asked.type, LB_QUERY_TRACE);
	f = &fake_dataplane()->asked.filter;
	cr_expect(f->proto == IPPROTO_UDP && f->has_src && f->has_dst && f->only_drops);
	cr_expect_str_eq(lb_prefix_format(&f->src, prefix), "198.51.100.0/24");
	cr_expect_str_eq(lb_prefix_format(&f->dst, prefix), "2001:db8::10/128");
	cr_expect(f->sport_be == RTE_BE16(53) && f->dport_be == RTE_BE16(65535));
	cr_expect(f->count == 1000 && f->slot == 0);
	cr_expect_eq(api_hear(&a, api_ask(&a, "POST", "/api/v1/trace", "{}", NULL), text), 409);
	api_stop(&a);
}

Test(api_trace, a_wrong_filter_is_refused_key_by_key)
{
	static const struct {
		const char *body, *has;
	} cases[] = {
		{"[]", "must be an object"},
		{"{", "is not understood"},
		{"{\"protocol\": \"icmp\"}", "\"pointer\":\"/protocol\""},
		{"{\"source\": \"x\"}", "\"pointer\":\"/source\""},
		{"{\"destination\": 7}", "\"pointer\":\"/destination\""},
		{"{\"source_port\": 0}", "must be a whole number of 1 to 65535"},
		{"{\"destination_port\": 1.5}", "\"pointer\":\"/destination_port\""},
		{"{\"virtual_service\": \"none\"}", "must name a virtual service"},
		{"{\"only_drops\": 1}", "must be true or false"},
		{"{\"count\": 1001}", "must be a whole number of 1 to 1000"},
		{"{\"count\": -1}", "\"pointer\":\"/count\""},
		{"{\"timeout_s\": 301}", "1 to 300"},
		{"{\"timeout_s\": \"10\"}", "\"pointer\":\"/timeout_s\""},
		{"{\"sport\": 1}", "\"pointer\":\"/sport\",\"detail\":\"is no key of a trace\""},
	};
	struct api_fixture a;

	api_start(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = api_ask(&a, "POST", "/api/v1/trace", cases[i].body, NULL);

		cr_expect_eq(api_hear(&a, fd, text), 400, "%s: %s", cases[i].body, text);
		cr_expect(strstr(text, cases[i].has) != NULL, "%s: %s", cases[i].body, text);
	}
	cr_expect_eq(fake_dataplane()->n_asked, 0);
	cr_expect_eq(api_get(&a, "/api/v1/trace", text), 405);
	api_stop(&a);
}

Test(api_trace, records_are_told_and_enough_of_them_end_it)
{
	struct lb_trace_record r = syn_record();
	struct api_fixture a;
	uint32_t id;
	int fd;

	api_start(&a);
	fd = begin(&a, "{\"count\": 3}");
	id = fake_dataplane()->asked.id;
	add_report(id, 0, true, &r);
	add_report(id, 0, false, &r);
	r.verdict = LB_VERDICT_DROP;
	r.drop_reason = LB_COUNT_drop_no_server;
	r.ended_in = LB_PASS_CHOOSE;
	r.n_lost = 4;
	r.out_bytes = 0;
	add_report(id, 1, false, &r);
	r.kind = LB_TRACE_OTHER;
	r.verdict = LB_VERDICT_PUNT;
	r.ended_in = LB_PASS_ADMIT;
	r.slot = r.real_id = UINT32_MAX;
	add_report(id, 1, false, &r);
	add_report(id, 1, false, &r); /* one too many */
	cr_assert_eq(api_hear(&a, fd, text), 200);
	cr_expect(strstr(text, "{\"packets\":[{\"worker\":0,\"at_s\":1.500,") != NULL, "%s", text);
	cr_expect(strstr(text, "\"passes\":{\"admit\":\"tcp 198.51.100.7:40000 -> 192.0.2.10:80 "
			       "SYN\",\"choose\":\"service www, server b, to the server\","
			       "\"deliver\":\"192.0.2.10:20001 -> 192.0.2.12:80 by ? at ") != NULL,
		  "%s", text);
	cr_expect(strstr(text, "\"bytes_in\":3,\"frame_in\":\"ab01ff\"") != NULL, "%s", text);
	cr_expect(strstr(text, "\"bytes_out\":200,\"frame_out\":\"0000") != NULL, "%s", text);
	cr_expect(strstr(text, "\"verdict\":\"drop\",\"is_answered\":false,\"reason\":"
			       "\"drop_no_server\"") != NULL,
		  "%s", text);
	cr_expect(strstr(text, "{\"admit\":\"not ours, to the kernel\",\"account\":\"rx, "
			       "punted\"}") != NULL,
		  "%s", text);
	cr_expect(strstr(text, "],\"ended_by\":\"count\",\"n_lost\":4}") != NULL, "%s", text);
	cr_expect(fake_dataplane()->asked.filter.count == 0 && fake_dataplane()->n_asked == 2,
		  "the workers were not told to end");
	api_stop(&a);
}

Test(api_trace, time_ends_it_and_workers_that_are_busy_are_told_later)
{
	struct api_fixture a;
	int fd;

	api_start(&a);
	fd = begin(&a, "{\"timeout_s\": 1}");
	cr_expect_eq(api_hear(&a, fd, text), 200);
	cr_expect(strstr(text, "{\"packets\":[],\"ended_by\":\"timeout\",\"n_lost\":0}") != NULL,
		  "%s", text);
	cr_expect_eq(fake_dataplane()->n_asked, 2);
	/* A client that leaves ends it too; who still has questions is told when he has room. */
	fd = begin(&a, "{}");
	fake_dataplane()->is_deaf = true;
	close(fd);
	for (uint32_t i = 0; i < 100; i++)
		api_turn(&a);
	cr_expect_eq(fake_dataplane()->n_asked, 3);
	fake_dataplane()->is_deaf = false;
	while (fake_dataplane()->n_asked == 3)
		api_turn(&a);
	cr_expect_eq(fake_dataplane()->asked.filter.count, 0);
	/* The next one may begin, and the daemon may end under it. */
	begin(&a, "");
	cr_expect_eq(fake_dataplane()->asked.filter.count, 10);
	api_stop(&a);
}
