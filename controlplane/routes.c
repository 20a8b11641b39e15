#include "routes.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

struct parsed_route {
	struct lb_addr prefix;
	struct lb_addr gateway;
	uint32_t oif;
	uint32_t metric;
	uint32_t table;
	const struct nlattr *multipath;
};

void lb_routes_fini(struct lb_routes *r)
{
	free(r->list);
	memset(r, 0, sizeof(*r));
}

void lb_routes_begin(struct lb_routes *r)
{
	r->n = 0;
	r->n_unused = 0;
}

static void add(struct lb_routes *r, const struct lb_path_route *route)
{
	if (r->n == r->room && r->room < LB_ROUTES_DUMP_MAX) {
		size_t room = r->room == 0 ? 64 : r->room * 2;
		struct lb_path_route *grown = reallocarray(r->list, room, sizeof(*grown));

		if (grown != NULL) {
			r->list = grown;
			r->room = room;
		}
	}
	if (r->n == r->room)
		r->n_unused++;
	else
		r->list[r->n++] = *route;
}

/* RTA_VIA: a gateway of the other family, behind its 16-bit family. */
static void read_via(const struct nlattr *attr, struct lb_addr *out)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	rte_be32_t v4_be;

	if (len == sizeof(*via) + 4) {
		memcpy(&v4_be, via->rtvia_addr, 4);
		*out = lb_addr_from_v4(v4_be);
	} else if (len == sizeof(*via) + sizeof(*out)) {
		memcpy(out, via->rtvia_addr, sizeof(*out));
	}
}

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct parsed_route *p = data;

	switch (mnl_attr_get_type(attr)) {
	case RTA_DST:
		(void)lb_rtnl_get_addr(attr, &p->prefix);
		break;
	case RTA_GATEWAY:
		(void)lb_rtnl_get_addr(attr, &p->gateway);
		break;
	case RTA_VIA:
		read_via(attr, &p->gateway);
		break;
	case RTA_OIF:
		if (mnl_attr_get_payload_len(attr) == 4)
			p->oif = mnl_attr_get_u32(attr);
		break;
	case RTA_PRIORITY:
		if (mnl_attr_get_payload_len(attr) == 4)
			p->metric = mnl_attr_get_u32(attr);
		break;
	case RTA_TABLE:
		if (mnl_attr_get_payload_len(attr) == 4)
			p->table = mnl_attr_get_u32(attr);
		break;
	case RTA_MULTIPATH:
		p->multipath = attr;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static uint32_t iface_of(const struct lb_link *links, size_t n_links, uint32_t ifindex)
{
	for (uint32_t i = 0; i < n_links; i++)
		if (ifindex != 0 && links[i].ifindex == ifindex)
			return i;
	return UINT32_MAX;
}

/* The first way out of one of our netdevs. */
static uint32_t choose_way(struct parsed_route *p, const struct lb_link *links, size_t n_links)
{
	const struct rtnexthop *way;
	size_t left;

	if (p->multipath == NULL)
		return iface_of(links, n_links, p->oif);
	way = mnl_attr_get_payload(p->multipath);
	left = mnl_attr_get_payload_len(p->multipath);
	while (left >= sizeof(*way) && way->rtnh_len >= sizeof(*way) && way->rtnh_len <= left) {
		uint32_t iface = iface_of(links, n_links, (uint32_t)way->rtnh_ifindex);
		size_t step = RTNH_ALIGN(way->rtnh_len);

		if (iface != UINT32_MAX) {
			mnl_attr_parse_payload(way + 1, way->rtnh_len - sizeof(*way), parse_attr,
					       p);
			return iface;
		}
		if (step > left)
			break;
		left -= step;
		way = (const struct rtnexthop *)(const void *)((const char *)way + step);
	}
	return UINT32_MAX;
}

void lb_routes_row(struct lb_routes *r, const struct lb_link *links, size_t n_links,
		   const struct nlmsghdr *msg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	struct lb_path_route route = {0};
	struct parsed_route p = {0};

	if (msg->nlmsg_type != RTM_NEWROUTE || msg->nlmsg_len < mnl_nlmsg_size(sizeof(*rt)))
		return;
	if (rt->rtm_type != RTN_UNICAST || (rt->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0)
		return;
	if (rt->rtm_family == AF_INET)
		p.prefix = lb_addr_from_v4(0);
	else if (rt->rtm_family != AF_INET6)
		return;
	p.table = rt->rtm_table;
	mnl_attr_parse(msg, sizeof(*rt), parse_attr, &p);
	if (p.table != RT_TABLE_MAIN)
		return;
	route.iface = choose_way(&p, links, n_links);
	if (route.iface == UINT32_MAX)
		return;
	route.prefix.addr = p.prefix;
	route.prefix.len = rt->rtm_dst_len;
	route.gateway = p.gateway;
	route.metric = p.metric;
	add(r, &route);
}

void lb_routes_add_configured(struct lb_routes *r, uint32_t iface,
			      const struct lb_cfg_interface *cfg)
{
	struct lb_path_route route = {.iface = iface};

	for (uint32_t i = 0; i < cfg->n_addresses; i++) {
		route.prefix = cfg->addresses[i];
		add(r, &route);
	}
	if (!lb_addr_is_zero(&cfg->gateway)) {
		route.prefix = (struct lb_prefix){.addr = lb_addr_from_v4(0), .len = 0};
		route.gateway = cfg->gateway;
		add(r, &route);
	}
	if (!lb_addr_is_zero(&cfg->gateway_ipv6)) {
		route.prefix = (struct lb_prefix){.len = 0};
		route.gateway = cfg->gateway_ipv6;
		add(r, &route);
	}
}
