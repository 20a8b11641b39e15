#include "netlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "netlink_state.h"

static int check_netdevs(const struct lb_netlink *nl, struct lb_error *err)
{
	for (uint32_t i = 0; i < nl->links.n; i++) {
		const struct lb_link *link = &nl->links.now[i];
		char where[64];

		snprintf(where, sizeof(where), "/node/interfaces/%u/device", i);
		if (link->netdev[0] == '\0')
			continue;
		if (link->ifindex == 0)
			return lb_error_set(err, -ENODEV, where,
					    "there is no network device %s on this host",
					    link->netdev);
		if (!link->is_up)
			return lb_error_set(err, -ENETDOWN, where,
					    "%s is down: `ip link set dev %s up`", link->netdev,
					    link->netdev);
	}
	return 0;
}

/* Without a kernel to ask, the configuration alone says where things are. */
static int use_configuration(struct lb_netlink *nl)
{
	lb_routes_begin(&nl->routes);
	for (uint32_t i = 0; i < nl->links.n; i++)
		lb_routes_add_configured(&nl->routes, i, &nl->interfaces[i]);
	return lb_paths_set_routes(nl->paths, nl->routes.list, nl->routes.n);
}

static bool is_held(void *ctx, const struct lb_addr *addr, uint32_t ifindex)
{
	const struct lb_netlink *nl = ctx;

	return lb_addresses_holds(nl->addresses, addr, ifindex);
}

static int create_announcer(struct lb_netlink *nl)
{
	const struct lb_announcer_params params = {.base = nl->base, .is_held = is_held, .ctx = nl};
	int rc = lb_announcer_create(&params, &nl->announcer);

	if (rc == 0)
		lb_addresses_tell(nl->addresses, nl->announcer);
	return rc;
}

static int create_parts(struct lb_netlink *nl, const struct lb_netlink_params *params)
{
	const struct lb_cfg_node *node = params->node;
	int rc = lb_paths_create(&nl->paths);

	for (uint32_t i = 0; rc == 0 && i < node->n_neighbors; i++)
		rc = lb_paths_add_static(nl->paths, node->neighbors[i].interface,
					 &node->neighbors[i].address, node->neighbors[i].mac);
	if (rc == 0)
		rc = lb_addresses_create(&nl->addresses);
	if (rc == 0)
		rc = create_announcer(nl);
	if (rc == 0)
		rc = lb_neighbours_create(&nl->neighbours, nl->rtnl, nl->paths, nl->links.now,
					  nl->links.n);
	if (rc == 0)
		rc = lb_reserved_ports_open(params->state_dir, &nl->reserved);
	if (rc != 0)
		return rc;
	nl->settle = evtimer_new(nl->base, lb_netlink_on_settle, nl);
	nl->teller = evtimer_new(nl->base, lb_netlink_on_tell, nl);
	nl->adder = evtimer_new(nl->base, lb_netlink_on_add, nl);
	nl->probe = event_new(nl->base, -1, EV_PERSIST, lb_netlink_on_probe, nl);
	if (nl->rtnl != NULL)
		nl->readable = event_new(nl->base, lb_rtnl_fd(nl->rtnl), EV_READ | EV_PERSIST,
					 lb_netlink_on_readable, nl);
	if (nl->settle == NULL || nl->teller == NULL || nl->probe == NULL || nl->adder == NULL ||
	    (nl->rtnl != NULL && nl->readable == NULL))
		return -ENOMEM;
	return 0;
}

int lb_netlink_open(const struct lb_netlink_params *params, struct lb_netlink **out,
		    struct lb_error *err)
{
	struct lb_netlink *nl = calloc(1, sizeof(*nl));
	size_t n_left;
	int rc;

	*out = NULL;
	if (nl == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for the network mirror");
	nl->events = params->events;
	nl->base = params->base;
	memcpy(nl->interfaces, params->node->interfaces, sizeof(nl->interfaces));
	lb_links_init(&nl->links, params->node);
	nl->rtnl_error = lb_rtnl_open(&nl->rtnl);
	rc = create_parts(nl, params);
	if (rc == 0 && nl->rtnl == NULL)
		rc = use_configuration(nl);
	if (rc != 0)
		lb_error_set(err, rc, "", "no memory for the network mirror");
	else if (nl->rtnl != NULL)
		rc = lb_netlink_first_sync(nl, err);
	if (rc == 0 && nl->rtnl != NULL)
		rc = check_netdevs(nl, err);
	if (rc != 0) {
		lb_netlink_close(nl);
		return rc;
	}
	n_left = lb_addresses_adopt(nl->addresses, nl->links.now, nl->links.n);
	if (n_left > 0)
		lb_log(LB_LOG_INFO, "netlink", "leftover_addresses n=%zu", n_left);
	*out = nl;
	return 0;
}

void lb_netlink_start(struct lb_netlink *nl)
{
	const struct timeval each = {.tv_sec = LB_NEIGHBOURS_PROBE_MS / 1000,
				     .tv_usec = LB_NEIGHBOURS_PROBE_MS % 1000 * 1000};

	nl->is_started = true;
	nl->paths_changed = true;
	nl->changed_links = (uint32_t)((UINT64_C(1) << nl->links.n) - 1);
	nl->locals_changed = true;
	if (nl->rtnl != NULL) {
		event_add(nl->readable, NULL);
		event_add(nl->probe, &each);
	}
	lb_netlink_tell(nl);
	if (nl->dirty != 0)
		lb_netlink_read_soon(nl);
}

void lb_netlink_close(struct lb_netlink *nl)
{
	if (nl == NULL)
		return;
	if (nl->readable != NULL)
		event_free(nl->readable);
	if (nl->probe != NULL)
		event_free(nl->probe);
	if (nl->settle != NULL)
		event_free(nl->settle);
	if (nl->teller != NULL)
		event_free(nl->teller);
	if (nl->addresses != NULL)
		lb_netlink_release_addresses(nl);
	if (nl->adder != NULL)
		event_free(nl->adder);
	if (nl->rtnl != NULL && nl->neighbours != NULL)
		lb_neighbours_release(nl->neighbours);
	lb_reserved_ports_close(nl->reserved);
	lb_neighbours_destroy(nl->neighbours);
	lb_addresses_destroy(nl->addresses);
	lb_announcer_destroy(nl->announcer);
	lb_paths_destroy(nl->paths);
	lb_routes_fini(&nl->routes);
	lb_rtnl_close(nl->rtnl);
	free(nl->wanted);
	free(nl);
}

/* --- what control asks for --- */

/* NAT source ports at addresses that the kernel uses itself. At our own it opens nothing. */
static void reserve_ports(struct lb_netlink *nl)
{
	struct lb_port_range *ranges = calloc(nl->n_wanted + 1, sizeof(*ranges));
	size_t n = 0;

	if (ranges == NULL)
		return;
	for (size_t i = 0; i < nl->n_wanted; i++)
		if (nl->wanted[i].ports.last != 0 &&
		    lb_addresses_is_foreign(nl->addresses, &nl->wanted[i].addr))
			ranges[n++] = nl->wanted[i].ports;
	nl->reserved_error = lb_reserved_ports_set(nl->reserved, ranges, n);
	if (nl->reserved_error != 0)
		lb_log(LB_LOG_WARNING, "netlink", "ports_not_reserved error=\"%s\"",
		       strerror(-nl->reserved_error));
	free(ranges);
}

size_t lb_netlink_set_addresses(struct lb_netlink *nl, const struct lb_wanted_addr *wanted,
				size_t n)
{
	struct lb_wanted_addr *copy = calloc(n + 1, sizeof(*copy));
	int error;

	if (copy == NULL)
		return n;
	if (n > 0)
		memcpy(copy, wanted, n * sizeof(*copy));
	free(nl->wanted);
	nl->wanted = copy;
	nl->n_wanted = n;
	if (nl->rtnl == NULL)
		return n;
	if (lb_netlink_keep_addresses(nl) != 0)
		return n;
	reserve_ports(nl);
	return lb_addresses_refused(nl->addresses, &error);
}

void lb_netlink_release_addresses(struct lb_netlink *nl)
{
	nl->n_wanted = 0;
	if (nl->rtnl == NULL || lb_addresses_want(nl->addresses, nl->links.now, NULL, 0) != 0)
		return;
	(void)lb_addresses_step(nl->addresses, nl->rtnl, nl->links.now, SIZE_MAX);
	if (nl->reserved != NULL)
		reserve_ports(nl);
}

size_t lb_netlink_addresses_left(const struct lb_netlink *nl)
{
	return lb_addresses_left(nl->addresses);
}

uint32_t lb_netlink_iface_of(const struct lb_netlink *nl, const struct lb_addr *addr)
{
	return lb_paths_iface_of(nl->paths, addr, true);
}

int lb_netlink_set_destinations(struct lb_netlink *nl, const struct lb_addr *addrs, size_t n)
{
	int rc = lb_paths_set_destinations(nl->paths, addrs, n);

	if (rc != 0)
		return rc;
	nl->paths_changed = true;
	lb_netlink_settle_paths(nl);
	lb_netlink_tell_soon(nl);
	return 0;
}

uint32_t lb_netlink_next_hop_of(const struct lb_netlink *nl, const struct lb_addr *addr)
{
	return lb_paths_next_hop_of(nl->paths, addr);
}

bool lb_netlink_is_on_link(const struct lb_netlink *nl, const struct lb_addr *addr)
{
	const struct lb_path_hop *hop = lb_paths_hop(nl->paths, lb_netlink_next_hop_of(nl, addr));

	return hop == NULL || lb_addr_equal(&hop->addr, addr);
}

struct lb_next_hop lb_netlink_next_hop(const struct lb_netlink *nl, uint32_t id)
{
	const struct lb_path_hop *hop = lb_paths_hop(nl->paths, id);

	return hop == NULL || !hop->in_use ? (struct lb_next_hop){0} : hop->next_hop;
}

void lb_netlink_resolve(struct lb_netlink *nl, uint32_t id)
{
	if (nl->rtnl != NULL)
		lb_neighbours_resolve(nl->neighbours, id, lb_netlink_now_ms());
}

void lb_netlink_link(const struct lb_netlink *nl, uint32_t iface, struct lb_link *out)
{
	*out = nl->links.now[iface];
}
