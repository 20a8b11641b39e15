/* checksum.h - the Internet checksum, updated where words change and summed where we build.
 *
 * Role     one's complement arithmetic over 16-bit words, several at once
 * Shape    a sum or a difference is a uint64_t of unfolded 32-bit words: 2^32 = 2^16 = 1 modulo
 *          0xffff, so words may be added as they lie in the packet and folded once at the end
 * Units    network order as in the packet; the arithmetic does not depend on byte order
 * Threads  pure
 * Memory   reads what it is given
 * Limits   a sum takes 2^32 words before it could overflow; one from lb_checksum_sum_ipv4 is full
 * Errors   none
 * Source   RFC 1071; RFC 1624 equation 3 (the older update gives 0xffff where 0x0000 is meant)
 * Tests    tests/unit/test_checksum.c
 */
#ifndef LB_CHECKSUM_H
#define LB_CHECKSUM_H

#include <immintrin.h>
#include <stdbool.h>

#include "packet/wire.h"

/* Both steps carry round the end: 64 bits to 32, and in the upper half of the last sum 32 to 16. */
static inline uint16_t lb_checksum_fold(uint64_t sum)
{
	uint32_t lower = (uint32_t)sum, half = lower + (uint32_t)(sum >> 32);

	half += half < lower;
	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

/* Adds `n` bytes that begin at an even offset of what is summed; an odd last byte is padded. */
static inline uint64_t lb_checksum_sum(uint64_t sum, const uint8_t *at, uint32_t n)
{
	rte_be16_t last = 0;

	for (; n >= 4; n -= 4, at += 4)
		sum += lb_load_be32(at);
	if (n >= 2) {
		sum += lb_load_be16(at);
		at += 2;
	}
	if (n % 2 != 0) {
		memcpy(&last, at, 1);
		sum += last;
	}
	return sum;
}

/* An IPv4 header without options: its words as three, the carries brought round. */
static inline uint64_t lb_checksum_sum_ipv4(const uint8_t *ip)
{
	uint64_t word[2], sum;
	bool is_over;

	memcpy(word, ip, sizeof(word));
	is_over = __builtin_add_overflow(word[0], word[1], &sum);
	is_over = __builtin_add_overflow(sum, (uint64_t)lb_load_be32(ip + 16) + is_over, &sum);
	return sum + is_over;
}

/* Of words among which is their own checksum; they are not all 0. */
static inline bool lb_checksum_is_sound(uint64_t sum)
{
	return sum % UINT16_MAX == 0;
}

/* The checksum field for a whole sum. */
static inline rte_be16_t lb_checksum_of(uint64_t sum)
{
	return (rte_be16_t)~lb_checksum_fold(sum);
}

/* What the sum of the covered words changes by when one of them is replaced. */
static inline uint64_t lb_checksum_diff16(rte_be16_t before, rte_be16_t after)
{
	return UINT16_MAX + (uint64_t)after - before;
}

static inline uint64_t lb_checksum_diff32(rte_be32_t before, rte_be32_t after)
{
	return UINT32_MAX + (uint64_t)after - before;
}

/* One step of a sum with carries, the processor's own: compilers do not make it of
 * __builtin_add_overflow(). */
static inline uint64_t lb_checksum_carry(uint64_t sum, uint64_t word, uint8_t *carry)
{
	unsigned long long next;

	*carry = _addcarry_u64(*carry, sum, word, &next);
	return next;
}

/* 32 bytes, the carries brought round. */
static inline uint64_t lb_checksum_sum256(const uint8_t *at)
{
	uint8_t carry = 0;
	uint64_t sum = lb_checksum_carry(lb_load_be64(at), lb_load_be64(at + 8), &carry);

	sum = lb_checksum_carry(sum, lb_load_be64(at + 16), &carry);
	sum = lb_checksum_carry(sum, lb_load_be64(at + 24), &carry);
	return lb_checksum_carry(sum, 0, &carry);
}

/* Both addresses of an IPv6 packet at once. 2^64 = 1 modulo 0xffff too; the last step makes room
 * for what is added. */
static inline uint64_t lb_checksum_diff256(const uint8_t *before, const uint8_t *after)
{
	uint64_t sum = lb_checksum_sum256(after);
	uint8_t carry = 0;

	sum = lb_checksum_carry(sum, ~lb_checksum_sum256(before), &carry);
	sum = lb_checksum_carry(sum, 0, &carry);
	return (uint64_t)(uint32_t)sum + (sum >> 32);
}

/* A TTL that becomes one less, in the word that it shares with the protocol. */
static inline uint64_t lb_checksum_diff_ttl(void)
{
	return UINT16_MAX - RTE_BE16(0x0100);
}

/* The checksum field after changes that add up to `diff`. */
static inline rte_be16_t lb_checksum_update(rte_be16_t checksum, uint64_t diff)
{
	return lb_checksum_of(diff + UINT16_MAX - checksum);
}

/* UDP: a field of 0 says that the sender made no checksum and stays; a checksum that comes out as
 * 0 is written as 0xffff. */
static inline rte_be16_t lb_checksum_update_udp(rte_be16_t checksum, uint64_t diff)
{
	rte_be16_t updated;

	if (checksum == 0)
		return 0;
	updated = lb_checksum_update(checksum, diff);
	return updated == 0 ? UINT16_MAX : updated;
}

/* Replaces a word in the packet and returns what that changes the sum by. */
static inline uint64_t lb_checksum_put16(uint8_t *at, rte_be16_t word)
{
	uint64_t diff = lb_checksum_diff16(lb_load_be16(at), word);

	lb_store_be16(at, word);
	return diff;
}

static inline uint64_t lb_checksum_put32(uint8_t *at, rte_be32_t word)
{
	uint64_t diff = lb_checksum_diff32(lb_load_be32(at), word);

	lb_store_be32(at, word);
	return diff;
}

/* A whole IPv6 address. */
static inline uint64_t lb_checksum_put128(uint8_t *at, const rte_be32_t word[4])
{
	uint64_t diff = 0;

	for (uint32_t i = 0; i < 4; i++)
		diff += lb_checksum_put32(at + 4 * i, word[i]);
	return diff;
}

#endif
