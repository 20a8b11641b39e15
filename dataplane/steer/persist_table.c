/* persist_table.c - two candidate lines of four records for each client.
 *
 *   key    bit 63 IPv6 | bit 62 tentative | IPv4: 1, group 16, address 32
 *                                         | IPv6: group 16, fingerprint 46
 *   value  member 22 | generation 12 | expiry 30
 *
 * All changes but a refresh are 16-byte compare-exchanges of one record, so no record ever holds
 * one client's key beside another's value. A refresh exchanges the value alone: it succeeds only
 * where member, generation and expiry still are what it read, and changes the expiry only; should
 * the record be another client's by then, that client's record lives a little longer on its own
 * machine.
 *
 * One record for each client. Workers that meet a new client at once may take different places for
 * its record, because they see different places free. A place is therefore taken tentatively first
 * (look-ups do not see such a record), and only one of a client's tentative records is made valid:
 *
 *   1. Whoever finds a valid record of the client, even an expired one, works with that and takes
 *      its own tentative one back.
 *   2. Otherwise the tentative record of lowest place is to win, whoever made it: every worker
 *      that sees it reads all other places *again*, removes the tentative ones of higher place and
 *      makes it valid. A valid or a lower one seen on the way sends it back to 1.
 *   3. Only a worker that sees none at all takes a place, and goes on with 2 for its own record.
 *
 * Suppose two records i and j of one client became valid, and j was put down later. Whoever made j
 * valid read place i after j was there: so it saw a valid record and stopped, or a tentative one.
 * With i < j it stopped for that too; with j < i it removed it, and then i could not become valid.
 * This needs two things. The reads after a compare-exchange must see what others did before
 * theirs: both are sequentially consistent. And "j was there" must mean the very record that is
 * made valid, not one put down in the same place since: a tentative record carries, where its
 * expiry will be, a number that is not given out again for 2^30 placements. Whoever makes it valid
 * knows the expiry, since it has just worked out its own. No worker waits for another; a failed
 * compare-exchange means that somebody else got on.
 */
#include "steer/persist_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "lb/limits.h"
#include "packet/key.h"
#include "steer/exchange16.h"
#include "steer/seeded_hash.h"

#define LINE_SLOTS 4u
#define CANDIDATES (2 * LINE_SLOTS)
#define MEM_ALIGN 64u
#define NOWHERE UINT32_MAX
#define FIRST_LINE ((1u << LINE_SLOTS) - 1)
#define ROUNDS_MAX 256u
#define PLACEMENT_COUNTERS 256u /* each key always uses the same one; many keep workers apart */

#define KEY_V6 (1ull << 63)
#define KEY_TENTATIVE (1ull << 62)
#define KEY_V4_MARK (1ull << 48)
#define FINGERPRINT_BITS 46u

#define EXPIRY_BITS 30u
#define EXPIRY_MAX ((1u << EXPIRY_BITS) - 1)
#define GENERATION_MAX ((1u << LB_MEMBER_GENERATION_BITS) - 1)
#define MEMBER_SHIFT (EXPIRY_BITS + LB_MEMBER_GENERATION_BITS)

static_assert(LB_TARGETS_MAX <= 1u << (64 - MEMBER_SHIFT), "a member's id fits");
static_assert(LB_GROUPS_MAX <= UINT16_MAX, "a group's id fits");

union record {
	struct {
		uint64_t key;
		uint64_t value;
	};
	struct lb_two_words whole;
};

static_assert(sizeof(union record) == 16, "four to a line");

struct lb_persist_table {
	struct lb_hash_seed seed;
	uint64_t n_slots;
	uint32_t n_lines;
	union record *records;
	uint64_t *clients;     /* IPv6 addresses, two words for each record */
	uint16_t *generations; /* by member, the newest one heard of */
	uint32_t placements[PLACEMENT_COUNTERS];
};

/* The places of one key and what was read there: one bit a place in the sets. */
struct view {
	union record *line[2];
	union record seen[CANDIDATES];
	uint32_t empty;
	uint32_t valid;     /* the key's own record */
	uint32_t tentative; /* ... and those that may become it */
};

struct write_job {
	struct lb_persist_table *t;
	const struct lb_addr *client;
	uint64_t key;
	uint64_t value;
	uint64_t placed_value; /* of our tentative record */
	uint32_t placed;       /* where it was put last, NOWHERE: not yet */
	uint32_t now_s;
	bool has_evicted;
};

static size_t align_up(size_t n)
{
	return (n + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
}

/* Twice the places: with two lines to choose from, the stated number of clients then finds room. */
static uint64_t line_count(uint32_t n_records)
{
	uint64_t n = ((uint64_t)n_records * 2 + LINE_SLOTS - 1) / LINE_SLOTS;

	return n < 2 ? 2 : n;
}

size_t lb_persist_bytes(uint32_t n_records)
{
	size_t n_slots = line_count(n_records) * LINE_SLOTS;

	return align_up(sizeof(struct lb_persist_table)) + n_slots * sizeof(union record) +
	       n_slots * 2 * sizeof(uint64_t) + LB_TARGETS_MAX * sizeof(uint16_t);
}

int lb_persist_init(void *mem, uint32_t n_records, uint64_t seed, struct lb_persist_table **out)
{
	struct lb_persist_table *t = mem;
	uint8_t *at = (uint8_t *)mem + align_up(sizeof(*t));

	if ((uintptr_t)mem % MEM_ALIGN != 0 || n_records > LB_PERSIST_RECORDS_MAX)
		return -EINVAL;
	lb_hash_seed_init(&t->seed, seed);
	t->n_lines = (uint32_t)line_count(n_records);
	t->n_slots = (uint64_t)t->n_lines * LINE_SLOTS;
	t->records = (union record *)at;
	at += t->n_slots * sizeof(union record);
	t->clients = (uint64_t *)at;
	at += t->n_slots * 2 * sizeof(uint64_t);
	t->generations = (uint16_t *)at;
	*out = t;
	return 0;
}

static uint64_t addr_word(const struct lb_addr *a, uint32_t i)
{
	return (uint64_t)rte_be_to_cpu_32(a->word_be[i]) << 32 |
	       rte_be_to_cpu_32(a->word_be[i + 1]);
}

static struct lb_record_key key_of_word(const struct lb_persist_table *t, uint64_t word)
{
	uint64_t hash = lb_hash_words(&t->seed, &word, 1);
	uint32_t first = lb_hash_reduce((uint32_t)(hash >> 32), t->n_lines);
	uint32_t second = lb_hash_reduce((uint32_t)hash, t->n_lines);

	if (second == first)
		second = first + 1 < t->n_lines ? first + 1 : 0;
	return (struct lb_record_key){word, {first, second}};
}

static uint64_t word_of_v4(uint16_t group_id, uint32_t client)
{
	return KEY_V4_MARK | (uint64_t)group_id << 32 | client;
}

struct lb_record_key lb_persist_key(const struct lb_persist_table *t, uint16_t group_id,
				    const struct lb_addr *masked_client)
{
	uint64_t words[2];

	if (lb_addr_is_v4(masked_client))
		return key_of_word(
			t, word_of_v4(group_id, rte_be_to_cpu_32(lb_addr_v4(masked_client))));
	words[0] = addr_word(masked_client, 0);
	words[1] = addr_word(masked_client, 2);
	return key_of_word(t, KEY_V6 | (uint64_t)group_id << FINGERPRINT_BITS |
				      lb_hash_words(&t->seed, words, 2) >> (64 - FINGERPRINT_BITS));
}

struct lb_record_key lb_persist_key_of(const struct lb_persist_table *t, uint16_t group_id,
				       const struct lb_key *flow, uint8_t mask_len)
{
	struct lb_addr client;
	uint64_t mask;

	if (likely(!flow->is_v6)) {
		mask = ~((uint64_t)UINT32_MAX >> mask_len);
		return key_of_word(t, word_of_v4(group_id, rte_be_to_cpu_32(flow->v4.src_be) &
								   (uint32_t)mask));
	}
	client = lb_key_src(flow);
	client = lb_addr_mask(&client, mask_len);
	return lb_persist_key(t, group_id, &client);
}

static union record *line_of(const struct lb_persist_table *t, struct lb_record_key key, uint32_t i)
{
	return &t->records[(size_t)key.line[i] * LINE_SLOTS];
}

void lb_persist_prefetch(const struct lb_persist_table *t, struct lb_record_key key)
{
	rte_prefetch0(line_of(t, key, 0));
	rte_prefetch0(line_of(t, key, 1));
}

static uint64_t pack(const struct lb_record *rec)
{
	uint64_t expires_s = rec->expires_s < EXPIRY_MAX ? rec->expires_s : EXPIRY_MAX;

	assert(rec->member_id < LB_TARGETS_MAX);
	return (uint64_t)rec->member_id << MEMBER_SHIFT |
	       (uint64_t)(rec->generation & GENERATION_MAX) << EXPIRY_BITS | expires_s;
}

static struct lb_record unpack(uint64_t value)
{
	return (struct lb_record){
		.member_id = (uint32_t)(value >> MEMBER_SHIFT),
		.generation = (uint32_t)(value >> EXPIRY_BITS) & GENERATION_MAX,
		.expires_s = (uint32_t)value & EXPIRY_MAX,
	};
}

static bool is_expired(uint64_t value, uint32_t now_s)
{
	return (value & EXPIRY_MAX) <= now_s;
}

/* Key and value are two loads. A place that changes hands between them shows when both are loaded
 * again; it would have to go from this client to another and back twice, with the same values each
 * time, to go unnoticed. A refresh in between does not matter. */
static bool is_still(const union record *r, uint64_t key, uint64_t value)
{
	return __atomic_load_n(&r->key, __ATOMIC_SEQ_CST) == key &&
	       (__atomic_load_n(&r->value, __ATOMIC_SEQ_CST) ^ value) <= EXPIRY_MAX;
}

/* The valid record of `key`, if there is one; NULL also when it changes right now, which is as
 * good: whoever then writes a record is told what is there. */
static union record *find_record(const struct lb_persist_table *t, struct lb_record_key key,
				 uint64_t *value)
{
#pragma GCC unroll 8
	for (uint32_t i = 0; i < CANDIDATES; i++) {
		union record *r = &line_of(t, key, i / LINE_SLOTS)[i % LINE_SLOTS];

		if (__atomic_load_n(&r->key, __ATOMIC_ACQUIRE) != key.word)
			continue;
		*value = __atomic_load_n(&r->value, __ATOMIC_ACQUIRE);
		return is_still(r, key.word, *value) ? r : NULL;
	}
	return NULL;
}

bool lb_persist_lookup(const struct lb_persist_table *t, struct lb_record_key key, uint32_t now_s,
		       struct lb_record *out)
{
	uint64_t value;

	if (find_record(t, key, &value) == NULL || is_expired(value, now_s))
		return false;
	*out = unpack(value);
	return true;
}

void lb_persist_refresh(struct lb_persist_table *t, struct lb_record_key key, uint32_t member_id,
			uint32_t now_s, uint32_t expires_s)
{
	uint64_t value, longer;
	union record *r = find_record(t, key, &value);

	if (r == NULL || value >> MEMBER_SHIFT != member_id || expires_s <= now_s)
		return;
	longer = (value & ~(uint64_t)EXPIRY_MAX) |
		 (expires_s < EXPIRY_MAX ? expires_s : EXPIRY_MAX);
	if (longer > value)
		__atomic_compare_exchange_n(&r->value, &value, longer, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED);
}

void lb_persist_set_generation(struct lb_persist_table *t, uint32_t member_id, uint32_t generation)
{
	__atomic_store_n(&t->generations[member_id], (uint16_t)(generation & GENERATION_MAX),
			 __ATOMIC_RELAXED);
}

/* Nobody will follow it any more. */
static bool is_dead(const struct lb_persist_table *t, uint64_t value, uint32_t now_s)
{
	struct lb_record rec = unpack(value);
	uint32_t newest = __atomic_load_n(&t->generations[rec.member_id], __ATOMIC_RELAXED);

	return is_expired(value, now_s) ||
	       ((rec.generation - newest) & GENERATION_MAX) > GENERATION_MAX / 2;
}

static inline union record *place(const struct view *v, uint32_t i)
{
	return &v->line[i / LINE_SLOTS][i % LINE_SLOTS];
}

/* A place that changes while it is read gives a mixture: harmless, since a compare-exchange that
 * expects it fails, and work_with() asks is_still() before it believes a value. */
static inline void read_view(struct view *v, uint64_t key)
{
	uint32_t empty = 0, valid = 0, tentative = 0;

#pragma GCC unroll 8
	for (uint32_t i = 0; i < CANDIDATES; i++) {
		uint64_t seen = __atomic_load_n(&place(v, i)->key, __ATOMIC_SEQ_CST);

		v->seen[i].key = seen;
		v->seen[i].value = __atomic_load_n(&place(v, i)->value, __ATOMIC_SEQ_CST);
		empty |= (uint32_t)(seen == 0) << i;
		valid |= (uint32_t)(seen == key) << i;
		tentative |= (uint32_t)(seen == (key | KEY_TENTATIVE)) << i;
	}
	v->empty = empty;
	v->valid = valid;
	v->tentative = tentative;
}

static uint32_t lowest(uint32_t places)
{
	return (uint32_t)__builtin_ctz(places);
}

/* Exchanges what was seen at place `i`. */
static bool exchange(const struct view *v, uint32_t i, uint64_t key, uint64_t value)
{
	union record wanted = {.key = key, .value = value};

	return lb_exchange16(&place(v, i)->whole, v->seen[i].whole, wanted.whole);
}

/* When a record ends, for making room. A tentative one says something else there, and lives. */
static uint32_t seen_expiry(const struct view *v, uint32_t i)
{
	return v->seen[i].key & KEY_TENTATIVE ? EXPIRY_MAX : v->seen[i].value & EXPIRY_MAX;
}

/* Places whose record nobody will follow any more; none is empty. */
static uint32_t dead_places(const struct write_job *job, const struct view *v)
{
	uint32_t dead = 0;

	for (uint32_t i = 0; i < CANDIDATES; i++) {
		if ((v->seen[i].key & KEY_TENTATIVE) == 0 &&
		    is_dead(job->t, v->seen[i].value, job->now_s))
			dead |= 1u << i;
	}
	return dead;
}

static uint32_t first_to_expire(const struct view *v)
{
	uint32_t earliest = 0;

	for (uint32_t i = 1; i < CANDIDATES; i++) {
		if (seen_expiry(v, i) < seen_expiry(v, earliest))
			earliest = i;
	}
	return earliest;
}

/* Where a new record goes: an empty place, of both lines the one with more of them; then a dead one
 * likewise; without any the record that expires first. */
static uint32_t choose_place(const struct write_job *job, const struct view *v, bool *is_eviction)
{
	uint32_t room = v->empty != 0 ? v->empty : dead_places(job, v);
	uint32_t of_first = room & FIRST_LINE, of_second = room & ~FIRST_LINE;

	*is_eviction = room == 0;
	if (*is_eviction)
		return first_to_expire(v);
	if (__builtin_popcount(of_second) > __builtin_popcount(of_first))
		return lowest(of_second);
	return lowest(of_first);
}

static void keep_client(const struct write_job *job, const struct view *v, uint32_t i)
{
	size_t slot = (size_t)(place(v, i) - job->t->records);

	if ((job->key & KEY_V6) == 0)
		return;
	for (uint32_t w = 0; w < 2; w++)
		__atomic_store_n(&job->t->clients[slot * 2 + w], addr_word(job->client, w * 2),
				 __ATOMIC_RELAXED);
}

/* Step 2 for the tentative record seen at place `i`. True: we have made it valid; otherwise what is
 * found out is acted upon in the next round. */
static bool make_valid(const struct write_job *job, const struct view *v, uint32_t i)
{
	struct view now;

	now.line[0] = v->line[0];
	now.line[1] = v->line[1];
	read_view(&now, job->key);
	if (now.valid != 0 || now.tentative == 0 || lowest(now.tentative) != i)
		return false;
	for (uint32_t left = now.tentative & (now.tentative - 1); left != 0; left &= left - 1) {
		if (!exchange(&now, lowest(left), 0, 0))
			return false;
	}
	/* the record that was seen before the other places were read, not what is there by now */
	return exchange(v, i, job->key,
			(v->seen[i].value & ~(uint64_t)EXPIRY_MAX) | (job->value & EXPIRY_MAX));
}

/* Step 3, and step 2 for what was put there. True: it is the client's record now. */
static bool take_place(struct write_job *job, struct view *v)
{
	bool is_eviction;
	uint32_t i = choose_place(job, v, &is_eviction);
	uint32_t *placements = &job->t->placements[lb_hash_mix(job->key) % PLACEMENT_COUNTERS];
	uint64_t number = __atomic_fetch_add(placements, 1, __ATOMIC_RELAXED) & EXPIRY_MAX;
	uint64_t value = (job->value & ~(uint64_t)EXPIRY_MAX) | number;

	if (!exchange(v, i, job->key | KEY_TENTATIVE, value))
		return false;
	job->placed = i;
	job->placed_value = value;
	job->has_evicted |= is_eviction;
	keep_client(job, v, i);
	v->seen[i] = (union record){.key = job->key | KEY_TENTATIVE, .value = value};
	return make_valid(job, v, i);
}

static void take_back(const struct write_job *job, const struct view *v)
{
	union record expected = {.key = job->key | KEY_TENTATIVE, .value = job->placed_value};
	union record none = {.key = 0};

	if (job->placed != NOWHERE)
		lb_exchange16(&place(v, job->placed)->whole, expected.whole, none.whole);
}

/* Step 1 for the valid record seen at place `i`. False: it changed meanwhile. */
static bool work_with(const struct write_job *job, const struct view *v, uint32_t i,
		      const struct lb_record *void_value, struct lb_record *rec,
		      enum lb_persist_result *result)
{
	struct lb_record found = unpack(v->seen[i].value);
	bool is_same = found.member_id == rec->member_id &&
		       found.generation == (rec->generation & GENERATION_MAX);
	bool is_void = void_value != NULL && found.member_id == void_value->member_id &&
		       found.generation == void_value->generation;

	if (i == job->placed && is_same) {
		*result = job->has_evicted ? LB_PERSIST_EVICTED : LB_PERSIST_WRITTEN;
		return true;
	}
	if (is_void || is_expired(v->seen[i].value, job->now_s)) {
		*result = LB_PERSIST_WRITTEN;
		return exchange(v, i, job->key, job->value);
	}
	if (!is_still(place(v, i), job->key, v->seen[i].value))
		return false;
	*rec = found;
	*result = LB_PERSIST_LOST;
	return true;
}

enum lb_persist_result lb_persist_write(struct lb_persist_table *t, struct lb_record_key key,
					const struct lb_addr *masked_client, uint32_t now_s,
					const struct lb_record *void_value, struct lb_record *rec)
{
	struct write_job job = {.t = t,
				.client = masked_client,
				.key = key.word,
				.value = pack(rec),
				.now_s = now_s,
				.placed = NOWHERE};
	enum lb_persist_result result = LB_PERSIST_LOST;
	struct view v; /* not zeroed: that alone would take longer than to read it */

	v.line[0] = line_of(t, key, 0);
	v.line[1] = line_of(t, key, 1);
	for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
		read_view(&v, key.word);
		if (v.valid != 0) {
			if (work_with(&job, &v, lowest(v.valid), void_value, rec, &result))
				break;
		} else if (v.tentative != 0) {
			make_valid(&job, &v, lowest(v.tentative));
		} else if (take_place(&job, &v)) {
			return job.has_evicted ? LB_PERSIST_EVICTED : LB_PERSIST_WRITTEN;
		}
	}
	take_back(&job, &v);
	return result;
}

uint64_t lb_persist_slots(const struct lb_persist_table *t)
{
	return t->n_slots;
}

bool lb_persist_entry(const struct lb_persist_table *t, uint64_t slot, uint32_t now_s,
		      struct lb_addr *client, uint16_t *group_id, struct lb_record *out)
{
	uint64_t key = __atomic_load_n(&t->records[slot].key, __ATOMIC_ACQUIRE);
	uint64_t value = __atomic_load_n(&t->records[slot].value, __ATOMIC_ACQUIRE);

	if (key == 0 || (key & KEY_TENTATIVE) != 0 || is_expired(value, now_s) ||
	    !is_still(&t->records[slot], key, value))
		return false;
	*out = unpack(value);
	if ((key & KEY_V6) == 0) {
		*group_id = (uint16_t)(key >> 32);
		*client = lb_addr_from_v4(rte_cpu_to_be_32((uint32_t)key));
		return true;
	}
	*group_id = (uint16_t)(key >> FINGERPRINT_BITS);
	for (uint32_t w = 0; w < 2; w++) {
		uint64_t word = __atomic_load_n(&t->clients[slot * 2 + w], __ATOMIC_RELAXED);

		client->word_be[w * 2] = rte_cpu_to_be_32((uint32_t)(word >> 32));
		client->word_be[w * 2 + 1] = rte_cpu_to_be_32((uint32_t)word);
	}
	/* the address is kept apart from the record and may be of one that was here before */
	return lb_persist_key(t, *group_id, client).word == key;
}

/* Like giving way to another client, with nobody in the place: whoever looks the client up from now
 * on finds nothing. A refresh meanwhile moves the expiry, so it is tried again. */
bool lb_persist_remove(struct lb_persist_table *t, uint64_t slot, const struct lb_addr *client,
		       uint16_t group_id, uint32_t member_id)
{
	union record *r = &t->records[slot];

	for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
		union record expected = {.key = __atomic_load_n(&r->key, __ATOMIC_SEQ_CST)};
		union record none = {.key = 0};

		expected.value = __atomic_load_n(&r->value, __ATOMIC_SEQ_CST);
		if (expected.key != lb_persist_key(t, group_id, client).word ||
		    expected.value >> MEMBER_SHIFT != member_id)
			return false;
		if (lb_exchange16(&r->whole, expected.whole, none.whole))
			return true;
	}
	return false;
}

uint64_t lb_persist_count(const struct lb_persist_table *t, uint32_t now_s)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < t->n_slots; i++) {
		uint64_t key = __atomic_load_n(&t->records[i].key, __ATOMIC_RELAXED);
		uint64_t value = __atomic_load_n(&t->records[i].value, __ATOMIC_RELAXED);

		n += key != 0 && (key & KEY_TENTATIVE) == 0 && !is_expired(value, now_s);
	}
	return n;
}
