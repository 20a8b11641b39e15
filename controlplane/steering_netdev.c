#include "steering_netdev.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "steer.skel.h"

#define PROGRAM_MAPS_MAX 32u

/* Abstract names belong to the network namespace and vanish with their process, so a name that is
 * taken says that another Ballast lives on this netdev, and a free one that what is attached there
 * was left by a dead one. */
static int claim_netdev(int ifindex)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n, rc;

	if (fd < 0)
		return -errno;
	n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "ballast/netdev/%d", ifindex);
	if (bind(fd, (const struct sockaddr *)&name,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static bool has_own_map(int prog_fd, struct bpf_prog_info *info)
{
	uint32_t ids[PROGRAM_MAPS_MAX] = {0}, len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	info->map_ids = (uintptr_t)ids;
	info->nr_map_ids = PROGRAM_MAPS_MAX;
	if (bpf_obj_get_info_by_fd(prog_fd, info, &len) != 0)
		return false;
	for (uint32_t i = 0; i < info->nr_map_ids && i < PROGRAM_MAPS_MAX; i++) {
		struct bpf_map_info map = {0};
		uint32_t map_len = sizeof(map);
		int fd = bpf_map_get_fd_by_id(ids[i]);
		int rc;

		if (fd < 0)
			continue;
		rc = bpf_obj_get_info_by_fd(fd, &map, &map_len);
		close(fd);
		if (rc == 0 && strcmp(map.name, LB_STEER_OWN_MAP) == 0)
			return true;
	}
	return false;
}

/* Finds what is attached: *fd stays -1 without a program, otherwise it is the one that a killed
 * Ballast left. Somebody else's is an error. */
static int find_leftover(const struct lb_steered_netdev *dev, int *fd, uint32_t *mode,
			 struct lb_error *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info;
	uint32_t id;
	int rc = bpf_xdp_query(dev->ifindex, 0, &query);

	*fd = -1;
	if (rc != 0)
		return lb_error_set(err, rc, "", "cannot ask for the XDP program of %s: %s",
				    dev->name, strerror(-rc));
	id = query.drv_prog_id != 0 ? query.drv_prog_id : query.skb_prog_id;
	if (id == 0)
		id = query.hw_prog_id;
	if (id == 0)
		return 0;
	*fd = bpf_prog_get_fd_by_id(id);
	if (*fd < 0) {
		rc = *fd;
		*fd = -1;
		return lb_error_set(err, rc, "",
				    "%s has XDP program id %u, and looking at it failed: %s",
				    dev->name, id, strerror(-rc));
	}
	if (has_own_map(*fd, &info) && strcmp(info.name, LB_STEER_PROGRAM) == 0) {
		*mode = query.drv_prog_id != 0 ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
		return 0;
	}
	close(*fd);
	*fd = -1;
	return lb_error_set(err, -EBUSY, "",
			    "%s already has the XDP program \"%s\" (id %u), which is not "
			    "Ballast's: detach it with `ip link set dev %s xdp off`",
			    dev->name, info.name, id, dev->name);
}

static int attach_program(struct lb_steered_netdev *dev, struct lb_error *err)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int fd = bpf_program__fd(dev->program->progs.xsk_def_prog);
	int rc = find_leftover(dev, &opts.old_prog_fd, &dev->mode, err);

	if (rc != 0)
		return rc;
	if (opts.old_prog_fd >= 0) {
		rc = bpf_xdp_attach(dev->ifindex, fd, dev->mode | XDP_FLAGS_REPLACE, &opts);
		close(opts.old_prog_fd);
		lb_log(LB_LOG_INFO, "steering", "leftover_replaced netdev=%s", dev->name);
	} else {
		dev->mode = XDP_FLAGS_DRV_MODE;
		rc = bpf_xdp_attach(dev->ifindex, fd, dev->mode | XDP_FLAGS_UPDATE_IF_NOEXIST,
				    NULL);
		if (rc != 0 && rc != -EPERM && rc != -EBUSY && rc != -EEXIST) {
			dev->native_err = -rc;
			dev->mode = XDP_FLAGS_SKB_MODE;
			rc = bpf_xdp_attach(dev->ifindex, fd,
					    dev->mode | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
		}
	}
	if (rc != 0)
		lb_error_set(err, rc, "", "attaching the XDP program to %s failed: %s", dev->name,
			     strerror(-rc));
	return rc;
}

static int load_program(struct lb_steered_netdev *dev, int addrs_fd, int blocks_fd,
			struct lb_error *err)
{
	int rc;

	dev->program = steer_bpf__open();
	if (dev->program == NULL)
		return lb_error_set(err, -errno, "", "opening the XDP program failed: %s",
				    strerror(errno));
	rc = bpf_map__reuse_fd(dev->program->maps.ballast_addrs, addrs_fd);
	if (rc == 0)
		rc = bpf_map__reuse_fd(dev->program->maps.ballast_blocks, blocks_fd);
	if (rc == 0)
		rc = steer_bpf__load(dev->program);
	if (rc != 0)
		return lb_error_set(
			err, rc, "", "the kernel refused the XDP program: %s%s", strerror(-rc),
			rc == -EACCES || rc == -EPERM
				? " (it needs CAP_BPF, and CAP_PERFMON or CAP_SYS_ADMIN)"
				: "");
	return 0;
}

static int read_mac(const char *netdev, uint8_t mac[6])
{
	struct ifreq req = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", netdev);
	if (ioctl(fd, SIOCGIFHWADDR, &req) != 0)
		rc = -errno;
	close(fd);
	memcpy(mac, req.ifr_hwaddr.sa_data, 6);
	return rc;
}

static void release_netdev(struct lb_steered_netdev *dev)
{
	steer_bpf__destroy(dev->program);
	if (dev->claim >= 0)
		close(dev->claim);
	memset(dev, 0, sizeof(*dev));
}

static int write_port(const struct lb_steered_netdev *dev)
{
	uint32_t zero = 0;

	if (dev->program == NULL)
		return -ENOENT;
	return bpf_map_update_elem(bpf_map__fd(dev->program->maps.ballast_port), &zero, &dev->port,
				   BPF_ANY);
}

int lb_steered_set_mac(struct lb_steered_netdev *dev, const uint8_t mac[6])
{
	memcpy(dev->port.mac, mac, sizeof(dev->port.mac));
	return write_port(dev);
}

int lb_steered_set_tags(struct lb_steered_netdev *dev, const uint32_t *tags, uint32_t n)
{
	dev->port.is_untagged_ours = 0;
	dev->port.n_tags = 0;
	for (uint32_t i = 0; i < n && i < LB_STEER_TAGS_MAX; i++) {
		if (tags[i] == 0)
			dev->port.is_untagged_ours = 1;
		else
			dev->port.tags[dev->port.n_tags++] = tags[i];
	}
	return write_port(dev);
}

int lb_steered_attach(struct lb_steered_netdev *dev, const char *netdev, int addrs_fd,
		      int blocks_fd, struct lb_error *err)
{
	uint8_t mac[6];
	int rc;

	if (dev->program != NULL)
		return lb_error_set(err, -EALREADY, "", "%s is attached already", dev->name);
	dev->claim = -1;
	dev->port.is_untagged_ours = 1;
	snprintf(dev->name, sizeof(dev->name), "%s", netdev);
	dev->ifindex = (int)if_nametoindex(netdev);
	if (dev->ifindex == 0)
		return lb_error_set(err, -ENODEV, "", "there is no network device %s", netdev);
	dev->claim = claim_netdev(dev->ifindex);
	if (dev->claim == -EADDRINUSE)
		rc = lb_error_set(err, -EBUSY, "", "another Ballast is running on %s", netdev);
	else if (dev->claim < 0)
		rc = lb_error_set(err, dev->claim, "", "claiming %s failed: %s", netdev,
				  strerror(-dev->claim));
	else
		rc = load_program(dev, addrs_fd, blocks_fd, err);
	if (rc == 0) {
		rc = read_mac(netdev, mac);
		if (rc == 0)
			rc = lb_steered_set_mac(dev, mac);
		if (rc != 0)
			lb_error_set(err, rc, "", "reading the address of %s failed: %s", netdev,
				     strerror(-rc));
	}
	if (rc == 0)
		rc = attach_program(dev, err);
	if (rc != 0) {
		release_netdev(dev);
		return rc;
	}
	lb_log(LB_LOG_INFO, "steering", "attached netdev=%s mode=%s", netdev,
	       dev->mode == XDP_FLAGS_DRV_MODE ? "native" : "generic");
	return 0;
}

void lb_steered_detach(struct lb_steered_netdev *dev)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int rc;

	if (dev->program == NULL)
		return;
	opts.old_prog_fd = bpf_program__fd(dev->program->progs.xsk_def_prog);
	rc = bpf_xdp_detach(dev->ifindex, dev->mode | XDP_FLAGS_REPLACE, &opts);
	/* The AF_XDP driver detaches what it finds when its port closes, and the netdev may have
	 * gone: then there is nothing left to do. */
	if (rc != 0)
		lb_log(LB_LOG_DEBUG, "steering", "detached_by_others netdev=%s error=%s", dev->name,
		       strerror(-rc));
	release_netdev(dev);
}
