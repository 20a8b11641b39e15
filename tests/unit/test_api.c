/* The whole control plane over a data plane of the test: REST on a unix socket, writes, store,
 * reconcile, publications. The loop runs in the test's own thread. */
#include "api_fixture.h"
#include "courier.h"
#include "text.h"
#include "write.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

static char answer[API_ANSWER_MAX];

static int get(const struct api_fixture *f, const char *path)
{
	return api_get(f, path, answer);
}

static void etag_of(const char *text, char etag[64])
{
	const char *at = strstr(text, "ETag: ");
	size_t n;

	cr_assert(at != NULL, "%s", text);
	at += strlen("ETag: ");
	n = strcspn(at, "\r");
	cr_assert(n < 64);
	memcpy(etag, at, n);
	etag[n] = '\0';
}

Test(api, requests_are_answered_by_their_status)
{
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *has;
	} cases[] = {
		{"GET", "/api/v1/config", NULL, 200, "\"version\": 1"},
		{"HEAD", "/api/v1/config", NULL, 200, "Content-Length: "},
		{"GET", "/api/v1/virtual-services", NULL, 200, "\"www\""},
		{"GET", "/api/v1/virtual-services/www", NULL, 200, "\"www\""},
		{"GET", "/api/v1/virtual-services/%77ww", NULL, 200, "\"www\""},
		{"GET", "/api/v1/virtual-services/none", NULL, 404, "problem+json"},
		{"GET", "/api/v1/virtual-services/", NULL, 404, "problem+json"},
		{"GET", "/api/v1/server-pools/web/real-servers/a", NULL, 200, "192.0.2.11"},
		{"GET", "/api/v1/real-servers/b", NULL, 200, "\"status\":"},
		{"GET", "/api/v1/real-servers", NULL, 200, "\"a\""},
		{"GET", "/api/v1/workers", NULL, 200, "\"worker\":1"},
		{"GET", "/api/v1/status", NULL, 200, "\"ready\":true"},
		{"GET", "/api/v1/openapi.json", NULL, 200, "\"openapi\""},
		{"GET", "/api/v1/%00", NULL, 404, "problem+json"},
		{"POST", "/api/v1/config", "{}", 405, "Allow: GET, HEAD, PUT\r\n"},
		{"BREW", "/api/v1/config", NULL, 405, "Allow: "},
		{"PUT", "/api/v1/config", NULL, 415, "application/json"},
		{"PUT", "/api/v1/config", "", 400, "not JSON"},
		{"PUT", "/api/v1/config", "[1]", 400, "must be an object"},
		{"PUT", "/api/v1/config", "{\"version\": 1, \"version\": 1}", 400, "version"},
		{"PUT", "/api/v1/config", "{\"version\": 2}", 422, "\"pointer\":\"/version\""},
		{"PUT", "/api/v1/config?dry_run=perhaps", "{}", 400, "dry_run"},
		{"DELETE", "/api/v1/virtual-services/www?dry_run=true%20indeed", NULL, 400,
		 "\"pointer\":\"dry_run\""},
		{"DELETE", "/api/v1/virtual-services/www?dry_run=%zz", NULL, 400, "dry_run"},
		{"DELETE", "/api/v1/virtual-services/www?dryrun=true", NULL, 400, "no parameter"},
		{"DELETE", "/api/v1/virtual-services/www?dry_run=false&dry_run=true", NULL, 400,
		 "given twice"},
		{"POST", "/api/v1/server-pools", "{\"name\": \"web\"}", 409, "web"},
		{"POST", "/api/v1/server-pools", "{\"name\": \"a b\"}", 422,
		 "/server_pools/1/name"},
		{"GET", "/api/v1/health-monitors", NULL, 200, "[]"},
		{"GET", "/api/v1/nat-sources/none", NULL, 404, "problem+json"},
		{"POST", "/api/v1/health-monitors", "{\"name\": \"m\", \"type\": \"x\"}", 422,
		 "/health_monitors/0/type"},
		{"PUT", "/api/v1/persistence-groups/g", "{\"type\": \"x\"}", 422,
		 "/persistence_groups/0/type"},
		{"POST", "/api/v1/nat-sources/n", "{}", 405, "Allow: "},
		{"PATCH", "/api/v1/real-servers/a", "{\"weight\": 3}", 422, "admin_state"},
		{"PATCH", "/api/v1/real-servers/x", "{\"admin_state\": \"drain\"}", 404, "x"},
		{"DELETE", "/api/v1/server-pools/web", NULL, 422,
		 "/virtual_services/0/server_pool"},
	};
	struct api_fixture f;
	uint64_t published;

	api_start(&f);
	published = fake_dataplane()->published;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = api_hear(
			&f, api_ask(&f, cases[i].method, cases[i].path, cases[i].body, NULL),
			answer);

		cr_expect(status == cases[i].status && strstr(answer, cases[i].has) != NULL,
			  "%s %s %s: %d %s", cases[i].method, cases[i].path,
			  cases[i].body != NULL ? cases[i].body : "", status, answer);
		cr_expect(strcmp(api_contents(f.config), api_document) == 0, "%s stored something",
			  cases[i].path);
	}
	cr_expect(fake_dataplane()->published == published, "a refused write published something");
	api_stop(&f);
}

Test(api, a_write_is_stored_and_acknowledged_before_it_is_answered)
{
	struct api_fixture f;
	uint64_t published;
	char etag[64], again[64];

	api_start(&f);
	published = fake_dataplane()->published;
	cr_expect(api_hear(&f,
			   api_ask(&f, "PATCH", "/api/v1/real-servers/a",
				   "{\"admin_state\": \"drain\"}", NULL),
			   answer) == 200,
		  "%s", answer);
	cr_expect(strstr(answer, "\"active\":true") != NULL, "%s", answer);
	cr_expect(strstr(api_contents(f.config), "drain") != NULL);
	cr_expect(fake_dataplane()->published > published);
	cr_expect(fake_dataplane()->acked[1] == fake_dataplane()->published);
	etag_of(answer, etag);
	cr_expect(get(&f, "/api/v1/config") == 200);
	etag_of(answer, again);
	cr_expect(strcmp(etag, again) == 0);
	api_stop(&f);
}

Test(api, a_dry_run_changes_nothing)
{
	struct api_fixture f;
	uint64_t published;

	api_start(&f);
	published = fake_dataplane()->published;
	cr_expect(api_hear(&f,
			   api_ask(&f, "DELETE", "/api/v1/virtual-services/www?dry_run=true", NULL,
				   NULL),
			   answer) == 200);
	cr_expect(strstr(answer, "\"dry_run\":true") != NULL, "%s", answer);
	cr_expect(strstr(answer, "{\"change\":\"service_removed\",\"name\":\"www\","
				 "\"connections_ended\":3}") != NULL,
		  "%s", answer);
	cr_expect(fake_dataplane()->published == published);
	cr_expect(strcmp(api_contents(f.config), api_document) == 0);
	cr_expect(get(&f, "/api/v1/virtual-services/www") == 200);
	api_stop(&f);
}

Test(api, of_two_guarded_writes_one_wins)
{
	struct api_fixture f;
	char etag[64], header[96];
	int first, second, status_first, status_second;

	api_start(&f);
	cr_expect(get(&f, "/api/v1/config") == 200);
	etag_of(answer, etag);
	snprintf(header, sizeof(header), "If-Match: %s\r\n", etag);
	first = api_ask(&f, "POST", "/api/v1/server-pools", "{\"name\": \"one\"}", header);
	second = api_ask(&f, "POST", "/api/v1/server-pools", "{\"name\": \"two\"}", header);
	status_first = api_hear(&f, first, answer);
	status_second = api_hear(&f, second, answer);
	cr_expect(status_first + status_second == 201 + 412, "%d %d %s", status_first,
		  status_second, answer);
	api_stop(&f);
}

Test(api, a_worker_that_does_not_acknowledge_is_named)
{
	struct api_fixture f;

	api_start(&f);
	fake_dataplane()->is_stuck[1] = true;
	cr_expect(api_hear(&f,
			   api_ask(&f, "POST", "/api/v1/server-pools", "{\"name\": \"one\"}", NULL),
			   answer) == 202,
		  "%s", answer);
	cr_expect(strstr(answer, "\"active\":false,\"waiting_for\":[1]") != NULL, "%s", answer);
	cr_expect(strstr(api_contents(f.config), "\"one\"") != NULL, "stored all the same");
	fake_dataplane()->is_stuck[1] = false;
	cr_expect(api_hear(&f,
			   api_ask(&f, "POST", "/api/v1/server-pools", "{\"name\": \"two\"}", NULL),
			   answer) == 201,
		  "%s", answer);
	api_stop(&f);
}

Test(api, commands_that_found_no_memory_are_kept)
{
	struct api_fixture f;
	uint64_t published;
	int fd;

	api_start(&f);
	published = fake_dataplane()->published;
	fake_dataplane()->refuses = true;
	fd = api_ask(&f, "DELETE", "/api/v1/virtual-services/www", NULL, NULL);
	while (strstr(api_contents(f.config), "www") != NULL)
		api_turn(&f);
	cr_expect(fake_dataplane()->published == published);
	fake_dataplane()->refuses = false;
	cr_expect(api_hear(&f, fd, answer) == 200, "%s", answer);
	cr_expect(strstr(answer, "\"active\":true") != NULL, "%s", answer);
	cr_expect(fake_dataplane()->published > published);
	api_stop(&f);
}

Test(api, ready_means_acknowledged)
{
	struct api_fixture f;

	api_start_with(&f, api_document, false);
	fake_dataplane()->loops = 1;
	cr_expect(get(&f, "/readyz") == 503);
	cr_expect(get(&f, "/healthz") == 200);
	fake_dataplane()->is_stuck[1] = false;
	while (!lb_control_is_active(f.ctl))
		api_turn(&f);
	cr_expect(get(&f, "/readyz") == 200);
	/* The workers' loops do not go on. */
	while (get(&f, "/healthz") == 200)
		api_turn(&f);
	cr_expect(strstr(answer, "a worker does not move") != NULL, "%s", answer);
	api_stop(&f);
}

/* 192.0.2.11 in the test's own network, with a listener. */
static int serve_tcp(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct ifreq lo = {.ifr_name = "lo:1"};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = RTE_BE32(0xc000020b);
	memcpy(&lo.ifr_addr, &sin, sizeof(sin));
	sin.sin_port = RTE_BE16(9999);
	cr_assert(ioctl(fd, SIOCSIFADDR, &lo) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	cr_assert(listen(fd, 16) == 0);
	return fd;
}

Test(api, a_verdict_reaches_the_workers_and_is_timed)
{
	static const char monitored[] =
		"{\"version\": 1, \"node\": {\"interfaces\": [{\"name\": \"lan\", \"device\": "
		"\"vdev:net_null0\", \"addresses\": [\"192.0.2.2/24\"]}], \"neighbors\": [{"
		"\"address\": \"192.0.2.11\", \"mac\": \"02:00:00:00:00:11\", \"interface\": "
		"\"lan\"}]}, \"virtual_services\": [{\"name\": \"www\", \"address\": "
		"\"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [9999], \"forwarding\": "
		"\"fullnat\", \"health_monitors\": [{\"type\": \"tcp\", \"interval_ms\": 20, "
		"\"timeout_ms\": 10000, \"rise\": 1, \"fall\": 1}], \"real_servers\": [{\"name\": "
		"\"a\", \"address\": \"192.0.2.11\"}]}]}";
	const struct lb_latency *latency;
	struct api_fixture f;
	int fd;

	if (geteuid() != 0)
		cr_skip_test("needs a network of its own");
	api_start_with(&f, monitored, false);
	fd = serve_tcp();
	fake_dataplane()->is_stuck[1] = false;
	latency = lb_courier_latency(lb_control_courier(f.ctl));
	while (latency->n < 1)
		api_turn(&f);
	cr_expect(fake_dataplane()->n_of_type[LB_CMD_TARGET] > 0);
	while (get(&f, "/readyz") != 200)
		api_turn(&f);
	cr_expect(get(&f, "/api/v1/real-servers/a") == 200);
	cr_expect(strstr(answer, "\"status\":\"up\"") != NULL, "%s", answer);
	close(fd);
	while (latency->n < 2)
		api_turn(&f);
	cr_expect(get(&f, "/api/v1/status") == 200);
	cr_expect(strstr(answer, "\"verdict_to_ack\":{\"n\":2,\"median_us\":") != NULL, "%s",
		  answer);
	cr_expect(strstr(answer, "\"status\":\"down\",\"reason\":") != NULL, "%s", answer);
	api_stop(&f);
}

Test(api, counters_are_whole_numbers)
{
	struct api_fixture f;

	api_start(&f);
	fake_dataplane()->counter[0][LB_COUNT_rx] = UINT64_C(9007199254740993);
	fake_dataplane()->counter[1][LB_COUNT_drop_no_server] = UINT64_C(9007199254740993);
	cr_expect(get(&f, "/api/v1/stats") == 200);
	cr_expect(strstr(answer, "\"imbalance\":0,\"totals\":{\"rx\":9007199254740993,") != NULL,
		  "%s", answer);
	cr_expect(strstr(answer, "\"bytes_in\":18446744073709551615") != NULL, "%s", answer);
	api_stop(&f);
}

/* Family of a sample line: its name without the suffix that its type gives it. */
static void check_family(const char *line, const char *family, const char *type)
{
	size_t n = strcspn(line, "{ ");
	size_t n_family = strlen(family);
	static const char *const suffixes[][4] = {
		{"_total", NULL}, {"", NULL}, {"_bucket", "_sum", "_count", NULL}};
	const char *const *suffix = suffixes[strcmp(type, "counter") == 0 ? 0
					     : strcmp(type, "gauge") == 0 ? 1
									  : 2];
	bool is_known = false;

	cr_expect(n >= n_family && strncmp(line, family, n_family) == 0, "%.80s in %s", line,
		  family);
	for (; *suffix != NULL; suffix++)
		is_known |= strlen(*suffix) == n - n_family &&
			    strncmp(line + n_family, *suffix, n - n_family) == 0;
	cr_expect(is_known, "%.80s is no %s of %s", line, type, family);
}

Test(api, metrics_are_well_formed)
{
	char family[128] = "", type[16] = "", seen[16384] = "", key[160];
	struct api_fixture f;
	char *line, *rest;

	api_start(&f);
	fake_dataplane()->counter[0][LB_COUNT_rx] = 5;
	cr_expect(get(&f, "/metrics") == 200);
	cr_expect(strstr(answer, "Content-Type: application/openmetrics-text") != NULL);
	cr_expect(strstr(answer, "ballast_rx_total{worker=\"0\"} 5\n") != NULL);
	cr_expect(strstr(answer, "ballast_drops_total{worker=\"1\",reason=\"no_server\"} 0\n") !=
		  NULL);
	cr_expect(strstr(answer, "ballast_virtual_service_connections_live{"
				 "virtual_service=\"www\"} 3\n") != NULL);
	for (line = strtok_r(strstr(answer, "\r\n\r\n") + 4, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strcmp(line, "# EOF") == 0)
			break;
		if (sscanf(line, "# TYPE %127s %15s", family, type) == 2) {
			snprintf(key, sizeof(key), " %s ", family);
			cr_expect(strstr(seen, key) == NULL, "%s comes twice", family);
			strncat(seen, key, sizeof(seen) - strlen(seen) - 1);
		} else if (line[0] == '#') {
			cr_expect(strncmp(line, "# HELP ", 7) == 0 ||
					  strncmp(line, "# UNIT ", 7) == 0,
				  "%s", line);
		} else {
			check_family(line, family, type);
			cr_expect(strrchr(line, ' ')[strspn(strrchr(line, ' '), " 0123456789.")] ==
					  '\0',
				  "%s", line);
		}
	}
	cr_expect(line != NULL && strtok_r(NULL, "\n", &rest) == NULL, "# EOF ends it");
	api_stop(&f);
}

Test(api, on_tcp_only_addresses_and_localhost_are_us)
{
	static const struct {
		const char *host;
		int status;
	} cases[] = {{"127.0.0.1:8480", 200},
		     {"localhost", 200},
		     {"[::1]:8480", 200},
		     {"evil.example", 421},
		     {"127.0.0.1.evil.example", 421},
		     {"[evil]", 421}};
	struct lb_addr loopback = lb_addr_from_v4(RTE_BE32(0x7f000001));
	struct lb_error err;
	struct api_fixture f;
	uint16_t port;

	api_start(&f);
	cr_assert(lb_http_listen_tcp(lb_api_http(f.api), &loopback, 0, &port, &err) == 0, "%s",
		  err.what);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET};
		struct lb_text request = {0};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

		sin.sin_addr.s_addr = RTE_BE32(0x7f000001);
		sin.sin_port = rte_cpu_to_be_16(port);
		cr_assert(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
		cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
		lb_text_fmt(&request,
			    "GET /api/v1/config HTTP/1.1\r\nConnection: close\r\nHost: %s\r\n\r\n",
			    cases[i].host);
		cr_assert(send(fd, request.data, request.n, 0) == (ssize_t)request.n);
		lb_text_free(&request);
		status = api_hear(&f, fd, answer);
		cr_expect(status == cases[i].status, "case %s: %d", cases[i].host, status);
	}
	api_stop(&f);
}

Test(api, etags_are_matched_by_halves)
{
	static const struct {
		const char *header;
		bool matches;
	} cases[] = {
		{"\"aa-bb\"", true},
		{"\"aa-*\"", true},
		{"\"*-bb\"", true},
		{"*", true},
		{"\"*-*\"", true},
		{"\"ab-bb\"", false},
		{"\"aa-b\"", false},
		{"\"aa\"", false},
		{"aa-bb", false},
		{"\"x-y\", \"aa-bb\"", true},
		{"\"x-y\",\"x-z\"", false},
		{"W/\"aa-bb\"", false},
		{"", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect(lb_write_etag_matches(cases[i].header, "aa-bb") == cases[i].matches,
			  "case %s", cases[i].header);
}
