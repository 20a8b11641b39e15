#include "punt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steering.h"

struct lb_punt {
	int fd;
	char name[IF_NAMESIZE];
	struct lb_punt_counts counts;
};

static int create_tap(struct lb_punt *punt)
{
	struct ifreq req = {.ifr_name = "bal%d"};

	punt->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (punt->fd < 0)
		return -errno;
	req.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(punt->fd, TUNSETIFF, &req) != 0)
		return -errno;
	memcpy(punt->name, req.ifr_name, sizeof(punt->name));
	return 0;
}

/* The kernel shall say nothing of its own on this device. Without IPv6 in the kernel there is no
 * such file, and nothing to switch off. */
static void silence_ipv6(const char *name)
{
	char path[64 + IF_NAMESIZE];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		(void)0; /* it then says a few router solicitations that nobody reads */
	close(fd);
}

static int bring_up(const char *name)
{
	struct ifreq req = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &req) != 0)
		rc = -errno;
	req.ifr_flags |= IFF_UP | IFF_NOARP;
	if (rc == 0 && ioctl(fd, SIOCSIFFLAGS, &req) != 0)
		rc = -errno;
	/* ioctl counts the MTU without the Ethernet header. */
	req.ifr_mtu = LB_PUNT_FRAME_MAX - 14;
	if (rc == 0 && ioctl(fd, SIOCSIFMTU, &req) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

int lb_punt_open(const char *netdev, struct lb_punt **out, struct lb_error *err)
{
	unsigned int to = if_nametoindex(netdev);
	struct lb_punt *punt;
	int rc;

	*out = NULL;
	if (to == 0)
		return lb_error_set(err, -ENODEV, "", "there is no network device %s", netdev);
	punt = calloc(1, sizeof(*punt));
	if (punt == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for the way to the kernel");
	rc = create_tap(punt);
	if (rc == 0) {
		silence_ipv6(punt->name);
		rc = bring_up(punt->name);
	}
	if (rc != 0)
		lb_error_set(err, rc, "", "creating a TAP device failed: %s", strerror(-rc));
	else
		rc = lb_steering_redirect(if_nametoindex(punt->name), to, err);
	if (rc != 0) {
		lb_punt_close(punt);
		return rc;
	}
	*out = punt;
	return 0;
}

void lb_punt_close(struct lb_punt *punt)
{
	if (punt == NULL)
		return;
	if (punt->fd >= 0)
		close(punt->fd);
	free(punt);
}

int lb_punt_write(struct lb_punt *punt, const uint8_t *frame, size_t len)
{
	ssize_t n;

	if (len > LB_PUNT_FRAME_MAX) {
		punt->counts.refused++;
		return -EMSGSIZE;
	}
	n = write(punt->fd, frame, len);
	if (n == (ssize_t)len) {
		punt->counts.written++;
		return 0;
	}
	punt->counts.refused++;
	return n < 0 ? -errno : -EIO;
}

const char *lb_punt_name(const struct lb_punt *punt)
{
	return punt->name;
}

struct lb_punt_counts lb_punt_counts(const struct lb_punt *punt)
{
	return punt->counts;
}
