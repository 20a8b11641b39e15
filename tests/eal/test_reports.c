/* What is asked of running workers over the command ring, and what they tell over theirs. */
#include "clients.h"
#include "installation.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#define N_WORKERS 2u

static void start(struct installation *in)
{
	static const struct installation_options options = {
		.device = "vdev:net_ring0", .n_workers = N_WORKERS, .n_connections = 1000};
	struct lb_error err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < (long)N_WORKERS)
		cr_skip_test("one core");
	cr_assert_eq(installation_try(in, &options, &err), 0, "%s: %s", err.where, err.what);
	installation_publish(in);
	installation_await(in, installation_is_acked, in->generation);
}

static void inject(struct installation *in, struct frame *f)
{
	while (lb_dataplane_inject(in->dp, 0, frame_at(f, 0), f->len) != 0)
		lb_dataplane_poll(in->dp, NULL, 0);
}

static struct lb_query question(uint32_t id, uint32_t client)
{
	struct lb_query query = {.type = LB_QUERY_EXPLAIN, .id = id};
	struct lb_question *q = &query.question;
	struct frame f;
	uint16_t port;

	clients_syn(&f, client);
	q->src = lb_addr_from_v4(0);
	memcpy(&q->src.word_be[3], frame_at(&f, 26), 4);
	lb_addr_parse(INSTALLATION_VIP, &q->dst);
	port = frame_get16(&f, 34);
	q->sport_be = rte_cpu_to_be_16(port);
	q->dport_be = rte_cpu_to_be_16(INSTALLATION_PORT);
	q->proto = IPPROTO_TCP;
	q->tcp_flags = LB_TCP_SYN;
	return query;
}

static void next_report(struct installation *in, struct lb_report *out)
{
	while (!lb_dataplane_report(in->dp, out))
		lb_dataplane_poll(in->dp, NULL, 0);
}

/* What the one that does not hand it over says. */
static struct lb_answer ask(struct installation *in, uint32_t id, uint32_t client)
{
	struct lb_query query = question(id, client);
	struct lb_answer decided = {.worker = UINT32_MAX};
	struct lb_report report;
	uint32_t seen = 0;

	cr_assert_eq(lb_dataplane_ask(in->dp, &query), 0);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		next_report(in, &report);
		cr_assert(report.id == id && report.is_last && report.type == LB_QUERY_EXPLAIN);
		cr_assert_eq(report.answer.worker, report.worker);
		seen |= 1u << report.worker;
		if (report.answer.verdict == LB_VERDICT_HAND_OVER)
			continue;
		cr_assert_eq(decided.worker, UINT32_MAX, "two decide");
		decided = report.answer;
	}
	cr_assert_eq(seen, (1u << N_WORKERS) - 1);
	return decided;
}

static bool is_told(const struct lb_answer *a, const uint8_t *got)
{
	return memcmp(&a->new_src.word_be[3], got + 26, 4) == 0 &&
	       memcmp(&a->new_dst.word_be[3], got + 30, 4) == 0 &&
	       memcmp(&a->new_sport_be, got + 34, 2) == 0 && memcmp(a->hop.mac, got, 6) == 0;
}

Test(reports, running_workers_tell_what_then_happens, .timeout = 60)
{
	struct lb_answer before, after;
	struct installation in;
	uint32_t workers = 0, iface;
	uint8_t got[2048];
	struct frame f;
	size_t len;

	start(&in);
	for (uint32_t client = 0; client < 20; client++) {
		before = ask(&in, 2 * client + 1, client);
		cr_assert(before.verdict == LB_VERDICT_TX && before.is_chosen);
		workers |= 1u << before.worker;
		clients_syn(&f, client);
		inject(&in, &f);
		do
			len = lb_dataplane_punt_read(in.dp, &iface, got, sizeof(got));
		while (len == 0);
		cr_expect(is_told(&before, got), "client %u", client);
		after = ask(&in, 2 * client + 2, client);
		cr_expect(after.conn == LB_EXPLAIN_CONN_LIVE && after.worker == before.worker &&
			  after.real_id == before.real_id && is_told(&after, got));
	}
	cr_expect_eq(workers, (1u << N_WORKERS) - 1, "both own some of the clients");
	installation_stop(&in);
}

Test(reports, questions_are_bounded_and_none_is_lost, .timeout = 60)
{
	struct lb_query query = question(1, 1);
	struct installation in;
	struct lb_report report;

	start(&in);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < LB_QUERIES_MAX; i++) {
			query.id = 1 + i;
			cr_assert_eq(lb_dataplane_ask(in.dp, &query), 0);
		}
		cr_expect_eq(lb_dataplane_ask(in.dp, &query), -EAGAIN);
		for (uint32_t i = 0; i < N_WORKERS * LB_QUERIES_MAX; i++)
			next_report(&in, &report);
		cr_expect(!lb_dataplane_report(in.dp, &report));
	}
	installation_stop(&in);
}

/* Starts or ends a trace and waits until both workers know. */
static void trace(struct installation *in, uint32_t id, uint32_t count)
{
	struct lb_query query = {.type = LB_QUERY_TRACE, .id = id};
	struct lb_report report;

	query.filter = (struct lb_trace_filter){.count = count, .slot = UINT32_MAX};
	query.filter.proto = count == 0 ? 0 : IPPROTO_TCP;
	cr_assert_eq(lb_dataplane_ask(in->dp, &query), 0);
	for (uint32_t i = 0; i < N_WORKERS; i++) {
		do
			next_report(in, &report);
		while (!report.is_last);
		cr_assert_eq(report.id, id);
	}
}

static bool has_lost(struct installation *in, uint64_t n)
{
	return installation_count(in, LB_COUNT_trace_lost) >= n;
}

Test(reports, packets_are_told_as_they_came_and_left, .timeout = 60)
{
	struct installation in;
	struct lb_report report;
	struct frame f;

	start(&in);
	trace(&in, 7, 2);
	clients_syn(&f, 3);
	inject(&in, &f);
	do
		next_report(&in, &report);
	while (report.trace.verdict != LB_VERDICT_TX);
	cr_expect(report.id == 7 && !report.is_last && report.type == LB_QUERY_TRACE);
	cr_expect(report.trace.in_bytes == f.len &&
		  memcmp(report.trace.in, frame_at(&f, 0), f.len) == 0);
	cr_expect(report.trace.out_bytes == f.len && !report.trace.was_known &&
		  report.trace.slot == 0 && report.trace.tcp_flags == LB_TCP_SYN);
	trace(&in, 8, 0);
	installation_stop(&in);
}

/* Nobody reads: what does not fit is counted, and an answer still finds its room. */
Test(reports, a_full_ring_loses_packets_and_no_answer, .timeout = 60)
{
	struct lb_query query = {.type = LB_QUERY_TRACE, .id = 9};
	struct lb_report report;
	struct installation in;
	uint32_t n_told = 0, n_answers = 0, iface;
	uint8_t got[2048];
	struct frame f;

	start(&in);
	query.filter = (struct lb_trace_filter){.count = UINT32_MAX, .slot = UINT32_MAX};
	cr_assert_eq(lb_dataplane_ask(in.dp, &query), 0);
	while (!has_lost(&in, 1)) {
		clients_arp(&f);
		inject(&in, &f);
		while (lb_dataplane_punt_read(in.dp, &iface, got, sizeof(got)) != 0)
			;
	}
	query = question(10, 1);
	cr_assert_eq(lb_dataplane_ask(in.dp, &query), 0);
	while (n_answers < N_WORKERS) {
		next_report(&in, &report);
		n_told += report.id == 9 && !report.is_last;
		n_answers += report.id == 10;
	}
	cr_expect(n_told > 100, "%u", n_told);
	installation_stop(&in);
}

/* Both workers' connections, by pages of 7. */
Test(reports, connections_are_listed_page_by_page, .timeout = 60)
{
	struct lb_query query = {.type = LB_QUERY_LISTING};
	uint32_t n_conns = 0, n_pages = 0, iface;
	struct installation in;
	uint8_t got[2048];
	struct frame f;

	start(&in);
	for (uint32_t client = 0; client < 60; client++) {
		clients_syn(&f, client);
		inject(&in, &f);
		while (lb_dataplane_punt_read(in.dp, &iface, got, sizeof(got)) == 0)
			;
	}
	query.listing = (struct lb_listing_query){.limit = 7, .slot = UINT32_MAX};
	while (query.listing.worker < N_WORKERS) {
		struct lb_report report;
		uint32_t n_last = 0, n_page = 0, worker = query.listing.worker;

		query.id = 100 + n_pages++;
		cr_assert_eq(lb_dataplane_ask(in.dp, &query), 0);
		while (n_last < N_WORKERS) {
			next_report(&in, &report);
			cr_assert_eq(report.id, query.id);
			n_last += report.is_last;
			n_page += !report.is_last;
			cr_expect(report.is_last || report.conn.proto == IPPROTO_TCP);
			if (!report.is_last || report.worker != worker)
				continue;
			query.listing.worker += report.page.is_end;
			query.listing.bucket = report.page.is_end ? 0 : report.page.bucket;
		}
		cr_assert_leq(n_page, 7);
		n_conns += n_page;
	}
	cr_expect_eq(n_conns, 60);
	cr_expect_geq(n_pages, 9);
	installation_stop(&in);
}
