/* service.h - the immutable objects that the control plane builds for the workers.
 *
 * Role     what a worker needs to serve one virtual service, one real server, one NAT source
 * Shape    opaque service objects; small plain structs for the rest
 * Units    addresses and ports in network order, timeouts in ms
 * Threads  built and freed by control; read by workers between the command that brings an object
 *          and the acknowledgement of the generation that replaces it
 * Memory   one heap block per object, from calloc; never written after build
 * Limits   include/lb/limits.h; build refuses what exceeds them
 * Errors   build: -EINVAL, -E2BIG, -ENOMEM with lb_error
 * Source   DESIGN 3.3, 3.5, 3.6, 3.7
 * Tests    tests/unit/test_service.c
 */
#ifndef LB_SERVICE_H
#define LB_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/error.h"
#include "lb/limits.h"
#include "lb/maglev.h"
#include "lb/settling.h"

enum lb_forwarding {
	LB_FORWARD_FULLNAT,
	LB_FORWARD_NAT,
	LB_FORWARD_DSR, /* link-layer addresses only; the server answers the client itself */
	LB_FORWARD_IPIP, /* behind another IP header of either family */
	LB_FORWARD_GUE,	 /* the same, behind UDP */
	LB_FORWARD_N,
};

static inline bool lb_forwarding_is_tunnel(uint8_t forwarding)
{
	return forwarding >= LB_FORWARD_IPIP;
}

/* Ballast sees the client's packets only: one entry a connection, and nothing to translate. */
static inline bool lb_forwarding_is_one_way(uint8_t forwarding)
{
	return forwarding >= LB_FORWARD_DSR;
}

enum lb_scheduler {
	LB_SCHED_ROUND_ROBIN,
	LB_SCHED_WEIGHTED_ROUND_ROBIN,
	LB_SCHED_MAGLEV,      /* by the hash of the 5-tuple */
	LB_SCHED_SOURCE_HASH, /* by the hash of the client's address */
	LB_SCHED_LEAST_CONNECTIONS,
	LB_SCHED_WEIGHTED_LEAST_CONNECTIONS,
	LB_SCHED_PRIORITY, /* weighted round robin among the best that are eligible */
	LB_SCHED_N,
};

enum lb_no_server_action {
	LB_NO_SERVER_DROP,
	LB_NO_SERVER_REJECT, /* TCP: RST; UDP: ICMP port unreachable */
};

/* What becomes of the connections of a server that is LB_TARGET_DOWN or no longer the service's. */
enum lb_server_down_action {
	LB_SERVER_DOWN_KEEP,
	LB_SERVER_DOWN_RESET, /* TCP: whichever side sends is told */
	LB_SERVER_DOWN_MOVE,  /* UDP: the client's next packet goes to another */
};

/* Bits of a target's state, LB_CMD_TARGET. None of them: live connections only. */
#define LB_TARGET_NEW 1u  /* takes new clients */
#define LB_TARGET_KEEP 2u /* clients with a record stay */
#define LB_TARGET_DOWN 4u /* found down, or disabled: alone; never of a group's targets */

struct lb_port_range {
	uint16_t first; /* host order; 0-65535 with `any` being 0..65535 */
	uint16_t last;	/* inclusive */
};

/* One real server as a service lists it. */
struct lb_service_server {
	uint32_t real_id;
	uint32_t machine_id;
	uint32_t target_id;	  /* up and admin state at the probed port */
	uint32_t group_target_id; /* the machine in the group, named by records: may it take new
				   * ones; = target_id without a group */
	uint32_t weight;	  /* 0: takes no new client */
	uint32_t priority;	  /* lower goes first; LB_SCHED_PRIORITY only, else 0 */
};

#define LB_MSS_CLAMP_AUTO UINT16_MAX

struct lb_service_params {
	struct lb_addr vip;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t epoch;	  /* moves on each time the slot is given to another service */
	uint8_t forwarding;
	uint8_t scheduler;
	uint8_t no_server_action;
	uint8_t server_down_action;
	uint8_t persist_len;	  /* bits of the client's address that a record covers */
	uint16_t group_id;	  /* persistence group, 0: none */
	uint32_t nat_source_id;	  /* fullnat only */
	uint16_t gue_port;	  /* gue only; host order */
	uint16_t mss_clamp;	  /* 0: none; LB_MSS_CLAMP_AUTO: by the MTUs */
	uint32_t idle_timeout_ms; /* established TCP, or UDP */
	uint32_t server_down_drain_s; /* before server_down_action begins */
	uint32_t starts_per_s_max; /* new connections a second, all workers together; 0: no limit */
	uint32_t conns_max;	   /* connections, all workers together; 0: no limit */
	uint32_t persist_timeout_ms;
	/* No entry per connection: the table alone says whose a packet is. One-way modes with a
	 * scheduler that has a table, and no group. */
	bool is_stateless;
	uint32_t settle_ms; /* how long slots that change settle; is_stateless only */
	const struct lb_port_range *ports;
	size_t n_ports;
	const struct lb_service_server *servers;
	size_t n_servers;
	/* maglev and source_hash: the table of these servers, of which the object becomes an owner;
	 * NULL when none of them has a weight. Otherwise not looked at. */
	struct lb_maglev *maglev;
	struct lb_settling *settling; /* becomes the object's when it is built; NULL: none */
};

static inline bool lb_sched_has_table(enum lb_scheduler scheduler)
{
	return scheduler == LB_SCHED_MAGLEV || scheduler == LB_SCHED_SOURCE_HASH;
}

/* Has a cycle in which each server has turns in proportion to its weight. */
static inline bool lb_sched_has_cycle(enum lb_scheduler scheduler)
{
	return scheduler == LB_SCHED_WEIGHTED_ROUND_ROBIN ||
	       scheduler == LB_SCHED_WEIGHTED_LEAST_CONNECTIONS ||
	       scheduler == LB_SCHED_PRIORITY;
}

struct lb_service;

/* Copies all of `params`. On error *out is NULL and err says which bound or value is wrong. */
int lb_service_build(const struct lb_service_params *params, struct lb_service **out,
		     struct lb_error *err);

/* Entries that a service with these ports takes of the workers' look-up, at most; all services
 * together may take LB_SERVICE_ENTRIES_MAX. */
uint32_t lb_service_table_entries(const struct lb_port_range *ports, size_t n_ports);

/* Bytes of heap that the object holds, for the memory budget; without the table it may share. */
size_t lb_service_bytes(const struct lb_service *svc);

/* What it remembers of its predecessors, NULL: nothing. */
const struct lb_settling *lb_service_settling(const struct lb_service *svc);

/* As lb_settling_delay(). Only before the object is published. */
void lb_service_delay_settling(struct lb_service *svc, uint64_t until_ms, uint64_t ms);

/* NULL is allowed. Only when no worker can still read it. */
void lb_service_free(struct lb_service *svc);

/* Where a real server is; copied into the worker's array by LB_CMD_REAL. */
struct lb_real {
	struct lb_addr addr;
	rte_be16_t port_be; /* 0: keeps the client's */
	uint8_t epoch;	    /* moves on each time the id is given to another server */
	uint8_t in_use;
	uint32_t machine_id;
	uint32_t next_hop;   /* id, LB_NEXT_HOP_NONE while there is no route */
	uint8_t via_gateway; /* the next hop is not the server itself */
	uint8_t unused[3];
};

/* Where frames leave; copied into the worker's array by LB_CMD_NEXT_HOP. */
struct lb_next_hop {
	uint8_t mac[6];
	uint8_t iface;	  /* index of the interface */
	uint8_t resolved; /* 0: counted drop and a resolve event */
};

/* One source address. Ids are process-wide, given out by control, and name the address in the
 * connection table; a freed id is given out again last. */
struct lb_nat_addr {
	struct lb_addr addr;
	uint16_t id; /* 1..LB_NAT_ADDR_IDS_MAX */
};

/* Source addresses and ports for fullnat; immutable, kept by pointer. */
struct lb_nat_source {
	uint16_t first_port; /* host order */
	uint16_t last_port;  /* inclusive */
	uint16_t n_v4;
	uint16_t n_v6;
	struct lb_nat_addr v4[LB_NAT_ADDRS_MAX];
	struct lb_nat_addr v6[LB_NAT_ADDRS_MAX];
};

struct lb_iface {
	uint8_t mac[6];
	uint8_t port;	   /* index of the first interface of the same device */
	uint16_t mtu;	   /* of IP packets; 0: not known, not checked */
	uint32_t tags;	   /* of its frames, lb/vlan.h; 0: untagged */
	struct lb_addr tunnel_source[2]; /* of IPv4 and of IPv6 tunnels; all zero: none */
};

/* Routes towards clients: longest prefix wins. */
struct lb_route {
	struct lb_prefix prefix;
	uint32_t next_hop; /* id; LB_NEXT_HOP_NONE: on the link, the client's own MAC serves */
	uint8_t iface;
};

struct lb_route_table;

/* Copies and sorts. -E2BIG past LB_ROUTES_MAX, -ENOMEM. */
int lb_route_table_build(const struct lb_route *routes, size_t n, struct lb_route_table **out);

void lb_route_table_free(struct lb_route_table *table);

#endif
