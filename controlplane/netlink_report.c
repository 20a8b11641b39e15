#include "netlink.h"

#include <stdio.h>
#include <string.h>

#include "netlink_state.h"

static void report_addresses(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	size_t held = lb_addresses_held(nl->addresses);
	int error;
	size_t n_refused = lb_addresses_refused(nl->addresses, &error);
	size_t n_unused = lb_addresses_unused(nl->addresses);

	out->name = "addresses";
	out->is_on = n_refused == 0;
	if (out->is_on && n_unused > 0)
		snprintf(out->text, sizeof(out->text),
			 "%zu on the netdevs by us; %zu of this host's found no room (at most %u)",
			 held, n_unused, LB_LOCALS_MAX);
	else if (!out->is_on)
		snprintf(out->text, sizeof(out->text),
			 "off because the kernel refused %zu addresses: %s", n_refused,
			 strerror(-error));
	else
		snprintf(out->text, sizeof(out->text), "%zu on the netdevs by us%s", held,
			 lb_addresses_are_marked(nl->addresses)
				 ? ""
				 : "; this kernel does not mark them, they stay after a kill -9");
}

/* Addresses of the configuration that the system has not put on its netdev. */
static void report_node_addresses(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	char first[LB_ADDR_TEXT_MAX] = "";
	const char *netdev = "";
	uint32_t n = 0;

	for (uint32_t i = 0; i < nl->links.n; i++) {
		const struct lb_link *link = &nl->links.now[i];

		for (uint32_t a = 0; a < nl->interfaces[i].n_addresses; a++) {
			const struct lb_addr *addr = &nl->interfaces[i].addresses[a].addr;

			if (link->ifindex == 0 ||
			    lb_addresses_is_on(nl->addresses, addr, link->ifindex))
				continue;
			if (n++ > 0)
				continue;
			lb_addr_format(addr, first);
			netdev = link->netdev;
		}
	}
	out->name = "node_addresses";
	out->is_on = n == 0;
	if (n == 0)
		snprintf(out->text, sizeof(out->text), "all where the configuration has them");
	else
		snprintf(out->text, sizeof(out->text),
			 "%s is not on %s, and %u more are missing; Ballast puts no address of the "
			 "node on a network device of the system",
			 first, netdev, n - 1);
}

static void report_announcements(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	int error = lb_announcer_error(nl->announcer);

	out->name = "announcements";
	out->is_on = error == 0;
	if (error != 0)
		snprintf(out->text, sizeof(out->text),
			 "off because a packet socket does not open: %s", strerror(-error));
	else
		snprintf(out->text, sizeof(out->text),
			 "each address that is added %u times, by ARP or neighbour advertisement",
			 LB_ANNOUNCE_TIMES);
}

static void report_neighbours(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	int error = lb_neighbours_error(nl->neighbours);

	out->name = "neighbours";
	out->is_on = error == 0;
	if (!out->is_on)
		snprintf(out->text, sizeof(out->text),
			 "off because the kernel refused to keep them: %s; its own are followed",
			 strerror(-error));
	else if (lb_neighbours_needs_probes(nl->neighbours))
		snprintf(out->text, sizeof(out->text),
			 "probed each %u ms (this kernel has no managed ones)",
			 LB_NEIGHBOURS_PROBE_MS);
	else
		snprintf(out->text, sizeof(out->text), "managed by the kernel");
}

static void report_routes(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	size_t n, unused = lb_paths_unused(nl->paths) + nl->routes.n_unused;

	out->name = "routes";
	out->is_on = true;
	(void)lb_paths_routes(nl->paths, &n);
	snprintf(out->text, sizeof(out->text), "%zu%s", n, nl->rtnl == NULL ? " configured" : "");
	if (unused > 0)
		snprintf(out->text, sizeof(out->text), "%zu; %zu more found no room (at most %u)",
			 n, unused, LB_ROUTES_MAX);
}

static void report_ports(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	out->name = "reserved_ports";
	out->is_on = nl->reserved_error == 0;
	if (out->is_on)
		snprintf(out->text, sizeof(out->text), "%zu kept from the kernel",
			 lb_reserved_ports_count(nl->reserved));
	else
		snprintf(out->text, sizeof(out->text), "off because the setting was refused: %s",
			 strerror(-nl->reserved_error));
}

static void report_offloads(const struct lb_netlink *nl, struct lb_netlink_part *out)
{
	out->name = "offloads";
	out->is_on = true;
	lb_links_offload_hint(&nl->links, out->text, sizeof(out->text));
	if (out->text[0] == '\0')
		snprintf(out->text, sizeof(out->text), "nothing in the way");
}

bool lb_netlink_report(const struct lb_netlink *nl, uint32_t i, struct lb_netlink_part *out)
{
	static void (*const parts[])(const struct lb_netlink *nl, struct lb_netlink_part *out) = {
		report_addresses, report_node_addresses, report_announcements, report_neighbours,
		report_routes,    report_ports,          report_offloads,
	};

	if (i >= sizeof(parts) / sizeof(parts[0]))
		return false;
	memset(out, 0, sizeof(*out));
	parts[i](nl, out);
	if (nl->rtnl == NULL && strcmp(out->name, "routes") != 0) {
		out->is_on = false;
		snprintf(out->text, sizeof(out->text), "off because netlink does not open: %s",
			 strerror(-nl->rtnl_error));
	}
	return true;
}
