/* GET /api/v1/explain over a data plane of the test: what is asked of the workers, and what their
 * answers become. */
#include "api_fixture.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

#define ASK "/api/v1/explain?protocol=tcp&source=198.51.100.7:40000&destination=192.0.2.10:80"

static struct lb_answer base_answer(uint32_t worker)
{
	return (struct lb_answer){.id = fake_dataplane()->asked.id,
				  .worker = worker,
				  .owner = worker,
				  .owner_why = LB_EXPLAIN_OWNER_CLIENT,
				  .slot = UINT32_MAX,
				  .real_id = UINT32_MAX};
}

static void tell(uint32_t worker, const struct lb_answer *a)
{
	api_add_report(worker, true)->answer = *a;
}

/* Worker 0 would hand it over, worker 1 answers. */
static int explain(const struct api_fixture *f, const struct lb_answer *a, char *text)
{
	int fd = api_begin(f, "GET", ASK, NULL);
	struct lb_answer other = base_answer(0), own = *a;

	other.verdict = LB_VERDICT_HAND_OVER;
	other.owner = 1;
	own.id = other.id;
	tell(0, &other);
	tell(1, &own);
	return api_hear(f, fd, text);
}

static char text[API_ANSWER_MAX];

Test(api_explain, a_question_reaches_the_workers_as_it_was_put)
{
	const struct lb_question *q;
	struct api_fixture f;
	char addr[LB_ADDR_TEXT_MAX];

	api_start(&f);
	api_begin(&f, "GET",
		  "/api/v1/explain?protocol=udp&source=%5B2001:db8::7%5D:53&destination="
		  "[2001:db8::10]:65535&bytes=1280&tcp_flags=ack",
		  NULL);
	cr_expect_eq(fake_dataplane()->asked.type, LB_QUERY_EXPLAIN);
	q = &fake_dataplane()->asked.question;
	cr_expect_eq(q->proto, IPPROTO_UDP);
	cr_expect_str_eq(lb_addr_format(&q->src, addr), "2001:db8::7");
	cr_expect_str_eq(lb_addr_format(&q->dst, addr), "2001:db8::10");
	cr_expect(q->sport_be == RTE_BE16(53) && q->dport_be == RTE_BE16(65535));
	cr_expect(q->ip_bytes == 1280 && q->tcp_flags == 0x10 && q->iface == 0);
	api_begin(&f, "GET", ASK, NULL);
	cr_expect(q->ip_bytes == 0 && q->tcp_flags == 2 && q->proto == IPPROTO_TCP);
	api_stop(&f);
}

Test(api_explain, what_cannot_be_asked_is_refused_by_name)
{
	static const struct {
		const char *query;
		const char *has;
	} cases[] = {
		{"", "\"pointer\":\"protocol\""},
		{"?protocol=icmp&source=1.2.3.4:5&destination=1.2.3.4:5",
		 "\"pointer\":\"protocol\",\"detail\":\"must be one of: tcp, udp\""},
		{"?protocol=tcp&destination=1.2.3.4:5", "\"pointer\":\"source\""},
		{"?protocol=tcp&source=1.2.3.4&destination=1.2.3.4:5", "\"pointer\":\"source\""},
		{"?protocol=tcp&source=1.2.3.4:70000&destination=1.2.3.4:5",
		 "\"pointer\":\"source\""},
		{"?protocol=tcp&source=1.2.3.4:&destination=1.2.3.4:5", "\"pointer\":\"source\""},
		{"?protocol=tcp&source=1.2.3.4:+5&destination=1.2.3.4:5", "\"pointer\":\"source\""},
		{"?protocol=tcp&source=[1.2.3.4]:5&destination=1.2.3.4:5",
		 "\"pointer\":\"source\""},
		{"?protocol=tcp&source=2001:db8::1:5&destination=1.2.3.4:5",
		 "\"pointer\":\"source\""},
		{"?protocol=tcp&source=[2001:db8::1&destination=1.2.3.4:5",
		 "\"pointer\":\"source\""},
		{"?protocol=tcp&source=1.2.3.4:5&destination=[2001:db8::1]:5",
		 "must be of the same address family as source"},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&bytes=59",
		 "must be a number of 60 to 9000"},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&bytes=9001", "60 to 9000"},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&bytes=-1", "60 to 9000"},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&tcp_flags=urg",
		 "must be one of: syn, ack, fin, rst"},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&interface=wan",
		 "\"pointer\":\"interface\""},
		{"?protocol=tcp&source=1.2.3.4:5&destination=1.2.3.4:5&sport=1",
		 "\"pointer\":\"sport\",\"detail\":\"is no parameter"},
	};
	struct api_fixture f;
	char path[256];

	api_start(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "/api/v1/explain%s", cases[i].query);
		cr_expect_eq(api_get(&f, path, text), 400, "%s: %s", path, text);
		cr_expect(strstr(text, cases[i].has) != NULL, "%s: %s", path, text);
	}
	cr_expect_eq(fake_dataplane()->n_asked, 0);
	api_stop(&f);
}

static struct lb_answer sent_answer(void)
{
	struct lb_answer a = base_answer(1);

	a.verdict = LB_VERDICT_TX;
	a.slot = 0;
	a.real_id = 1;
	a.is_chosen = true;
	a.n_turns = 2;
	a.out_bytes = 40;
	a.next_hop = 3;
	a.hop = (struct lb_next_hop){.mac = {2, 0, 0, 0, 0, 0x12}, .resolved = 1};
	a.new_src = lb_addr_from_v4(RTE_BE32(0xc000020a));
	a.new_dst = lb_addr_from_v4(RTE_BE32(0xc000020c));
	a.new_sport_be = RTE_BE16(20001);
	a.new_dport_be = RTE_BE16(80);
	a.mtu = 1500;
	return a;
}

Test(api_explain, the_decider_is_believed_and_its_ids_get_names)
{
	struct lb_answer a;
	struct api_fixture f;

	api_start(&f);
	a = sent_answer();
	cr_assert_eq(explain(&f, &a, text), 200, "%s", text);
	cr_expect(strstr(text, "\"worker\":1,") != NULL, "%s", text);
	cr_expect(strstr(text, "\"summary\":\"It goes to server b of service www, as a new "
			       "connection.\",\"verdict\":\"tx\"") != NULL,
		  "%s", text);
	cr_expect(
		strstr(text,
		       "\"real_server\":{\"name\":\"b\",\"address\":\"192.0.2.12\",\"port\":80") !=
			NULL,
		"%s", text);
	cr_expect(strstr(text, "\"source\":\"192.0.2.10:20001\",\"destination\":\"192.0.2.12:80\","
			       "\"next_hop\":\"resolved\",\"mac\":\"02:00:00:00:00:12\"") != NULL,
		  "%s", text);
	cr_expect(strstr(text, "By round_robin the next one is b (worker 1, from place 1 of 2).") !=
			  NULL,
		  "%s", text);
	cr_expect(strstr(text, "\"real_servers\":[{\"name\":\"a\"") != NULL, "%s", text);
	api_stop(&f);
}

Test(api_explain, every_way_has_its_words)
{
	struct lb_answer a;
	struct api_fixture f;
	static const struct {
		uint8_t way;
		bool is_for_group, has_record, is_old;
		const char *has;
	} ways[] = {
		{LB_PICK_RECORD, true, false, false,
		 "has no persistence record; one will be written"},
		{LB_PICK_RECORD, false, false, false, "none will be written"},
		{LB_PICK_FOLLOW, false, true, false, "for another 99 s: it is followed"},
		{LB_PICK_BYPASS, false, true, false, "which does not serve here"},
		{LB_PICK_REPLACE, true, true, true, "is void, because it has been down since"},
		{LB_PICK_REPLACE, true, true, false,
		 "is void, because it keeps no clients any more"},
	};

	api_start(&f);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		a = sent_answer();
		a.way = ways[i].way;
		a.is_for_group = ways[i].is_for_group;
		a.has_record = ways[i].has_record;
		a.is_record_old = ways[i].is_old;
		a.record_expires_in_s = 99;
		a.record_member = UINT32_MAX; /* of no group any more */
		cr_assert_eq(explain(&f, &a, text), 200);
		cr_expect(strstr(text, ways[i].has) != NULL, "%zu: %s", i, text);
	}
	a = sent_answer();
	a.conn = LB_EXPLAIN_CONN_LIVE;
	a.tcp_state = 3;
	a.idle_ms = 4096;
	a.is_chosen = false;
	a.is_reply = true;
	explain(&f, &a, text);
	cr_expect(
		strstr(text, "\"found\":\"live\",\"tcp_state\":\"established\",\"idle_s\":4.096") !=
			NULL,
		"%s", text);
	cr_expect(strstr(text, "It goes to the client, from server b of service www.") != NULL,
		  "%s", text);
	a = base_answer(1);
	a.verdict = LB_VERDICT_DROP;
	a.drop_reason = LB_COUNT_drop_no_server;
	a.slot = 0;
	a.is_chosen = true;
	explain(&f, &a, text);
	cr_expect(strstr(text, "\"verdict\":\"drop\",\"reason\":\"drop_no_server\"") != NULL, "%s",
		  text);
	cr_expect(strstr(text, "No real server may take it.") != NULL, "%s", text);
	a = base_answer(1);
	a.verdict = LB_VERDICT_PUNT;
	explain(&f, &a, text);
	cr_expect(strstr(text, "\"verdict\":\"punt\"") != NULL, "%s", text);
	api_stop(&f);
}

Test(api_explain, who_cannot_be_asked_or_does_not_answer_is_told)
{
	struct lb_answer a;
	struct api_fixture f;
	int fd;

	api_start(&f);
	fake_dataplane()->is_deaf = true;
	cr_expect_eq(api_get(&f, ASK, text), 503);
	cr_expect(strstr(text, "too many questions are unanswered") != NULL, "%s", text);
	fake_dataplane()->is_deaf = false;
	fd = api_begin(&f, "GET", ASK, NULL);
	a = base_answer(0);
	tell(0, &a);
	cr_expect_eq(api_hear(&f, fd, text), 504);
	cr_expect(strstr(text, "worker 1 has not answered") != NULL, "%s", text);
	fd = api_begin(&f, "GET", ASK, NULL);
	a = base_answer(0);
	a.verdict = LB_VERDICT_HAND_OVER;
	tell(0, &a);
	tell(1, &a);
	cr_expect_eq(api_hear(&f, fd, text), 503);
	cr_expect(strstr(text, "has not reached every worker yet") != NULL, "%s", text);
	/* A client that leaves, and a daemon that ends, while a question is open. */
	api_begin(&f, "GET", ASK, NULL);
	api_begin(&f, "GET", ASK, NULL);
	api_stop(&f);
}
