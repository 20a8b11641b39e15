#include "vip_way.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_state.h"
#include "lb/vlan.h"

/* The address that this host's own sockets have towards the server: the one of which the address
 * is asked, too. */
static bool find_source(const struct lb_addr *server, struct lb_addr *out)
{
	bool is_v4 = lb_addr_is_v4(server);
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = RTE_BE16(9)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = RTE_BE16(9)};
	struct sockaddr *at = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_found;

	if (fd < 0)
		return false;
	if (is_v4)
		v4.sin_addr.s_addr = lb_addr_v4(server);
	else
		memcpy(&v6.sin6_addr, server, sizeof(v6.sin6_addr));
	/* Nothing is sent by that. */
	is_found = connect(fd, at, len) == 0 && getsockname(fd, at, &len) == 0;
	close(fd);
	if (is_v4)
		*out = lb_addr_from_v4(v4.sin_addr.s_addr);
	else
		memcpy(out, &v6.sin6_addr, sizeof(*out));
	return is_found;
}

/* No way, by the fault of the server or its place. */
static bool is_down(const char *reason, struct lb_no_way *none)
{
	*none = (struct lb_no_way){LB_PROBE_DOWN, reason};
	return false;
}

static bool is_unable(const char *reason, struct lb_no_way *none)
{
	*none = (struct lb_no_way){LB_PROBE_UNABLE, reason};
	return false;
}

/* Where the server's answer comes to; all zero: nowhere. */
static struct lb_addr source_of(const struct lb_probe_spec *spec, const struct lb_addr sources[2])
{
	bool is_v4 = lb_addr_is_v4(&spec->vip);
	struct lb_addr found;

	if (is_v4 != lb_addr_is_v4(&spec->address))
		return sources[is_v4 ? 0 : 1];
	if (find_source(&spec->address, &found) && !lb_addr_equal(&found, &spec->vip))
		return found;
	return (struct lb_addr){{0}};
}

bool lb_vip_way_find(void *ctx, const struct lb_probe_spec *spec, struct lb_vip_way *out,
		     struct lb_no_way *none)
{
	const struct lb_control *ctl = ctx;
	const struct lb_cfg_interface *iface;
	const struct lb_addr *sources;
	struct lb_next_hop hop;
	uint32_t ifindex, tags;
	bool via_gateway;

	if (!lb_reconcile_probe_hop(ctl->reconcile, spec->id, &hop, &via_gateway))
		return is_unable("cannot probe: next hop does not resolve", none);
	if (spec->forwarding == LB_FORWARD_DSR && via_gateway)
		return is_down("the server is not on the link, where dsr could reach it", none);
	iface = &ctl->interfaces[hop.iface];
	ifindex = lb_kernel_path_wire(ctl->kernel, hop.iface, &tags);
	if (ifindex == 0)
		return is_unable("cannot probe: the interface has no netdev", none);
	/* The kernel takes one tag off what it receives, and gives us the packet behind it. */
	if (lb_vlan_n(tags) > 1 || lb_vlan_ethertype(tags) == 0x9100)
		return is_unable("cannot probe: not through two VLAN tags or 0x9100", none);
	sources = iface->tunnel_source;
	*out = (struct lb_vip_way){
		.packet = {.vip = spec->vip,
			   .source = source_of(spec, sources),
			   .server = spec->address,
			   .tunnel_source = sources[lb_addr_is_v4(&spec->address) ? 0 : 1],
			   .gue_port = spec->gue_port,
			   .forwarding = spec->forwarding},
		.ifindex = ifindex,
		.tag = tags,
	};
	memcpy(out->mac, hop.mac, sizeof(out->mac));
	if (lb_forwarding_is_tunnel(spec->forwarding) &&
	    lb_addr_is_zero(&out->packet.tunnel_source))
		return is_down("its interface has no tunnel source", none);
	if (lb_addr_is_zero(&out->packet.source))
		return is_unable("cannot probe: no address of the VIP's family to ask from", none);
	return true;
}
