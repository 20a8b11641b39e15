#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtnl.h"

struct lb_twin {
	int fd;
	uint32_t ifindex;
	char name[LB_NETDEV_MAX];
	struct lb_twin_port port; /* as last told to the kernel */
	struct lb_twin_counts counts;
};

/* A TAP device that somebody else keeps would be joined, not refused: look before. */
static int create_tap(struct lb_twin *twin, const char *name, struct lb_error *err)
{
	struct ifreq req = {0};

	if (if_nametoindex(name) != 0)
		return lb_error_set(err, -EEXIST, "",
				    "the twin cannot be named %s: this host has such a network "
				    "device already",
				    name);
	twin->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (twin->fd < 0)
		return lb_error_set(err, -errno, "", "opening /dev/net/tun failed: %s",
				    strerror(errno));
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	req.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(twin->fd, TUNSETIFF, &req) != 0)
		return lb_error_set(err, -errno, "", "making the TAP device %s failed: %s", name,
				    strerror(errno));
	snprintf(twin->name, sizeof(twin->name), "%s", req.ifr_name);
	twin->ifindex = if_nametoindex(twin->name);
	return 0;
}

static void set_carrier(struct lb_twin *twin, bool has_carrier)
{
	int value = has_carrier;

	/* Before Linux 5.0 there is no such request, and the carrier is always on. */
	(void)ioctl(twin->fd, TUNSETCARRIER, &value);
	twin->port.has_carrier = has_carrier;
}

static int ask_device(const struct lb_twin *twin, unsigned long request, struct ifreq *req)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", twin->name);
	rc = ioctl(fd, request, req) != 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int set_mtu(struct lb_twin *twin, uint16_t mtu)
{
	struct ifreq req = {.ifr_mtu = mtu};

	twin->port.mtu = mtu;
	return ask_device(twin, SIOCSIFMTU, &req);
}

static int set_mac(struct lb_twin *twin, const uint8_t mac[6])
{
	struct ifreq req = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	memcpy(twin->port.mac, mac, sizeof(twin->port.mac));
	memcpy(req.ifr_hwaddr.sa_data, mac, 6);
	return ask_device(twin, SIOCSIFHWADDR, &req);
}

static int bring_up(struct lb_twin *twin)
{
	struct ifreq req = {0};
	int rc = ask_device(twin, SIOCGIFFLAGS, &req);

	req.ifr_flags |= IFF_UP;
	return rc < 0 ? rc : ask_device(twin, SIOCSIFFLAGS, &req);
}

/* MAC and carrier before it comes up: the kernel makes its link-local address of the one and waits
 * for the other. */
static int set_up(struct lb_twin *twin, const struct lb_twin_port *port, struct lb_error *err)
{
	static const uint8_t none[6];
	int rc = 0;

	/* A device without a MAC of its own goes by the kernel's random one. */
	if (memcmp(port->mac, none, sizeof(none)) != 0)
		rc = set_mac(twin, port->mac);
	if (rc == 0)
		rc = set_mtu(twin, port->mtu);
	set_carrier(twin, port->has_carrier);
	if (rc == 0)
		rc = bring_up(twin);
	return rc == 0 ? 0
		       : lb_error_set(err, rc, "", "setting up the TAP device %s failed: %s",
				      twin->name, strerror(-rc));
}

int lb_twin_open(const char *name, const struct lb_twin_port *port, struct lb_twin **out,
		 struct lb_error *err)
{
	struct lb_twin *twin = calloc(1, sizeof(*twin));
	int rc;

	*out = NULL;
	if (twin == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for the twin");
	twin->fd = -1;
	rc = create_tap(twin, name, err);
	if (rc == 0)
		rc = set_up(twin, port, err);
	if (rc != 0) {
		lb_twin_close(twin);
		return rc;
	}
	*out = twin;
	return 0;
}

void lb_twin_close(struct lb_twin *twin)
{
	if (twin == NULL)
		return;
	if (twin->fd >= 0)
		close(twin->fd);
	free(twin);
}

static int add_address(const struct lb_twin *twin, struct lb_rtnl *nl, const struct lb_prefix *p)
{
	char buf[LB_RTNL_REQUEST_MAX];
	struct ifaddrmsg *ifa;
	struct nlmsghdr *msg;
	void *header;

	msg = lb_rtnl_message(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(*ifa));
	ifa = header;
	ifa->ifa_family = lb_rtnl_family(&p->addr);
	ifa->ifa_index = twin->ifindex;
	ifa->ifa_prefixlen = p->len;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	lb_rtnl_put_addr(msg, IFA_LOCAL, &p->addr);
	lb_rtnl_put_addr(msg, IFA_ADDRESS, &p->addr);
	/* No second of asking for duplicates, in which probes could not leave from it. */
	if (ifa->ifa_family == AF_INET6)
		mnl_attr_put_u32(msg, IFA_FLAGS, IFA_F_NODAD);
	return lb_rtnl_request(nl, msg, NULL, NULL);
}

static int add_gateway(const struct lb_twin *twin, struct lb_rtnl *nl,
		       const struct lb_addr *gateway, uint32_t metric)
{
	char buf[LB_RTNL_REQUEST_MAX];
	struct nlmsghdr *msg;
	struct rtmsg *rt;
	void *header;

	if (lb_addr_is_zero(gateway))
		return 0;
	msg = lb_rtnl_message(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(*rt));
	rt = header;
	rt->rtm_family = lb_rtnl_family(gateway);
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = LB_RTNL_PROTOCOL;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	lb_rtnl_put_addr(msg, RTA_GATEWAY, gateway);
	mnl_attr_put_u32(msg, RTA_OIF, twin->ifindex);
	mnl_attr_put_u32(msg, RTA_PRIORITY, metric);
	return lb_rtnl_request(nl, msg, NULL, NULL);
}

static void refused(const struct lb_twin *twin, const struct lb_addr *addr, int rc, int *first,
		    struct lb_error *err)
{
	char text[LB_ADDR_TEXT_MAX];

	if (rc < 0 && *first == 0)
		*first = lb_error_set(err, rc, "", "the kernel refused %s on %s: %s",
				      lb_addr_format(addr, text), twin->name, strerror(-rc));
}

int lb_twin_configure(const struct lb_twin *twin, const struct lb_cfg_interface *cfg,
		      uint32_t metric, struct lb_error *err)
{
	struct lb_rtnl *nl;
	int first = 0, rc = lb_rtnl_open(&nl);

	if (rc < 0)
		return lb_error_set(err, rc, "", "netlink does not open: %s", strerror(-rc));
	for (uint32_t i = 0; i < cfg->n_addresses; i++)
		refused(twin, &cfg->addresses[i].addr, add_address(twin, nl, &cfg->addresses[i]),
			&first, err);
	refused(twin, &cfg->gateway, add_gateway(twin, nl, &cfg->gateway, metric), &first, err);
	refused(twin, &cfg->gateway_ipv6, add_gateway(twin, nl, &cfg->gateway_ipv6, metric), &first,
		err);
	lb_rtnl_close(nl);
	return first;
}

void lb_twin_follow(struct lb_twin *twin, const struct lb_twin_port *port)
{
	if (port->has_carrier != twin->port.has_carrier)
		set_carrier(twin, port->has_carrier);
	if (port->mtu != twin->port.mtu)
		(void)set_mtu(twin, port->mtu);
}

int lb_twin_fd(const struct lb_twin *twin)
{
	return twin->fd;
}

size_t lb_twin_read(struct lb_twin *twin, uint8_t *frame, size_t size)
{
	ssize_t n = read(twin->fd, frame, size);

	return n > 0 ? (size_t)n : 0;
}

void lb_twin_write(struct lb_twin *twin, const uint8_t *frame, size_t len)
{
	if (write(twin->fd, frame, len) == (ssize_t)len)
		twin->counts.received++;
	else
		twin->counts.refused++;
}

const char *lb_twin_name(const struct lb_twin *twin)
{
	return twin->name;
}

void lb_twin_count_sent(struct lb_twin *twin, bool is_taken)
{
	if (is_taken)
		twin->counts.sent++;
	else
		twin->counts.sent_lost++;
}

struct lb_twin_counts lb_twin_counts(const struct lb_twin *twin)
{
	return twin->counts;
}
