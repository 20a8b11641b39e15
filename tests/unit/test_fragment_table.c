/* The table beside a naive twin, which keeps everything in the order in which it happened. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/fragment_table.h"

#define NOBODY UINT32_MAX

struct table {
	struct lb_fragment_table *t;
	void *mem;
};

static struct table open_worker(uint64_t seed, uint32_t worker, uint32_t n_workers)
{
	struct table t;

	if (posix_memalign(&t.mem, 64, lb_fragment_table_bytes()) != 0)
		abort();
	memset(t.mem, 0, lb_fragment_table_bytes());
	lb_fragment_table_init(t.mem, seed, worker, n_workers, &t.t);
	return t;
}

static struct table open_table(uint64_t seed)
{
	return open_worker(seed, 0, 1);
}

static struct lb_fragment fragment(uint32_t id, uint32_t off, uint32_t n_bytes, bool is_last)
{
	struct lb_fragment f = {.off = off, .n_bytes = n_bytes, .is_last = is_last};

	f.id.is_v6 = id % 2;
	if (f.id.is_v6) {
		f.id.v6.src_be[0] = 0x20;
		f.id.v6.ports_be = id;
	} else {
		f.id.v4.src_be = 0x10;
		f.id.v4.ports_be = id;
		f.id.v4.proto = 17;
	}
	return f;
}

/* --- the twin --- */

struct twin_packet {
	uint32_t id;
	bool is_decided, is_refused;
	uint64_t ends_ms;
	uint32_t ports, n_first, n_seen, n_whole, tag;
};

struct twin_held {
	uint32_t slot, id, n_bytes;
};

struct twin {
	struct twin_packet packets[LB_FRAGMENTS_MAX + 1]; /* oldest first */
	uint32_t n;
	struct twin_held waiting[LB_HELD_MAX]; /* in the order of holding */
	uint32_t n_waiting;
	struct {
		uint32_t slot, reason;
	} back[LB_HELD_MAX];
	uint32_t n_back;
};

static void end_waiting(struct twin *w, uint32_t id, uint32_t reason)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_waiting; i++) {
		if (w->waiting[i].id != id) {
			w->waiting[n++] = w->waiting[i];
			continue;
		}
		w->back[w->n_back].slot = w->waiting[i].slot;
		w->back[w->n_back++].reason = reason;
	}
	w->n_waiting = n;
}

static void end_packet(struct twin *w, uint32_t at, uint32_t reason)
{
	end_waiting(w, w->packets[at].id, reason);
	memmove(&w->packets[at], &w->packets[at + 1], (w->n - at - 1) * sizeof(w->packets[0]));
	w->n--;
}

static uint32_t find(struct twin *w, uint32_t id, uint64_t now_ms)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->packets[i].id != id)
			continue;
		if (now_ms < w->packets[i].ends_ms)
			return i;
		end_packet(w, i, LB_COUNT_drop_fragment_timeout);
		return NOBODY;
	}
	return NOBODY;
}

/* The youngest, behind all others. */
static struct twin_packet *renew(struct twin *w, uint32_t at, uint32_t id, uint64_t now_ms)
{
	struct twin_packet p = {.id = id};

	if (at != NOBODY) {
		p = w->packets[at];
		memmove(&w->packets[at], &w->packets[at + 1],
			(w->n - at - 1) * sizeof(w->packets[0]));
		w->n--;
	} else if (w->n == LB_FRAGMENTS_MAX) {
		end_packet(w, 0, LB_COUNT_drop_fragment_full);
	}
	p.ends_ms = now_ms + LB_FRAGMENT_LIFE_MS;
	w->packets[w->n] = p;
	return &w->packets[w->n++];
}

static bool is_complete(const struct twin_packet *p)
{
	return p->n_whole != 0 && p->n_seen >= p->n_whole;
}

static void see(struct twin_packet *p, const struct lb_fragment *f)
{
	p->n_seen += f->n_bytes;
	if (f->is_last)
		p->n_whole = f->off + f->n_bytes;
}

static bool twin_first(struct twin *w, uint32_t id, const struct lb_fragment *f, uint32_t ports,
		       uint32_t tag, uint64_t now_ms)
{
	uint32_t at = find(w, id, now_ms);
	struct twin_packet *p = at == NOBODY ? NULL : &w->packets[at];
	bool is_same = p != NULL && p->ports == ports && p->n_first == f->n_bytes;

	if (p != NULL && p->is_decided && (p->is_refused || (!is_same && !is_complete(p)))) {
		p->is_refused = true;
		return false;
	}
	p = renew(w, at, id, now_ms);
	if (!is_same || is_complete(p)) {
		p->n_seen = 0;
		p->n_whole = 0;
	}
	p->is_decided = true;
	p->ports = ports;
	p->n_first = f->n_bytes;
	p->tag = tag;
	see(p, f);
	end_waiting(w, id, LB_COUNTER_N);
	return true;
}

/* The tag; NOBODY: no first one; NOBODY - 1: refused. */
static uint32_t twin_follow(struct twin *w, uint32_t id, const struct lb_fragment *f,
			    uint64_t now_ms)
{
	uint32_t at = find(w, id, now_ms);
	struct twin_packet *p = at == NOBODY ? NULL : &w->packets[at];

	if (p == NULL || !p->is_decided)
		return NOBODY;
	p->is_refused |= f->off < p->n_first;
	see(p, f);
	return p->is_refused ? NOBODY - 1 : p->tag;
}

static void twin_make_room(struct twin *w, uint32_t n_bytes)
{
	for (;;) {
		uint32_t have = n_bytes;

		for (uint32_t i = 0; i < w->n_waiting; i++)
			have += w->waiting[i].n_bytes;
		if (w->n_waiting < LB_WAITING_MAX &&
		    (have <= LB_WAITING_BYTES_MAX || w->n_waiting == 0))
			return;
		for (uint32_t i = 0; i < w->n; i++)
			if (!w->packets[i].is_decided) {
				end_packet(w, i, LB_COUNT_drop_fragment_full);
				break;
			}
	}
}

static void twin_hold(struct twin *w, uint32_t id, uint32_t slot, uint32_t n_bytes, uint64_t now_ms)
{
	if (find(w, id, now_ms) == NOBODY)
		renew(w, NOBODY, id, now_ms);
	w->waiting[w->n_waiting++] = (struct twin_held){slot, id, n_bytes};
}

static void twin_age(struct twin *w, uint64_t now_ms)
{
	while (w->n != 0 && w->packets[0].ends_ms <= now_ms)
		end_packet(w, 0, LB_COUNT_drop_fragment_timeout);
}

/* --- the same story for both --- */

struct story {
	struct table table;
	struct twin twin;
	struct test_random r;
	bool is_taken[LB_HELD_MAX];
	uint64_t now_ms;
	uint32_t n_ids; /* in use at a time; small: many parts of few packets */
	uint32_t first_id;
	uint32_t n_held, n_again, n_reason[LB_COUNTER_N], n_refused;
};

static void first_comes(struct story *s, uint32_t id)
{
	struct lb_fragment f = fragment(id, 0, 64 + 8 * (test_random_below(&s->r, 20) == 0), false);
	uint32_t ports = test_random_below(&s->r, 20) == 0, tag = (uint32_t)test_random(&s->r) / 2;
	struct lb_fragment_decision d = {.verdict = LB_VERDICT_CONTINUE, .service = tag};
	bool is_in = lb_fragment_admit_first(s->table.t, &f, ports, s->now_ms, &d.new_id_be);

	cr_assert_eq(is_in, twin_first(&s->twin, id, &f, ports, tag, s->now_ms));
	if (is_in)
		lb_fragment_decide(s->table.t, &f, ports, &d, s->now_ms);
	else
		s->n_refused++;
}

static void later_comes(struct story *s, uint32_t id)
{
	uint32_t n = 1 + test_random_below(&s->r, 4), slot, n_bytes;
	bool is_overlap = test_random_below(&s->r, 50) == 0;
	struct lb_fragment f = fragment(id, is_overlap ? 8 : 64 * n + 8, 64, n == 4);
	const struct lb_fragment_decision *d = lb_fragment_follow(s->table.t, &f, s->now_ms);
	uint32_t tag = twin_follow(&s->twin, id, &f, s->now_ms);

	if (tag == NOBODY - 1) {
		cr_assert(d != NULL && d->verdict == LB_VERDICT_DROP);
		cr_assert_eq(d->drop_reason, LB_COUNT_drop_fragment_overlap);
		return;
	}
	cr_assert_eq(d == NULL, tag == NOBODY);
	if (d != NULL) {
		cr_assert_eq(d->service, tag);
		return;
	}
	n_bytes = test_random_below(&s->r, 8) == 0 ? 9000 : 1500;
	twin_make_room(&s->twin, n_bytes);
	slot = lb_fragment_hold(s->table.t, &f, n_bytes, s->now_ms);
	if (slot == LB_HELD_NONE) {
		cr_assert_geq(s->twin.n_back, LB_HELD_MAX - LB_WAITING_MAX);
		return;
	}
	cr_assert_lt(slot, LB_HELD_MAX);
	cr_assert_not(s->is_taken[slot]);
	s->is_taken[slot] = true;
	s->n_held++;
	twin_hold(&s->twin, id, slot, n_bytes, s->now_ms);
}

static void take_back(struct story *s)
{
	struct lb_place_back back[LB_HELD_MAX];
	uint32_t n = lb_fragment_take_back(s->table.t, back,
					   1 + test_random_below(&s->r, LB_HELD_MAX));

	for (uint32_t i = 0; i < n; i++) {
		cr_assert_eq(back[i].slot, s->twin.back[i].slot);
		cr_assert_eq(back[i].drop_reason, s->twin.back[i].reason);
		s->is_taken[back[i].slot] = false;
		if (back[i].drop_reason == LB_COUNTER_N)
			s->n_again++;
		else
			s->n_reason[back[i].drop_reason]++;
	}
	memmove(&s->twin.back[0], &s->twin.back[n], (s->twin.n_back - n) * sizeof(s->twin.back[0]));
	s->twin.n_back -= n;
}

static void age(struct story *s)
{
	uint32_t before;

	do { /* a bounded number a call */
		before = lb_fragment_records(s->table.t);
		lb_fragment_age(s->table.t, s->now_ms);
	} while (lb_fragment_records(s->table.t) != before);
	twin_age(&s->twin, s->now_ms);
}

static void step(struct story *s)
{
	uint32_t id = s->first_id + test_random_below(&s->r, s->n_ids);
	uint32_t what = test_random_below(&s->r, 100);

	s->now_ms += test_random_below(&s->r, 3) == 0;
	if (what < 25)
		first_comes(s, id);
	else if (what < 85)
		later_comes(s, id);
	else if (what < 97)
		take_back(s);
	else if (what < 98)
		s->first_id += test_random_below(&s->r, s->n_ids);
	else if (what < 99)
		age(s);
	else if (test_random_below(&s->r, 20) == 0)
		s->now_ms += test_random_below(&s->r, LB_FRAGMENT_LIFE_MS + 10);
	cr_assert_eq(lb_fragment_records(s->table.t), s->twin.n);
}

static void tell(uint64_t seed, uint32_t n_ids, uint32_t n_steps, struct story *s)
{
	memset(s, 0, sizeof(*s));
	s->r.state = seed;
	s->table = open_table(seed);
	s->n_ids = n_ids;
	s->now_ms = 1000;
	for (uint32_t i = 0; i < n_steps; i++)
		step(s);
	s->now_ms += 2 * LB_FRAGMENT_LIFE_MS;
	age(s);
	cr_expect_eq(lb_fragment_records(s->table.t), 0);
	for (uint32_t i = 0; i < 2 * LB_HELD_MAX; i++)
		take_back(s);
	for (uint32_t i = 0; i < LB_HELD_MAX; i++)
		cr_expect_not(s->is_taken[i], "place %u has not come back", i);
	free(s->table.mem);
}

Test(fragment_table, many_parts_of_few_packets)
{
	static struct story s;

	tell(test_seed("fragments_few"), 20, 100000, &s);
	cr_expect_gt(s.n_again, 1000, "the story is worth telling");
	cr_expect_gt(s.n_refused, 100);
	cr_expect_gt(s.n_reason[LB_COUNT_drop_fragment_timeout], 10);
}

Test(fragment_table, few_parts_of_many_packets)
{
	static struct story s;

	tell(test_seed("fragments_many"), 700, 60000, &s);
	cr_expect_gt(s.n_again, 1000, "the story is worth telling");
	cr_expect_gt(s.n_reason[LB_COUNT_drop_fragment_full], 1000);
}

/* More packets than there is room for: the oldest is forgotten, the others are followed. */
Test(fragment_table, the_oldest_goes_at_the_bound)
{
	struct table t = open_table(1);
	struct lb_fragment_decision d = {.verdict = LB_VERDICT_CONTINUE};
	struct lb_fragment f;

	for (uint32_t id = 0; id < LB_FRAGMENTS_MAX + 5; id++) {
		f = fragment(id, 0, 64, false);
		cr_assert(lb_fragment_admit_first(t.t, &f, 1, 10, &d.new_id_be));
		d.service = id;
		lb_fragment_decide(t.t, &f, 1, &d, 10);
	}
	cr_expect_eq(lb_fragment_records(t.t), LB_FRAGMENTS_MAX);
	for (uint32_t id = 0; id < LB_FRAGMENTS_MAX + 5; id++) {
		const struct lb_fragment_decision *found;

		f = fragment(id, 64, 64, true);
		found = lb_fragment_follow(t.t, &f, 11);
		cr_assert_eq(found == NULL, id < 5, "%u", id);
		if (found != NULL)
			cr_assert_eq(found->service, id);
	}
	free(t.mem);
}

/* Whatever comes without a first part: what has been decided stays, up to the places. */
Test(fragment_table, a_flood_without_first_parts_forgets_no_decision)
{
	struct table t = open_table(1);
	struct lb_fragment_decision d = {.verdict = LB_VERDICT_CONTINUE};
	struct lb_place_back back[LB_BURST_MAX];
	struct lb_fragment f;

	for (uint32_t id = 0; id < LB_FRAGMENTS_MAX - LB_WAITING_MAX; id++) {
		f = fragment(id, 0, 64, false);
		cr_assert(lb_fragment_admit_first(t.t, &f, 1, 10, &d.new_id_be));
		lb_fragment_decide(t.t, &f, 1, &d, 10);
	}
	for (uint32_t id = LB_FRAGMENTS_MAX; id < 4 * LB_FRAGMENTS_MAX; id++) {
		f = fragment(id, 64, 64, true);
		cr_assert_neq(lb_fragment_hold(t.t, &f, 1500, 10), LB_HELD_NONE);
		while (lb_fragment_take_back(t.t, back, LB_BURST_MAX) != 0)
			;
	}
	for (uint32_t id = 0; id < LB_FRAGMENTS_MAX - LB_WAITING_MAX; id++) {
		f = fragment(id, 64, 64, true);
		cr_assert_not_null(lb_fragment_follow(t.t, &f, 11), "%u", id);
	}
	free(t.mem);
}

/* 16 bits of identification over IPv4: none twice before all others of the worker were used, and
 * none that another worker uses; the same packet keeps its own. */
Test(fragment_table, packets_have_names_of_their_own)
{
	static bool is_used[65536];
	struct lb_fragment_decision d = {.verdict = LB_VERDICT_CONTINUE};

	for (uint32_t worker = 0; worker < 3; worker++) {
		struct table t = open_worker(7, worker, 3);

		for (uint32_t i = 0; i < 65536 / 3; i++) {
			struct lb_fragment f = fragment(2 * i, 0, 64, false);
			rte_be32_t again;

			cr_assert(lb_fragment_admit_first(t.t, &f, 1, 10, &d.new_id_be));
			cr_assert_leq(d.new_id_be, UINT16_MAX);
			cr_assert_not(is_used[d.new_id_be]);
			is_used[d.new_id_be] = true;
			lb_fragment_decide(t.t, &f, 1, &d, 10);
			cr_assert(lb_fragment_admit_first(t.t, &f, 1, 10, &again));
			cr_assert_eq(again, d.new_id_be);
		}
		free(t.mem);
	}
}

/* Every worker names the same one, and all get their share. */
Test(fragment_table, workers_agree_on_the_owner)
{
	struct table a = open_table(3), b = open_table(3);
	uint32_t n[3] = {0};

	for (uint32_t id = 0; id < 3000; id++) {
		struct lb_fragment f = fragment(id, 0, 64, false);
		uint32_t owner = lb_fragment_owner(a.t, &f.id, 3);

		cr_assert_lt(owner, 3);
		cr_assert_eq(owner, lb_fragment_owner(b.t, &f.id, 3));
		cr_assert_eq(lb_fragment_owner(a.t, &f.id, 1), 0);
		n[owner]++;
	}
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_gt(n[i], 850);
	free(a.mem);
	free(b.mem);
}
