/* addr.h - IPv4 and IPv6 addresses, prefixes and ports as values.
 *
 * Role     the one address type of both planes; text <-> value
 * Shape    four 32-bit words; IPv4 is held in its mapped form ::ffff:a.b.c.d, so that one
 *          comparison serves both families
 * Units    words in network order; prefix lengths in bits of the family (0..32 or 0..128)
 * Threads  values; no shared state
 * Memory   no heap
 * Limits   LB_ADDR_TEXT_MAX bytes of text. An IPv6 packet on the wire never carries a mapped
 *          address (it is dropped by name), so the two families cannot be mixed up
 * Errors   parse: -EINVAL with the sentence in lb_error
 * Source   RFC 4291 2.5.5.2 (mapped form), RFC 5952 (text form)
 * Tests    tests/unit/test_addr.c
 */
#ifndef LB_ADDR_H
#define LB_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

#define LB_ADDR_TEXT_MAX 46
#define LB_PREFIX_TEXT_MAX 50

struct lb_addr {
	rte_be32_t word_be[4];
};

struct lb_prefix {
	struct lb_addr addr;
	uint8_t len; /* bits of the address's own family */
};

static inline struct lb_addr lb_addr_from_v4(rte_be32_t v4_be)
{
	return (struct lb_addr){{0, 0, RTE_BE32(0xffff), v4_be}};
}

static inline bool lb_addr_is_v4(const struct lb_addr *a)
{
	return a->word_be[0] == 0 && a->word_be[1] == 0 && a->word_be[2] == RTE_BE32(0xffff);
}

/* Precondition: lb_addr_is_v4(a). */
static inline rte_be32_t lb_addr_v4(const struct lb_addr *a)
{
	return a->word_be[3];
}

/* Word by word: an address was often put together from words just before, and a wider load would
 * have to wait until all of them have reached the cache. */
static inline bool lb_addr_equal(const struct lb_addr *a, const struct lb_addr *b)
{
	return ((a->word_be[0] ^ b->word_be[0]) | (a->word_be[1] ^ b->word_be[1]) |
		(a->word_be[2] ^ b->word_be[2]) | (a->word_be[3] ^ b->word_be[3])) == 0;
}

static inline bool lb_addr_is_zero(const struct lb_addr *a)
{
	return (a->word_be[0] | a->word_be[1] | a->word_be[2] | a->word_be[3]) == 0;
}

/* Keeps the first `len` bits of the address's own family, clears the others. */
struct lb_addr lb_addr_mask(const struct lb_addr *a, uint8_t len);

bool lb_prefix_contains(const struct lb_prefix *p, const struct lb_addr *a);

/* Literal addresses only, no names, no zones, no mapped form; -EINVAL on anything else. */
int lb_addr_parse(const char *text, struct lb_addr *out);

/* "192.0.2.2/24"; without a slash the prefix is the whole address. Host bits are kept. */
int lb_prefix_parse(const char *text, struct lb_prefix *out);

/* Writes at most LB_ADDR_TEXT_MAX bytes and returns `text`. */
const char *lb_addr_format(const struct lb_addr *a, char text[LB_ADDR_TEXT_MAX]);

/* Writes at most LB_PREFIX_TEXT_MAX bytes and returns `text`. */
const char *lb_prefix_format(const struct lb_prefix *p, char text[LB_PREFIX_TEXT_MAX]);

#endif
