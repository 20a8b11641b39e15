/* wire.h - words of a packet, wherever they lie.
 *
 * Role     loads and stores at any alignment: an IP header behind 14 bytes of Ethernet has none
 * Shape    inline functions, one instruction each
 * Units    network order, as in the packet
 * Threads  pure
 * Memory   reads or writes exactly the word; the caller has checked that it is there
 * Errors   none
 * Tests    tests/unit/test_checksum.c
 */
#ifndef LB_WIRE_H
#define LB_WIRE_H

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

#define LB_ETH_BYTES 14u
#define LB_IPV4_BYTES 20u
#define LB_IPV6_BYTES 40u
#define LB_TCP_BYTES 20u
#define LB_TCP_BYTES_MAX 60u
#define LB_UDP_BYTES 8u
#define LB_ICMP_BYTES 8u

/* From the first byte of the header that is named. */
#define LB_IPV4_TTL_OFF 8u
#define LB_IPV4_CHECKSUM_OFF 10u
#define LB_IPV4_SRC_OFF 12u
#define LB_IPV4_DST_OFF 16u
#define LB_IPV6_HOP_LIMIT_OFF 7u
#define LB_IPV6_SRC_OFF 8u
#define LB_IPV6_DST_OFF 24u
#define LB_TCP_SEQ_OFF 4u
#define LB_TCP_ACK_OFF 8u
#define LB_TCP_CHECKSUM_OFF 16u
#define LB_UDP_CHECKSUM_OFF 6u
#define LB_ICMP_CHECKSUM_OFF 2u

static inline rte_be16_t lb_load_be16(const uint8_t *at)
{
	rte_be16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline rte_be32_t lb_load_be32(const uint8_t *at)
{
	rte_be32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline rte_be64_t lb_load_be64(const uint8_t *at)
{
	rte_be64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void lb_store_be16(uint8_t *at, rte_be16_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void lb_store_be32(uint8_t *at, rte_be32_t word)
{
	memcpy(at, &word, sizeof(word));
}

/* A number in host order. */
static inline uint16_t lb_load_u16(const uint8_t *at)
{
	return rte_be_to_cpu_16(lb_load_be16(at));
}

static inline uint32_t lb_load_u32(const uint8_t *at)
{
	return rte_be_to_cpu_32(lb_load_be32(at));
}

static inline void lb_store_u16(uint8_t *at, uint16_t value)
{
	lb_store_be16(at, rte_cpu_to_be_16(value));
}

static inline void lb_store_u32(uint8_t *at, uint32_t value)
{
	lb_store_be32(at, rte_cpu_to_be_32(value));
}

#endif
