/* stateless.h - who serves a packet that has no entry in the connection table.
 *
 * Role     the server by the table alone, and whether an entry is needed to stay with it
 * Shape    pure functions of the service object, the targets and the packet's key; nothing is
 *          looked up in the connection table and nothing is written but the memory of having found
 *          nobody
 * Units    positions in the service's list of servers
 * Threads  pure; the schedule's state is the worker's
 * Memory   none
 * Limits   as schedule.h
 * Errors   UINT32_MAX: nobody
 * Source   decisions 0070, 0071
 * Tests    tests/unit/test_stateless.c (naive twin)
 *
 * A stateless service holds to one rule. Each slot has one *keeper*: the server of the table, or
 * while the slot settles the one it had before. A connection without an entry is with its slot's
 * keeper; whoever goes to anybody else, or is opened while the slot settles, gets an entry.
 */
#ifndef LB_STATELESS_H
#define LB_STATELESS_H

#include "lb/explain.h"
#include "packet/packet.h"
#include "steer/schedule.h"

/* What a packet may be to its connection. */
enum lb_flow_part {
	LB_FLOW_OPENING, /* TCP SYN */
	LB_FLOW_MIDDLE,	 /* any other TCP packet, or an ICMP error */
	LB_FLOW_EITHER,	 /* UDP */
};

struct lb_stateless_request {
	const struct lb_key *key; /* client to VIP */
	enum lb_flow_part part;
	const struct lb_target_map *targets;
	/* The service's; who only asks what would happen passes a copy. */
	struct lb_schedule_state *turn;
};

struct lb_stateless_choice {
	uint32_t server;
	uint32_t spare; /* who serves it where an entry is needed and there is no room for one;
			   UINT32_MAX: nobody can, it would not be found again */
	enum lb_stateless_reason reason;
	bool needs_entry;
	bool is_adoption; /* the entry is for what may have been open for long, or for nothing at
			     all: nobody else's gives way for it */
};

/* A service without tracking. */
void lb_stateless_choose(const struct lb_service *svc, const struct lb_stateless_request *rq,
			 struct lb_stateless_choice *out);

/* May packets without an entry be served, although the service keeps entries? A group's records
 * may name another server than the hash does. */
static inline bool lb_goes_by_hash(const struct lb_service *svc)
{
	return lb_forwarding_is_one_way(svc->forwarding) && svc->group_id == 0 &&
	       svc->maglev != NULL;
}

/* A service with tracking, and a packet in mid-stream: it goes by hash, or follows what is left of
 * a time without tracking. */
void lb_stateless_find(const struct lb_service *svc, const struct lb_stateless_request *rq,
		       struct lb_stateless_choice *out);

/* Would a connection of this service be with this server without an entry too, and go on to be? */
bool lb_stateless_is_spared(const struct lb_service *svc, const struct lb_stateless_request *rq,
			    uint32_t real_id);

#endif
