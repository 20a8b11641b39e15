#include "links.h"

#include <linux/ethtool.h>
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
	for (uint32_t i = 0; i < l->n; i++)
		name_of(&node->interfaces[i], l->now[i].netdev);
}

void lb_links_begin(struct lb_links *l)
{
	memset(l->next, 0, sizeof(l->next));
	for (uint32_t i = 0; i < l->n; i++)
		memcpy(l->next[i].netdev, l->now[i].netdev, LB_NETDEV_MAX);
}

struct parsed_link {
	struct lb_link link;
	bool has_carrier_attr;
};

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
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool parse(const struct nlmsghdr *msg, struct lb_link *out)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	struct parsed_link p = {0};

	if (msg->nlmsg_len < mnl_nlmsg_size(sizeof(*info)))
		return false;
	mnl_attr_parse(msg, sizeof(*info), parse_attr, &p);
	p.link.ifindex = (uint32_t)info->ifi_index;
	p.link.is_up = (info->ifi_flags & IFF_UP) != 0;
	if (!p.has_carrier_attr)
		p.link.has_carrier = (info->ifi_flags & IFF_RUNNING) != 0;
	*out = p.link;
	return true;
}

void lb_links_row(struct lb_links *l, const struct nlmsghdr *msg)
{
	struct lb_link link;

	if (msg->nlmsg_type != RTM_NEWLINK || !parse(msg, &link) || link.netdev[0] == '\0')
		return;
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->next[i].netdev, link.netdev) == 0)
			l->next[i] = link;
}

static bool is_same(const struct lb_link *a, const struct lb_link *b)
{
	return a->ifindex == b->ifindex && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       a->mtu == b->mtu && a->is_up == b->is_up && a->has_carrier == b->has_carrier;
}

uint32_t lb_links_end(struct lb_links *l, uint32_t *replaced)
{
	uint32_t changed = 0;

	*replaced = 0;
	for (uint32_t i = 0; i < l->n; i++) {
		if (!is_same(&l->now[i], &l->next[i]))
			changed |= 1u << i;
		if (l->now[i].ifindex != l->next[i].ifindex)
			*replaced |= 1u << i;
		l->now[i] = l->next[i];
	}
	return changed;
}

bool lb_links_concerns(const struct lb_links *l, const struct nlmsghdr *msg)
{
	struct lb_link link;

	if (!parse(msg, &link))
		return false;
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->now[i].netdev[0] == '\0')
			continue;
		if (l->now[i].ifindex == link.ifindex || strcmp(l->now[i].netdev, link.netdev) == 0)
			return true;
	}
	return false;
}

void lb_links_offload_hint(const struct lb_links *l, char *text, size_t size)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; fd >= 0 && i < l->n; i++) {
		struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
		struct ifreq req = {0};

		if (l->now[i].ifindex == 0)
			continue;
		snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", l->now[i].netdev);
		req.ifr_data = (void *)&flags;
		if (ioctl(fd, SIOCETHTOOL, &req) != 0)
			continue;
		if ((flags.data & ETH_FLAG_LRO) != 0 && len < size)
			len += (size_t)snprintf(text + len, size - len,
						"%s merges segments: ethtool -K %s lro off; ",
						l->now[i].netdev, l->now[i].netdev);
		if ((flags.data & ETH_FLAG_RXVLAN) != 0 && len < size)
			len += (size_t)snprintf(text + len, size - len,
						"%s may hide VLAN tags: ethtool -K %s rxvlan off; ",
						l->now[i].netdev, l->now[i].netdev);
	}
	if (fd >= 0)
		close(fd);
	if (len >= 2 && len < size)
		text[len - 2] = '\0';
}
