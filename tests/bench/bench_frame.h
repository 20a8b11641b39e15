/* bench_frame.h - the bench's packets: as they come in, and whether they went out as they should.
 *
 * Role     writes the headers of a packet; judges one that the pipeline sent
 *          against what its flow must have become: lengths and checksums by frame_verify(), MAC
 *          addresses, tunnel headers, and the whole 5-tuple. So nothing that the pipeline has to do
 *          can be left out, by a compiler or by a mistake
 * Shape    pure functions on bytes
 * Units    bytes
 * Threads  pure
 * Memory   none
 * Limits   no payload, no options
 * Errors   bench_frame_judge() returns the first complaint as a sentence
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include "lb/config.h"
#include "packet/packet.h"

/* Of our one interface, of the router in front of the clients, and of a server. */
extern const uint8_t bench_mac_own[6];
extern const uint8_t bench_mac_router[6];
void bench_mac_of_server(uint32_t server, uint8_t mac[6]);

uint32_t bench_frame_bytes(bool is_v6);

/* The TCP checksum stays 0: summing up while a pool is filled changes what of it is in the caches
 * afterwards, by some nanoseconds a packet. */
void bench_frame_write(uint8_t *data, const struct lb_key *key, uint8_t flags);

/* Writes the TCP checksum. */
void bench_frame_seal(uint8_t *data, bool is_v6);

/* The 5-tuple of a frame without tunnel headers. */
void bench_frame_key(const uint8_t *data, bool is_v6, struct lb_key *key);

struct bench_expected {
	const struct lb_key
		*key; /* of the packet as it leaves, inside a tunnel where there is one */
	enum lb_forwarding forwarding;
	bool is_reply;         /* goes to the router; others to one of the servers */
	bool is_any_source;    /* a NAT source was chosen: key has the client in its place */
	uint32_t server_first; /* of those that it may have gone to */
	uint32_t n_servers;
};

/* NULL: as expected. */
const char *bench_frame_judge(const uint8_t *data, uint32_t len, const struct bench_expected *e);

#endif
