/* wire.h - offsets and big-endian words of the frames that the generator writes and judges.
 *
 * Role     the wire formats as the RFCs have them, and the plain Internet checksum; nothing of
 *          Ballast's own code, so that its mistakes are not made twice
 * Units    bytes; words are in network order on the wire, in host order here
 * Threads  pure
 * Memory   reads and writes what it is given
 * Limits   none
 * Errors   none
 * Source   RFC 791, 768, 9293, 8200, 1071
 * Tests    tests/unit/test_generator_frame.c
 */
#ifndef GEN_WIRE_H
#define GEN_WIRE_H

#include <stdint.h>
#include <string.h>

#define GEN_ETH_BYTES 14u
#define GEN_IPV4_BYTES 20u
#define GEN_IPV6_BYTES 40u
#define GEN_UDP_BYTES 8u
#define GEN_TCP_BYTES 20u
#define GEN_TYPE_IPV4 0x0800u
#define GEN_TYPE_IPV6 0x86ddu
#define GEN_PROTO_IPIP 4u
#define GEN_PROTO_TCP 6u
#define GEN_PROTO_UDP 17u
#define GEN_PROTO_IPV6 41u

#define GEN_TCP_SYN 0x02u
#define GEN_TCP_ACK 0x10u

/* The stamp of a frame: its flow and its time of sending. TCP carries it as sequence and
 * acknowledgement number, UDP as the first eight bytes of its data. */
#define GEN_STAMP_BYTES 8u
#define GEN_TCP_STAMP_OFF 4u
#define GEN_UDP_STAMP_OFF GEN_UDP_BYTES

static inline void gen_put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void gen_put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

static inline uint32_t gen_get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t gen_get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

/* Adds `n` bytes in words as they lie in memory; an odd last byte is followed by a zero. */
static inline uint64_t gen_sum(uint64_t sum, const uint8_t *at, uint32_t n)
{
	uint32_t word;
	uint16_t half;

	for (; n >= 4; n -= 4, at += 4) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	for (; n >= 2; n -= 2, at += 2) {
		memcpy(&half, at, sizeof(half));
		sum += half;
	}
	if (n != 0) {
		half = 0;
		memcpy(&half, at, 1);
		sum += half;
	}
	return sum;
}

/* Folded and not inverted: 0xffff over a message with a right checksum in it. */
static inline uint16_t gen_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

static inline void gen_put_checksum(uint8_t *at, uint64_t sum)
{
	uint16_t value = (uint16_t)~gen_fold(sum);

	memcpy(at, &value, sizeof(value));
}

/* What a pseudo header adds beside the addresses. */
static inline uint64_t gen_sum_pseudo(uint32_t proto, uint32_t l4_bytes)
{
	uint8_t words[8];

	gen_put32(words, l4_bytes);
	gen_put32(words + 4, proto);
	return gen_sum(0, words, sizeof(words));
}

#endif
