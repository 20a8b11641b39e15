/* listing.h - the connections of a worker, page by page.
 *
 * Role     what control asks for and what it is told
 * Shape    plain values; ids as in service.h
 * Units    addresses and ports in network order, ms
 * Threads  a query is made by control and copied by its worker; records are told by the worker
 * Memory   values
 * Limits   a page ends after `limit` records or LB_LISTING_BUCKETS_MAX places of the table,
 *          whatever comes first, and says where the next one begins. A connection that moves
 *          within the table between two pages may come twice or not at all
 * Errors   a place past the table's end is the end
 * Source   DESIGN 4.4; decision 0092
 * Tests    tests/unit/test_conn_listing.c
 */
#ifndef LB_LISTING_H
#define LB_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"

#define LB_LISTING_LIMIT_MAX 1000u
#define LB_LISTING_BUCKETS_MAX 65536u

struct lb_listing_query {
	uint32_t worker; /* whose; the others have nothing to tell */
	uint32_t bucket; /* where the page begins, those of IPv4 first */
	uint32_t limit;	 /* 2 or more: a place holds two */
	uint32_t slot;	 /* of the service, UINT32_MAX: any */
	bool has_src;
	struct lb_prefix src; /* of the client */
};

struct lb_listing_record {
	struct lb_addr client;
	struct lb_addr vip;
	struct lb_addr new_src; /* as the server sees it; in one-way modes the client */
	rte_be16_t client_port_be;
	rte_be16_t vip_port_be;
	rte_be16_t new_sport_be;
	uint8_t proto;
	uint8_t tcp_state; /* lb_answer_tcp_state() */
	uint8_t forwarding;
	uint32_t slot;
	uint32_t real_id;
	uint32_t idle_ms; /* since the client's last packet, to within 2048 ms */
	uint32_t timeout_ms;
};

/* The end of a page. */
struct lb_listing_end {
	uint32_t bucket; /* where the next one begins */
	bool is_end;	 /* the table has no more */
};

#endif
