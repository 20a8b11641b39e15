/* conn_ask.h - asks the silent sides of connections whose server is down for a packet.
 *
 * Role     a reset has to name the exact next number, and Ballast keeps none. A segment that fits
 *          nowhere is answered by one that says where its sender is; that is a packet of the
 *          connection like any other, and the reset that refuses it is exact
 * Shape    the ageing sweep asks, between bursts; the pipeline makes the questions into frames
 * Units    next hops by id, numbers in host order
 * Threads  owner worker only
 * Memory   part of struct lb_steer
 * Limits   LB_ASKS_MAX questions wait to be collected, LB_ASKS_PER_S are asked: the answers are to
 *          get their resets within the rate of those. Whom a sweep has no question left for is
 *          asked by a later one; who does not answer is asked again by each until the entry goes,
 *          LB_TCP_ASKED's time after the first
 * Errors   none
 * Source   RFC 9293 3.10.7.4 (a segment that is not acceptable is acknowledged); decision 0081
 * Tests    tests/unit/test_pipeline_server_down.c
 */
#ifndef LB_CONN_ASK_H
#define LB_CONN_ASK_H

#include "packet/packet.h"
#include "packet/token_bucket.h"

#define LB_ASKS_MAX 64u
#define LB_ASKS_PER_S 400u

struct lb_ask {
	struct lb_key key; /* as it leaves */
	uint32_t seq;      /* far from what its receiver waits for */
	uint32_t next_hop;
};

struct lb_asks {
	struct lb_token_bucket bucket;
	uint32_t n;
	struct lb_ask of[LB_ASKS_MAX];
};

struct lb_conn;
struct lb_service;
struct lb_steer;

/* Is this server of the service's down, for longer than the service lets its connections stay? One
 * that is not the service's any more is, at once. */
bool lb_conn_is_server_gone(const struct lb_steer *st, const struct lb_service *svc,
			    uint32_t real_id, uint64_t now_ms);

/* Asks both sides of the connection, if it is to be reset and they have something to say. */
void lb_conn_ask(struct lb_steer *st, struct lb_conn *fwd, bool is_v6, uint64_t now_ms);

#endif
