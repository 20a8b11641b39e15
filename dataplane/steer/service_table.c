#include "steer/service_table.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "packet/key.h"
#include "steer/service_find.h"

/* What an entry stands for, beside its address and protocol. Blocks of a range have the number of
 * leading port bits that they fix, 0 being all ports; a port listed by itself is looked at before
 * any range, so it is a kind of its own and not among these entries. */
enum {
	LEN_RANGE_MAX = 16,
	LEN_EXACT = 17,
	LEN_MARK = 18, /* value: set of LEN_* that exist for (address, protocol) */
};

struct lb_service_entry {
	struct lb_addr vip;
	uint8_t proto; /* of a mark: 0 is any protocol */
	uint8_t len;
	uint16_t port; /* host order, bits below the prefix are 0 */
	uint32_t value;
	uint32_t count; /* of a mark: entries that it stands for */
	uint32_t is_used;
};
_Static_assert(sizeof(struct lb_service_entry) == 32, "two entries a line");
_Static_assert(sizeof(struct lb_service_table) % 64 == 0, "buckets and entries begin lines");

static uint32_t slots_for(uint32_t n_entries)
{
	uint64_t slots = (uint64_t)n_entries + n_entries / 2 + 8;

	return slots > UINT32_MAX ? UINT32_MAX : (uint32_t)slots;
}

size_t lb_service_table_bytes(uint32_t n_entries)
{
	return sizeof(struct lb_service_table) + lb_exact_ports_bytes(n_entries) +
	       (size_t)slots_for(n_entries) * sizeof(struct lb_service_entry);
}

int lb_service_table_init(void *mem, uint32_t n_entries, uint64_t seed,
			  struct lb_service_table **out)
{
	struct lb_service_table *t = mem;
	uint8_t *rest = (uint8_t *)(t + 1);

	if (n_entries == 0)
		return -EINVAL;
	lb_exact_ports_init(rest, n_entries, seed, &t->exact);
	t->entries = (struct lb_service_entry *)(rest + lb_exact_ports_bytes(n_entries));
	lb_hash_seed_init(&t->seed, seed);
	t->n_slots = slots_for(n_entries);
	t->n_max = n_entries;
	*out = t;
	return 0;
}

/* An address as two words. */
struct vip {
	uint64_t upper;
	uint64_t lower;
};

static inline struct vip vip_of(const struct lb_addr *addr)
{
	struct vip v;

	memcpy(&v, addr, sizeof(v));
	return v;
}

static inline uint32_t home_of(const struct lb_service_table *t, struct vip vip, uint32_t what)
{
	const uint64_t words[3] = {vip.upper, vip.lower, what};

	return lb_hash_reduce((uint32_t)lb_hash_words(&t->seed, words, 3), t->n_slots);
}

/* Protocol, length and port as one word, for hash and comparison. */
static uint32_t word_of(uint8_t proto, uint32_t len, uint32_t port)
{
	return (uint32_t)proto << 24 | len << 16 | port;
}

/* The slot that holds this entry, or the free one where it would go. The table always has a free
 * slot, so the walk ends. */
static inline uint32_t find_words(const struct lb_service_table *t, struct vip vip, uint32_t what)
{
	uint32_t at = home_of(t, vip, what);

	for (;;) {
		const struct lb_service_entry *e = &t->entries[at];
		struct vip of_entry = vip_of(&e->vip);

		if (e->is_used == 0)
			return at;
		if (word_of(e->proto, e->len, e->port) == what && of_entry.upper == vip.upper &&
		    of_entry.lower == vip.lower)
			return at;
		at = at + 1 == t->n_slots ? 0 : at + 1;
	}
}

static uint32_t find(const struct lb_service_table *t, const struct lb_addr *vip, uint32_t what)
{
	return find_words(t, vip_of(vip), what);
}

static inline const struct lb_service_entry *find_read(const struct lb_service_table *t,
						       struct vip vip, uint32_t what)
{
	const struct lb_service_entry *e = &t->entries[find_words(t, vip, what)];

	return e->is_used == 0 ? NULL : e;
}

static bool is_there(const struct lb_service_table *t, const struct lb_addr *vip, uint32_t what)
{
	return find_read(t, vip_of(vip), what) != NULL;
}

static struct lb_service_entry *take(struct lb_service_table *t, const struct lb_addr *vip,
				     uint8_t proto, uint32_t len, uint32_t port)
{
	struct lb_service_entry *e = &t->entries[find(t, vip, word_of(proto, len, port))];

	if (e->is_used == 0) {
		*e = (struct lb_service_entry){*vip, proto, (uint8_t)len, (uint16_t)port, 0, 0, 1};
		t->n_used++;
	}
	return e;
}

/* Closes the gap, so that no walk ends early at it. */
static void erase(struct lb_service_table *t, uint32_t hole)
{
	uint32_t at = hole;

	t->n_used--;
	for (;;) {
		struct lb_service_entry *e;
		uint32_t home, from_home, from_hole;

		at = at + 1 == t->n_slots ? 0 : at + 1;
		e = &t->entries[at];
		if (e->is_used == 0)
			break;
		home = home_of(t, vip_of(&e->vip), word_of(e->proto, e->len, e->port));
		from_home = at >= home ? at - home : at + t->n_slots - home;
		from_hole = at >= hole ? at - hole : at + t->n_slots - hole;
		if (from_home >= from_hole) {
			t->entries[hole] = *e;
			hole = at;
		}
	}
	t->entries[hole].is_used = 0;
}

/* The next aligned block of first..last; `first` moves behind it. Returns its prefix length. */
static uint32_t next_block(uint32_t *first, uint32_t last, uint32_t *port)
{
	uint32_t size = 1;

	while (size < 65536 && (*first & (2 * size - 1)) == 0 && *first + 2 * size - 1 <= last)
		size *= 2;
	*port = *first;
	*first += size;
	return LEN_RANGE_MAX - (uint32_t)__builtin_ctz(size);
}

/* One entry of a range: at most 30 of them make any range. */
struct block {
	uint32_t len;
	uint32_t port;
};

static uint32_t blocks_of(const struct lb_port_range *range, struct block out[32])
{
	uint32_t first = range->first, n = 0;

	if (range->first == range->last) {
		out[0] = (struct block){LEN_EXACT, first};
		return 1;
	}
	while (first <= range->last) {
		out[n].len = next_block(&first, range->last, &out[n].port);
		n++;
	}
	return n;
}

uint32_t lb_service_table_entries(const struct lb_port_range *ports, size_t n_ports)
{
	struct block blocks[32];
	uint32_t n = 2; /* the marks of (address, protocol) and of the address */

	for (size_t i = 0; i < n_ports; i++)
		n += blocks_of(&ports[i], blocks);
	return n;
}

static void mark(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto, uint32_t len)
{
	struct lb_service_entry *e = take(t, vip, proto, LEN_MARK, 0);

	e->value |= 1u << len;
	e->count++;
}

/* Which lengths exist is not counted one by one: a length that no service uses any more costs a
 * fruitless look at it until the address loses its last service. */
static void unmark(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto)
{
	uint32_t at = find(t, vip, word_of(proto, LEN_MARK, 0));

	if (--t->entries[at].count == 0)
		erase(t, at);
}

static struct lb_exact_key exact_of(const struct lb_addr *addr, uint8_t proto, uint32_t port)
{
	struct vip vip = vip_of(addr);

	return lb_exact_key(vip.upper, vip.lower, proto, rte_cpu_to_be_16((uint16_t)port));
}

static uint32_t find_exact(const struct lb_service_table *t, const struct lb_exact_key *key)
{
	struct lb_exact_question q = lb_exact_ask(&t->exact, key);

	return lb_exact_find(&t->exact, &q, key);
}

static bool is_block_there(const struct lb_service_table *t, const struct lb_addr *vip,
			   uint8_t proto, const struct block *block)
{
	struct lb_exact_key key = exact_of(vip, proto, block->port);

	if (block->len == LEN_EXACT)
		return find_exact(t, &key) != LB_EXACT_NONE;
	return is_there(t, vip, word_of(proto, block->len, block->port));
}

static void put_block(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
		      const struct block *block, uint32_t slot)
{
	struct lb_exact_key key = exact_of(vip, proto, block->port);

	if (block->len != LEN_EXACT) {
		take(t, vip, proto, block->len, block->port)->value = slot;
		return;
	}
	lb_exact_ports_add(&t->exact, &key, (uint16_t)slot);
	t->n_used++;
}

/* False: it is another slot's, or nobody's. */
static bool drop_block(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
		       const struct block *block, uint32_t slot)
{
	struct lb_exact_key key = exact_of(vip, proto, block->port);
	uint32_t at;

	if (block->len == LEN_EXACT) {
		if (find_exact(t, &key) != slot)
			return false;
		lb_exact_ports_remove(&t->exact, &key);
		t->n_used--;
		return true;
	}
	at = find(t, vip, word_of(proto, block->len, block->port));
	if (t->entries[at].is_used == 0 || t->entries[at].value != slot)
		return false;
	erase(t, at);
	return true;
}

int lb_service_table_add(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			 const struct lb_port_range *ports, size_t n_ports, uint32_t slot)
{
	struct block blocks[32];

	assert(slot < LB_SERVICES_MAX);
	if (t->n_used + lb_service_table_entries(ports, n_ports) > t->n_max)
		return -ENOSPC;
	for (size_t i = 0; i < n_ports; i++) {
		uint32_t n = blocks_of(&ports[i], blocks);

		for (uint32_t j = 0; j < n; j++)
			if (is_block_there(t, vip, proto, &blocks[j]))
				return -EEXIST;
	}
	for (size_t i = 0; i < n_ports; i++) {
		uint32_t n = blocks_of(&ports[i], blocks);

		for (uint32_t j = 0; j < n; j++) {
			if (is_block_there(t, vip, proto, &blocks[j]))
				continue; /* the service names this port twice */
			put_block(t, vip, proto, &blocks[j], slot);
			mark(t, vip, proto, blocks[j].len);
			mark(t, vip, 0, blocks[j].len);
		}
	}
	return 0;
}

void lb_service_table_remove(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			     const struct lb_port_range *ports, size_t n_ports, uint32_t slot)
{
	struct block blocks[32];

	for (size_t i = 0; i < n_ports; i++) {
		uint32_t n = blocks_of(&ports[i], blocks);

		for (uint32_t j = 0; j < n; j++) {
			if (!drop_block(t, vip, proto, &blocks[j], slot))
				continue;
			unmark(t, vip, proto);
			unmark(t, vip, 0);
		}
	}
}

static uint32_t find_range(const struct lb_service_table *t, struct vip vip, uint8_t proto,
			   rte_be16_t port_be)
{
	uint32_t port = rte_be_to_cpu_16(port_be), lens;
	const struct lb_service_entry *e = find_read(t, vip, word_of(proto, LEN_MARK, 0));

	if (e == NULL)
		return LB_SERVICE_NOT_FOUND;
	/* Ranges of one address do not overlap, so only "all ports" (length 0) can hide another. */
	lens = e->value & ((1u << (LEN_RANGE_MAX + 1)) - 1);
	while (lens != 0) {
		uint32_t len = 31u - (uint32_t)__builtin_clz(lens);
		uint32_t prefix = port & (0xffffu << (LEN_RANGE_MAX - len)) & 0xffffu;

		e = find_read(t, vip, word_of(proto, len, prefix));
		if (e != NULL)
			return e->value;
		lens &= ~(1u << len);
	}
	return LB_SERVICE_NOT_FOUND;
}

uint32_t lb_service_find_range(const struct lb_service_table *t, const struct lb_key *key)
{
	struct lb_exact_key exact = lb_service_key(key);
	struct vip vip = {exact.upper, exact.lower};

	return find_range(t, vip, (uint8_t)lb_key_proto(key), exact.port_be);
}

uint32_t lb_service_table_lookup(const struct lb_service_table *t, const struct lb_addr *addr,
				 uint8_t proto, rte_be16_t port_be)
{
	struct vip vip = vip_of(addr);
	struct lb_exact_key key = lb_exact_key(vip.upper, vip.lower, proto, port_be);
	uint32_t slot = find_exact(t, &key);

	return likely(slot != LB_EXACT_NONE) ? slot : find_range(t, vip, proto, port_be);
}

uint32_t lb_service_table_find(const struct lb_service_table *t, const struct lb_key *key)
{
	struct lb_exact_key exact = lb_service_key(key);
	struct lb_exact_question q = lb_exact_ask(&t->exact, &exact);

	return lb_service_find_asked(t, key, &q);
}

bool lb_service_table_has_vip(const struct lb_service_table *t, const struct lb_addr *vip)
{
	return is_there(t, vip, word_of(0, LEN_MARK, 0));
}
