/* Several workers meet the same new clients at once. Whatever the timing: all follow one machine
 * for each client, one record is left of each, no record ever shows another client's machine. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/random.h"
#include "lb/limits.h"
#include "steer/persist_table.h"

#define WORKERS 4u
#define ROUNDS 40u
#define CLIENTS 128u
#define RECORDS 512u /* 1024 places: the clients leave the junk most of them */
#define JUNK 4096u
#define KEY_TENTATIVE (1ull << 62)

#define CROWD 400u /* clients of the crowded table */
#define CROWD_RECORDS 64u
#define CROWD_STEPS 60000u

struct shared {
	struct lb_persist_table *t;
	uint64_t *mem;
	size_t bytes;
	uint64_t seed;
	uint32_t n_waiting;
	uint32_t n_gatherings;
	uint32_t followed[WORKERS][CLIENTS];
	uint32_t lost[WORKERS];
};

struct worker {
	struct shared *s;
	uint32_t idx;
};

static _Noreturn void fail(const char *what, uint32_t client, uint32_t a, uint32_t b)
{
	fprintf(stderr, "%s: client %u: %u and %u\n", what, client, a, b);
	exit(1);
}

/* Lets all workers go within nanoseconds of one another, where pthread_barrier_wait would wake them
 * one by one. */
static void gather(struct shared *s)
{
	uint32_t before = __atomic_load_n(&s->n_gatherings, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&s->n_waiting, 1, __ATOMIC_ACQ_REL) == WORKERS) {
		__atomic_store_n(&s->n_waiting, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->n_gatherings, before + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&s->n_gatherings, __ATOMIC_ACQUIRE) == before)
		sched_yield();
}

static struct lb_addr make_client(uint32_t n)
{
	if (n & 1)
		return (struct lb_addr){{rte_cpu_to_be_32(0x20010db8), 0, 0, rte_cpu_to_be_32(n)}};
	return lb_addr_from_v4(rte_cpu_to_be_32(0x0a000000u + n));
}

static void make_table(struct shared *s, uint32_t n_records, uint64_t seed)
{
	s->bytes = (lb_persist_bytes(n_records) + 63) & ~63ul;
	s->mem = aligned_alloc(64, s->bytes);
	if (s->mem == NULL)
		exit(1);
	memset(s->mem, 0, s->bytes);
	if (lb_persist_init(s->mem, n_records, seed, &s->t) != 0)
		exit(1);
}

/* Fills the places with records that end between the workers' clocks: half of the workers find
 * them in the way, half see free places. So they choose different places for one client. */
static void add_junk(struct shared *s)
{
	for (uint32_t n = 0; n < JUNK; n++) {
		struct lb_record rec = {.member_id = 999, .generation = 1, .expires_s = 101};
		struct lb_addr client = make_client(n);

		lb_persist_write(s->t, lb_persist_key(s->t, 9, &client), &client, 100, NULL, &rec);
	}
}

/* What a worker does with a client's first packet: the machine that it sends it to. Records of an
 * older generation than `generation` are void. */
static uint32_t first_packet(const struct worker *w, uint32_t n, uint32_t generation)
{
	struct lb_addr client = make_client(n);
	struct lb_record_key key = lb_persist_key(w->s->t, 1, &client);
	uint32_t now_s = 100 + (w->idx & 1);
	struct lb_record found, rec = {.member_id = 1 + w->idx,
				       .generation = generation,
				       .expires_s = 1000 + w->idx};
	bool is_found = lb_persist_lookup(w->s->t, key, now_s, &found);

	if (is_found && found.generation == generation)
		return found.member_id;
	w->s->lost[w->idx] += lb_persist_write(w->s->t, key, &client, now_s,
					       is_found ? &found : NULL, &rec) == LB_PERSIST_LOST;
	if (rec.generation != generation)
		fail("a void record was given to follow", n, rec.generation, generation);
	return rec.member_id;
}

static void *meet_new_clients(void *arg)
{
	struct worker *w = arg;

	for (uint32_t generation = 1; generation <= 2; generation++) {
		for (uint32_t n = 0; n < CLIENTS; n++) {
			if (n % 4 == 0)
				gather(w->s);
			w->s->followed[w->idx][n] = first_packet(w, n, generation);
		}
		gather(w->s);
		for (uint32_t n = 0; n < CLIENTS; n++) {
			if (w->s->followed[w->idx][n] != w->s->followed[0][n])
				fail("two machines", n, w->s->followed[w->idx][n],
				     w->s->followed[0][n]);
			if (first_packet(w, n, generation) != w->s->followed[0][n])
				fail("another machine afterwards", n, w->s->followed[0][n], 0);
		}
		gather(w->s);
	}
	return NULL;
}

static void run_workers(struct shared *s, void *(*work)(void *))
{
	pthread_t threads[WORKERS];
	struct worker w[WORKERS];

	for (uint32_t i = 0; i < WORKERS; i++) {
		w[i] = (struct worker){s, i};
		if (pthread_create(&threads[i], NULL, work, &w[i]) != 0)
			exit(1);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
}

/* Looks at the table's memory itself: nothing tentative may be left, and each client's key only
 * once. */
static void expect_one_record_each(const struct shared *s)
{
	size_t n_words = s->bytes / sizeof(uint64_t) -
			 LB_TARGETS_MAX / 4; /* generations are last */

	for (uint32_t n = 0; n < CLIENTS; n++) {
		struct lb_addr client = make_client(n);
		struct lb_record_key key = lb_persist_key(s->t, 1, &client);
		uint32_t n_valid = 0, n_tentative = 0;

		for (size_t i = 0; i < n_words; i++) {
			n_valid += s->mem[i] == key.word;
			n_tentative += s->mem[i] == (key.word | KEY_TENTATIVE);
		}
		if (n_valid != 1 || n_tentative != 0)
			fail("not one record", n, n_valid, n_tentative);
	}
}

static uint32_t crowd_machine(uint32_t n)
{
	return 5000 + n;
}

/* What a page that clears does: one place, whoever is there by now. */
static void clear_place(const struct worker *w, struct test_random *r, uint32_t now_s)
{
	uint32_t slot = test_random_below(r, (uint32_t)lb_persist_slots(w->s->t));
	struct lb_record rec;
	struct lb_addr client;
	uint16_t group;

	if (!lb_persist_entry(w->s->t, slot, now_s, &client, &group, &rec))
		return;
	if (rec.member_id != crowd_machine(rte_be_to_cpu_32(client.word_be[3]) & 0xffff))
		fail("a listed record of another client", client.word_be[3], rec.member_id, 0);
	lb_persist_remove(w->s->t, slot, &client, group, rec.member_id);
}

/* Far more clients than places, lives of a few seconds, clocks a second apart: places change hands
 * all the time while others read and refresh them. */
static void *crowd(void *arg)
{
	struct worker *w = arg;
	struct test_random r = {w->s->seed + w->idx};

	for (uint32_t i = 0; i < CROWD_STEPS; i++) {
		uint32_t n = test_random_below(&r, CROWD), now_s = 100 + i / 64 + (w->idx & 1);
		struct lb_addr client = make_client(n);
		struct lb_record_key key = lb_persist_key(w->s->t, 1, &client);
		struct lb_record rec;

		if (i % 16 == 0)
			clear_place(w, &r, now_s);
		if (lb_persist_lookup(w->s->t, key, now_s, &rec)) {
			if (rec.member_id != crowd_machine(n) || rec.generation != n % 64)
				fail("another client's machine", n, rec.member_id, rec.generation);
			lb_persist_refresh(w->s->t, key, rec.member_id, now_s, now_s + i % 8);
			continue;
		}
		rec = (struct lb_record){crowd_machine(n), n % 64, now_s + 1 + i % 4};
		lb_persist_write(w->s->t, key, &client, now_s, NULL, &rec);
		if (rec.member_id != crowd_machine(n) || rec.generation != n % 64)
			fail("told to follow another client's machine", n, rec.member_id,
			     rec.generation);
	}
	return NULL;
}

int main(void)
{
	static struct shared s;
	uint32_t n_lost = 0;

	s.seed = test_seed("race_persist_table");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		make_table(&s, RECORDS, s.seed + round);
		add_junk(&s);
		run_workers(&s, meet_new_clients);
		expect_one_record_each(&s);
		free(s.mem);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		n_lost += s.lost[i];
	make_table(&s, CROWD_RECORDS, s.seed);
	run_workers(&s, crowd);
	free(s.mem);
	printf("%u rounds of %u clients, %u races lost by someone; %u crowded steps\n", ROUNDS,
	       CLIENTS, n_lost, CROWD_STEPS * WORKERS);
	return 0;
}
