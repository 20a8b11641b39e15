#include "links.h"

#include "lb/vlan.h"

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define AF_XDP_DEVICE "af_xdp:"

static void name_of(const struct lb_cfg_interface *cfg, char out[LB_NETDEV_MAX])
{
	const char *device = cfg->device;
	size_t len;

	memcpy(out, cfg->twin, LB_NETDEV_MAX);
	if (strncmp(device, AF_XDP_DEVICE, strlen(AF_XDP_DEVICE)) != 0)
		return;
	out[0] = '\0';
	device += strlen(AF_XDP_DEVICE);
	len = strcspn(device, ",");
	if (len < LB_NETDEV_MAX)
		snprintf(out, LB_NETDEV_MAX, "%.*s", (int)len, device);
}

void lb_links_init(struct lb_links *l, const struct lb_cfg_node *node)
{
	memset(l, 0, sizeof(*l));
	l->n = node->n_interfaces;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct lb_cfg_interface *cfg = &node->interfaces[i];
		bool has_twin = cfg->twin[0] != '\0';

		name_of(has_twin ? cfg : &node->interfaces[cfg->port], l->bases[i].netdev);
		/* A twin has the frames without their tags. */
		l->tags[i] = has_twin ? 0 : cfg->tags;
		if (l->tags[i] == 0)
			memcpy(l->now[i].netdev, l->bases[i].netdev, LB_NETDEV_MAX);
	}
}

void lb_links_begin(struct lb_links *l)
{
	memset(l->next_bases, 0, sizeof(l->next_bases));
	for (uint32_t i = 0; i < l->n; i++)
		memcpy(l->next_bases[i].netdev, l->bases[i].netdev, LB_NETDEV_MAX);
	l->n_vlans = 0;
}

struct parsed_link {
	struct lb_link link;
	bool has_carrier_attr;
	bool is_elsewhere; /* what it is on is in another namespace */
	uint32_t parent;
	uint32_t tag; /* 0: no VLAN device */
};

struct parsed_kind {
	bool is_vlan;
	uint16_t id;
	uint16_t type;
};

static int parse_vlan_attr(const struct nlattr *attr, void *ctx)
{
	struct parsed_kind *kind = ctx;

	if (mnl_attr_get_payload_len(attr) != sizeof(uint16_t))
		return MNL_CB_OK;
	if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
		kind->id = mnl_attr_get_u16(attr);
	else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
		kind->type = rte_be_to_cpu_16(mnl_attr_get_u16(attr));
	return MNL_CB_OK;
}

static int parse_kind_attr(const struct nlattr *attr, void *ctx)
{
	struct parsed_kind *kind = ctx;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		kind->is_vlan = mnl_attr_get_payload_len(attr) >= sizeof("vlan") &&
				strcmp(mnl_attr_get_str(attr), "vlan") == 0;
	else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
		mnl_attr_parse_nested(attr, parse_vlan_attr, kind);
	return MNL_CB_OK;
}

/* Other kinds have data of their own, whose numbers mean something else. */
static uint32_t vlan_tag(const struct nlattr *info)
{
	struct parsed_kind kind = {.type = 0x8100};

	mnl_attr_parse_nested(info, parse_kind_attr, &kind);
	if (!kind.is_vlan || lb_vlan_type_of(kind.type) == LB_VLAN_NONE)
		return 0;
	return lb_vlan_tag(lb_vlan_type_of(kind.type), kind.id);
}

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct parsed_link *p = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		snprintf(p->link.netdev, sizeof(p->link.netdev), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == sizeof(p->link.mac))
			memcpy(p->link.mac, mnl_attr_get_payload(attr), sizeof(p->link.mac));
		break;
	case IFLA_MTU:
		if (mnl_attr_get_payload_len(attr) == 4) {
			uint32_t mtu = mnl_attr_get_u32(attr);

			p->link.mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
		}
		break;
	case IFLA_CARRIER:
		p->has_carrier_attr = true;
		p->link.has_carrier = mnl_attr_get_u8(attr) != 0;
		break;
	case IFLA_LINK:
		if (mnl_attr_get_payload_len(attr) == 4)
			p->parent = mnl_attr_get_u32(attr);
		break;
	case IFLA_LINK_NETNSID:
		p->is_elsewhere = true;
		break;
	case IFLA_LINKINFO:
		p->tag = vlan_tag(attr);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool parse(const struct nlmsghdr *msg, struct parsed_link *p)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);

	*p = (struct parsed_link){0};
	if (msg->nlmsg_len < mnl_nlmsg_size(sizeof(*info)))
		return false;
	mnl_attr_parse(msg, sizeof(*info), parse_attr, p);
	p->link.ifindex = (uint32_t)info->ifi_index;
	p->link.is_up = (info->ifi_flags & IFF_UP) != 0;
	if (!p->has_carrier_attr)
		p->link.has_carrier = (info->ifi_flags & IFF_RUNNING) != 0;
	return true;
}

static bool is_our_vlan(const struct lb_links *l, const struct parsed_link *p)
{
	if (p->tag == 0 || p->is_elsewhere)
		return false;
	for (uint32_t i = 0; i < l->n; i++)
		if (p->tag == l->tags[i] >> 16 || p->tag == (l->tags[i] & UINT16_MAX))
			return true;
	return false;
}

void lb_links_row(struct lb_links *l, const struct nlmsghdr *msg)
{
	struct parsed_link p;

	if (msg->nlmsg_type != RTM_NEWLINK || !parse(msg, &p) || p.link.netdev[0] == '\0')
		return;
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->next_bases[i].netdev, p.link.netdev) == 0)
			l->next_bases[i] = p.link;
	if (is_our_vlan(l, &p) && l->n_vlans < LB_VLAN_LINKS_MAX)
		l->vlans[l->n_vlans++] = (struct lb_vlan_link){p.link, p.parent, p.tag};
}

static const struct lb_vlan_link *find_vlan(const struct lb_links *l, uint32_t parent, uint32_t tag)
{
	for (uint32_t i = 0; i < l->n_vlans; i++)
		if (l->vlans[i].parent == parent && l->vlans[i].tag == tag)
			return &l->vlans[i];
	return NULL;
}

/* From the outside in: the outer VLAN's device carries the inner one's. */
static struct lb_link find_link(const struct lb_links *l, uint32_t i)
{
	struct lb_link base = l->next_bases[i];
	const struct lb_vlan_link *vlan = NULL;
	uint32_t parent = base.ifindex, outer = l->tags[i] >> 16;

	if (l->tags[i] == 0)
		return base;
	if (parent != 0 && outer != 0) {
		vlan = find_vlan(l, parent, outer);
		parent = vlan == NULL ? 0 : vlan->link.ifindex;
	}
	vlan = parent == 0 ? NULL : find_vlan(l, parent, l->tags[i] & UINT16_MAX);
	if (vlan != NULL)
		return vlan->link;
	memset(base.netdev, 0, sizeof(base.netdev));
	base.ifindex = 0;
	return base;
}

static bool is_same(const struct lb_link *a, const struct lb_link *b)
{
	return a->ifindex == b->ifindex && strcmp(a->netdev, b->netdev) == 0 &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && a->mtu == b->mtu &&
	       a->is_up == b->is_up && a->has_carrier == b->has_carrier;
}

uint32_t lb_links_end(struct lb_links *l, uint32_t *replaced)
{
	uint32_t changed = 0;

	*replaced = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		struct lb_link next = find_link(l, i);

		if (!is_same(&l->now[i], &next))
			changed |= 1u << i;
		if (l->now[i].ifindex != next.ifindex)
			*replaced |= 1u << i;
		l->now[i] = next;
		l->bases[i] = l->next_bases[i];
	}
	return changed;
}

static bool is_netdev(const struct lb_link *ours, const struct lb_link *link)
{
	return ours->netdev[0] != '\0' &&
	       (ours->ifindex == link->ifindex || strcmp(ours->netdev, link->netdev) == 0);
}

bool lb_links_concerns(const struct lb_links *l, const struct nlmsghdr *msg)
{
	struct parsed_link p;

	if (!parse(msg, &p))
		return false;
	for (uint32_t i = 0; i < l->n; i++)
		if (is_netdev(&l->now[i], &p.link) || is_netdev(&l->bases[i], &p.link))
			return true;
	return is_our_vlan(l, &p);
}

static bool is_first_of_device(const struct lb_links *l, uint32_t i)
{
	for (uint32_t j = 0; j < i; j++)
		if (l->bases[j].ifindex == l->bases[i].ifindex)
			return false;
	return true;
}

void lb_links_offload_hint(const struct lb_links *l, char *text, size_t size)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; fd >= 0 && i < l->n; i++) {
		struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
		struct ifreq req = {0};

		if (l->bases[i].ifindex == 0 || !is_first_of_device(l, i))
			continue;
		snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", l->bases[i].netdev);
		req.ifr_data = (void *)&flags;
		if (ioctl(fd, SIOCETHTOOL, &req) != 0)
			continue;
		if ((flags.data & ETH_FLAG_LRO) != 0 && len < size)
			len += (size_t)snprintf(text + len, size - len,
						"%s merges segments: ethtool -K %s lro off; ",
						l->bases[i].netdev, l->bases[i].netdev);
		if ((flags.data & ETH_FLAG_RXVLAN) != 0 && len < size)
			len += (size_t)snprintf(text + len, size - len,
						"%s may hide VLAN tags: ethtool -K %s rxvlan off; ",
						l->bases[i].netdev, l->bases[i].netdev);
	}
	if (fd >= 0)
		close(fd);
	if (len >= 2 && len < size)
		text[len - 2] = '\0';
}
