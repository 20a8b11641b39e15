/* netlink_state.h - the inside of struct lb_netlink, for netlink*.c only.
 *
 * Role     what opening, reading and reporting share
 * Shape    one struct; netlink.c opens and asks, netlink_round.c reads and tells, netlink_report.c
 *          says what is on
 * Threads  control thread only
 * Tests    tests/system/test_netlink.c
 */
#ifndef LB_NETLINK_STATE_H
#define LB_NETLINK_STATE_H

#include <event2/event.h>

#include "addresses.h"
#include "announce.h"
#include "links.h"
#include "neighbours.h"
#include "netlink.h"
#include "paths.h"
#include "reserved_ports.h"
#include "routes.h"
#include "rtnl.h"

/* In the order of reading: what follows needs what comes before. */
enum lb_netlink_table {
	LB_TABLE_LINKS,
	LB_TABLE_ADDRESSES,
	LB_TABLE_ROUTES_V4,
	LB_TABLE_ROUTES_V6,
	LB_TABLE_NEIGHBOURS,
	LB_TABLE_N
};

struct lb_netlink {
	struct lb_netlink_events events;
	struct lb_cfg_interface interfaces[LB_IFACES_MAX];
	struct event_base *base;
	struct event *readable;
	struct event *settle; /* then the dirty tables are read */
	struct event *teller; /* then what changed is told */
	struct event *probe;
	struct event *adder;  /* then the pass over the addresses goes on */
	struct lb_rtnl *rtnl; /* NULL: no netlink here */
	int rtnl_error;
	struct lb_links links;
	struct lb_addresses *addresses;
	struct lb_announcer *announcer;
	struct lb_neighbours *neighbours;
	struct lb_paths *paths;
	struct lb_routes routes;
	struct lb_reserved_ports *reserved;
	int reserved_error;
	struct lb_wanted_addr *wanted; /* the last set, for when the kernel loses one */
	size_t n_wanted;
	uint32_t dirty;  /* tables to read */
	uint32_t todo;   /* of the round under way */
	bool is_dumping; /* table `dumping` is under way */
	enum lb_netlink_table dumping;
	uint64_t round_ms;      /* when the round began */
	uint64_t last_ms;       /* how long the last one took */
	uint32_t changed_links; /* bits, to be told */
	bool locals_changed;
	bool paths_changed; /* routes or destinations were set since the last settle */
	bool is_started;
};

/* Monotonic. */
uint64_t lb_netlink_now_ms(void);

/* Reads every table once, waiting for it. */
int lb_netlink_first_sync(struct lb_netlink *nl, struct lb_error *err);

/* What of the wanted addresses is not there is asked for, from the loop if there are many. */
int lb_netlink_keep_addresses(struct lb_netlink *nl);

/* Next hop ids by the routes and destinations as they are now. */
void lb_netlink_settle_paths(struct lb_netlink *nl);

/* What changed goes to the callbacks: now, or from the loop soon. */
void lb_netlink_tell(struct lb_netlink *nl);
void lb_netlink_tell_soon(struct lb_netlink *nl);

/* Tables that became dirty before the loop was there to read them. */
void lb_netlink_read_soon(struct lb_netlink *nl);

/* Event callbacks; ctx is the struct lb_netlink. */
void lb_netlink_on_settle(evutil_socket_t fd, short what, void *ctx);
void lb_netlink_on_tell(evutil_socket_t fd, short what, void *ctx);
void lb_netlink_on_readable(evutil_socket_t fd, short what, void *ctx);
void lb_netlink_on_add(evutil_socket_t fd, short what, void *ctx);
void lb_netlink_on_probe(evutil_socket_t fd, short what, void *ctx);

#endif
