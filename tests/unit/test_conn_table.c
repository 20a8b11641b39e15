#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/conn_find.h"

static struct lb_conn_table *make_table(uint32_t n_v4, uint32_t n_v6, uint64_t seed)
{
	size_t bytes = lb_conn_table_bytes(n_v4, n_v6);
	struct lb_conn_table *t;
	void *mem = aligned_alloc(128, bytes);

	cr_assert_neq(mem, NULL);
	memset(mem, 0, bytes);
	cr_assert_eq(lb_conn_table_init(mem, n_v4, n_v6, seed, &t), 0);
	return t;
}

/* Key `n` of a universe; neighbours differ in one field only, protocol included. */
static struct lb_key make_key(bool is_v6, uint32_t n)
{
	uint32_t proto = n & 1 ? IPPROTO_UDP : IPPROTO_TCP;
	struct lb_key key = {.is_v6 = is_v6};

	if (is_v6) {
		key.v6 = (struct lb_key6){.src_be = {0x20010db8, 0, 0, n >> 3},
					  .dst_be = {0x20010db8, 1, n >> 1 & 1, 9},
					  .ports_be = 0x1000u + (n >> 2 & 1),
					  .proto = proto};
	} else {
		key.v4 = (struct lb_key4){.src_be = n >> 3,
					  .dst_be = 0xc0000200u + (n >> 1 & 1),
					  .ports_be = 0x1000u + (n >> 2 & 1),
					  .proto = proto};
	}
	return key;
}

static enum lb_conn_kind make_kind(uint32_t n)
{
	return n & 1 ? LB_CONN_UDP_REV : LB_CONN_TCP_FWD;
}

/* The caller's part of an entry tells which key it belongs to, and so does the server word of a
 * reverse one. */
static void stamp(struct lb_conn_table *t, bool is_v6, struct lb_conn *conn, uint32_t n)
{
	if (conn->kind == LB_CONN_UDP_REV)
		lb_conn_set_server_word(t, conn, is_v6, n * 13 + 1);
	conn->state = n % 9 & 15u;
	conn->service_epoch = (uint8_t)(n & 0xff);
	conn->last_tick = (uint16_t)(n * 3 & 0xffff);
	conn->service = (uint16_t)(n * 5 & 0xffff);
	conn->client_next_hop = (uint16_t)(n * 7 & 0xffff);
	conn->fwd.real_id = n & 0xfffffu;
	conn->fwd.nat_port_be = (uint16_t)(n * 11 & 0xffff);
}

static bool is_stamped(const struct lb_conn_table *t, bool is_v6, const struct lb_conn *conn,
		       uint32_t n)
{
	if (conn->kind == LB_CONN_UDP_REV && *lb_conn_server_word(t, conn, is_v6) != n * 13 + 1)
		return false;
	return conn->kind == make_kind(n) && conn->state == n % 9 &&
	       conn->service_epoch == (n & 0xff) && conn->last_tick == (n * 3 & 0xffff) &&
	       conn->service == (n * 5 & 0xffff) && conn->client_next_hop == (n * 7 & 0xffff) &&
	       conn->fwd.real_id == n && conn->fwd.nat_port_be == (n * 11 & 0xffff);
}

static struct lb_conn *insert(struct lb_conn_table *t, bool is_v6, uint32_t n, uint64_t *moved)
{
	struct lb_key key = make_key(is_v6, n);
	struct lb_conn *conn = lb_conn_insert(t, &key, lb_conn_hash(t, &key), make_kind(n), moved);

	if (conn != NULL) {
		cr_assert_eq(conn->kind, make_kind(n));
		cr_assert_eq(conn->fwd.real_id | conn->service | conn->last_tick | conn->state, 0);
		stamp(t, is_v6, conn, n);
	}
	return conn;
}

static struct lb_conn *lookup(struct lb_conn_table *t, bool is_v6, uint32_t n)
{
	struct lb_key key = make_key(is_v6, n);

	return lb_conn_lookup(t, &key, lb_conn_hash(t, &key));
}

/* The naive twin: which keys of the universe are there. */
struct twin {
	bool *has;
	uint32_t universe;
	uint32_t count;
};

static void expect_same(struct lb_conn_table *t, bool is_v6, const struct twin *w)
{
	uint32_t walked = 0;

	for (uint32_t n = 0; n < w->universe; n++) {
		struct lb_conn *conn = lookup(t, is_v6, n);

		cr_assert_eq(conn != NULL, w->has[n], "key %u", n);
		if (conn != NULL)
			cr_assert(is_stamped(t, is_v6, conn, n), "key %u", n);
	}
	cr_assert_eq(lb_conn_count(t, is_v6), w->count);
	for (uint32_t b = 0; b < lb_conn_n_buckets(t, is_v6); b++) {
		struct lb_conn *out[2];
		uint32_t in_bucket = lb_conn_bucket(t, is_v6, b, out);

		for (uint32_t i = 0; i < in_bucket; i++) {
			struct lb_key key, want = make_key(is_v6, out[i]->fwd.real_id);

			lb_conn_key(out[i], is_v6, &key);
			cr_assert_eq(memcmp(&key, &want, sizeof(key)), 0);
			cr_assert_eq(lookup(t, is_v6, out[i]->fwd.real_id), out[i]);
		}
		walked += in_bucket;
	}
	cr_assert_eq(walked, w->count);
}

/* Random operations around a load that drifts from empty to full and back. */
static void run_twin(bool is_v6, uint32_t n_entries, uint32_t steps, uint64_t seed)
{
	struct lb_conn_table *t = make_table(is_v6 ? 0 : n_entries, is_v6 ? n_entries : 0, seed);
	struct twin w = {.universe = n_entries * 3 / 2 + 8};
	struct test_random r = {seed};
	uint64_t moved = 0;
	uint32_t wanted = w.universe / 2;

	w.has = calloc(w.universe, sizeof(*w.has));
	for (uint32_t i = 0; i < steps; i++) {
		uint32_t n = test_random_below(&r, w.universe);
		struct lb_conn *conn;

		if (i % (steps / 8) == 0)
			wanted = test_random_below(&r, w.universe);
		if (i % 5 == 0)
			lb_conn_tidy(t, is_v6, test_random_below(&r, 4));
		if (i % (steps / 16) == 0)
			expect_same(t, is_v6, &w);
		conn = lookup(t, is_v6, n);
		cr_assert_eq(conn != NULL, w.has[n], "step %u key %u", i, n);
		if (conn != NULL && test_random_below(&r, w.universe) >= wanted) {
			lb_conn_remove(t, conn, is_v6);
			w.has[n] = false;
			w.count--;
		} else if (conn == NULL && test_random_below(&r, w.universe) < wanted) {
			uint64_t moved_before = moved;

			if (insert(t, is_v6, n, &moved) == NULL) {
				cr_assert_eq(moved, moved_before);
				continue;
			}
			w.has[n] = true;
			w.count++;
		}
	}
	expect_same(t, is_v6, &w);
	free(w.has);
	free(t);
}

Test(conn_table, behaves_like_a_list_under_random_operations_ipv4)
{
	uint64_t seed = test_seed("behaves_like_a_list_under_random_operations_ipv4");

	run_twin(false, 4, 20000, seed);
	run_twin(false, 37, 50000, seed);
	run_twin(false, 3000, 200000, seed);
}

Test(conn_table, behaves_like_a_list_under_random_operations_ipv6)
{
	uint64_t seed = test_seed("behaves_like_a_list_under_random_operations_ipv6");

	run_twin(true, 4, 20000, seed);
	run_twin(true, 37, 50000, seed);
	run_twin(true, 3000, 200000, seed);
}

Test(conn_table, takes_more_than_87_percent_before_the_first_failure)
{
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		for (uint64_t seed = 1; seed <= 5; seed++) {
			struct lb_conn_table *t = make_table(1u << 17, 1u << 17, seed);
			uint32_t capacity = lb_conn_capacity(t, is_v6);
			uint64_t moved = 0;
			uint32_t n = 0;

			while (insert(t, is_v6, n, &moved) != NULL)
				n++;
			fprintf(stderr,
				"# IPv%d seed %u: first failure at %.1f %% of %u, %.2f moves "
				"each\n",
				is_v6 ? 6 : 4, (unsigned int)seed, 100.0 * n / capacity, capacity,
				(double)moved / n);
			cr_expect_gt(n, capacity / 100 * 87, "IPv%d", is_v6 ? 6 : 4);
			cr_expect_eq(lb_conn_count(t, is_v6), n);
			for (uint32_t i = 0; i < n; i++)
				cr_assert(is_stamped(t, is_v6, lookup(t, is_v6, i), i), "key %u",
					  i);
			free(t);
		}
	}
}

Test(conn_table, a_failed_insert_changes_nothing_and_its_candidates_make_room)
{
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		struct lb_conn_table *t = make_table(64, 64, 7);
		uint64_t moved = 0, moved_before;
		uint32_t n = 0;
		struct lb_key key;
		struct lb_conn *out[4];

		while (insert(t, is_v6, n, &moved) != NULL)
			n++;
		moved_before = moved;
		cr_assert_eq(insert(t, is_v6, n, &moved), NULL);
		cr_assert_eq(moved, moved_before);
		cr_assert_eq(lookup(t, is_v6, n), NULL);

		key = make_key(is_v6, n);
		cr_assert_eq(lb_conn_candidates(t, is_v6, lb_conn_hash(t, &key), out), 4u);
		for (int i = 0; i < 4; i++) {
			cr_assert(is_stamped(t, is_v6, out[i], out[i]->fwd.real_id));
			for (int j = 0; j < i; j++)
				cr_assert_neq(out[i], out[j]);
		}
		lb_conn_remove(t, out[3], is_v6);
		cr_assert_neq(insert(t, is_v6, n, &moved), NULL);
		cr_assert_eq(moved, moved_before, "room was in its own bucket");
		free(t);
	}
}

Test(conn_table, candidates_are_the_entries_in_use_only)
{
	struct lb_conn_table *t = make_table(1024, 0, 3);
	struct lb_key key = make_key(false, 5);
	struct lb_conn *out[4];
	uint64_t moved = 0;

	cr_assert_eq(lb_conn_candidates(t, false, lb_conn_hash(t, &key), out), 0u);
	cr_assert_neq(insert(t, false, 5, &moved), NULL);
	cr_assert_eq(lb_conn_candidates(t, false, lb_conn_hash(t, &key), out), 1u);
	cr_assert_eq(out[0], lookup(t, false, 5));
	free(t);
}

Test(conn_table, pointers_survive_removals_and_inserts_that_move_nothing)
{
	enum { N = 700 };
	struct lb_conn_table *t = make_table(1000, 0, 11);
	struct lb_conn *at[N];
	uint64_t moved = 0;
	uint32_t n = 0;

	while (n < N) {
		at[n] = insert(t, false, n, &moved);
		cr_assert_neq(at[n], NULL);
		if (moved > 0)
			break;
		n++;
	}
	cr_assert_gt(n, 50u);
	/* the insert that moved something is the last one: start again without it */
	free(t);
	t = make_table(1000, 0, 11);
	moved = 0;
	for (uint32_t i = 0; i < n; i++)
		at[i] = insert(t, false, i, &moved);
	cr_assert_eq(moved, 0u);
	for (uint32_t i = 0; i < n; i += 3)
		lb_conn_remove(t, at[i], false);
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(lookup(t, false, i), i % 3 == 0 ? NULL : at[i]);
	free(t);
}

Test(conn_table, families_and_protocols_do_not_meet)
{
	struct lb_conn_table *t = make_table(100, 100, 1);
	struct lb_key tcp = make_key(false, 0), udp = make_key(false, 1), v6 = make_key(true, 0);
	uint64_t moved = 0;
	struct lb_conn *a, *b;

	a = lb_conn_insert(t, &tcp, lb_conn_hash(t, &tcp), LB_CONN_TCP_REV, &moved);
	b = lb_conn_insert(t, &udp, lb_conn_hash(t, &udp), LB_CONN_UDP_FWD, &moved);
	cr_assert_eq(lb_conn_lookup(t, &tcp, lb_conn_hash(t, &tcp)), a);
	cr_assert_eq(lb_conn_lookup(t, &udp, lb_conn_hash(t, &udp)), b);
	cr_assert_eq(lb_conn_lookup(t, &v6, lb_conn_hash(t, &v6)), NULL);
	cr_assert_eq(lb_conn_count(t, false), 2u);
	cr_assert_eq(lb_conn_count(t, true), 0u);

	/* the same hash on purpose: only the full key may decide */
	cr_assert_eq(lb_conn_lookup(t, &udp, lb_conn_hash(t, &tcp)) == a, false);
	free(t);
}

/* All but one word equal: each word of the key has to count, and each of the two protocols. */
Test(conn_table, every_word_of_the_key_is_compared)
{
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		struct lb_conn_table *t = make_table(4, 4, 1);
		struct lb_key key = make_key(is_v6, 8);
		uint32_t hash = lb_conn_hash(t, &key);
		uint64_t moved = 0;
		uint32_t n_words = is_v6 ? 9 : 3; /* and the protocol */
		struct lb_key udp = key;

		cr_assert_neq(lb_conn_insert(t, &key, hash, LB_CONN_TCP_FWD, &moved), NULL);
		cr_assert_neq(lb_conn_lookup(t, &key, hash), NULL);
		for (uint32_t word = 0; word < n_words; word++) {
			for (uint32_t bit = 0; bit < 32; bit++) {
				struct lb_key other = key;
				uint32_t *words = is_v6 ? (uint32_t *)&other.v6
							: (uint32_t *)&other.v4;

				words[word] ^= 1u << bit;
				cr_expect_eq(lb_conn_lookup(t, &other, hash), NULL,
					     "IPv%d word %u bit %u", is_v6 ? 6 : 4, word, bit);
				cr_expect_neq(lb_conn_hash(t, &other), hash, "IPv%d word %u bit %u",
					      is_v6 ? 6 : 4, word, bit);
			}
		}
		*(is_v6 ? &udp.v6.proto : &udp.v4.proto) = IPPROTO_UDP;
		cr_expect_eq(lb_conn_lookup(t, &udp, hash), NULL);
		cr_expect_neq(lb_conn_hash(t, &udp), hash);
		free(t);
	}
}

/* Full, then nearly empty: upkeep has to bring the survivors home, where their first bucket alone
 * answers. Seen from outside by the bucket that the walk finds them in. */
Test(conn_table, upkeep_takes_entries_home_and_loses_none)
{
	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		struct lb_conn_table *t = make_table(4096, 4096, 5);
		uint32_t n_buckets = lb_conn_n_buckets(t, is_v6), n = 0, away = 0;
		uint64_t moved = 0;

		while (insert(t, is_v6, n, &moved) != NULL)
			n++;
		for (uint32_t i = 0; i < n; i++) {
			if (i % 16 != 0)
				lb_conn_remove(t, lookup(t, is_v6, i), is_v6);
		}
		lb_conn_tidy(t, is_v6, 2 * n_buckets);
		for (uint32_t b = 0; b < n_buckets; b++) {
			struct lb_conn *out[2];
			uint32_t used = lb_conn_bucket(t, is_v6, b, out);

			for (uint32_t i = 0; i < used; i++) {
				struct lb_key key;

				lb_conn_key(out[i], is_v6, &key);
				away += (uint64_t)lb_conn_hash(t, &key) * n_buckets >> 32 != b;
			}
		}
		cr_expect_lt(away, n / 16 / 50, "%u of %u are away", away, n / 16);
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(lookup(t, is_v6, i) != NULL, i % 16 == 0, "key %u", i);
		/* the bits are new now: a few more rounds with inserts in between */
		for (uint32_t i = 0; i < n; i++) {
			lb_conn_tidy(t, is_v6, 3);
			if (i % 16 != 0 && i % 5 == 0)
				cr_assert_neq(insert(t, is_v6, i, &moved), NULL);
		}
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(lookup(t, is_v6, i) != NULL, i % 16 == 0 || i % 5 == 0,
				     "key %u", i);
		free(t);
	}
}

Test(conn_table, sizes_are_checked)
{
	struct lb_conn_table *t;
	char *mem = aligned_alloc(128, 4096);

	memset(mem, 0, 4096);
	cr_expect_eq(lb_conn_table_bytes(LB_CONN_ENTRIES_MAX + 1, 0), 0u);
	cr_expect_eq(lb_conn_table_init(mem, 0, LB_CONN_ENTRIES_MAX + 1, 0, &t), -EINVAL);
	cr_expect_eq(lb_conn_table_init(mem + 64, 8, 8, 0, &t), -EINVAL);
	cr_expect_eq(lb_conn_table_init(mem, 0, 5, 0, &t), 0);
	cr_expect_eq(lb_conn_capacity(t, false), 4u);
	cr_expect_eq(lb_conn_capacity(t, true), 6u);
	cr_expect_eq(lb_conn_table_bytes(64, 64) - lb_conn_table_bytes(32, 32),
		     16 * 64u + 16 * (128u + 8u));
	free(mem);
}
