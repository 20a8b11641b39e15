#include "kernel_rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* The range of a fullnat service that names no NAT source (DESIGN 5). */
static const struct lb_port_range own_vip_ports = {20000, 49999};

static int grow(void **array, size_t *room, size_t n, size_t item_bytes)
{
	size_t wanted = *room == 0 ? 64 : *room * 2;
	void *more;

	if (n < *room)
		return 0;
	more = realloc(*array, wanted * item_bytes);
	if (more == NULL)
		return -ENOMEM;
	*array = more;
	*room = wanted;
	return 0;
}

static int add_steer(struct lb_kernel_rules *r, struct lb_steer_rule rule)
{
	int rc = grow((void **)&r->steer, &r->steer_room, r->n_steer, sizeof(rule));

	if (rc == 0)
		r->steer[r->n_steer++] = rule;
	return rc;
}

static int add_wanted(struct lb_kernel_rules *r, const struct lb_addr *addr,
		      struct lb_port_range ports)
{
	int rc = grow((void **)&r->addrs, &r->addrs_room, r->n_addrs, sizeof(*r->addrs));

	if (rc == 0)
		r->addrs[r->n_addrs++] = (struct lb_wanted_addr){.addr = *addr, .ports = ports};
	return rc;
}

static int add_destination(struct lb_kernel_rules *r, const struct lb_addr *addr)
{
	int rc = grow((void **)&r->destinations, &r->destinations_room, r->n_destinations,
		      sizeof(*addr));

	if (rc == 0)
		r->destinations[r->n_destinations++] = *addr;
	return rc;
}

static int add_source(struct lb_kernel_rules *r, const struct lb_addr *addr,
		      struct lb_port_range ports)
{
	return add_steer(r, (struct lb_steer_rule){
				    .addr = *addr, .ports = ports, .kind = LB_STEER_NAT_SOURCE});
}

/* `nat`: what the real servers send back from the ports that clients asked for. */
static int add_replies(struct lb_kernel_rules *r, const struct lb_cfg_service *svc,
		       const struct lb_cfg_pool *pool)
{
	r->has_nat = true;
	for (uint32_t i = 0; i < pool->n_reals; i++) {
		const struct lb_cfg_real *real = &pool->reals[i];
		struct lb_steer_rule rule = {.addr = real->address,
					     .ports = {real->port, real->port},
					     .kind = LB_STEER_REPLY,
					     .protocol = svc->protocol};
		uint32_t n = real->port != 0 ? 1 : svc->n_ports;

		for (uint32_t j = 0; j < n; j++) {
			int rc;

			if (real->port == 0)
				rule.ports = svc->ports[j];
			rc = add_steer(r, rule);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int add_service(struct lb_kernel_rules *r, const struct lb_config *cfg,
		       const struct lb_cfg_service *svc)
{
	const struct lb_cfg_pool *pool = &cfg->pools[svc->pool];
	bool is_own_source = svc->forwarding == LB_FORWARD_FULLNAT &&
			     svc->nat_source == LB_CFG_NONE;
	int rc = 0;

	for (uint32_t i = 0; i < svc->n_ports && rc == 0; i++)
		rc = add_steer(r, (struct lb_steer_rule){.addr = svc->address,
							 .ports = svc->ports[i],
							 .kind = LB_STEER_SERVICE,
							 .protocol = svc->protocol});
	if (rc == 0 && is_own_source)
		rc = add_source(r, &svc->address, own_vip_ports);
	if (rc == 0 && svc->advertise == LB_ADVERTISE_INTERFACE)
		rc = add_wanted(r, &svc->address,
				is_own_source ? own_vip_ports : (struct lb_port_range){0, 0});
	if (rc == 0 && svc->forwarding == LB_FORWARD_NAT)
		rc = add_replies(r, svc, pool);
	for (uint32_t i = 0; i < pool->n_reals && rc == 0; i++)
		rc = add_destination(r, &pool->reals[i].address);
	return rc;
}

static int compare_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_addr));
}

/* Of several wishes for one address the one with ports stays. */
static int compare_wanted(const void *a, const void *b)
{
	const struct lb_wanted_addr *x = a, *y = b;
	int by_addr = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return by_addr != 0 ? by_addr : (int)y->ports.last - (int)x->ports.last;
}

static void sort_unique(struct lb_kernel_rules *r)
{
	size_t n = 0;

	if (r->n_destinations > 0)
		qsort(r->destinations, r->n_destinations, sizeof(r->destinations[0]), compare_addr);
	for (size_t i = 0; i < r->n_destinations; i++)
		if (n == 0 || !lb_addr_equal(&r->destinations[n - 1], &r->destinations[i]))
			r->destinations[n++] = r->destinations[i];
	r->n_destinations = n;
	n = 0;
	if (r->n_addrs > 0)
		qsort(r->addrs, r->n_addrs, sizeof(r->addrs[0]), compare_wanted);
	for (size_t i = 0; i < r->n_addrs; i++)
		if (n == 0 || !lb_addr_equal(&r->addrs[n - 1].addr, &r->addrs[i].addr))
			r->addrs[n++] = r->addrs[i];
	r->n_addrs = n;
}

int lb_kernel_rules_build(const struct lb_config *cfg, struct lb_kernel_rules *out)
{
	int rc = 0;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < cfg->n_services && rc == 0; i++)
		rc = add_service(out, cfg, &cfg->services[i]);
	for (uint32_t i = 0; i < cfg->n_nat_sources && rc == 0; i++) {
		const struct lb_cfg_nat_source *source = &cfg->nat_sources[i];

		for (uint32_t j = 0; j < source->n_addresses && rc == 0; j++) {
			rc = add_source(out, &source->addresses[j], source->ports);
			if (rc == 0)
				rc = add_wanted(out, &source->addresses[j], source->ports);
		}
	}
	if (rc < 0) {
		lb_kernel_rules_free(out);
		return rc;
	}
	sort_unique(out);
	return 0;
}

void lb_kernel_rules_free(struct lb_kernel_rules *r)
{
	free(r->steer);
	free(r->addrs);
	free(r->destinations);
	memset(r, 0, sizeof(*r));
}

int lb_kernel_rules_add_locals(struct lb_kernel_rules *r, const struct lb_addr *locals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = add_steer(
			r, (struct lb_steer_rule){.addr = locals[i], .kind = LB_STEER_LOCAL});

		if (rc < 0)
			return rc;
	}
	return 0;
}
