/* The kernel tells that something changed; what it is now is read as whole tables a little later.
 * Notifications do not cover everything (routes of a netdev that goes down vanish silently), and a
 * whole table cannot drift. Neighbours alone are followed message by message: there are many, and
 * they matter at once. */
#include "netlink_state.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define FIRST_SYNC_MS 5000u
#define DATAGRAMS_MAX 64u /* read per wake-up: the loop has other work too */
#define DUMP_SHARE 10u    /* reading tables takes at most a tenth of the time */

#define ALL_TABLES ((1u << LB_TABLE_N) - 1)
#define ROUTE_TABLES (1u << LB_TABLE_ROUTES_V4 | 1u << LB_TABLE_ROUTES_V6)

uint64_t lb_netlink_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- rounds of reading tables --- */

void lb_netlink_tell_soon(struct lb_netlink *nl)
{
	const struct timeval tv = {.tv_usec = LB_NETLINK_SETTLE_MS * 1000};

	if (nl->is_started && !evtimer_pending(nl->teller, NULL))
		evtimer_add(nl->teller, &tv);
}

void lb_netlink_on_tell(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	lb_netlink_tell(ctx);
}

void lb_netlink_read_soon(struct lb_netlink *nl)
{
	uint64_t wait_ms = nl->last_ms * DUMP_SHARE;
	struct timeval tv;

	if (!nl->is_started || evtimer_pending(nl->settle, NULL))
		return;
	if (wait_ms < LB_NETLINK_SETTLE_MS)
		wait_ms = LB_NETLINK_SETTLE_MS;
	tv.tv_sec = (time_t)(wait_ms / 1000);
	tv.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000);
	evtimer_add(nl->settle, &tv);
}

static void mark_dirty(struct lb_netlink *nl, uint32_t tables)
{
	nl->dirty |= tables;
	lb_netlink_read_soon(nl);
}

static void begin_table(struct lb_netlink *nl, enum lb_netlink_table table)
{
	switch (table) {
	case LB_TABLE_LINKS:
		lb_links_begin(&nl->links);
		break;
	case LB_TABLE_ADDRESSES:
		lb_addresses_begin(nl->addresses);
		break;
	case LB_TABLE_ROUTES_V4:
		lb_routes_begin(&nl->routes);
		break;
	case LB_TABLE_NEIGHBOURS:
		lb_neighbours_begin(nl->neighbours);
		break;
	default:
		break;
	}
}

static void next_table(struct lb_netlink *nl)
{
	static const struct {
		uint16_t type;
		uint8_t family;
	} requests[LB_TABLE_N] = {
		[LB_TABLE_LINKS] = {RTM_GETLINK, AF_UNSPEC},
		[LB_TABLE_ADDRESSES] = {RTM_GETADDR, AF_UNSPEC},
		[LB_TABLE_ROUTES_V4] = {RTM_GETROUTE, AF_INET},
		[LB_TABLE_ROUTES_V6] = {RTM_GETROUTE, AF_INET6},
		[LB_TABLE_NEIGHBOURS] = {RTM_GETNEIGH, AF_UNSPEC},
	};

	for (enum lb_netlink_table t = 0; t < LB_TABLE_N; t++) {
		int rc;

		if ((nl->todo & 1u << t) == 0)
			continue;
		nl->todo &= ~(1u << t);
		begin_table(nl, t);
		rc = lb_rtnl_dump(nl->rtnl, requests[t].type, requests[t].family);
		if (rc == 0) {
			nl->dumping = t;
			nl->is_dumping = true;
			return;
		}
		lb_log(LB_LOG_WARNING, "netlink", "dump_refused table=%d error=\"%s\"", (int)t,
		       strerror(-rc));
	}
	nl->last_ms = lb_netlink_now_ms() - nl->round_ms;
	lb_netlink_tell(nl);
	if (nl->dirty != 0)
		lb_netlink_read_soon(nl);
}

static void start_round(struct lb_netlink *nl)
{
	nl->todo = nl->dirty;
	nl->dirty = 0;
	nl->round_ms = lb_netlink_now_ms();
	if (nl->rtnl == NULL)
		lb_netlink_tell(nl);
	else
		next_table(nl);
}

void lb_netlink_on_settle(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_netlink *nl = ctx;

	(void)fd;
	(void)what;
	if (!nl->is_dumping)
		start_round(nl);
}

static void end_links(struct lb_netlink *nl)
{
	uint32_t replaced;
	uint32_t changed = lb_links_end(&nl->links, &replaced);

	nl->changed_links |= changed;
	for (uint32_t i = 0; i < nl->links.n; i++)
		if ((changed & 1u << i) != 0 && nl->links.now[i].has_carrier)
			lb_addresses_announce(nl->addresses, &nl->links.now[i]);
	if (changed !=
	    0) /* addresses and routes come and go with it, not all of them with a word */
		nl->todo |= 1u << LB_TABLE_ADDRESSES | ROUTE_TABLES;
	for (uint32_t id = 1; id < lb_paths_hops_end(nl->paths); id++) {
		struct lb_path_hop *hop = lb_paths_hop(nl->paths, id);

		if ((replaced & 1u << hop->iface) == 0)
			continue;
		hop->is_asked = false;
		hop->is_managed = false;
	}
}

/* Some addresses, and the rest from the loop: the kernel takes the longer for each the more a
 * netdev has, and probes have their turns in between. */
static void step_addresses(struct lb_netlink *nl)
{
	const struct timeval apart = {.tv_usec = LB_ADDRESSES_APART_MS * 1000};

	if (lb_addresses_step(nl->addresses, nl->rtnl, nl->links.now, LB_ADDRESSES_PER_TURN))
		evtimer_add(nl->adder, &apart);
}

void lb_netlink_on_add(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	step_addresses(ctx);
}

int lb_netlink_keep_addresses(struct lb_netlink *nl)
{
	int rc = lb_addresses_want(nl->addresses, nl->links.now, nl->wanted, nl->n_wanted);

	if (rc == 0)
		step_addresses(nl);
	return rc;
}

static void end_table(struct lb_netlink *nl, enum lb_netlink_table table)
{
	int error;

	switch (table) {
	case LB_TABLE_LINKS:
		end_links(nl);
		break;
	case LB_TABLE_ADDRESSES:
		nl->locals_changed |= lb_addresses_end(nl->addresses);
		/* IPv6 addresses go when their netdev goes down. */
		if (lb_addresses_missing(nl->addresses) > 0 ||
		    lb_addresses_refused(nl->addresses, &error) > 0)
			(void)lb_netlink_keep_addresses(nl);
		break;
	case LB_TABLE_ROUTES_V6:
		for (uint32_t i = 0; i < nl->links.n; i++)
			if (nl->links.now[i].netdev[0] == '\0')
				lb_routes_add_configured(&nl->routes, i, &nl->interfaces[i]);
		if (lb_paths_set_routes(nl->paths, nl->routes.list, nl->routes.n) != 0)
			nl->dirty |= ROUTE_TABLES;
		nl->paths_changed = true;
		break;
	case LB_TABLE_NEIGHBOURS:
		lb_neighbours_end(nl->neighbours);
		break;
	default:
		break;
	}
}

static void on_row(struct lb_netlink *nl, const struct nlmsghdr *msg)
{
	switch (nl->dumping) {
	case LB_TABLE_LINKS:
		lb_links_row(&nl->links, msg);
		break;
	case LB_TABLE_ADDRESSES:
		lb_addresses_row(nl->addresses, msg);
		break;
	case LB_TABLE_NEIGHBOURS:
		lb_neighbours_row(nl->neighbours, msg);
		break;
	default:
		lb_routes_row(&nl->routes, nl->links.now, nl->links.n, msg);
		break;
	}
}

static void on_message(struct lb_netlink *nl, const struct nlmsghdr *msg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);

	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (lb_links_concerns(&nl->links, msg))
			mark_dirty(nl, 1u << LB_TABLE_LINKS);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		mark_dirty(nl, 1u << LB_TABLE_ADDRESSES);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		/* Larger numbers of tables are in an attribute, with this saying "look there". */
		if (msg->nlmsg_len >= mnl_nlmsg_size(sizeof(*rt)) && rt->rtm_table == RT_TABLE_MAIN)
			mark_dirty(nl, ROUTE_TABLES);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (lb_neighbours_message(nl->neighbours, msg))
			lb_netlink_tell_soon(nl);
		break;
	default:
		break;
	}
}

static void on_event(void *ctx, enum lb_rtnl_event event, const struct nlmsghdr *msg)
{
	struct lb_netlink *nl = ctx;

	switch (event) {
	case LB_RTNL_MESSAGE:
		on_message(nl, msg);
		break;
	case LB_RTNL_ROW:
		on_row(nl, msg);
		break;
	case LB_RTNL_TORN:
		nl->dirty |= nl->dumping == LB_TABLE_ROUTES_V6 ? ROUTE_TABLES : 1u << nl->dumping;
		/* fall through */
	case LB_RTNL_DONE:
		nl->is_dumping = false;
		end_table(nl, nl->dumping);
		next_table(nl);
		break;
	}
}

static void read_mirror(struct lb_netlink *nl)
{
	int rc = lb_rtnl_read(nl->rtnl, DATAGRAMS_MAX, on_event, nl);

	if (rc == 0)
		return;
	lb_log(LB_LOG_WARNING, "netlink", "resynchronise error=\"%s\"", strerror(-rc));
	mark_dirty(nl, ALL_TABLES);
}

void lb_netlink_on_readable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	read_mirror(ctx);
}

void lb_netlink_on_probe(evutil_socket_t fd, short what, void *ctx)
{
	struct lb_netlink *nl = ctx;

	(void)fd;
	(void)what;
	if (lb_neighbours_needs_probes(nl->neighbours))
		lb_neighbours_probe(nl->neighbours, lb_netlink_now_ms());
}

/* --- telling --- */

static bool tell_hops(struct lb_netlink *nl, bool in_use)
{
	bool told = false;

	for (uint32_t id = 1; id < lb_paths_hops_end(nl->paths); id++) {
		struct lb_path_hop *hop = lb_paths_hop(nl->paths, id);

		if (!hop->is_changed || hop->in_use != in_use)
			continue;
		hop->is_changed = false;
		told = true;
		if (nl->events.on_next_hop != NULL)
			nl->events.on_next_hop(nl->events.ctx, id, &hop->next_hop);
	}
	return told;
}

static bool tell_links(struct lb_netlink *nl)
{
	uint32_t changed = nl->changed_links;

	nl->changed_links = 0;
	for (uint32_t i = 0; i < nl->links.n; i++)
		if ((changed & 1u << i) != 0 && nl->events.on_link != NULL)
			nl->events.on_link(nl->events.ctx, i, &nl->links.now[i]);
	return changed != 0;
}

static bool tell_paths(struct lb_netlink *nl, struct lb_path_changes changes)
{
	size_t n;
	const struct lb_route *routes = lb_paths_routes(nl->paths, &n);

	if (changes.routes && nl->events.on_routes != NULL)
		nl->events.on_routes(nl->events.ctx, routes, n);
	if (changes.destinations && nl->events.on_paths != NULL)
		nl->events.on_paths(nl->events.ctx);
	return changes.routes || changes.destinations;
}

static bool tell_locals(struct lb_netlink *nl)
{
	size_t n;
	const struct lb_addr *locals = lb_addresses_locals(nl->addresses, &n);

	if (!nl->locals_changed)
		return false;
	nl->locals_changed = false;
	if (nl->events.on_locals != NULL)
		nl->events.on_locals(nl->events.ctx, locals, n);
	return true;
}

void lb_netlink_settle_paths(struct lb_netlink *nl)
{
	if (nl->paths_changed && lb_paths_settle(nl->paths) != 0)
		lb_log(LB_LOG_ERROR, "netlink", "no_memory text=\"routes are not renewed\"");
	else
		nl->paths_changed = false;
	if (nl->rtnl != NULL)
		lb_neighbours_manage(nl->neighbours);
}

void lb_netlink_tell(struct lb_netlink *nl)
{
	bool told;

	if (!nl->is_started)
		return;
	lb_netlink_settle_paths(nl);
	told = tell_links(nl);
	told |= tell_hops(nl, true);
	told |= tell_paths(nl, lb_paths_take_changes(nl->paths));
	told |= tell_hops(nl, false);
	told |= tell_locals(nl);
	if (told && nl->events.on_settled != NULL)
		nl->events.on_settled(nl->events.ctx);
}

int lb_netlink_first_sync(struct lb_netlink *nl, struct lb_error *err)
{
	uint64_t end_ms = lb_netlink_now_ms() + FIRST_SYNC_MS;

	nl->dirty = ALL_TABLES;
	start_round(nl);
	while (nl->is_dumping) {
		struct pollfd fd = {.fd = lb_rtnl_fd(nl->rtnl), .events = POLLIN};
		uint64_t now = lb_netlink_now_ms();

		if (now >= end_ms || poll(&fd, 1, (int)(end_ms - now)) <= 0)
			return lb_error_set(
				err, -ETIMEDOUT, "",
				"the kernel's network tables could not be read in %u ms",
				FIRST_SYNC_MS);
		read_mirror(nl);
	}
	return 0;
}
