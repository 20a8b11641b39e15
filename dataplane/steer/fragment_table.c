/* Records are chained by their hash and stand in one of two lists, waiting or decided, each in the
 * order of its end of life: a lifetime is the same for all, so new ones go to the tail. Places of a
 * record form a chain; given back they move to one list of all, in order. 0 ends every chain. */
#include "steer/fragment_table.h"

#include <assert.h>

#include "steer/seeded_hash.h"

#define CHAINS (2u * LB_FRAGMENTS_MAX)
#define AGE_MAX 256u /* records ended by one call of lb_fragment_age */

enum list { LIST_FREE, LIST_WAITING, LIST_DECIDED, LIST_N };

struct record {
	struct lb_key id;
	uint64_t ends_ms;
	uint32_t chain;
	uint16_t chained; /* next of its chain */
	uint16_t newer;
	uint16_t older;
	uint8_t list;
	bool is_refused;
	/* of a first fragment that has come */
	rte_be32_t ports_be;
	uint32_t n_first; /* bytes in it */
	uint32_t n_seen;  /* bytes that have come, repetitions too */
	uint32_t n_whole; /* 0: the last fragment has not come */
	struct lb_fragment_decision decision;
	/* of those that wait */
	uint16_t oldest_place;
	uint16_t newest_place;
};

struct place {
	uint16_t next;
	uint16_t drop_reason;
	uint32_t n_bytes;
};

struct ends {
	uint16_t oldest;
	uint16_t newest;
};

struct lb_fragment_table {
	uint16_t oldest_back; /* places given back */
	uint16_t newest_back;
	uint16_t free_place;
	uint32_t n_records;
	uint32_t n_waiting; /* places that have not been given back */
	uint32_t n_waiting_bytes;
	uint64_t next_id;
	uint32_t worker;
	uint32_t n_workers;
	struct ends lists[LIST_N];
	struct lb_hash_seed seed;
	uint16_t chains[CHAINS];
	struct record records[LB_FRAGMENTS_MAX + 1]; /* 0 is nobody, and free */
	struct place places[LB_HELD_MAX + 1];
};

_Static_assert(LB_FRAGMENTS_MAX < UINT16_MAX && LB_HELD_MAX < UINT16_MAX, "numbers fit");
_Static_assert(LB_COUNTER_N < UINT16_MAX, "reasons fit");

size_t lb_fragment_table_bytes(void)
{
	return sizeof(struct lb_fragment_table);
}

/* --- lists --- */

static void append(struct lb_fragment_table *t, uint16_t at, enum list list)
{
	struct ends *ends = &t->lists[list];
	struct record *r = &t->records[at];

	r->list = (uint8_t)list;
	r->newer = 0;
	r->older = ends->newest;
	if (ends->newest != 0)
		t->records[ends->newest].newer = at;
	else
		ends->oldest = at;
	ends->newest = at;
}

static void take_out(struct lb_fragment_table *t, uint16_t at)
{
	struct record *r = &t->records[at];
	struct ends *ends = &t->lists[r->list];

	if (r->older != 0)
		t->records[r->older].newer = r->newer;
	else
		ends->oldest = r->newer;
	if (r->newer != 0)
		t->records[r->newer].older = r->older;
	else
		ends->newest = r->older;
}

void lb_fragment_table_init(void *mem, uint64_t seed, uint32_t worker, uint32_t n_workers,
			    struct lb_fragment_table **out)
{
	struct lb_fragment_table *t = mem;

	t->worker = worker;
	t->n_workers = n_workers;
	lb_hash_seed_init(&t->seed, seed ^ 0x667261676du); /* apart from the other tables' */
	t->next_id = lb_hash_mix(seed + 1);
	for (uint16_t i = 1; i <= LB_FRAGMENTS_MAX; i++)
		append(t, i, LIST_FREE);
	for (uint16_t i = LB_HELD_MAX; i > 0; i--) {
		t->places[i].next = t->free_place;
		t->free_place = i;
	}
	*out = t;
}

/* --- places --- */

static void give_back(struct lb_fragment_table *t, struct record *r, uint32_t drop_reason)
{
	if (r->oldest_place == 0)
		return;
	for (uint16_t at = r->oldest_place; at != 0; at = t->places[at].next) {
		t->places[at].drop_reason = (uint16_t)drop_reason;
		t->n_waiting--;
		t->n_waiting_bytes -= t->places[at].n_bytes;
	}
	if (t->newest_back != 0)
		t->places[t->newest_back].next = r->oldest_place;
	else
		t->oldest_back = r->oldest_place;
	t->newest_back = r->newest_place;
	r->oldest_place = 0;
	r->newest_place = 0;
}

uint32_t lb_fragment_take_back(struct lb_fragment_table *t, struct lb_place_back *out, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && t->oldest_back != 0) {
		uint16_t at = t->oldest_back;
		struct place *place = &t->places[at];

		t->oldest_back = place->next;
		out[n++] = (struct lb_place_back){(uint16_t)(at - 1), place->drop_reason};
		place->next = t->free_place;
		t->free_place = at;
	}
	if (t->oldest_back == 0)
		t->newest_back = 0;
	return n;
}

/* --- records --- */

static uint64_t hash_of(const struct lb_fragment_table *t, const struct lb_key *id)
{
	uint64_t words[LB_HASH_WORDS_MAX] = {0};

	if (id->is_v6)
		memcpy(words, &id->v6, sizeof(id->v6));
	else
		memcpy(words, &id->v4, sizeof(id->v4));
	return lb_hash_words(&t->seed, words, LB_HASH_WORDS_MAX);
}

_Static_assert(sizeof(struct lb_key6) <= LB_HASH_WORDS_MAX * sizeof(uint64_t), "words hold a key");

/* The chain takes the lower half of the hash, the owner the upper one. */
uint32_t lb_fragment_owner(const struct lb_fragment_table *t, const struct lb_key *id,
			   uint32_t n_workers)
{
	return n_workers == 1 ? 0 : lb_hash_reduce((uint32_t)(hash_of(t, id) >> 32), n_workers);
}

static bool is_same_id(const struct lb_key *a, const struct lb_key *b)
{
	if (a->is_v6 != b->is_v6)
		return false;
	return a->is_v6 ? memcmp(&a->v6, &b->v6, sizeof(a->v6)) == 0
			: memcmp(&a->v4, &b->v4, sizeof(a->v4)) == 0;
}

static void end_record(struct lb_fragment_table *t, uint16_t at, enum lb_counter reason)
{
	struct record *r = &t->records[at];
	uint16_t *link = &t->chains[r->chain];

	give_back(t, r, reason);
	while (*link != at)
		link = &t->records[*link].chained;
	*link = r->chained;
	take_out(t, at);
	append(t, at, LIST_FREE);
	t->n_records--;
}

/* 0: none that is still alive. */
static uint16_t find(struct lb_fragment_table *t, const struct lb_key *id, uint64_t now_ms)
{
	uint16_t at = t->chains[lb_hash_reduce((uint32_t)hash_of(t, id), CHAINS)];

	while (at != 0 && !is_same_id(&t->records[at].id, id))
		at = t->records[at].chained;
	if (at == 0 || now_ms < t->records[at].ends_ms)
		return at;
	end_record(t, at, LB_COUNT_drop_fragment_timeout);
	return 0;
}

static uint16_t oldest_of_all(const struct lb_fragment_table *t)
{
	uint16_t waiting = t->lists[LIST_WAITING].oldest, decided = t->lists[LIST_DECIDED].oldest;

	if (waiting == 0 || decided == 0)
		return waiting != 0 ? waiting : decided;
	return t->records[waiting].ends_ms < t->records[decided].ends_ms ? waiting : decided;
}

static uint16_t make_record(struct lb_fragment_table *t, const struct lb_key *id)
{
	struct record *r;
	uint16_t at;

	if (t->lists[LIST_FREE].oldest == 0)
		end_record(t, oldest_of_all(t), LB_COUNT_drop_fragment_full);
	at = t->lists[LIST_FREE].oldest;
	take_out(t, at);
	r = &t->records[at];
	*r = (struct record){.id = *id, .chain = lb_hash_reduce((uint32_t)hash_of(t, id), CHAINS)};
	r->chained = t->chains[r->chain];
	t->chains[r->chain] = at;
	t->n_records++;
	return at;
}

void lb_fragment_forget(struct lb_fragment_table *t, const struct lb_key *id)
{
	uint16_t at = find(t, id, 0);

	if (at != 0)
		end_record(t, at, LB_COUNT_drop_fragment_timeout);
}

void lb_fragment_age(struct lb_fragment_table *t, uint64_t now_ms)
{
	for (uint32_t i = 0; i < AGE_MAX && t->n_records != 0; i++) {
		uint16_t at = oldest_of_all(t);

		if (now_ms < t->records[at].ends_ms)
			return;
		end_record(t, at, LB_COUNT_drop_fragment_timeout);
	}
}

/* --- fragments --- */

static void note(struct record *r, const struct lb_fragment *f)
{
	r->n_seen += f->n_bytes;
	if (f->is_last)
		r->n_whole = f->off + f->n_bytes;
}

/* Its sender may use the identification anew. */
static bool is_complete(const struct record *r)
{
	return r->n_whole != 0 && r->n_seen >= r->n_whole;
}

static void refuse(struct record *r)
{
	r->is_refused = true;
	r->decision = (struct lb_fragment_decision){.verdict = LB_VERDICT_DROP,
						    .drop_reason = LB_COUNT_drop_fragment_overlap};
}

/* 16 bits are few: over IPv4 each worker has its own and uses none twice before all others. Over
 * IPv6 the next one cannot be told (RFC 7739). */
static rte_be32_t make_id(struct lb_fragment_table *t, bool is_v6)
{
	uint64_t id = t->next_id++;
	uint32_t n = ((uint32_t)UINT16_MAX + 1) / t->n_workers;

	if (is_v6)
		return (rte_be32_t)lb_hash_mix(id * t->n_workers + t->worker);
	return rte_cpu_to_be_16((uint16_t)(id % n * t->n_workers + t->worker));
}

bool lb_fragment_admit_first(struct lb_fragment_table *t, const struct lb_fragment *f,
			     rte_be32_t ports_be, uint64_t now_ms, rte_be32_t *new_id_be)
{
	struct record *r = &t->records[find(t, &f->id, now_ms)];

	if (r->list == LIST_DECIDED) {
		if (!r->is_refused && r->ports_be == ports_be && r->n_first == f->n_bytes) {
			*new_id_be = r->decision.new_id_be;
			return true;
		}
		if (!is_complete(r) || r->is_refused) {
			refuse(r);
			return false;
		}
	}
	*new_id_be = make_id(t, f->id.is_v6);
	return true;
}

void lb_fragment_decide(struct lb_fragment_table *t, const struct lb_fragment *f,
			rte_be32_t ports_be, const struct lb_fragment_decision *decision,
			uint64_t now_ms)
{
	uint16_t at = find(t, &f->id, now_ms);
	struct record *r;

	if (at == 0)
		at = make_record(t, &f->id);
	else
		take_out(t, at);
	append(t, at, LIST_DECIDED);
	r = &t->records[at];
	r->ends_ms = now_ms + LB_FRAGMENT_LIFE_MS;
	if (r->ports_be != ports_be || r->n_first != f->n_bytes || is_complete(r)) {
		r->n_seen = 0;
		r->n_whole = 0;
	}
	r->ports_be = ports_be;
	r->n_first = f->n_bytes;
	r->decision = *decision;
	note(r, f);
	give_back(t, r, LB_COUNTER_N);
}

const struct lb_fragment_decision *lb_fragment_follow(struct lb_fragment_table *t,
						      const struct lb_fragment *f, uint64_t now_ms)
{
	uint16_t at = find(t, &f->id, now_ms);
	struct record *r = &t->records[at];

	if (at == 0 || r->list != LIST_DECIDED)
		return NULL;
	if (f->off < r->n_first && r->decision.verdict != LB_VERDICT_PUNT)
		refuse(r);
	note(r, f);
	return &r->decision;
}

uint32_t lb_fragment_hold(struct lb_fragment_table *t, const struct lb_fragment *f,
			  uint32_t n_bytes, uint64_t now_ms)
{
	struct place *place;
	struct record *r;
	uint16_t at;

	while (t->n_waiting == LB_WAITING_MAX ||
	       (t->n_waiting != 0 && t->n_waiting_bytes + n_bytes > LB_WAITING_BYTES_MAX))
		end_record(t, t->lists[LIST_WAITING].oldest, LB_COUNT_drop_fragment_full);
	if (t->free_place == 0)
		return LB_HELD_NONE;
	at = find(t, &f->id, now_ms);
	if (at == 0) {
		at = make_record(t, &f->id);
		append(t, at, LIST_WAITING);
		t->records[at].ends_ms = now_ms + LB_FRAGMENT_LIFE_MS;
	}
	r = &t->records[at];
	assert(r->list == LIST_WAITING);
	at = t->free_place;
	place = &t->places[at];
	t->free_place = place->next;
	*place = (struct place){.n_bytes = n_bytes};
	if (r->newest_place != 0)
		t->places[r->newest_place].next = at;
	else
		r->oldest_place = at;
	r->newest_place = at;
	t->n_waiting++;
	t->n_waiting_bytes += n_bytes;
	return at - 1u;
}

uint32_t lb_fragment_records(const struct lb_fragment_table *t)
{
	return t->n_records;
}
