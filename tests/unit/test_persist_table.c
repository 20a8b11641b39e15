#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/limits.h"
#include "random.h"
#include "steer/persist_table.h"

#define GROUP 7

static struct lb_persist_table *make_table(uint32_t n_records, uint64_t seed)
{
	size_t bytes = (lb_persist_bytes(n_records) + 63) & ~63ul;
	struct lb_persist_table *t;
	void *mem = aligned_alloc(64, bytes);

	cr_assert_neq(mem, NULL);
	memset(mem, 0, bytes);
	cr_assert_eq(lb_persist_init(mem, n_records, seed, &t), 0);
	return t;
}

/* Odd clients are IPv6. */
static struct lb_addr make_client(uint32_t n)
{
	if (n & 1)
		return (struct lb_addr){{rte_cpu_to_be_32(0x20010db8), 0, rte_cpu_to_be_32(n / 3),
					 rte_cpu_to_be_32(n)}};
	return lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000u + n));
}

static struct lb_record_key make_key(const struct lb_persist_table *t, uint32_t n)
{
	struct lb_addr client = make_client(n);

	return lb_persist_key(t, GROUP, &client);
}

static enum lb_persist_result put(struct lb_persist_table *t, uint32_t n, uint32_t machine,
				  uint32_t now_s, uint32_t expires_s)
{
	struct lb_record rec = {.member_id = machine, .generation = 1, .expires_s = expires_s};
	struct lb_addr client = make_client(n);

	return lb_persist_write(t, make_key(t, n), &client, now_s, NULL, &rec);
}

static bool has(const struct lb_persist_table *t, uint32_t n, uint32_t now_s, uint32_t machine)
{
	struct lb_record rec;

	return lb_persist_lookup(t, make_key(t, n), now_s, &rec) && rec.member_id == machine;
}

Test(persist_table, keys_are_never_0_and_tell_groups_families_and_clients_apart)
{
	struct lb_persist_table *t = make_table(100, 1);
	struct lb_addr none = {{0}}, a = lb_addr_from_v4(0), b = lb_addr_from_v4(UINT32_MAX);
	struct lb_record_key keys[] = {
		lb_persist_key(t, 0, &none),     lb_persist_key(t, 1, &none),
		lb_persist_key(t, 0, &a),        lb_persist_key(t, 1, &a),
		lb_persist_key(t, 65535, &a),    lb_persist_key(t, 65535, &b),
		lb_persist_key(t, 65535, &none), lb_persist_key(t, 0, &b),
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		cr_expect_neq(keys[i].word, 0u, "key %zu", i);
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(keys[i].word, keys[j].word, "keys %zu and %zu", i, j);
	}
	free(t);
}

Test(persist_table, a_record_is_followed_until_it_expires)
{
	struct lb_persist_table *t = make_table(100, 1);
	struct lb_record rec = {.member_id = LB_TARGETS_MAX - 1,
				.generation = (1u << LB_MEMBER_GENERATION_BITS) - 1,
				.expires_s = 110};
	struct lb_record got;
	struct lb_addr client = make_client(4);
	struct lb_record_key key = make_key(t, 4);

	cr_expect_not(lb_persist_lookup(t, key, 100, &got));
	cr_expect_eq(lb_persist_write(t, key, &client, 100, NULL, &rec), LB_PERSIST_WRITTEN);
	cr_expect(lb_persist_lookup(t, key, 109, &got));
	cr_expect_eq(memcmp(&got, &rec, sizeof(got)), 0);
	cr_expect_not(lb_persist_lookup(t, key, 110, &got));
	cr_expect_not(lb_persist_lookup(t, make_key(t, 6), 100, &got));
	cr_expect_eq(lb_persist_count(t, 109), 1u);
	cr_expect_eq(lb_persist_count(t, 110), 0u);
	free(t);
}

Test(persist_table, who_writes_second_follows_the_first)
{
	struct lb_persist_table *t = make_table(100, 1);
	struct lb_record rec = {.member_id = 2, .generation = 5, .expires_s = 500};
	struct lb_addr client = make_client(4);

	cr_assert_eq(put(t, 4, 1, 100, 200), LB_PERSIST_WRITTEN);
	cr_expect_eq(lb_persist_write(t, make_key(t, 4), &client, 100, NULL, &rec),
		     LB_PERSIST_LOST);
	cr_expect_eq(rec.member_id, 1u);
	cr_expect_eq(rec.generation, 1u);
	cr_expect_eq(rec.expires_s, 200u);
	cr_expect_eq(lb_persist_count(t, 100), 1u);
	free(t);
}

Test(persist_table, an_expired_record_is_replaced_in_its_place)
{
	struct lb_persist_table *t = make_table(100, 1);

	put(t, 4, 1, 100, 200);
	cr_expect_eq(put(t, 4, 2, 200, 300), LB_PERSIST_WRITTEN);
	cr_expect(has(t, 4, 200, 2));
	/* the old one would count as live at 150 if it were still there */
	cr_expect_eq(lb_persist_count(t, 150), 1u);
	free(t);
}

Test(persist_table, exactly_the_void_record_is_replaced)
{
	struct lb_persist_table *t = make_table(100, 1);
	struct lb_addr client = make_client(4);
	struct lb_record_key key = make_key(t, 4);
	struct lb_record was, rec;

	put(t, 4, 1, 100, 200);
	cr_assert(lb_persist_lookup(t, key, 100, &was));
	/* a live connection moves the expiry on: still the same record */
	lb_persist_refresh(t, key, 1, 100, 300);
	rec = (struct lb_record){.member_id = 2, .generation = 9, .expires_s = 250};
	cr_expect_eq(lb_persist_write(t, key, &client, 100, &was, &rec), LB_PERSIST_WRITTEN);
	cr_expect(has(t, 4, 100, 2));

	/* another worker, which saw the same void record, comes too late */
	rec = (struct lb_record){.member_id = 3, .generation = 9, .expires_s = 250};
	cr_expect_eq(lb_persist_write(t, key, &client, 100, &was, &rec), LB_PERSIST_LOST);
	cr_expect_eq(rec.member_id, 2u);

	/* the same machine in a newer generation is not the void record */
	was = (struct lb_record){.member_id = 2, .generation = 8, .expires_s = 250};
	rec = (struct lb_record){.member_id = 3, .generation = 9, .expires_s = 250};
	cr_expect_eq(lb_persist_write(t, key, &client, 100, &was, &rec), LB_PERSIST_LOST);
	cr_expect(has(t, 4, 100, 2));
	free(t);
}

Test(persist_table, a_refresh_only_ever_lengthens_the_record_of_its_own_machine)
{
	struct lb_persist_table *t = make_table(100, 1);
	struct lb_record_key key = make_key(t, 4);
	struct lb_record rec;

	lb_persist_refresh(t, key, 1, 100, 200);
	cr_expect_eq(lb_persist_count(t, 0), 0u, "nothing to refresh, nothing made");
	put(t, 4, 1, 100, 200);
	lb_persist_refresh(t, key, 1, 100, 150);
	cr_expect(lb_persist_lookup(t, key, 199, &rec));
	lb_persist_refresh(t, key, 2, 100, 900);
	cr_expect_not(lb_persist_lookup(t, key, 200, &rec));
	lb_persist_refresh(t, key, 1, 205, 300);
	cr_expect(lb_persist_lookup(t, key, 299, &rec), "a live connection brings it back");
	lb_persist_refresh(t, key, 1, 100, UINT32_MAX);
	cr_expect(lb_persist_lookup(t, key, 100, &rec));
	cr_expect_eq(rec.member_id, 1u);
	cr_expect_eq(rec.generation, 1u);
	cr_expect_eq(rec.expires_s, (1u << 30) - 1);
	free(t);
}

/* Two lines only: every client has the same eight places. */
Test(persist_table, room_is_made_by_the_dead_first_then_by_who_expires_first)
{
	struct lb_persist_table *t = make_table(4, 1);

	cr_assert_eq(lb_persist_slots(t), 8u);
	for (uint32_t n = 0; n < 8; n++)
		cr_assert_eq(put(t, n, n, 100, 200 + (n * 5 % 8)), LB_PERSIST_WRITTEN);
	/* expired by now: 0 (200), 5 (201); void: 7 */
	lb_persist_set_generation(t, 7, 2);
	cr_expect_eq(put(t, 10, 10, 201, 300), LB_PERSIST_WRITTEN);
	cr_expect_eq(put(t, 11, 11, 201, 300), LB_PERSIST_WRITTEN);
	cr_expect_eq(put(t, 12, 12, 201, 300), LB_PERSIST_WRITTEN);
	cr_expect_not(has(t, 7, 201, 7));
	for (uint32_t n = 1; n < 7; n++)
		cr_expect_eq(has(t, n, 201, n), n != 5, "client %u", n);
	/* all live: 2 expires at 202, 4 at 204 */
	cr_expect_eq(put(t, 13, 13, 201, 300), LB_PERSIST_EVICTED);
	cr_expect_not(has(t, 2, 201, 2));
	cr_expect_eq(put(t, 14, 14, 201, 300), LB_PERSIST_EVICTED);
	cr_expect_not(has(t, 7, 201, 7));
	cr_expect_eq(lb_persist_count(t, 201), 8u);
	free(t);
}

Test(persist_table, listing_names_client_group_and_record)
{
	enum { N = 64 };
	struct lb_persist_table *t = make_table(N * 4, 3);
	bool seen[N] = {false};

	for (uint32_t n = 0; n < N; n++)
		cr_assert_eq(put(t, n, n + 1000, 100, 200), LB_PERSIST_WRITTEN);
	for (uint64_t slot = 0; slot < lb_persist_slots(t); slot++) {
		struct lb_addr client, want;
		struct lb_record rec;
		uint16_t group;

		cr_expect_not(lb_persist_entry(t, slot, 200, &client, &group, &rec));
		if (!lb_persist_entry(t, slot, 199, &client, &group, &rec))
			continue;
		cr_assert(rec.member_id >= 1000 && rec.member_id < 1000 + N);
		want = make_client(rec.member_id - 1000);
		cr_expect(lb_addr_equal(&client, &want), "client %u", rec.member_id - 1000);
		cr_expect_eq(group, GROUP);
		cr_expect_eq(rec.expires_s, 200u);
		cr_expect_not(seen[rec.member_id - 1000]);
		seen[rec.member_id - 1000] = true;
	}
	for (uint32_t n = 0; n < N; n++)
		cr_expect(seen[n], "client %u", n);
	free(t);
}

Test(persist_table, a_removed_record_is_gone_and_no_other)
{
	enum { N = 64 };
	struct lb_persist_table *t = make_table(N * 4, 3);
	uint32_t n_removed = 0;

	for (uint32_t n = 0; n < N; n++)
		cr_assert_eq(put(t, n, n, 100, 200), LB_PERSIST_WRITTEN);
	for (uint64_t slot = 0; slot < lb_persist_slots(t); slot++) {
		struct lb_addr client;
		struct lb_record rec;
		uint16_t group;

		if (!lb_persist_entry(t, slot, 100, &client, &group, &rec))
			continue;
		cr_expect_not(lb_persist_remove(t, slot, &client, group, rec.member_id + 1));
		cr_expect_not(lb_persist_remove(t, slot, &client, GROUP + 1, rec.member_id));
		cr_expect(has(t, rec.member_id, 100, rec.member_id));
		if (rec.member_id % 3 != 0)
			continue;
		/* a refresh in between does not save it */
		lb_persist_refresh(t, make_key(t, rec.member_id), rec.member_id, 100, 300);
		cr_expect(lb_persist_remove(t, slot, &client, group, rec.member_id));
		cr_expect_not(lb_persist_remove(t, slot, &client, group, rec.member_id));
		n_removed++;
	}
	cr_expect_eq(n_removed, N / 3 + 1);
	for (uint32_t n = 0; n < N; n++)
		cr_expect_eq(has(t, n, 100, n), n % 3 != 0);
	for (uint32_t n = 0; n < N; n += 3)
		cr_expect_eq(put(t, n, 500, 100, 200), LB_PERSIST_WRITTEN);
	cr_expect_eq(lb_persist_count(t, 100), N);
	free(t);
}

/* The naive twin: one record for each client of a small universe. */
struct twin {
	struct lb_record rec[256];
	bool has[256];
};

static void expect_same(const struct lb_persist_table *t, const struct twin *w, uint32_t universe,
			uint32_t now_s, uint32_t step)
{
	uint64_t live = 0;

	for (uint32_t n = 0; n < universe; n++) {
		bool want = w->has[n] && w->rec[n].expires_s > now_s;
		struct lb_record got;

		live += want;
		cr_assert_eq(lb_persist_lookup(t, make_key(t, n), now_s, &got), want,
			     "step %u client %u", step, n);
		if (want)
			cr_assert_eq(memcmp(&got, &w->rec[n], sizeof(got)), 0, "step %u client %u",
				     step, n);
	}
	cr_assert_eq(lb_persist_count(t, now_s), live, "step %u", step);
}

/* What the table with eight places for everybody has to give up: whoever expires first. */
static void evict_from_twin(struct twin *w, const struct lb_persist_table *t, uint32_t universe,
			    uint32_t now_s, uint32_t step)
{
	uint32_t earliest = UINT32_MAX, gone = UINT32_MAX;
	struct lb_record got;

	for (uint32_t n = 0; n < universe; n++) {
		if (!w->has[n] || w->rec[n].expires_s <= now_s)
			continue;
		if (w->rec[n].expires_s < earliest)
			earliest = w->rec[n].expires_s;
		if (lb_persist_lookup(t, make_key(t, n), now_s, &got))
			continue;
		cr_assert_eq(gone, UINT32_MAX, "step %u: two gave way", step);
		gone = n;
	}
	cr_assert_neq(gone, UINT32_MAX, "step %u", step);
	cr_assert_eq(w->rec[gone].expires_s, earliest, "step %u", step);
	w->has[gone] = false;
}

static void write_both(struct lb_persist_table *t, struct twin *w, struct test_random *r,
		       uint32_t n, uint32_t now_s, uint32_t *n_evicted)
{
	struct lb_record rec = {.member_id = test_random_below(r, LB_TARGETS_MAX),
				.generation = 1 + test_random_below(r, 3),
				.expires_s = now_s + 1 + test_random_below(r, 30)};
	struct lb_record wanted = rec, void_value = w->rec[n];
	bool is_live = w->has[n] && w->rec[n].expires_s > now_s;
	bool use_void = is_live && test_random_below(r, 2) == 0;
	struct lb_addr client = make_client(n);
	enum lb_persist_result result = lb_persist_write(t, make_key(t, n), &client, now_s,
							 use_void ? &void_value : NULL, &rec);

	if (is_live && !use_void) {
		cr_assert_eq(result, LB_PERSIST_LOST);
		cr_assert_eq(memcmp(&rec, &w->rec[n], sizeof(rec)), 0);
		return;
	}
	cr_assert_neq(result, LB_PERSIST_LOST);
	cr_assert_eq(memcmp(&rec, &wanted, sizeof(rec)), 0);
	if (result == LB_PERSIST_EVICTED) {
		cr_assert_not(is_live);
		(*n_evicted)++;
		w->has[n] = false;
		evict_from_twin(w, t, 256, now_s, 0);
	}
	w->rec[n] = rec;
	w->has[n] = true;
}

static uint32_t run_twin(uint32_t n_records, uint32_t universe, uint64_t seed)
{
	struct lb_persist_table *t = make_table(n_records, seed);
	struct test_random r = {seed};
	struct twin w = {0};
	uint32_t now_s = 1, n_evicted = 0;

	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t n = test_random_below(&r, universe);

		now_s += test_random_below(&r, 8) == 0;
		if (test_random_below(&r, 3) != 0) {
			write_both(t, &w, &r, n, now_s, &n_evicted);
		} else if (w.has[n]) {
			uint32_t expires_s = now_s + test_random_below(&r, 40);
			bool is_live = w.rec[n].expires_s > now_s;

			/* one that has expired may have given way unseen */
			if (!is_live)
				continue;
			lb_persist_refresh(t, make_key(t, n), w.rec[n].member_id, now_s,
					   expires_s);
			if (expires_s > w.rec[n].expires_s)
				w.rec[n].expires_s = expires_s;
		}
		if (step % 16 == 0)
			expect_same(t, &w, universe, now_s, step);
	}
	free(t);
	return n_evicted;
}

Test(persist_table, behaves_like_a_list_under_random_operations)
{
	uint64_t seed = test_seed("behaves_like_a_list_under_random_operations");

	cr_expect_eq(run_twin(4, 6, seed), 0u);
	cr_expect_gt(run_twin(4, 40, seed), 100u, "eight places for forty clients");
	cr_expect_eq(run_twin(2048, 256, seed), 0u);
}

Test(persist_table, the_stated_number_of_clients_finds_room)
{
	enum { N = 200000 };
	struct lb_persist_table *t = make_table(N, 12345);
	uint32_t n_evicted = 0;

	for (uint32_t n = 0; n < N; n++)
		n_evicted += put(t, n, n, 100, 200) == LB_PERSIST_EVICTED;
	fprintf(stderr, "# %u of %u gave way\n", n_evicted, N);
	cr_expect_lt(n_evicted, N / 10000);
	cr_expect_eq(lb_persist_count(t, 100), N - n_evicted);
	free(t);
}

Test(persist_table, sizes_are_checked)
{
	char *mem = aligned_alloc(64, (lb_persist_bytes(4) + 127) & ~63ul);
	struct lb_persist_table *t;

	cr_expect_eq(lb_persist_init(mem + 16, 4, 0, &t), -EINVAL);
	cr_expect_eq(lb_persist_init(mem, LB_PERSIST_RECORDS_MAX + 1, 0, &t), -EINVAL);
	free(mem);
}
