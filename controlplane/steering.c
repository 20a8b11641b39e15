#include "steering.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "punt.skel.h"
#include "steer.skel.h"
#include "steering_netdev.h"

struct lb_steering {
	struct lb_steer_plan now; /* what the maps hold */
	/* What the maps were restricted to last, and whether they were extended to it since: most
	 * changes of a configuration ask for the same again. */
	struct lb_steer_rule *rules; /* NULL: none */
	size_t n_rules;
	bool is_whole;
	int addrs_fd;
	int blocks_fd;
	struct lb_steered_netdev netdevs[LB_IFACES_MAX];
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

int lb_steering_attach(struct lb_steering *st, uint32_t iface, const char *netdev,
		       struct lb_error *err)
{
	return lb_steered_attach(&st->netdevs[iface], netdev, st->addrs_fd, st->blocks_fd, err);
}

void lb_steering_detach(struct lb_steering *st, uint32_t iface)
{
	lb_steered_detach(&st->netdevs[iface]);
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

int lb_steering_set_mac(struct lb_steering *st, uint32_t iface, const uint8_t mac[6])
{
	return lb_steered_set_mac(&st->netdevs[iface], mac);
}

int lb_steering_set_tags(struct lb_steering *st, uint32_t iface, const uint32_t *tags, uint32_t n)
{
	return lb_steered_set_tags(&st->netdevs[iface], tags, n);
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
	const struct lb_steered_netdev *dev = &st->netdevs[iface];
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
	const struct lb_steered_netdev *dev = &st->netdevs[iface];

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
