#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "schema.h"

static bool is_loopback(const struct lb_addr *a)
{
	const struct lb_prefix v4 = {lb_addr_from_v4(RTE_BE32(0x7f000000)), 8};
	const struct lb_addr v6 = {{0, 0, 0, RTE_BE32(1)}};

	return lb_addr_is_v4(a) ? lb_prefix_contains(&v4, a) : lb_addr_equal(a, &v6);
}

static bool is_link_local(const struct lb_addr *a)
{
	const struct lb_prefix v6 = {{{RTE_BE32(0xfe800000), 0, 0, 0}}, 10};

	return !lb_addr_is_v4(a) && lb_prefix_contains(&v6, a);
}

static void check_gateway(struct lb_draft *d, const struct lb_cfg_interface *iface,
			  const struct lb_addr *gateway, const char *where)
{
	char address[LB_ADDR_TEXT_MAX];
	bool has_family = false;

	if (lb_addr_is_zero(gateway) || is_link_local(gateway))
		return;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		if (lb_addr_is_v4(&iface->addresses[i].addr) != lb_addr_is_v4(gateway))
			continue;
		has_family = true;
		if (lb_prefix_contains(&iface->addresses[i], gateway))
			return;
	}
	if (has_family)
		lb_error_list_add(d->errors, where,
				  "%s is on no subnet of the interface's addresses",
				  lb_addr_format(gateway, address));
}

static const char *af_xdp_netdev(const struct lb_cfg_interface *iface)
{
	return strncmp(iface->device, "af_xdp:", 7) == 0 ? iface->device + 7 : NULL;
}

/* The name that this interface's netdev has or will have. */
static const char *netdev_of(const struct lb_cfg_interface *iface)
{
	const char *netdev = af_xdp_netdev(iface);

	return netdev != NULL ? netdev : iface->twin;
}

static void check_twin(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_interface *iface = &d->cfg->node.interfaces[idx];
	char where[LB_ERROR_WHERE_MAX];

	snprintf(where, sizeof(where), "/node/interfaces/%u/twin", idx);
	if (iface->twin[0] == '\0')
		return;
	if (af_xdp_netdev(iface) != NULL) {
		lb_error_list_add(d->errors, where,
				  "\"%s\" is a network device of the kernel and needs no twin",
				  af_xdp_netdev(iface));
		return;
	}
	for (uint32_t i = 0; i < d->cfg->node.n_interfaces; i++) {
		const struct lb_cfg_interface *other = &d->cfg->node.interfaces[i];

		if (strcmp(netdev_of(other), iface->twin) != 0 || i == idx ||
		    (i > idx && af_xdp_netdev(other) == NULL))
			continue;
		lb_error_list_add(d->errors, where,
				  "\"%s\" is the network device of /node/interfaces/%u already: "
				  "name this one otherwise",
				  iface->twin, i);
	}
}

/* One device is several interfaces only by their tags. */
static void check_device(struct lb_draft *d, uint32_t idx)
{
	const struct lb_cfg_interface *iface = &d->cfg->node.interfaces[idx];
	char where[LB_ERROR_WHERE_MAX];

	if (iface->device[0] == '\0')
		return;
	snprintf(where, sizeof(where), "/node/interfaces/%u/device", idx);
	for (uint32_t i = 0; i < idx; i++) {
		const struct lb_cfg_interface *other = &d->cfg->node.interfaces[i];

		if (other->port != iface->port || other->tags != iface->tags)
			continue;
		lb_error_list_add(d->errors, where,
				  "\"%s\" is the device of /node/interfaces/%u already%s",
				  iface->device, i, iface->tags != 0 ? ", with the same tags" : "");
	}
}

static void check_outer_vlan(struct lb_draft *d, uint32_t idx, const cJSON *item)
{
	char where[LB_ERROR_WHERE_MAX];

	if (lb_schema_get(&lb_schema_interface, item, "outer_vlan") == NULL ||
	    cJSON_HasObjectItem(item, "vlan"))
		return;
	snprintf(where, sizeof(where), "/node/interfaces/%u/outer_vlan", idx);
	lb_error_list_add(d->errors, where, "needs \"vlan\", the tag that it is around");
}

static void check_interfaces(struct lb_draft *d)
{
	const struct lb_cfg_node *node = &d->cfg->node;
	const cJSON *list = lb_schema_get(&lb_schema_node,
					  lb_schema_get(&lb_schema_configuration, d->root, "node"),
					  "interfaces");
	char where[LB_ERROR_WHERE_MAX];

	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		const struct lb_cfg_interface *iface = &node->interfaces[i];

		check_device(d, i);
		check_outer_vlan(d, i, cJSON_GetArrayItem(list, (int)i));
		snprintf(where, sizeof(where), "/node/interfaces/%u/gateway", i);
		check_gateway(d, iface, &iface->gateway, where);
		snprintf(where, sizeof(where), "/node/interfaces/%u/gateway_ipv6", i);
		check_gateway(d, iface, &iface->gateway_ipv6, where);
		check_twin(d, i);
	}
}

static int compare_neighbors(const void *a, const void *b)
{
	const struct lb_cfg_neighbor *x = *(const struct lb_cfg_neighbor *const *)a;
	const struct lb_cfg_neighbor *y = *(const struct lb_cfg_neighbor *const *)b;
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (order == 0 && x->interface != y->interface)
		return x->interface < y->interface ? -1 : 1;
	return order != 0 ? order : (x > y) - (x < y);
}

static void check_neighbors(struct lb_draft *d)
{
	const struct lb_cfg_node *node = &d->cfg->node;
	const struct lb_cfg_neighbor **sorted = calloc(node->n_neighbors + 1, sizeof(*sorted));
	char where[LB_ERROR_WHERE_MAX], address[LB_ADDR_TEXT_MAX];

	if (sorted == NULL) {
		lb_error_list_add(d->errors, "", "out of memory");
		return;
	}
	for (uint32_t i = 0; i < node->n_neighbors; i++)
		sorted[i] = &node->neighbors[i];
	qsort(sorted, node->n_neighbors, sizeof(*sorted), compare_neighbors);
	for (uint32_t i = 1; i < node->n_neighbors; i++) {
		const struct lb_cfg_neighbor *at = sorted[i];

		if (lb_addr_is_zero(&at->address) || at->interface == LB_CFG_NONE ||
		    at->interface != sorted[i - 1]->interface ||
		    !lb_addr_equal(&at->address, &sorted[i - 1]->address))
			continue;
		snprintf(where, sizeof(where), "/node/neighbors/%zu/address",
			 (size_t)(at - node->neighbors));
		lb_error_list_add(d->errors, where,
				  "%s stands at /node/neighbors/%zu already, on the same interface",
				  lb_addr_format(&at->address, address),
				  (size_t)(sorted[i - 1] - node->neighbors));
	}
	free(sorted);
}

void lb_draft_check_node(struct lb_draft *d)
{
	const struct lb_cfg_node *node = &d->cfg->node;

	check_interfaces(d);
	check_neighbors(d);
	if (node->api_listen_port != 0 && !is_loopback(&node->api_listen_addr))
		lb_error_list_add(d->errors, "/node/api/listen",
				  "must be a loopback address (127.0.0.1 or ::1): anything else "
				  "needs TLS and tokens, which are not built yet");
}

const char *lb_draft_address_fault(const struct lb_addr *a)
{
	const struct lb_prefix v4_multicast = {lb_addr_from_v4(RTE_BE32(0xe0000000)), 3};
	const struct lb_prefix v4_zero = {lb_addr_from_v4(0), 8};
	const struct lb_prefix v6_multicast = {{{RTE_BE32(0xff000000), 0, 0, 0}}, 8};

	if (is_loopback(a))
		return "a loopback address";
	if (is_link_local(a))
		return "a link-local address";
	if (lb_addr_is_v4(a)
		    ? lb_prefix_contains(&v4_multicast, a) || lb_prefix_contains(&v4_zero, a)
		    : lb_prefix_contains(&v6_multicast, a))
		return "not the address of one host";
	return NULL;
}
