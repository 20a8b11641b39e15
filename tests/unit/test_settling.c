#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "lb/settling.h"
#include "random.h"
#include "steer/service_object.h"
#include "steer/settling_table.h"

#define SERVERS_MAX 20u
#define SIZE 1009u
#define SETTLE_MS 1000u

/* A list of servers by their number, which is their real id and makes their address. */
struct list {
	uint32_t n;
	uint32_t number[SERVERS_MAX];
	uint32_t weight[SERVERS_MAX];
};

static struct list list_of(uint32_t first, uint32_t n)
{
	struct list l = {.n = n};

	for (uint32_t i = 0; i < n; i++) {
		l.number[i] = first + i;
		l.weight[i] = 1;
	}
	return l;
}

struct shape {
	uint32_t size;
	uint8_t scheduler;
	bool is_tracked;
};

static const struct shape PLAIN = {SIZE, LB_SCHED_MAGLEV, false};

/* The next service object after `old`, with what it remembers. */
static struct lb_service *build(const struct list *l, const struct shape *shape,
				const struct lb_service *old, uint64_t now_ms)
{
	struct lb_service_server servers[SERVERS_MAX];
	struct lb_maglev_server rows[SERVERS_MAX];
	struct lb_port_range ports = {80, 80};
	struct lb_service_params params = {.vip = lb_addr_from_v4(RTE_BE32(0xc000020a)),
					   .protocol = IPPROTO_TCP,
					   .forwarding = LB_FORWARD_DSR,
					   .scheduler = shape->scheduler,
					   .is_stateless = !shape->is_tracked,
					   .settle_ms = SETTLE_MS,
					   .ports = &ports,
					   .n_ports = 1,
					   .servers = servers,
					   .n_servers = l->n};
	struct lb_service *svc;

	for (uint32_t i = 0; i < l->n; i++) {
		servers[i] = (struct lb_service_server){.real_id = l->number[i],
							.machine_id = l->number[i],
							.target_id = l->number[i],
							.group_target_id = l->number[i],
							.weight = l->weight[i]};
		rows[i].addr = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000 + l->number[i]));
		rows[i].weight = l->weight[i];
	}
	if (shape->size != 0)
		cr_assert_eq(lb_maglev_build(rows, l->n, shape->size, &params.maglev), 0);
	cr_assert_eq(lb_settling_build(old, &params, now_ms, &params.settling), 0);
	cr_assert_eq(lb_service_build(&params, &svc, NULL), 0);
	lb_maglev_unref(params.maglev);
	return svc;
}

/* Real ids: of the table, and of whom a slot had; UINT32_MAX: it does not settle. */
static uint32_t owner(const struct lb_service *svc, uint32_t slot)
{
	return svc->servers[lb_maglev_server_at(svc->maglev, slot)].real_id;
}

static uint32_t former(const struct lb_service *svc, uint32_t slot)
{
	const struct lb_settling_row *row = NULL;

	if (svc->settling != NULL)
		row = lb_settling_find(svc->settling, slot);
	return row == NULL ? UINT32_MAX : svc->servers[row->server].real_id;
}

Test(settling, nothing_changes_nothing_settles)
{
	struct list l = list_of(1, 10);
	struct lb_service *a = build(&l, &PLAIN, NULL, 0), *b = build(&l, &PLAIN, a, 5);

	cr_expect_null(a->settling);
	cr_expect_null(b->settling);
	/* A common factor of the weights moves nothing. */
	for (uint32_t i = 0; i < l.n; i++)
		l.weight[i] = 7;
	lb_service_free(a);
	a = build(&l, &PLAIN, b, 5);
	cr_expect_null(a->settling);
	lb_service_free(a);
	lb_service_free(b);
}

Test(settling, a_slot_that_changes_hands_names_whom_it_had_until_its_time_is_over)
{
	struct list l = list_of(1, 10);
	struct lb_service *a = build(&l, &PLAIN, NULL, 0), *b, *c;
	uint32_t n_changed = 0;

	l.weight[3] = 3;
	b = build(&l, &PLAIN, a, 100);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		bool has_changed = owner(a, slot) != owner(b, slot);

		cr_assert_eq(former(b, slot), has_changed ? owner(a, slot) : UINT32_MAX);
		n_changed += has_changed;
	}
	cr_assert_gt(n_changed, 100);
	cr_expect_eq(lb_settling_n_slots(b->settling), n_changed);
	cr_expect_eq(lb_settling_due_ms(b->settling), 100 + SETTLE_MS);
	c = build(&l, &PLAIN, b, 100 + SETTLE_MS - 1);
	cr_expect_eq(lb_settling_n_slots(c->settling), n_changed);
	cr_expect_eq(lb_settling_due_ms(c->settling), 100 + SETTLE_MS, "no later than before");
	lb_service_free(c);
	c = build(&l, &PLAIN, b, 100 + SETTLE_MS);
	cr_expect_null(c->settling);
	lb_service_free(a);
	lb_service_free(b);
	lb_service_free(c);
}

/* Its connections have ended: their slots are the new servers' at once. */
Test(settling, a_server_that_is_gone_is_not_remembered)
{
	struct list l = list_of(1, 10), less = list_of(1, 9);
	struct lb_service *a = build(&l, &PLAIN, NULL, 0), *b = build(&less, &PLAIN, a, 0), *c;
	uint32_t n_others = 0;

	for (uint32_t slot = 0; slot < SIZE; slot++) {
		cr_assert_neq(former(b, slot), 10u);
		if (owner(a, slot) != 10 && owner(a, slot) != owner(b, slot)) {
			cr_assert_eq(former(b, slot), owner(a, slot));
			n_others++;
		}
	}
	cr_expect_eq(b->settling == NULL ? 0 : lb_settling_n_slots(b->settling), n_others);
	/* It comes back: what it takes was the others'. */
	c = build(&l, &PLAIN, b, 1);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		if (owner(c, slot) == 10 && former(b, slot) == UINT32_MAX)
			cr_assert_eq(former(c, slot), owner(b, slot));
	lb_service_free(a);
	lb_service_free(b);
	lb_service_free(c);
}

/* Naive: per slot whom it keeps and until when, in plain arrays, through many changes. */
Test(settling, through_many_changes_it_equals_plain_arrays)
{
	struct test_random r = {test_seed("settling")};
	uint32_t keeper[SIZE], n_settling = 0;
	uint64_t until[SIZE], now_ms = 0;
	struct list l = list_of(1, 10);
	struct lb_service *svc = build(&l, &PLAIN, NULL, 0);

	for (uint32_t slot = 0; slot < SIZE; slot++) {
		keeper[slot] = owner(svc, slot);
		until[slot] = 0;
	}
	for (uint32_t step = 0; step < 500; step++) {
		struct lb_service *next;
		bool is_listed[SERVERS_MAX + 1] = {false};

		now_ms += test_random_below(&r, 300);
		l = list_of(1, 2 + test_random_below(&r, SERVERS_MAX - 2));
		for (uint32_t i = l.n; i > 1; i--) {
			uint32_t other = test_random_below(&r, i), held = l.number[i - 1];

			l.number[i - 1] = l.number[other];
			l.number[other] = held;
		}
		for (uint32_t i = 0; i < l.n; i++) {
			is_listed[l.number[i]] = true;
			l.weight[i] = 1 + test_random_below(&r, 3);
		}
		for (uint32_t slot = 0; slot < SIZE; slot++)
			if (until[slot] <= now_ms)
				keeper[slot] = owner(svc, slot);
		next = build(&l, &PLAIN, svc, now_ms);
		for (uint32_t slot = 0; slot < SIZE; slot++) {
			bool is_settling = until[slot] > now_ms;

			if (!is_settling && keeper[slot] != owner(next, slot)) {
				until[slot] = now_ms + SETTLE_MS;
				is_settling = true;
			}
			if (!is_listed[keeper[slot]]) {
				until[slot] = 0;
				is_settling = false;
			}
			cr_assert_eq(former(next, slot), is_settling ? keeper[slot] : UINT32_MAX,
				     "step %u, slot %u", step, slot);
			n_settling += is_settling;
		}
		lb_service_free(svc);
		svc = next;
	}
	cr_expect_gt(n_settling, 1000, "they did settle");
	lb_service_free(svc);
}

Test(settling, with_another_size_every_slot_settles_as_it_was_and_nothing_is_added)
{
	static const struct shape larger = {2003, LB_SCHED_MAGLEV, false};
	struct list l = list_of(1, 10), less = list_of(1, 9);
	struct lb_service *a = build(&l, &PLAIN, NULL, 0), *b = build(&l, &larger, a, 10), *c, *d;

	cr_assert_not_null(b->settling);
	cr_expect(b->settling->is_whole);
	cr_expect_eq(b->settling->size, SIZE);
	cr_expect_eq(lb_settling_n_slots(b->settling), SIZE);
	c = build(&less, &larger, b, 20);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		cr_assert_eq(former(b, slot), owner(a, slot));
		cr_assert_eq(former(c, slot), owner(a, slot) == 10 ? UINT32_MAX : owner(a, slot));
	}
	cr_expect_eq(lb_settling_due_ms(c->settling), 10 + SETTLE_MS);
	d = build(&less, &larger, c, 10 + SETTLE_MS);
	cr_expect_null(d->settling);
	lb_service_free(a);
	lb_service_free(b);
	lb_service_free(c);
	lb_service_free(d);
}

Test(settling, another_hash_and_no_table_at_all_are_changes_of_every_slot)
{
	static const struct shape others[] = {{SIZE, LB_SCHED_SOURCE_HASH, false},
					      {0, LB_SCHED_MAGLEV, false},
					      {0, LB_SCHED_ROUND_ROBIN, true}};
	struct list l = list_of(1, 10), drained = l;

	memset(drained.weight, 0, sizeof(drained.weight));
	for (size_t i = 0; i < 3; i++) {
		const struct list *next = others[i].size == 0 ? &drained : &l;
		struct lb_service *a = build(&l, &PLAIN, NULL, 0);
		struct lb_service *b = build(next, &others[i], a, 0), *c, *d;

		cr_assert_not_null(b->settling, "case %zu", i);
		cr_expect(b->settling->is_whole, "case %zu", i);
		cr_expect_eq(b->settling->scheduler, LB_SCHED_MAGLEV, "case %zu", i);
		c = build(&l, &PLAIN, b, 500);
		cr_assert_not_null(c->settling, "case %zu: and back", i);
		cr_expect_eq(lb_settling_n_slots(c->settling), SIZE, "case %zu", i);
		d = build(&l, &PLAIN, c, SETTLE_MS);
		cr_expect_null(d->settling, "case %zu", i);
		lb_service_free(a);
		lb_service_free(b);
		lb_service_free(c);
		lb_service_free(d);
	}
}

/* Every connection has an entry: there is nothing that a slot would have to remember. */
Test(settling, a_service_with_tracking_settles_only_what_came_before)
{
	static const struct shape tracked = {SIZE, LB_SCHED_MAGLEV, true};
	struct list l = list_of(1, 10), less = list_of(1, 9);
	struct lb_service *a = build(&l, &tracked, NULL, 0), *b = build(&less, &tracked, a, 0), *c;

	cr_expect_null(b->settling);
	c = build(&l, &PLAIN, b, 0);
	cr_expect_null(c->settling, "what was there has entries");
	lb_service_free(a);
	a = build(&less, &tracked, c, 0);
	cr_expect_not_null(a->settling, "what was there has none");
	lb_service_free(a);
	lb_service_free(b);
	lb_service_free(c);
}

Test(settling, what_it_costs_is_stated)
{
	struct list l = list_of(1, 10);
	struct lb_service *a = build(&l, &PLAIN, NULL, 0), *b;
	size_t n;

	l.weight[0] = 2;
	b = build(&l, &PLAIN, a, 0);
	n = lb_settling_n_slots(b->settling);
	cr_expect_leq(lb_settling_bytes(b->settling), 128 + SIZE / 64 * 12 + 12 + n * 16);
	lb_service_free(a);
	lb_service_free(b);
}
