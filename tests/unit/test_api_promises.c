/* Promises of a service and room in tables, in /api/v1/stats and /metrics, over a data plane of the
 * test. */
#include "api_fixture.h"
#include "reconcile.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char answer[API_ANSWER_MAX];

/* Four different numbers: none can stand in another's place. */
static const struct lb_traffic promises = {.server_changed = 11,
					   .evicted_closed = 12,
					   .evicted_embryonic = 13,
					   .evicted_idle = UINT64_C(9007199254740993)};

Test(api_promises, promises_are_counted_by_service)
{
	struct api_fixture f;

	api_start(&f);
	fake_dataplane()->promises = promises;
	cr_expect(api_get(&f, "/api/v1/stats", answer) == 200);
	cr_expect(strstr(answer,
			 "\"server_changed\":11,\"evicted_closed\":12,"
			 "\"evicted_embryonic\":13,\"evicted_idle\":9007199254740993") != NULL,
		  "%s", answer);
	cr_expect(strstr(strstr(answer, "\"real_servers\":"), "evicted") == NULL,
		  "they are of services: %s", answer);
	cr_expect(api_get(&f, "/metrics", answer) == 200);
	cr_expect(strstr(answer, "ballast_virtual_service_server_changed_total{"
				 "virtual_service=\"www\"} 11\n") != NULL);
	cr_expect(strstr(answer, "ballast_virtual_service_evicted_closed_total{"
				 "virtual_service=\"www\"} 12\n") != NULL);
	cr_expect(strstr(answer, "ballast_virtual_service_evicted_embryonic_total{"
				 "virtual_service=\"www\"} 13\n") != NULL);
	cr_expect(strstr(answer, "ballast_virtual_service_evicted_idle_total{"
				 "virtual_service=\"www\"} 9007199254740993\n") != NULL);
	cr_expect(strstr(answer, "ballast_real_server_evicted") == NULL);
	api_stop(&f);
}

#define REALS(a, b)                                             \
	"{\"name\": \"a\", \"address\": \"192.0.2.11\"" a "}, " \
	"{\"name\": \"b\", \"address\": \"192.0.2.12\"" b "}"
#define SERVICE(name, port, pool, more)                                             \
	"{\"name\": \"" name                                                        \
	"\", \"address\": \"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [" port \
	"], \"forwarding\": \"fullnat\", \"server_pool\": \"" pool "\"" more "}"
#define ALT(reals) ", {\"name\": \"alt\", \"real_servers\": [" reals "]}"
#define WITH(key, word) ", \"" key "\": \"" word "\""
#define GROUP WITH("persistence_group", "g")

#define NODE                                                                                      \
	"\"node\": {\"interfaces\": [{\"name\": \"lan\", \"device\": \"vdev:net_null0\", "        \
	"\"addresses\": [\"192.0.2.2/24\"]}], \"neighbors\": ["                                   \
	"{\"address\": \"192.0.2.11\", \"mac\": \"02:00:00:00:00:11\", \"interface\": \"lan\"}, " \
	"{\"address\": \"192.0.2.12\", \"mac\": \"02:00:00:00:00:12\", \"interface\": \"lan\"}]}"

/* Server a of pool web has 15 live connections, server b 5. */
static const struct {
	const char *what, *reals, *pools, *services;
	const char *spread; /* of www; NULL: it has none */
} spreads[] = {
	{"equal shares", REALS("", ""), "", SERVICE("www", "80", "web", ""),
	 "\"spread_percent\":50.0,\"spread_services\":1,"},
	{"shares by weight", REALS(", \"weight\": 3", ""), "",
	 SERVICE("www", "80", "web", WITH("scheduler", "weighted_round_robin")),
	 "\"spread_percent\":0.0,\"spread_services\":1,"},
	{"round_robin ignores weights", REALS(", \"weight\": 3", ""), "",
	 SERVICE("www", "80", "web", WITH("scheduler", "round_robin")), "\"spread_percent\":50.0,"},
	{"a table's weights", REALS("", ", \"weight\": 3"), "",
	 SERVICE("www", "80", "web", WITH("scheduler", "maglev")), "\"spread_percent\":200.0,"},
	{"nothing is due to who is drained", REALS("", WITH("admin_state", "drain")), "",
	 SERVICE("www", "80", "web", ""), "\"spread_percent\":0.0,"},
	{"nor to the second best", REALS("", ", \"priority\": 7"), "",
	 SERVICE("www", "80", "web", WITH("scheduler", "priority")), "\"spread_percent\":0.0,"},
	{"two services share a pool", REALS("", ""), "",
	 SERVICE("www", "80", "web", "") ", " SERVICE("tls", "443", "web", ""),
	 "\"spread_percent\":50.0,\"spread_services\":2,"},
	{"with different schedulers", REALS("", ""), "",
	 SERVICE("www", "80", "web", "") ", " SERVICE("tls", "443", "web",
						      WITH("scheduler", "maglev")),
	 NULL},
	{"two used pools share a server", REALS("", ""), ALT(REALS("", "")),
	 SERVICE("www", "80", "web", "") ", " SERVICE("tls", "443", "alt", ""), NULL},
	{"a pool that nobody uses", REALS("", ""), ALT(REALS("", "")),
	 SERVICE("www", "80", "web", ""), "\"spread_percent\":50.0,"},
	{"another port is another server", REALS("", ""),
	 ALT(REALS(", \"port\": 81", ", \"port\": 81")),
	 SERVICE("www", "80", "web", "") ", " SERVICE("tls", "443", "alt", ""),
	 "\"spread_percent\":50.0,\"spread_services\":1,"},
	{"a machine that is not fit for its group", REALS("", ""),
	 ALT(REALS(", \"port\": 81" WITH("admin_state", "drain"), ", \"port\": 81")),
	 SERVICE("www", "80", "web", GROUP) ", " SERVICE("tls", "443", "alt", GROUP),
	 "\"spread_percent\":0.0,"},
	{"most connections are in no table", REALS("", ""), "",
	 "{\"name\": \"www\", \"address\": \"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [80], "
	 "\"server_pool\": \"web\"" WITH("forwarding", "dsr") WITH("scheduler", "maglev")
		 WITH("tracking", "none") "}",
	 NULL},
};

/* The document's first pool is web, its first service www. */
static void start(struct api_fixture *f, size_t i)
{
	char document[4096];
	const struct lb_reconcile *reconcile;

	snprintf(document, sizeof(document),
		 "{\"version\": 1, " NODE
		 ", \"persistence_groups\": [{\"name\": \"g\", \"type\": \"source_ip\"}], "
		 "\"server_pools\": [{\"name\": \"web\", \"real_servers\": [%s]}%s], "
		 "\"virtual_services\": [%s]}\n",
		 spreads[i].reals, spreads[i].pools, spreads[i].services);
	api_start_with(f, document, true);
	while (api_get(f, "/readyz", answer) != 200)
		api_turn(f);
	reconcile = lb_control_reconcile(f->ctl);
	fake_dataplane()->real_live[lb_reconcile_member_real(reconcile, 0, 0)] = 15;
	fake_dataplane()->real_live[lb_reconcile_member_real(reconcile, 0, 1)] = 5;
}

Test(api_promises, spread_is_told_where_the_counts_can_tell_it)
{
	if (geteuid() != 0)
		cr_skip_test("needs a network of its own");
	for (size_t i = 0; i < sizeof(spreads) / sizeof(spreads[0]); i++) {
		struct api_fixture f;
		const char *www;

		start(&f, i);
		cr_assert(api_get(&f, "/api/v1/stats", answer) == 200);
		www = strstr(answer, "{\"name\":\"www\"");
		cr_assert(www != NULL, "%s: %s", spreads[i].what, answer);
		*strchr(www, '}') = '\0';
		cr_expect(strstr(www, spreads[i].spread != NULL ? spreads[i].spread
								: "\"server_changed\":0,"
								  "\"evicted_closed\"") != NULL,
			  "%s: %s", spreads[i].what, www);
		cr_assert(api_get(&f, "/metrics", answer) == 200);
		cr_expect((strstr(answer, "ballast_virtual_service_spread_percent{"
					  "virtual_service=\"www\"} ") != NULL) ==
				  (spreads[i].spread != NULL),
			  "%s", spreads[i].what);
		api_stop(&f);
	}
}

Test(api_promises, no_connection_has_no_spread)
{
	struct api_fixture f;

	if (geteuid() != 0)
		cr_skip_test("needs a network of its own");
	start(&f, 0);
	cr_expect(api_get(&f, "/metrics", answer) == 200);
	cr_expect(strstr(answer, "ballast_virtual_service_spread_percent{"
				 "virtual_service=\"www\"} 50.0\n") != NULL);
	memset(fake_dataplane()->real_live, 0, sizeof(fake_dataplane()->real_live));
	cr_expect(api_get(&f, "/api/v1/stats", answer) == 200);
	cr_expect(strstr(answer, "spread") == NULL, "%s", answer);
	api_stop(&f);
}

Test(api_promises, tables_say_how_full_they_are)
{
	struct api_fixture f;

	api_start(&f);
	fake_dataplane()->n_entries[0] = 250;
	fake_dataplane()->n_entries[1] = 500;
	cr_expect(api_get(&f, "/api/v1/stats", answer) == 200);
	cr_expect(strstr(answer,
			 "\"tables\":{\"connections\":{\"workers\":["
			 "{\"worker\":0,\"used\":250,\"limit\":1000,\"fill_percent\":25.0},"
			 "{\"worker\":1,\"used\":500,\"limit\":1000,\"fill_percent\":50.0}],"
			 "\"used\":750,\"limit\":2000,\"fill_percent\":37.5},"
			 "\"persistence_records\":{\"used\":5,\"limit\":1000000,"
			 "\"fill_percent\":0.0}}") != NULL,
		  "%s", answer);
	cr_expect(api_get(&f, "/metrics", answer) == 200);
	cr_expect(strstr(answer, "ballast_connection_entries{worker=\"1\"} 500\n") != NULL);
	cr_expect(strstr(answer, "ballast_connection_entries_limit{worker=\"1\"} 1000\n") != NULL);
	cr_expect(strstr(answer, "ballast_persistence_records_limit 1000000\n") != NULL);
	api_stop(&f);
}
