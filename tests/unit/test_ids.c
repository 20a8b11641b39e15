#include "ids.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "random.h"

#define KEYS 300u
#define IDS_END 140u
#define FIRST 3u

/* The twin: an id per key or none, and the queue of freed ids as a plain list. */
struct twin {
	uint32_t id_of[KEYS]; /* 0: none */
	uint32_t epoch[IDS_END];
	uint32_t freed[IDS_END];
	uint32_t n_freed;
	uint32_t fresh; /* next id never given out */
};

static uint32_t twin_take(struct twin *t, uint32_t keep_free)
{
	uint32_t id;

	if (t->n_freed > 0 && (t->n_freed > keep_free || t->fresh == IDS_END)) {
		id = t->freed[0];
		memmove(t->freed, t->freed + 1, --t->n_freed * sizeof(t->freed[0]));
		return id;
	}
	return t->fresh == IDS_END ? 0 : t->fresh++;
}

static void check(const struct lb_ids *ids, const struct twin *t)
{
	uint32_t n = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		uint32_t id = lb_ids_find(ids, &key);

		cr_assert_eq(id, t->id_of[key] == 0 ? LB_IDS_NONE : t->id_of[key], "key %u", key);
		if (id == LB_IDS_NONE)
			continue;
		n++;
		cr_assert(lb_ids_is_used(ids, id));
		cr_assert_eq(memcmp(lb_ids_key(ids, id), &key, sizeof(key)), 0);
		cr_assert_eq(lb_ids_epoch(ids, id), t->epoch[id]);
	}
	cr_assert_eq(lb_ids_count(ids), n);
	cr_assert_eq(lb_ids_bound(ids), t->fresh);
}

/* One round over random keys in a copy, which takes the place of the original or is dropped; more
 * keys than ids, so that the bound is met. */
static struct lb_ids *run_round(struct lb_ids *before, struct twin *t, struct test_random *random,
				uint32_t keep_free)
{
	struct lb_ids *ids;
	struct twin next = *t;
	bool is_wanted[KEYS] = {false};
	uint32_t n = test_random_below(random, KEYS);
	bool has_room = true;

	cr_assert_eq(lb_ids_copy(before, &ids), 0);
	lb_ids_begin(ids);
	for (uint32_t i = 0; i < n && has_room; i++) {
		uint32_t key = test_random_below(random, KEYS), id = 0;
		bool is_first;
		int ret = lb_ids_get(ids, &key, &id, &is_first);

		if (next.id_of[key] == 0)
			next.id_of[key] = twin_take(&next, keep_free);
		has_room = next.id_of[key] != 0;
		cr_assert_eq(ret, has_room ? 0 : -ENOSPC);
		if (!has_room)
			break;
		cr_assert_eq(id, next.id_of[key]);
		cr_assert_eq(is_first, !is_wanted[key]);
		cr_assert_eq(lb_ids_is_new(ids, id), t->id_of[key] == 0);
		is_wanted[key] = true;
	}
	for (uint32_t key = 0; key < KEYS; key++)
		if (t->id_of[key] != 0)
			cr_assert_eq(lb_ids_is_leaving(ids, t->id_of[key]), !is_wanted[key]);
	if (!has_room || test_random_below(random, 3) == 0) {
		lb_ids_destroy(ids);
		return before;
	}
	lb_ids_commit(ids);
	lb_ids_destroy(before);
	for (uint32_t id = FIRST; id < next.fresh; id++)
		for (uint32_t key = 0; key < KEYS; key++)
			if (next.id_of[key] == id && !is_wanted[key]) {
				next.id_of[key] = 0;
				next.epoch[id]++;
				next.freed[next.n_freed++] = id;
			}
	*t = next;
	return ids;
}

Test(ids, follow_a_naive_twin_through_rounds_kept_and_dropped)
{
	static const uint32_t keeps[] = {0, 20, UINT32_MAX};
	struct test_random random = {test_seed("ids")};

	for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]); i++) {
		const struct lb_ids_params params = {sizeof(uint32_t), FIRST, IDS_END, keeps[i]};
		struct twin twin = {.fresh = FIRST};
		struct lb_ids *ids;

		cr_assert_eq(lb_ids_create(&params, &ids), 0);
		for (uint32_t round = 0; round < 200; round++) {
			ids = run_round(ids, &twin, &random, keeps[i]);
			check(ids, &twin);
		}
		lb_ids_destroy(ids);
	}
}

Test(ids, are_refused_at_the_bound_and_come_back_oldest_first)
{
	const struct lb_ids_params params = {1, 5, 7, UINT32_MAX};
	struct lb_ids *ids;
	uint32_t id;

	cr_assert_eq(lb_ids_create(&params, &ids), 0);
	lb_ids_begin(ids);
	cr_assert_eq(lb_ids_get(ids, "a", &id, NULL), 0);
	cr_assert_eq(id, 5);
	cr_assert_eq(lb_ids_get(ids, "b", &id, NULL), 0);
	cr_assert_eq(lb_ids_get(ids, "c", &id, NULL), -ENOSPC);
	lb_ids_commit(ids);
	lb_ids_begin(ids);
	cr_assert_eq(lb_ids_get(ids, "a", &id, NULL), 0);
	/* Not in the round that frees "b": a worker may still know it. */
	cr_assert_eq(lb_ids_get(ids, "c", &id, NULL), -ENOSPC);
	lb_ids_commit(ids);
	lb_ids_begin(ids);
	cr_assert_eq(lb_ids_get(ids, "c", &id, NULL), 0);
	cr_assert_eq(id, 6);
	cr_assert_eq(lb_ids_epoch(ids, id), 1);
	lb_ids_commit(ids);
	lb_ids_destroy(ids);
}
