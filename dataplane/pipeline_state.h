/* pipeline_state.h - the inside of struct lb_pipeline, for pipeline*.c only.
 *
 * Role     a worker's tables and what the passes keep between bursts
 * Shape    head of the block that lb_pipeline_init lays out
 * Threads  owner worker; counters and traffic: control ro
 * Memory   part of the caller's block
 * Limits   LB_UNRESOLVED_MAX next hops are remembered between two questions; further ones are
 *          remembered when they are needed again
 * Tests    tests/unit/test_pipeline.c
 */
#ifndef LB_PIPELINE_STATE_H
#define LB_PIPELINE_STATE_H

#include <netinet/in.h>

#include "packet/icmp_error.h"
#include "packet/token_bucket.h"
#include "pipeline.h"
#include "steer/conn.h"
#include "steer/stateless.h"

#define LB_REPLIES_PER_S 1000u /* resets and ICMP errors originated by one worker */
#define LB_REPLIES_BURST 100u
#define LB_UNRESOLVED_MAX 64u
#define LB_AGE_BUCKETS_MAX 1024u /* of one call of lb_pipeline_age */

struct lb_pipeline {
	struct lb_steer steer;
	struct lb_token_bucket replies;
	struct lb_fragment_table *fragments;
	uint32_t unresolved[LB_UNRESOLVED_MAX];
	uint32_t n_unresolved;
	lb_pipeline_observer on_pass;
	void *on_pass_ctx;
	/* Services whose ports another slot still holds, until a later command frees them. */
	uint32_t n_unplaced;
	uint64_t *unplaced; /* bitmap of slots */
	_Alignas(64) uint64_t counters[LB_COUNTER_N];
};

static inline struct lb_addr lb_outer_addr(const struct lb_pkt *p, uint32_t v4_off, uint32_t v6_off)
{
	struct lb_addr a = {{0, 0, RTE_BE32(0xffff), 0}};

	if (p->key.is_v6)
		memcpy(&a, p->data + p->l3_off + v6_off, sizeof(a));
	else
		memcpy(&a.word_be[3], p->data + p->l3_off + v4_off, sizeof(a.word_be[3]));
	return a;
}

/* Of the outermost IP header: an ICMP error's key says nothing about them. */
static inline struct lb_addr lb_outer_src(const struct lb_pkt *p)
{
	return lb_outer_addr(p, 12, 8);
}

static inline struct lb_addr lb_outer_dst(const struct lb_pkt *p)
{
	return lb_outer_addr(p, 16, 24);
}

/* Answers a packet that cannot be served, unless too many were answered lately or it may not be
 * answered at all; then it is dropped. `vip` NULL: with a TCP reset from where it was sent to. */
void lb_refuse(struct lb_pipeline *pl, struct lb_pkt *p, enum lb_counter reason,
	       const struct lb_addr *vip, enum lb_icmp_why why, uint64_t now_ms);

/* The same for a packet larger than the `mtu` bytes that its way carries, with or without DF:
 * Ballast does not fragment (decision 0042). */
void lb_refuse_too_big(struct lb_pipeline *pl, struct lb_pkt *p, uint32_t mtu, uint64_t now_ms);

/* Where a packet without a connection is going. */
struct lb_flow_target {
	uint32_t slot;       /* of the service, LB_SERVICE_NOT_FOUND: none */
	bool is_at_nat_port; /* one that we use as NAT source: nobody but us can answer it */
	bool is_by_rss;      /* `owner` is where the network card brings such packets */
	uint32_t owner;      /* the worker that has its connection, if there is one */
};

/* `slot`: what the service look-up has said; LB_SERVICE_NOT_FOUND: it has not been asked. */
struct lb_flow_target lb_find_target(const struct lb_steer *st, const struct lb_key *key,
				     uint32_t slot);

/* For a packet without a connection: looks up its service, and what opening one will read is on its
 * way. True: it may open one whose replies come through us, and so have an entry too. */
bool lb_ask_ahead(const struct lb_steer *st, struct lb_pkt *p);

/* pipeline_foresee.c. Of those, `fresh` being a bit for each live packet: the buckets of the
 * replies' keys are on their way. Writes nothing. */
void lb_foresee_replies(const struct lb_steer *st, const struct lb_burst *b, uint32_t fresh,
			uint64_t now_ms);

/* The owner of a packet to the service in t->slot; t->owner is this worker before. */
void lb_find_request_owner(const struct lb_steer *st, const struct lb_key *key,
			   struct lb_flow_target *t);

/* May this packet open a connection? */
static inline bool lb_is_opening(const struct lb_pkt *p)
{
	return p->proto != IPPROTO_TCP || p->tcp_flags == LB_TCP_SYN;
}

/* The gateway towards a client; LB_NEXT_HOP_NONE: it is on the link. */
uint32_t lb_route_to_client(const struct lb_steer *st, const struct lb_addr *client);

/* The same with what its protocol expects: a reset, or an ICMP error from where it was sent to. */
void lb_refuse_by_protocol(struct lb_pipeline *pl, struct lb_pkt *p, enum lb_counter reason,
			   uint64_t now_ms);

/* deliver, for one packet. */
void lb_deliver(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms);

/* deliver, for a SYN that leaves. */
void lb_clamp_mss(struct lb_steer *st, struct lb_pkt *p);

/* choose, for one packet; p->conn is what the connection table says. */
void lb_choose_flow(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms);
void lb_choose_icmp_error(struct lb_steer *st, struct lb_pkt *p);

/* pipeline_stateless.c. Chooses for the live packets of a burst that go by the table of a stateless
 * service alone, and for the others begins to fetch their bucket of the connection table. Returns a
 * bit for each of those others, by its place among the live ones. Only while st->n_stateless is not
 * 0. */
uint32_t lb_choose_stateless(struct lb_pipeline *pl, const struct lb_burst *b);

/* For one packet that has no entry: who serves it by the table of the service in `slot`, which is
 * one for which lb_is_by_table(). Only `turn` is written, the service's lb_schedule_state or a copy
 * of it. */
void lb_choose_by_table(const struct lb_steer *st, const struct lb_pkt *p, uint32_t slot,
			struct lb_schedule_state *turn, struct lb_stateless_choice *out);

/* Is that the way for this packet to the service in `slot`? */
bool lb_is_by_table(const struct lb_steer *st, const struct lb_pkt *p, uint32_t slot);

/* May it be sent without an entry, as chosen? A packet in mid-stream has to where its entry might
 * take another one's place. */
bool lb_goes_without_entry(const struct lb_steer *st, const struct lb_pkt *p,
			   const struct lb_stateless_choice *choice);

/* Nobody serves a packet of p->service: by the service's no_server_action, or a reset in
 * mid-stream. */
void lb_refuse_by_service(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms);

/* Sends it to that server without an entry. */
void lb_send_by_table(const struct lb_steer *st, struct lb_pkt *p, uint32_t slot, uint32_t server);

/* A TCP connection that is opened so. */
void lb_count_stateless(struct lb_steer *st, const struct lb_pkt *p);

/* Another worker's, or ours? The owner decides anew, so the two must agree: while they do not,
 * because a change has reached only one of them, the packet would be passed on for ever. */
bool lb_is_handed_over(const struct lb_steer *st, struct lb_pkt *p, uint32_t owner);

/* pipeline_server_down.c: what becomes of a packet of a connection whose service does not keep
 * those of servers that are down. p->real_id is the connection's server. */
enum lb_down_way {
	LB_DOWN_PASSES,  /* as ever: the server serves, or the packet may reach who is left */
	LB_DOWN_REFUSED, /* a reset to its sender */
	LB_DOWN_ANEW,    /* the connection ends, and the packet may open another */
};

static inline bool lb_asks_server_down(const struct lb_steer *st, const struct lb_conn *conn)
{
	return st->service_lines[conn->service].server_down_action != LB_SERVER_DOWN_KEEP;
}

/* Decides, and writes nothing. */
enum lb_down_way lb_server_down_way(const struct lb_steer *st, const struct lb_pkt *p,
				    const struct lb_conn *conn, uint64_t now_ms);
void lb_refuse_server_down(struct lb_pipeline *pl, struct lb_pkt *p, const struct lb_conn *conn,
			   uint64_t now_ms);

/* Does it: true: the packet has ended. *conn is NULL afterwards if the connection has. */
bool lb_choose_server_down(struct lb_pipeline *pl, struct lb_pkt *p, struct lb_conn **conn,
			   uint64_t now_ms);

/* pipeline_tunnel_error.c: the same two passes for an ICMP error about a tunnel of ours. False: it
 * is none. */
bool lb_admit_tunnel_error(const struct lb_pipeline *pl, struct lb_pkt *p);
void lb_choose_tunnel_error(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms);

/* pipeline_fragment.c: the same two passes for one fragment. False: it has ended. */
bool lb_admit_fragment(struct lb_pipeline *pl, struct lb_pkt *p);
void lb_choose_fragment(struct lb_pipeline *pl, struct lb_pkt *p, uint64_t now_ms);

#endif
