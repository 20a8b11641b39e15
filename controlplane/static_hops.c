#include "static_hops.h"

#include <errno.h>
#include <stdlib.h>

/* One route per address and two gateways per interface. */
#define ROUTES_MAX (LB_IFACES_MAX * (LB_CFG_IFACE_ADDRS_MAX + 2))

static const struct lb_addr *gateway_of(const struct lb_cfg_interface *iface, bool is_v4)
{
	return is_v4 ? &iface->gateway : &iface->gateway_ipv6;
}

static int get_id(struct lb_registries *reg, const struct lb_addr *addr, uint32_t iface,
		  uint32_t *id, struct lb_error *err)
{
	struct lb_endpoint_key key = {*addr, iface};

	return lb_registries_get(reg, LB_ID_NEXT_HOP, &key, id, NULL, err);
}

static int add_gateway(struct lb_registries *reg, const struct lb_addr *gateway, uint32_t iface,
		       struct lb_static_hops *out, struct lb_error *err)
{
	struct lb_route *route = &out->routes[out->n_routes];

	if (lb_addr_is_zero(gateway))
		return 0;
	route->prefix = (struct lb_prefix){lb_addr_mask(gateway, 0), 0};
	route->iface = (uint8_t)iface;
	/* One default route per family: the first interface with a gateway has it. */
	for (uint32_t i = 0; i < out->n_routes; i++)
		if (out->routes[i].prefix.len == 0 &&
		    lb_addr_equal(&out->routes[i].prefix.addr, &route->prefix.addr))
			return 0;
	out->n_routes++;
	return get_id(reg, gateway, iface, &route->next_hop, err);
}

int lb_static_hops_build(struct lb_registries *reg, const struct lb_cfg_node *node,
			 struct lb_static_hops *out, struct lb_error *err)
{
	int ret = 0;

	*out = (struct lb_static_hops){0};
	out->routes = calloc(ROUTES_MAX, sizeof(*out->routes));
	if (out->routes == NULL)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	for (uint32_t i = 0; ret == 0 && i < node->n_interfaces; i++) {
		const struct lb_cfg_interface *iface = &node->interfaces[i];

		for (uint32_t a = 0; a < iface->n_addresses; a++) {
			struct lb_route *route = &out->routes[out->n_routes++];
			const struct lb_prefix *p = &iface->addresses[a];

			route->prefix = (struct lb_prefix){lb_addr_mask(&p->addr, p->len), p->len};
			route->next_hop = LB_NEXT_HOP_NONE;
			route->iface = (uint8_t)i;
		}
		ret = add_gateway(reg, &iface->gateway, i, out, err);
		if (ret == 0)
			ret = add_gateway(reg, &iface->gateway_ipv6, i, out, err);
	}
	if (ret != 0)
		lb_static_hops_free(out);
	return ret;
}

int lb_static_hops_towards(struct lb_registries *reg, const struct lb_cfg_node *node,
			   const struct lb_addr *addr, uint32_t *id, struct lb_error *err)
{
	const struct lb_addr *gateway;
	uint32_t on_link = LB_CFG_NONE;
	int best = -1;

	*id = LB_NEXT_HOP_NONE;
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		for (uint32_t a = 0; a < node->interfaces[i].n_addresses; a++) {
			const struct lb_prefix *p = &node->interfaces[i].addresses[a];

			if (p->len > best && lb_prefix_contains(p, addr)) {
				best = p->len;
				on_link = i;
			}
		}
	if (on_link != LB_CFG_NONE)
		return get_id(reg, addr, on_link, id, err);
	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		gateway = gateway_of(&node->interfaces[i], lb_addr_is_v4(addr));
		if (!lb_addr_is_zero(gateway))
			return get_id(reg, gateway, i, id, err);
	}
	return 0;
}

int lb_static_hops_resolve(struct lb_registries *reg, const struct lb_cfg_node *node,
			   struct lb_static_hops *hops, struct lb_error *err)
{
	struct lb_ids *ids = reg->of[LB_ID_NEXT_HOP];

	hops->n_hops = lb_ids_bound(ids);
	if (lb_array_reserve((void **)&hops->hops, &hops->hops_max, hops->n_hops,
			     sizeof(*hops->hops)) != 0)
		return lb_error_set(err, -ENOMEM, "", "out of memory");
	for (uint32_t i = 0; i < node->n_neighbors; i++) {
		const struct lb_cfg_neighbor *n = &node->neighbors[i];
		struct lb_endpoint_key key = {n->address, n->interface};
		uint32_t id = lb_ids_find(ids, &key);

		/* A neighbour that nothing needs any more has no next hop. */
		if (id == LB_IDS_NONE || lb_ids_is_leaving(ids, id))
			continue;
		memcpy(hops->hops[id].mac, n->mac, sizeof(n->mac));
		hops->hops[id].iface = (uint8_t)n->interface;
		hops->hops[id].resolved = 1;
	}
	return 0;
}

void lb_static_hops_free(struct lb_static_hops *hops)
{
	free(hops->hops);
	free(hops->routes);
	*hops = (struct lb_static_hops){0};
}
