#include "steer/service_table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "packet/key.h"
#include "steer/seeded_hash.h"

/* What an entry stands for, beside its address and protocol. Blocks of a range have the number of
 * leading port bits that they fix, 0 being all ports; a port listed by itself is looked at before
 * any range, so it is a kind of its own. */
enum {
	LEN_RANGE_MAX = 16,
	LEN_EXACT = 17,
	LEN_MARK = 18, /* value: set of LEN_* that exist for (address, protocol) */
};

struct entry {
	struct lb_addr vip;
	uint8_t proto; /* of a mark: 0 is any protocol */
	uint8_t len;
	uint16_t port; /* host order, bits below the prefix are 0 */
	uint32_t value;
	uint32_t count; /* of a mark: entries that it stands for */
	uint32_t is_used;
};
_Static_assert(sizeof(struct entry) == 32, "two entries a line");

struct lb_service_table {
	struct lb_hash_seed seed;
	uint32_t n_slots;
	uint32_t n_used;
	uint32_t n_max;
	uint32_t unused[5];
	struct entry entries[];
};

static uint32_t slots_for(uint32_t n_entries)
{
	uint64_t slots = (uint64_t)n_entries + n_entries / 2 + 8;

	return slots > UINT32_MAX ? UINT32_MAX : (uint32_t)slots;
}

size_t lb_service_table_bytes(uint32_t n_entries)
{
	return sizeof(struct lb_service_table) +
	       (size_t)slots_for(n_entries) * sizeof(struct entry);
}

int lb_service_table_init(void *mem, uint32_t n_entries, uint64_t seed,
			  struct lb_service_table **out)
{
	struct lb_service_table *t = mem;

	if (n_entries == 0)
		return -EINVAL;
	lb_hash_seed_init(&t->seed, seed);
	t->n_slots = slots_for(n_entries);
	t->n_max = n_entries;
	*out = t;
	return 0;
}

/* An address as two words: read from a key they stay in registers. */
struct vip {
	uint64_t upper;
	uint64_t lower;
};

static inline struct vip vip_of(const struct lb_addr *addr)
{
	struct vip v;

	memcpy(&v.upper, &addr->word_be[0], sizeof(v.upper));
	memcpy(&v.lower, &addr->word_be[2], sizeof(v.lower));
	return v;
}

/* As the same four words lie in memory. */
static inline uint64_t pair_of(rte_be32_t first, rte_be32_t second)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	return (uint64_t)second << 32 | first;
#else
	return (uint64_t)first << 32 | second;
#endif
}

static inline struct vip vip_of_key(const struct lb_key *key)
{
	const rte_be32_t *word = key->v6.dst_be;

	if (!key->is_v6)
		return (struct vip){0, pair_of(RTE_BE32(0xffff), key->v4.dst_be)};
	return (struct vip){pair_of(word[0], word[1]), pair_of(word[2], word[3])};
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
		const struct entry *e = &t->entries[at];
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

static inline const struct entry *find_read(const struct lb_service_table *t, struct vip vip,
					    uint32_t what)
{
	const struct entry *e = &t->entries[find_words(t, vip, what)];

	return e->is_used == 0 ? NULL : e;
}

static bool is_there(const struct lb_service_table *t, const struct lb_addr *vip, uint32_t what)
{
	return find_read(t, vip_of(vip), what) != NULL;
}

static struct entry *take(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			  uint32_t len, uint32_t port)
{
	struct entry *e = &t->entries[find(t, vip, word_of(proto, len, port))];

	if (e->is_used == 0) {
		*e = (struct entry){*vip, proto, (uint8_t)len, (uint16_t)port, 0, 0, 1};
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
		struct entry *e;
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
	struct entry *e = take(t, vip, proto, LEN_MARK, 0);

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

int lb_service_table_add(struct lb_service_table *t, const struct lb_addr *vip, uint8_t proto,
			 const struct lb_port_range *ports, size_t n_ports, uint32_t slot)
{
	struct block blocks[32];

	if (t->n_used + lb_service_table_entries(ports, n_ports) > t->n_max)
		return -ENOSPC;
	for (size_t i = 0; i < n_ports; i++) {
		uint32_t n = blocks_of(&ports[i], blocks);

		for (uint32_t j = 0; j < n; j++)
			if (is_there(t, vip, word_of(proto, blocks[j].len, blocks[j].port)))
				return -EEXIST;
	}
	for (size_t i = 0; i < n_ports; i++) {
		uint32_t n = blocks_of(&ports[i], blocks);

		for (uint32_t j = 0; j < n; j++) {
			if (is_there(t, vip, word_of(proto, blocks[j].len, blocks[j].port)))
				continue; /* the service names this port twice */
			take(t, vip, proto, blocks[j].len, blocks[j].port)->value = slot;
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
			uint32_t at = find(t, vip, word_of(proto, blocks[j].len, blocks[j].port));

			if (t->entries[at].is_used == 0 || t->entries[at].value != slot)
				continue;
			erase(t, at);
			unmark(t, vip, proto);
			unmark(t, vip, 0);
		}
	}
}

static inline uint32_t look_up(const struct lb_service_table *t, struct vip vip, uint8_t proto,
			       rte_be16_t port_be)
{
	uint32_t port = rte_be_to_cpu_16(port_be), lens;
	const struct entry *e = find_read(t, vip, word_of(proto, LEN_EXACT, port));

	if (e != NULL)
		return e->value;
	e = find_read(t, vip, word_of(proto, LEN_MARK, 0));
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

uint32_t lb_service_table_lookup(const struct lb_service_table *t, const struct lb_addr *vip,
				 uint8_t proto, rte_be16_t port_be)
{
	return look_up(t, vip_of(vip), proto, port_be);
}

uint32_t lb_service_table_find(const struct lb_service_table *t, const struct lb_key *key)
{
	return look_up(t, vip_of_key(key), (uint8_t)lb_key_proto(key), lb_key_dport(key));
}

bool lb_service_table_has_vip(const struct lb_service_table *t, const struct lb_addr *vip)
{
	return is_there(t, vip, word_of(0, LEN_MARK, 0));
}
