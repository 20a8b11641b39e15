/* What the tracer tells, against a plain look at the same packets; and that being watched changes
 * nothing: two worlds live the same story, one is traced. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>

#include "pipeline_state.h"
#include "pipeline_trace.h"
#include "random.h"
#include "world.h"

#define ROUNDS 400u
#define KEPT_MAX 4096u

static struct {
	struct lb_trace_record r[KEPT_MAX];
	uint32_t n;
	uint32_t n_refused; /* for lack of room */
	uint32_t room;
} kept;

static bool keep(void *ctx, const struct lb_trace_record *r)
{
	(void)ctx;
	if (kept.n == kept.room) {
		kept.n_refused++;
		return false;
	}
	kept.r[kept.n++] = *r;
	return true;
}

static void open_both(struct world w[2])
{
	for (uint32_t i = 0; i < 2; i++) {
		world_open(&w[i], NULL);
		world_service(&w[i],
			      &(struct world_service){.slot = 0, .first_port = 80, .n_servers = 3});
		world_service(&w[i], &(struct world_service){.slot = 1,
							     .protocol = IPPROTO_UDP,
							     .first_port = 53,
							     .forwarding = LB_FORWARD_DSR,
							     .n_servers = 3});
		world_service(&w[i], &(struct world_service){.slot = 2,
							     .vip = WORLD_VIP6,
							     .first_port = 80,
							     .forwarding = LB_FORWARD_NAT,
							     .n_servers = 3});
	}
}

static void random_frame(struct test_random *r, struct frame *f)
{
	static const uint8_t flags[] = {LB_TCP_SYN, LB_TCP_ACK, LB_TCP_RST};
	uint32_t kind = test_random_below(r, 10), who = 1 + test_random_below(r, 6);
	uint16_t sport = (uint16_t)(40000 + test_random_below(r, 3));
	char client[LB_ADDR_TEXT_MAX];

	snprintf(client, sizeof(client), kind < 3 ? "2001:db8:1::%u" : "198.51.100.%u", who);
	if (kind < 3)
		world_tcp(f, client, sport, WORLD_VIP6, kind == 0 ? 81 : 80,
			  flags[test_random_below(r, 3)]);
	else if (kind < 6)
		world_tcp(f, client, sport, WORLD_VIP, 80, flags[test_random_below(r, 3)]);
	else if (kind < 8)
		world_udp(f, client, sport, WORLD_VIP, 53);
	else if (kind < 9)
		world_tcp(f, "127.0.0.1", sport, WORLD_VIP, 80, LB_TCP_SYN); /* bad address */
	else {
		frame_eth(f);
		frame_ethertype(f, 0x0806);
		frame_fill(f, 40);
		frame_finish(f);
	}
}

static struct lb_trace_filter random_filter(struct test_random *r)
{
	struct lb_trace_filter f = {.count = 1 + test_random_below(r, 40), .slot = UINT32_MAX};

	if (test_random_below(r, 3) == 0)
		f.slot = test_random_below(r, 3);
	if (test_random_below(r, 3) == 0)
		f.proto = test_random_below(r, 2) == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	f.only_drops = test_random_below(r, 4) == 0;
	f.has_src = test_random_below(r, 3) == 0;
	f.has_dst = test_random_below(r, 3) == 0;
	lb_prefix_parse(test_random_below(r, 2) == 0 ? "198.51.100.0/30" : "2001:db8:1::2/127",
			&f.src);
	lb_prefix_parse(test_random_below(r, 2) == 0 ? "192.0.2.10/32" : "2001:db8::/32", &f.dst);
	if (test_random_below(r, 4) == 0)
		f.sport_be = RTE_BE16(40001);
	if (test_random_below(r, 4) == 0)
		f.dport_be = RTE_BE16(80);
	return f;
}

/* The filter as a person reads it, over the fields of the frame as it came and its end. */
static bool naive_matches(const struct lb_trace_filter *f, const struct frame *in,
			  const struct lb_pkt *end)
{
	bool is_drop = end->verdict == LB_VERDICT_DROP || end->is_originated;
	bool has_tuple = in->l4_off != 0;
	struct world_fields fields;
	struct lb_addr src, dst;

	if ((f->slot != UINT32_MAX && f->slot != end->service) || (f->only_drops && !is_drop))
		return false;
	if (f->proto == 0 && !f->has_src && !f->has_dst && f->sport_be == 0 && f->dport_be == 0)
		return true;
	if (!has_tuple)
		return false;
	fields = world_fields(in);
	if (strcmp(fields.src, "127.0.0.1") == 0)
		return false;
	lb_addr_parse(fields.src, &src);
	lb_addr_parse(fields.dst, &dst);
	return (f->proto == 0 || f->proto == in->proto) &&
	       (f->sport_be == 0 || f->sport_be == rte_cpu_to_be_16(fields.sport)) &&
	       (f->dport_be == 0 || f->dport_be == rte_cpu_to_be_16(fields.dport)) &&
	       (!f->has_src || lb_prefix_contains(&f->src, &src)) &&
	       (!f->has_dst || lb_prefix_contains(&f->dst, &dst));
}

static void compare(const struct lb_trace_record *r, const struct frame *in,
		    const struct frame *out, const struct lb_pkt *end, uint32_t idx)
{
	uint32_t n = in->len < LB_TRACE_BYTES ? in->len : LB_TRACE_BYTES;

	cr_assert(r->idx == idx && r->in_bytes == in->len);
	cr_assert(memcmp(r->in, in->room + FRAME_HEADROOM, n) == 0, "not as it came");
	cr_assert(r->verdict == end->verdict && r->is_originated == end->is_originated);
	cr_assert(r->slot == end->service || r->ended_in == LB_PASS_ADMIT);
	if (end->verdict != LB_VERDICT_TX) {
		cr_assert_eq(r->out_bytes, 0);
		return;
	}
	n = out->len < LB_TRACE_BYTES ? out->len : LB_TRACE_BYTES;
	cr_assert_eq(r->out_bytes, out->len);
	cr_assert(memcmp(r->out, out->room + FRAME_HEADROOM, n) == 0, "not as it left");
	if (!end->is_originated) {
		cr_assert_eq(r->ended_in, LB_PASS_DELIVER);
		cr_assert(r->real_id == end->real_id && r->is_reply == end->is_reply);
	}
}

/* One burst through both worlds; returns how many packets the trace had to tell. */
static uint32_t round_trip(struct test_random *random, struct world w[2],
			   const struct lb_trace_filter *f, uint32_t n_left)
{
	static struct frame in[LB_BURST_MAX], out[LB_BURST_MAX], twin[LB_BURST_MAX];
	uint32_t n = 1 + test_random_below(random, LB_BURST_MAX), n_told = 0, before = kept.n;

	for (uint32_t i = 0; i < n; i++) {
		random_frame(random, &in[i]);
		out[i] = twin[i] = in[i];
	}
	world_send_burst(&w[0], out, n);
	world_send_burst(&w[1], twin, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct lb_pkt *end = &w[1].burst.pkt[i];

		cr_assert(out[i].len == twin[i].len &&
				  memcmp(out[i].room, twin[i].room, sizeof(twin[i].room)) == 0,
			  "who was watched went another way");
		if (n_told == n_left || !naive_matches(f, &in[i], end))
			continue;
		cr_assert_lt(before + n_told, kept.n, "a packet was not told");
		compare(&kept.r[before + n_told], &in[i], &out[i], end, i);
		n_told++;
	}
	cr_assert_eq(kept.n, before + n_told, "told too many");
	return n_told;
}

Test(pipeline_trace, tells_what_matches_and_changes_nothing)
{
	static struct lb_tracer tracer;
	struct test_random random = {test_seed("pipeline_trace")};
	uint32_t n_traces = 0, n_told = 0, n_known = 0, n_left = 0;
	struct lb_trace_filter f = {0};
	struct world w[2];

	tracer.tell = keep;
	kept.room = KEPT_MAX;
	open_both(w);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (test_random_below(&random, 6) == 0) {
			f = random_filter(&random);
			n_left = f.count;
			n_traces++;
			lb_tracer_start(&tracer, w[0].pl, &f);
		}
		kept.n = 0;
		n_left -= round_trip(&random, w, &f, n_left);
		lb_tracer_rest(&tracer);
		cr_assert_eq(w[0].pl->on_pass != NULL, n_left != 0,
			     "watches on, or stopped too early");
		n_told += kept.n;
		for (uint32_t k = 0; k < kept.n; k++)
			n_known += kept.r[k].was_known;
	}
	for (uint32_t c = 0; c < LB_COUNTER_N; c++)
		cr_expect_eq(world_count(&w[0], (enum lb_counter)c),
			     world_count(&w[1], (enum lb_counter)c));
	cr_expect(n_traces > 10 && n_told > 100 && n_known > 10, "%u %u %u", n_traces, n_told,
		  n_known);
	world_close(&w[0]);
	world_close(&w[1]);
}

Test(pipeline_trace, what_found_no_room_is_counted_and_a_new_trace_counts_anew)
{
	static struct lb_tracer tracer;
	struct lb_trace_filter all = {.count = 10, .slot = UINT32_MAX}, none = {0};
	struct world w[2];
	struct frame f;

	tracer.tell = keep;
	kept.room = 3;
	open_both(w);
	lb_tracer_start(&tracer, w[0].pl, &all);
	for (uint32_t i = 0; i < 20; i++) {
		if (i == 8)
			kept.room = KEPT_MAX;
		world_udp(&f, "198.51.100.1", 40000, WORLD_VIP, 53);
		world_send(&w[0], &f);
	}
	cr_expect(kept.n_refused == 5 && kept.n == 10, "%u %u", kept.n_refused, kept.n);
	cr_expect_eq(kept.r[9].n_lost, 5);
	lb_tracer_rest(&tracer);
	cr_expect_null(w[0].pl->on_pass);
	lb_tracer_start(&tracer, w[0].pl, &all);
	world_udp(&f, "198.51.100.1", 40000, WORLD_VIP, 53);
	world_send(&w[0], &f);
	cr_expect(kept.n == 11 && kept.r[10].n_lost == 0 && kept.r[10].was_known);
	lb_tracer_start(&tracer, w[0].pl, &none);
	cr_expect_null(w[0].pl->on_pass);
	world_close(&w[0]);
	world_close(&w[1]);
}
