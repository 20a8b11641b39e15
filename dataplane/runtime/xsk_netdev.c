#include "runtime/xsk_netdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static uint32_t read_rx_queues(int fd, struct ifreq *req)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	uint32_t n;

	req->ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, req) != 0)
		return 1;
	n = channels.rx_count + channels.combined_count;
	return n > 0 ? n : 1;
}

int lb_xsk_netdev_read(const char *ifname, struct lb_xsk_netdev *out)
{
	struct ifreq req = {0};
	int fd, rc = 0;

	if (ifname[0] == '\0' || strlen(ifname) >= sizeof(req.ifr_name))
		return -ENODEV;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFMTU, &req) != 0)
		rc = -errno;
	else
		out->mtu = (uint32_t)req.ifr_mtu;
	if (rc == 0)
		out->n_rx_queues = read_rx_queues(fd, &req);
	close(fd);
	return rc;
}
