/* GET and DELETE /api/v1/persistence over a data plane of the test: what is asked, what records
 * become, and that clearing goes on to the table's end. */
#include "api_fixture.h"

#include <criterion/criterion.h>

static const char document[] =
	"{\"version\": 1, \"persistence_groups\": [{\"name\": \"g\", \"type\": \"source_ip\"}],"
	"\"server_pools\": [{\"name\": \"web\", \"real_servers\": ["
	"{\"name\": \"a\", \"address\": \"192.0.2.11\"}, {\"name\": \"b\", \"address\": "
	"\"192.0.2.12\"}]}], \"virtual_services\": [{\"name\": \"www\", \"address\": "
	"\"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [80], \"forwarding\": \"fullnat\", "
	"\"server_pool\": \"web\", \"persistence_group\": \"g\"}, {\"name\": \"alone\", "
	"\"address\": \"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [81], \"forwarding\": "
	"\"fullnat\", \"server_pool\": \"web\", \"persistence\": {\"type\": \"source_ip\"}}, "
	"{\"name\": \"singly\", \"address\": \"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": "
	"[82], \"forwarding\": \"fullnat\", \"server_pool\": \"web\"}]}\n";
static char text[API_ANSWER_MAX];

/* More than any name or prefix has. */
#define LONG                                                                                       \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"89"

static void tell_page(uint32_t place, bool is_end, uint32_t n_cleared)
{
	api_add_report(1, true); /* not asked */
	api_add_report(0, true)->records = (struct lb_records_end){place, is_end, n_cleared};
}

Test(api_records, records_get_names_and_pages_a_cursor)
{
	struct api_fixture f;
	struct lb_records_query *q;
	int fd;

	api_start_with(&f, document, true);
	q = &fake_dataplane()->asked.records;
	fd = api_begin(&f, "GET", "/api/v1/persistence?real_server=b&virtual_service=alone", NULL);
	cr_expect_eq(fake_dataplane()->asked.type, LB_QUERY_RECORDS);
	cr_expect(q->worker == 0 && q->place == 0 && q->limit == 100 && !q->is_clearing &&
		  !q->has_client && q->has_group && q->has_members && q->n_members == 1);
	api_add_report(0, false)->record = (struct lb_records_record){
		.client = lb_addr_from_v4(RTE_BE32(0xc6336407)),
		.group_id = q->group_id,
		.member_id = q->members[0],
		.expires_in_s = 7199};
	api_add_report(0, false)->record = (struct lb_records_record){
		.client = {{RTE_BE32(0x20010db8)}}, .group_id = 77, .member_id = 77};
	tell_page(512, false, 0);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"records\":[{\"client\":\"198.51.100.7\",\"persistence_group\":"
			       "\"service:alone\",\"real_server\":\"b\",\"address\":"
			       "\"192.0.2.12\",\"expires_in_s\":7199},{\"client\":\"2001:db8::\","
			       "\"persistence_group\":\"?\",\"real_server\":\"?\",\"address\":"
			       "\"?\",\"expires_in_s\":0}],\"cursor\":\"512\"}") != NULL,
		  "%s", text);
	fd = api_begin(
		&f, "GET",
		"/api/v1/persistence?cursor=512&limit=1&client=198.51.100.0%2F24&real_server="
		"192.0.2.12",
		NULL);
	cr_expect(q->place == 512 && q->limit == 1 && q->has_client && q->client.len == 24 &&
		  !q->has_group && q->n_members == 2);
	tell_page(1000, true, 0);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"records\":[]}") != NULL, "%s", text);
	fd = api_begin(&f, "GET", "/api/v1/persistence?real_server=203.0.113.1&persistence_group=g",
		       NULL);
	cr_expect(q->has_members && q->n_members == 0, "nobody has such a record");
	tell_page(0, true, 0);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	api_stop(&f);
}

Test(api_records, clearing_goes_on_to_the_end_of_the_table)
{
	struct api_fixture f;
	struct lb_records_query *q;
	int fd;

	api_start_with(&f, document, true);
	q = &fake_dataplane()->asked.records;
	fd = api_begin(&f, "DELETE", "/api/v1/persistence?persistence_group=g", NULL);
	cr_expect(q->is_clearing && q->has_group && q->place == 0);
	tell_page(65536, false, 3);
	while (fake_dataplane()->n_asked != 2)
		api_turn(&f);
	cr_expect(q->is_clearing && q->place == 65536);
	tell_page(70000, true, 4);
	cr_expect_eq(api_hear(&f, fd, text), 200);
	cr_expect(strstr(text, "{\"cleared\":7}") != NULL, "%s", text);
	api_begin(&f, "DELETE", "/api/v1/persistence?client=::/0", NULL);
	tell_page(65536, false, 3);
	api_stop(&f);
}

Test(api_records, what_cannot_be_asked_is_refused)
{
	static const struct {
		const char *method, *query, *has;
	} cases[] = {
		{"GET", "limit=0", "must be a number of 1 to 1000"},
		{"GET", "cursor=1-0", "must be the one of the page before"},
		{"GET", "client=nobody", "\"pointer\":\"client\""},
		{"GET", "virtual_service=singly", "virtual service with persistence"},
		{"GET", "persistence_group=nix", "must name a persistence group"},
		{"GET", "persistence_group=g&virtual_service=alone", "not in that persistence"},
		{"GET", "real_server=c", "the name or the address of a real server"},
		{"GET", "group=g", "is no parameter"},
		{"DELETE", "", "say whose"},
		{"DELETE", "limit=3&client=::/0", "is no parameter"},
		{"DELETE", "persistence_group=g&client=198.51.100.7%2", "\"pointer\":\"client\""},
		{"DELETE", "persistence_group=g&client=198.51.100.0/024%00", "cannot be read"},
		{"DELETE", "persistence_group=g&client=" LONG, "must be an address"},
		{"DELETE", "persistence_group=g&real_server=" LONG, "the name or the address"},
		{"DELETE", "client=::/0&virtual_service=" LONG, "must name a virtual service"},
		{"DELETE", "client=::/0&persistence_group=" LONG, "must name a persistence group"},
		{"DELETE", "client=192.0.2.1&client=192.0.2.2", "given twice"},
	};
	struct api_fixture f;
	char path[192];

	api_start_with(&f, document, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "/api/v1/persistence?%s", cases[i].query);
		cr_expect_eq(api_hear(&f, api_ask(&f, cases[i].method, path, NULL, NULL), text),
			     400, "%s", path);
		cr_expect(strstr(text, cases[i].has) != NULL, "%s: %s", path, text);
	}
	cr_expect_eq(api_get(&f, "/api/v1/persistence", text), 504);
	fake_dataplane()->is_deaf = true;
	cr_expect_eq(api_get(&f, "/api/v1/persistence", text), 503);
	api_stop(&f);
}
