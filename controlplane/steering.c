#include "steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "punt.skel.h"
#include "steer.skel.h"

#define PROGRAM_MAPS_MAX 32u

struct steered_netdev {
	struct steer_bpf *program; /* NULL: not attached */
	char name[IF_NAMESIZE];
	int ifindex;
	int claim;      /* socket whose name says that a living Ballast has the netdev */
	uint32_t mode;  /* XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE */
	int native_err; /* why not native */
	struct lb_steer_port port; /* as the program has it */
};

struct lb_steering {
	struct lb_steer_plan now; /* what the maps hold */
	/* What the maps were restricted to last, and whether they were extended to it since: most
	 * changes of a configuration ask for the same again. */
	struct lb_steer_rule *rules; /* NULL: none */
	size_t n_rules;
	bool is_whole;
	int addrs_fd;
	int blocks_fd;
	struct steered_netdev netdevs[LB_IFACES_MAX];
};

__attribute__((format(printf, 2, 0))) static int on_libbpf_line(enum libbpf_print_level level,
								const char *fmt, va_list ap)
{
	char line[LB_LOG_LINE_MAX / 2];
	size_t len;

	/* Their warnings come with an error that we report ourselves. */
	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	len = strlen(line);
	while (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	lb_log(LB_LOG_DEBUG, "steering", "%s", line);
	return 0;
}

static int create_maps(struct lb_steering *st)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	st->addrs_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "ballast_addrs",
				      sizeof(struct lb_steer_addr_key),
				      sizeof(struct lb_steer_addr), LB_STEER_ADDRS_MAX, &opts);
	if (st->addrs_fd < 0)
		return st->addrs_fd;
	st->blocks_fd = bpf_map_create(BPF_MAP_TYPE_HASH, LB_STEER_OWN_MAP,
				       sizeof(struct lb_steer_block_key), sizeof(uint32_t),
				       LB_STEER_BLOCKS_MAX, &opts);
	return st->blocks_fd < 0 ? st->blocks_fd : 0;
}

int lb_steering_open(struct lb_steering **out, struct lb_error *err)
{
	struct lb_steering *st = calloc(1, sizeof(*st));
	int rc;

	*out = NULL;
	if (st == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for steering");
	st->addrs_fd = -1;
	st->blocks_fd = -1;
	libbpf_set_print(on_libbpf_line);
	rc = create_maps(st);
	if (rc != 0) {
		lb_steering_close(st);
		if (rc == -EPERM)
			return lb_error_set(err, rc, "",
					    "XDP needs CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN");
		return lb_error_set(err, rc, "", "the kernel refused a BPF map: %s", strerror(-rc));
	}
	*out = st;
	return 0;
}

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
static int find_leftover(const struct steered_netdev *dev, int *fd, uint32_t *mode,
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

static int attach_program(struct steered_netdev *dev, struct lb_error *err)
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

static int load_program(struct lb_steering *st, struct steered_netdev *dev, struct lb_error *err)
{
	int rc;

	dev->program = steer_bpf__open();
	if (dev->program == NULL)
		return lb_error_set(err, -errno, "", "opening the XDP program failed: %s",
				    strerror(errno));
	rc = bpf_map__reuse_fd(dev->program->maps.ballast_addrs, st->addrs_fd);
	if (rc == 0)
		rc = bpf_map__reuse_fd(dev->program->maps.ballast_blocks, st->blocks_fd);
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

static void release_netdev(struct steered_netdev *dev)
{
	steer_bpf__destroy(dev->program);
	if (dev->claim >= 0)
		close(dev->claim);
	memset(dev, 0, sizeof(*dev));
}

int lb_steering_attach(struct lb_steering *st, uint32_t iface, const char *netdev,
		       struct lb_error *err)
{
	struct steered_netdev *dev = &st->netdevs[iface];
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
		rc = load_program(st, dev, err);
	if (rc == 0) {
		rc = read_mac(netdev, mac);
		if (rc == 0)
			rc = lb_steering_set_mac(st, iface, mac);
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

void lb_steering_detach(struct lb_steering *st, uint32_t iface)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	struct steered_netdev *dev = &st->netdevs[iface];
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

void lb_steering_close(struct lb_steering *st)
{
	if (st == NULL)
		return;
	for (uint32_t i = 0; i < LB_IFACES_MAX; i++)
		lb_steering_detach(st, i);
	if (st->addrs_fd >= 0)
		close(st->addrs_fd);
	if (st->blocks_fd >= 0)
		close(st->blocks_fd);
	lb_steer_plan_fini(&st->now);
	free(st->rules);
	free(st);
}

static int write_port(const struct steered_netdev *dev)
{
	uint32_t zero = 0;

	if (dev->program == NULL)
		return -ENOENT;
	return bpf_map_update_elem(bpf_map__fd(dev->program->maps.ballast_port), &zero, &dev->port,
				   BPF_ANY);
}

int lb_steering_set_mac(struct lb_steering *st, uint32_t iface, const uint8_t mac[6])
{
	struct steered_netdev *dev = &st->netdevs[iface];

	memcpy(dev->port.mac, mac, sizeof(dev->port.mac));
	return write_port(dev);
}

int lb_steering_set_tags(struct lb_steering *st, uint32_t iface, const uint32_t *tags, uint32_t n)
{
	struct steered_netdev *dev = &st->netdevs[iface];

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

/* Brings the block map from `from` to `to`, both sorted. Deleting cannot fail but for an entry
 * that is not there. */
static int move_blocks(int fd, const struct lb_steer_plan *from, const struct lb_steer_plan *to)
{
	const uint32_t one = 1;
	size_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0 && (i < from->n_blocks || j < to->n_blocks)) {
		int order = i == from->n_blocks ? 1
			    : j == to->n_blocks ? -1
						: memcmp(&from->blocks[i], &to->blocks[j],
							 sizeof(from->blocks[i]));

		if (order < 0)
			bpf_map_delete_elem(fd, &from->blocks[i]);
		else if (order > 0)
			rc = bpf_map_update_elem(fd, &to->blocks[j], &one, BPF_ANY);
		i += order <= 0;
		j += order >= 0;
	}
	return rc;
}

static int move_addrs(int fd, const struct lb_steer_plan *from, const struct lb_steer_plan *to)
{
	size_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0 && (i < from->n_addrs || j < to->n_addrs)) {
		const struct lb_steer_plan_addr *a = &from->addrs[i], *b = &to->addrs[j];
		int order = i == from->n_addrs ? 1
			    : j == to->n_addrs ? -1
					       : memcmp(&a->key, &b->key, sizeof(a->key));

		if (order < 0)
			bpf_map_delete_elem(fd, &a->key);
		else if (order > 0 || memcmp(&a->value, &b->value, sizeof(a->value)) != 0)
			rc = bpf_map_update_elem(fd, &b->key, &b->value, BPF_ANY);
		i += order <= 0;
		j += order >= 0;
	}
	return rc;
}

/* Takes over `to` as the maps' content; on error the maps are as before. Blocks come before the
 * address that announces their size. */
static int move_maps(struct lb_steering *st, struct lb_steer_plan *to, struct lb_error *err)
{
	int rc = move_blocks(st->blocks_fd, &st->now, to);

	if (rc == 0)
		rc = move_addrs(st->addrs_fd, &st->now, to);
	if (rc == 0) {
		lb_steer_plan_fini(&st->now);
		st->now = *to;
		return 0;
	}
	move_blocks(st->blocks_fd, to, &st->now);
	move_addrs(st->addrs_fd, to, &st->now);
	lb_steer_plan_fini(to);
	return lb_error_set(err, rc, "", "the kernel refused a steering entry: %s", strerror(-rc));
}

static bool is_same_rule(const struct lb_steer_rule *a, const struct lb_steer_rule *b)
{
	return a->kind == b->kind && a->protocol == b->protocol &&
	       a->ports.first == b->ports.first && a->ports.last == b->ports.last &&
	       lb_addr_equal(&a->addr, &b->addr);
}

/* In the order in which they come: rules of one configuration always come in the same. */
static bool is_same_again(const struct lb_steering *st, const struct lb_steer_rule *rules, size_t n)
{
	if (st->rules == NULL || st->n_rules != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_same_rule(&st->rules[i], &rules[i]))
			return false;
	return true;
}

/* Without memory nothing is remembered, and the next time everything is done. */
static void remember(struct lb_steering *st, const struct lb_steer_rule *rules, size_t n)
{
	free(st->rules);
	st->rules = malloc(n * sizeof(*rules) + 1);
	if (st->rules != NULL && n > 0)
		memcpy(st->rules, rules, n * sizeof(*rules));
	st->n_rules = n;
	st->is_whole = false;
}

static void forget(struct lb_steering *st)
{
	free(st->rules);
	st->rules = NULL;
}

int lb_steering_restrict(struct lb_steering *st, const struct lb_steer_rule *rules, size_t n,
			 struct lb_error *err)
{
	struct lb_steer_plan wanted, next;
	int rc;

	if (is_same_again(st, rules, n))
		return 0;
	forget(st);
	rc = lb_steer_plan_init(&wanted, rules, n, err);
	if (rc != 0)
		return rc;
	rc = lb_steer_plan_common(&next, &st->now, &wanted);
	lb_steer_plan_fini(&wanted);
	if (rc != 0)
		return lb_error_set(err, rc, "", "no memory for the steering rules");
	rc = move_maps(st, &next, err);
	if (rc == 0)
		remember(st, rules, n);
	return rc;
}

int lb_steering_extend(struct lb_steering *st, const struct lb_steer_rule *rules, size_t n,
		       struct lb_error *err)
{
	struct lb_steer_plan wanted, next;
	bool is_same = is_same_again(st, rules, n);
	int rc;

	if (is_same && st->is_whole)
		return 0;
	rc = lb_steer_plan_init(&wanted, rules, n, err);
	if (rc != 0)
		return rc;
	rc = lb_steer_plan_union(&next, &st->now, &wanted, err);
	lb_steer_plan_fini(&wanted);
	if (rc != 0)
		return rc;
	rc = move_maps(st, &next, err);
	if (rc == 0 && is_same)
		st->is_whole = true;
	else
		forget(st);
	return rc;
}

int lb_steering_stats(const struct lb_steering *st, uint32_t iface, uint64_t out[LB_STEER_STAT_N])
{
	const struct steered_netdev *dev = &st->netdevs[iface];
	int n_cpus = libbpf_num_possible_cpus();
	uint64_t *values;

	memset(out, 0, LB_STEER_STAT_N * sizeof(*out));
	if (dev->program == NULL)
		return -ENOENT;
	if (n_cpus < 0)
		return n_cpus;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < LB_STEER_STAT_N; i++) {
		int fd = bpf_map__fd(dev->program->maps.ballast_stats);

		if (bpf_map_lookup_elem(fd, &i, values) != 0)
			continue;
		for (int cpu = 0; cpu < n_cpus; cpu++)
			out[i] += values[cpu];
	}
	free(values);
	return 0;
}

const char *lb_steering_describe(const struct lb_steering *st, uint32_t iface, char *text,
				 size_t size)
{
	const struct steered_netdev *dev = &st->netdevs[iface];

	if (dev->program == NULL)
		snprintf(text, size, "not attached");
	else if (dev->native_err != 0)
		snprintf(text, size,
			 "generic XDP on %s (native: %s), %zu addresses, %zu port blocks",
			 dev->name, strerror(dev->native_err), st->now.n_addrs, st->now.n_blocks);
	else
		snprintf(text, size, "%s XDP on %s, %zu addresses, %zu port blocks",
			 dev->mode == XDP_FLAGS_DRV_MODE ? "native" : "generic", dev->name,
			 st->now.n_addrs, st->now.n_blocks);
	return text;
}

int lb_steering_redirect(unsigned int from_ifindex, unsigned int to_ifindex, struct lb_error *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)from_ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct punt_bpf *program;
	int rc;

	libbpf_set_print(on_libbpf_line);
	program = punt_bpf__open();
	if (program == NULL)
		return lb_error_set(err, -errno, "", "opening the punt program failed: %s",
				    strerror(errno));
	program->rodata->to_ifindex = to_ifindex;
	rc = bpf_xdp_query((int)to_ifindex, 0, &query);
	program->rodata->is_generic = query.skb_prog_id != 0;
	if (rc == 0)
		rc = punt_bpf__load(program);
	if (rc == 0)
		rc = bpf_tc_hook_create(&hook);
	if (rc == -EEXIST)
		rc = 0;
	if (rc == 0) {
		opts.prog_fd = bpf_program__fd(program->progs.ballast_punt);
		rc = bpf_tc_attach(&hook, &opts);
	}
	punt_bpf__destroy(program);
	if (rc != 0)
		return lb_error_set(err, rc, "", "the kernel refused the punt program: %s",
				    strerror(-rc));
	return 0;
}
