#include "kernel_path_state.h"

#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEVICE_AF_XDP "af_xdp:"

static void extend(struct lb_kernel_path *kp)
{
	struct lb_error err;

	if (kp->steering == NULL)
		return;
	if (lb_steering_extend(kp->steering, kp->rules.steer, kp->rules.n_steer, &err) < 0)
		lb_log(LB_LOG_ERROR, "steering", "entries missing error=\"%s: %s\"", err.where,
		       err.what);
}

static int restrict_to(struct lb_kernel_path *kp, const struct lb_kernel_rules *rules,
		       struct lb_error *err)
{
	if (kp->steering == NULL)
		return 0;
	return lb_steering_restrict(kp->steering, rules->steer, rules->n_steer, err);
}

/* Only replies of `nat` need to know which addresses are the host's own. */
static int add_locals(struct lb_kernel_path *kp, struct lb_kernel_rules *rules)
{
	return rules->has_nat ? lb_kernel_rules_add_locals(rules, kp->locals, kp->n_locals) : 0;
}

static void drop_locals(struct lb_kernel_rules *rules)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n_steer; i++)
		if (rules->steer[i].kind != LB_STEER_LOCAL)
			rules->steer[n++] = rules->steer[i];
	rules->n_steer = n;
}

static void on_locals(void *ctx, const struct lb_addr *addrs, size_t n)
{
	struct lb_kernel_path *kp = ctx;
	struct lb_addr *copy = malloc((n + 1) * sizeof(*copy));
	struct lb_error err;

	if (copy == NULL)
		return;
	memcpy(copy, addrs, n * sizeof(*copy));
	free(kp->locals);
	kp->locals = copy;
	kp->n_locals = n;
	if (!kp->rules.has_nat)
		return;
	drop_locals(&kp->rules);
	if (add_locals(kp, &kp->rules) < 0 || restrict_to(kp, &kp->rules, &err) < 0)
		lb_log(LB_LOG_ERROR, "steering", "local addresses not updated");
	extend(kp);
}

static void link_event(void *ctx, uint32_t iface, const struct lb_link *link)
{
	struct lb_kernel_path *kp = ctx;

	kp->params.events.on_link(kp->params.events.ctx, iface, link);
}

static void next_hop_event(void *ctx, uint32_t id, const struct lb_next_hop *next_hop)
{
	struct lb_kernel_path *kp = ctx;

	kp->params.events.on_next_hop(kp->params.events.ctx, id, next_hop);
}

static void routes_event(void *ctx, const struct lb_route *routes, size_t n)
{
	struct lb_kernel_path *kp = ctx;

	kp->params.events.on_routes(kp->params.events.ctx, routes, n);
}

static void paths_event(void *ctx)
{
	struct lb_kernel_path *kp = ctx;

	kp->params.events.on_paths(kp->params.events.ctx);
}

static void settled_event(void *ctx)
{
	struct lb_kernel_path *kp = ctx;

	kp->params.events.on_settled(kp->params.events.ctx);
}

/* All interfaces of the device whose first one is `port`. */
static int set_tags(struct lb_kernel_path *kp, uint32_t port)
{
	const struct lb_cfg_node *node = kp->params.node;
	uint32_t tags[LB_IFACES_MAX], n = 0;

	for (uint32_t i = port; i < node->n_interfaces; i++)
		if (node->interfaces[i].port == port)
			tags[n++] = node->interfaces[i].tags;
	return lb_steering_set_tags(kp->steering, port, tags, n);
}

static int open_iface(struct lb_kernel_path *kp, uint32_t i, const struct lb_cfg_interface *cfg,
		      struct lb_error *err)
{
	struct lb_kernel_iface *iface = &kp->iface[i];
	const char *netdev = cfg->device + strlen(DEVICE_AF_XDP);
	int rc;

	snprintf(iface->name, sizeof(iface->name), "%s", cfg->name);
	iface->port = cfg->port;
	iface->tags = cfg->tags;
	iface->is_af_xdp = strncmp(cfg->device, DEVICE_AF_XDP, strlen(DEVICE_AF_XDP)) == 0;
	/* The first interface of a device stands for it. */
	if (!iface->is_af_xdp || cfg->port != i)
		return 0;
	if (kp->steering != NULL) {
		rc = lb_steering_attach(kp->steering, i, netdev, err);
		if (rc < 0)
			return rc;
		iface->is_attached = true;
		rc = set_tags(kp, i);
		if (rc < 0)
			return lb_error_set(err, rc, "", "telling the VLANs of %s failed: %s",
					    netdev, strerror(-rc));
	}
	if (lb_punt_open(netdev, &iface->punt, &iface->off) < 0)
		iface->punt = NULL;
	return 0;
}

static bool needs_steering(const struct lb_cfg_node *node)
{
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		if (strncmp(node->interfaces[i].device, DEVICE_AF_XDP, strlen(DEVICE_AF_XDP)) == 0)
			return true;
	return false;
}

static int open_steering(struct lb_kernel_path *kp, const struct lb_cfg_node *node,
			 struct lb_error *err)
{
	int rc;

	if (!needs_steering(node)) {
		snprintf(kp->steering_off.what, sizeof(kp->steering_off.what),
			 "no interface is af_xdp");
		return 0;
	}
	rc = lb_steering_open(&kp->steering, &kp->steering_off);
	if (rc == -EPERM || rc == -EACCES) {
		kp->steering = NULL;
		return 0;
	}
	if (rc < 0 && err != NULL)
		*err = kp->steering_off;
	return rc;
}

int lb_kernel_path_open(const struct lb_kernel_path_params *params, struct lb_kernel_path **out,
			struct lb_error *err)
{
	struct lb_kernel_path *kp = calloc(1, sizeof(*kp));
	int rc;

	if (kp == NULL)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	kp->params = *params;
	rc = open_steering(kp, params->node, err);
	for (uint32_t i = 0; i < params->node->n_interfaces && rc == 0; i++) {
		rc = open_iface(kp, i, &params->node->interfaces[i], err);
		kp->n_ifaces = i + 1;
	}
	if (rc < 0) {
		lb_kernel_path_close(kp);
		return rc;
	}
	*out = kp;
	return 0;
}

/* An interface whose twin is off goes on as one without a netdev. */
static int add_twin(struct lb_kernel_path *kp, uint32_t i, struct lb_cfg_interface *cfg,
		    struct lb_error *err)
{
	struct lb_kernel_iface *iface = &kp->iface[i];
	char where[LB_ERROR_WHERE_MAX];
	int rc;

	if (iface->is_af_xdp)
		return 0;
	if (cfg->twin[0] == '\0') {
		lb_error_set(&iface->off, 0, "", "`twin` is none");
		return 0;
	}
	rc = lb_twins_add(kp->twins, i, cfg, &iface->off);
	if (rc == 0)
		return 0;
	cfg->twin[0] = '\0';
	if (rc == -EPERM || rc == -EACCES || rc == -ENOENT)
		return 0;
	snprintf(where, sizeof(where), "/node/interfaces/%u/twin", i);
	return lb_error_set(err, rc, where, "%s", iface->off.what);
}

static bool pump(void *ctx)
{
	struct lb_kernel_path *kp = ctx;

	return lb_kernel_path_punt(kp, kp->dp);
}

int lb_kernel_path_join(struct lb_kernel_path *kp, struct lb_dataplane *dp, struct lb_error *err)
{
	const struct lb_twins_params tp = {
		.base = kp->params.base, .dp = dp, .pump = pump, .ctx = kp};
	struct lb_cfg_node node = *kp->params.node;
	struct lb_netlink_params np = {
		.base = kp->params.base,
		.node = &node,
		.state_dir = kp->params.state_dir,
		.events = {.ctx = kp,
			   .on_link = link_event,
			   .on_next_hop = next_hop_event,
			   .on_routes = routes_event,
			   .on_paths = paths_event,
			   .on_locals = on_locals,
			   .on_settled = settled_event},
	};
	int rc = lb_twins_create(&tp, &kp->twins);

	if (rc < 0)
		return lb_error_set(err, rc, "", "out of memory");
	kp->dp = dp;
	for (uint32_t i = 0; i < kp->n_ifaces && rc == 0; i++)
		rc = add_twin(kp, i, &node.interfaces[i], err);
	return rc < 0 ? rc : lb_netlink_open(&np, &kp->netlink, err);
}

void lb_kernel_path_release(struct lb_kernel_path *kp)
{
	static const struct lb_kernel_rules none = {0};
	struct lb_error err;

	if (kp == NULL || kp->netlink == NULL)
		return;
	lb_netlink_release_addresses(kp->netlink);
	if (restrict_to(kp, &none, &err) < 0)
		lb_log(LB_LOG_WARNING, "steering", "entries left error=\"%s: %s\"", err.where,
		       err.what);
}

void lb_kernel_path_close(struct lb_kernel_path *kp)
{
	if (kp == NULL)
		return;
	lb_netlink_close(kp->netlink);
	lb_twins_destroy(kp->twins);
	lb_steering_close(kp->steering);
	for (uint32_t i = 0; i < kp->n_ifaces; i++)
		lb_punt_close(kp->iface[i].punt);
	lb_kernel_rules_free(&kp->rules);
	free(kp->locals);
	free(kp);
}

void lb_kernel_path_start(struct lb_kernel_path *kp)
{
	lb_netlink_start(kp->netlink);
	lb_twins_start(kp->twins);
}

static bool has_netdev(const struct lb_kernel_path *kp, uint32_t iface)
{
	struct lb_link link;

	lb_netlink_link(kp->netlink, iface, &link);
	return link.netdev[0] != '\0';
}

/* Where an address goes that is on no interface's network. */
static uint32_t fallback_iface(const struct lb_kernel_path *kp)
{
	for (uint32_t i = 0; i < kp->n_ifaces; i++)
		if (has_netdev(kp, i))
			return i;
	return UINT32_MAX;
}

/* Sets the addresses that `rules` wants and, with `only`, `only` wants too. Both are sorted. */
static int set_addresses(struct lb_kernel_path *kp, const struct lb_kernel_rules *rules,
			 const struct lb_kernel_rules *only)
{
	struct lb_wanted_addr *wanted = malloc((rules->n_addrs + 1) * sizeof(*wanted));
	size_t n = 0, j = 0, n_refused;

	if (wanted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n_addrs; i++) {
		struct lb_wanted_addr want = rules->addrs[i];

		while (only != NULL && j < only->n_addrs &&
		       memcmp(&only->addrs[j].addr, &want.addr, sizeof(want.addr)) < 0)
			j++;
		if (only != NULL &&
		    (j == only->n_addrs || !lb_addr_equal(&only->addrs[j].addr, &want.addr)))
			continue;
		want.iface = lb_netlink_iface_of(kp->netlink, &want.addr);
		if (want.iface == UINT32_MAX)
			want.iface = fallback_iface(kp);
		if (want.iface < kp->n_ifaces)
			wanted[n++] = want;
	}
	n_refused = lb_netlink_set_addresses(kp->netlink, wanted, n);
	if (n_refused > 0)
		lb_log(LB_LOG_WARNING, "netlink", "addresses refused by the kernel n=%zu",
		       n_refused);
	free(wanted);
	return 0;
}

/* What the workers still use and what they will use. */
static int set_both_destinations(struct lb_kernel_path *kp, const struct lb_kernel_rules *next)
{
	size_t n_old = kp->rules.n_destinations, n = n_old + next->n_destinations;
	struct lb_addr *both = malloc((n + 1) * sizeof(*both));
	size_t i = 0, j = 0, n_both = 0;
	int rc;

	if (both == NULL)
		return -ENOMEM;
	while (i < n_old || j < next->n_destinations) {
		int order = i == n_old ? 1
			    : j == next->n_destinations
				    ? -1
				    : memcmp(&kp->rules.destinations[i], &next->destinations[j],
					     sizeof(both[0]));

		both[n_both++] = order <= 0 ? kp->rules.destinations[i] : next->destinations[j];
		i += order <= 0;
		j += order >= 0;
	}
	rc = lb_netlink_set_destinations(kp->netlink, both, n_both);
	free(both);
	return rc;
}

int lb_kernel_path_before_publish(struct lb_kernel_path *kp, const struct lb_config *next,
				  struct lb_error *err)
{
	struct lb_kernel_rules rules;
	int rc = lb_kernel_rules_build(next, &rules);

	if (rc < 0)
		return lb_error_set(err, rc, "", "out of memory");
	rc = add_locals(kp, &rules);
	if (rc == 0)
		rc = set_both_destinations(kp, &rules);
	/* The netdev lets go first: else the kernel would answer for what is steered no more (of
	 * very many addresses the last ones go a little later, decision 0105). */
	if (rc == 0)
		rc = set_addresses(kp, &kp->rules, &rules);
	if (rc == 0)
		rc = restrict_to(kp, &rules, err);
	else
		lb_error_set(err, rc, "", "%s", strerror(-rc));
	if (rc < 0) {
		lb_kernel_rules_free(&rules);
		return rc;
	}
	lb_kernel_rules_free(&kp->rules);
	kp->rules = rules;
	return 0;
}

void lb_kernel_path_after_ack(struct lb_kernel_path *kp)
{
	int rc;

	extend(kp);
	rc = set_addresses(kp, &kp->rules, NULL);
	if (rc == 0)
		rc = lb_netlink_set_destinations(kp->netlink, kp->rules.destinations,
						 kp->rules.n_destinations);
	if (rc < 0)
		lb_log(LB_LOG_ERROR, "netlink", "not brought up to date error=%d", -rc);
}

static void take_punted(struct lb_kernel_path *kp, uint32_t idx, size_t n)
{
	struct lb_kernel_iface *iface = &kp->iface[idx];

	if (n > sizeof(kp->frame))
		iface->punts_lost++;
	else if (iface->punt != NULL)
		lb_punt_write(iface->punt, kp->frame, n);
	else if (!lb_twins_receive(kp->twins, idx, kp->frame, n))
		iface->punts_lost++;
}

bool lb_kernel_path_punt(struct lb_kernel_path *kp, struct lb_dataplane *dp)
{
	size_t bytes = 0;
	uint32_t i, idx;

	for (i = 0; i < LB_PUNTS_PER_TICK && bytes < LB_PUNT_BYTES_PER_TICK; i++) {
		size_t n = lb_dataplane_punt_read(dp, &idx, kp->frame, sizeof(kp->frame));

		if (n == 0)
			break;
		bytes += n;
		if (idx < kp->n_ifaces)
			take_punted(kp, idx, n);
	}
	return i > 0;
}

uint32_t lb_kernel_path_next_hop_of(void *ctx, const struct lb_addr *addr)
{
	const struct lb_kernel_path *kp = ctx;

	return lb_netlink_next_hop_of(kp->netlink, addr);
}

bool lb_kernel_path_is_on_link(void *ctx, const struct lb_addr *addr)
{
	const struct lb_kernel_path *kp = ctx;

	return lb_netlink_is_on_link(kp->netlink, addr);
}

void lb_kernel_path_resolve(struct lb_kernel_path *kp, uint32_t next_hop)
{
	lb_netlink_resolve(kp->netlink, next_hop);
}

uint32_t lb_kernel_path_wire(const struct lb_kernel_path *kp, uint32_t iface, uint32_t *tags)
{
	bool has_twin = lb_twins_of(kp->twins, iface) != NULL;
	struct lb_link link;

	*tags = has_twin ? 0 : kp->iface[iface].tags;
	lb_netlink_link(kp->netlink, has_twin ? iface : kp->iface[iface].port, &link);
	return link.ifindex;
}

void lb_kernel_path_set_mac(struct lb_kernel_path *kp, uint32_t iface, const uint8_t mac[6])
{
	if (iface < kp->n_ifaces && kp->iface[iface].is_attached)
		lb_steering_set_mac(kp->steering, iface, mac);
}
