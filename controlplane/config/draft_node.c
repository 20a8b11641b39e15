#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "lb/vlan.h"
#include "port_text.h"
#include "schema.h"

static void fill_address(struct lb_addr *out, const struct lb_schema *schema, const cJSON *item,
			 const char *key)
{
	const cJSON *value = lb_schema_get(schema, item, key);

	if (value != NULL)
		lb_addr_parse(value->valuestring, out);
}

static const char *const tunnel_keys[2] = {"tunnel_source", "tunnel_source_ipv6"};

static void fill_twin(struct lb_cfg_interface *iface, const cJSON *item)
{
	const cJSON *twin = lb_schema_get(&lb_schema_interface, item, "twin");
	const char *name = lb_schema_text(&lb_schema_interface, item, "name");

	if (twin != NULL && strcmp(twin->valuestring, "none") != 0)
		snprintf(iface->twin, sizeof(iface->twin), "%s", twin->valuestring);
	else if (twin == NULL && strncmp(iface->device, "af_xdp:", 7) != 0)
		snprintf(iface->twin, sizeof(iface->twin), "%.*s", (int)sizeof(iface->twin) - 1,
			 name);
}

/* In the order of the contract's words. */
static const enum lb_vlan_type outer_types[] = {LB_VLAN_88A8, LB_VLAN_8100, LB_VLAN_9100};

static void fill_frames(struct lb_cfg_interface *iface, const cJSON *item)
{
	const struct lb_schema *schema = &lb_schema_interface;
	uint32_t vlan = (uint32_t)lb_schema_int(schema, item, "vlan");
	uint32_t outer = (uint32_t)lb_schema_int(schema, item, "outer_vlan");
	uint32_t type = lb_schema_word(schema, item, "outer_vlan_type");

	if (outer != 0)
		iface->tags = lb_vlan_tag(outer_types[type], outer);
	if (vlan != 0)
		iface->tags = lb_vlan_push(iface->tags, lb_vlan_tag(LB_VLAN_8100, vlan));
	iface->mtu = (uint16_t)lb_schema_int(schema, item, "mtu");
}

static void fill_interface(struct lb_cfg_node *node, const cJSON *item)
{
	struct lb_cfg_interface *iface = &node->interfaces[node->n_interfaces];
	const struct lb_schema *schema = &lb_schema_interface;
	const cJSON *address;

	snprintf(iface->name, sizeof(iface->name), "%s", lb_schema_text(schema, item, "name"));
	snprintf(iface->device, sizeof(iface->device), "%s",
		 lb_schema_text(schema, item, "device"));
	while (strcmp(node->interfaces[iface->port].device, iface->device) != 0)
		iface->port++;
	fill_twin(iface, item);
	node->n_interfaces++;
	fill_frames(iface, item);
	cJSON_ArrayForEach(address, lb_schema_get(schema, item, "addresses"))
	{
		if (iface->n_addresses < LB_CFG_IFACE_ADDRS_MAX && cJSON_IsString(address) &&
		    strchr(address->valuestring, '/') != NULL &&
		    lb_prefix_parse(address->valuestring, &iface->addresses[iface->n_addresses]) ==
			    0)
			iface->n_addresses++;
	}
	fill_address(&iface->gateway, schema, item, "gateway");
	fill_address(&iface->gateway_ipv6, schema, item, "gateway_ipv6");
	for (uint32_t i = 0; i < 2; i++)
		fill_address(&iface->tunnel_source[i], schema, item, tunnel_keys[i]);
	for (uint32_t i = iface->n_addresses; i-- > 0;) {
		const struct lb_addr *own = &iface->addresses[i].addr;
		uint32_t family = lb_addr_is_v4(own) ? 0 : 1;

		if (lb_schema_get(schema, item, tunnel_keys[family]) == NULL)
			iface->tunnel_source[family] = *own;
	}
}

static void fill_neighbor(struct lb_draft *d, struct lb_cfg_neighbor *neighbor, const cJSON *item,
			  uint32_t idx)
{
	const struct lb_schema *schema = &lb_schema_neighbor;
	const cJSON *mac = lb_schema_get(schema, item, "mac");
	const cJSON *interface = lb_schema_get(schema, item, "interface");
	char where[LB_ERROR_WHERE_MAX];

	fill_address(&neighbor->address, schema, item, "address");
	if (mac != NULL)
		lb_mac_parse(mac->valuestring, neighbor->mac);
	neighbor->interface = LB_CFG_NONE;
	if (interface == NULL)
		return;
	neighbor->interface = lb_name_index_find(&d->interfaces, interface->valuestring);
	if (neighbor->interface == LB_CFG_NONE) {
		snprintf(where, sizeof(where), "/node/neighbors/%u/interface", idx);
		lb_error_list_add(d->errors, where, "there is no \"%s\" in node.interfaces",
				  interface->valuestring);
	}
}

static int fill_neighbors(struct lb_draft *d, const cJSON *node)
{
	struct lb_cfg_node *out = &d->cfg->node;
	const cJSON *list = lb_schema_get(&lb_schema_node, node, "neighbors");
	const cJSON *item;

	out->neighbors = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*out->neighbors));
	if (out->neighbors == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
	{
		fill_neighbor(d, &out->neighbors[out->n_neighbors], item, out->n_neighbors);
		out->n_neighbors++;
	}
	return 0;
}

static void fill_workers(struct lb_cfg_node *out, const cJSON *node)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(node, "workers");
	const cJSON *core;

	if (!cJSON_IsArray(list))
		return;
	cJSON_ArrayForEach(core, list) if (out->n_workers < LB_WORKERS_MAX &&
					   cJSON_IsNumber(core) && core->valuedouble >= 0 &&
					   core->valuedouble <= UINT16_MAX)
		out->workers[out->n_workers++] = (uint32_t)core->valuedouble;
}

static void fill_api(struct lb_cfg_node *out, const cJSON *node)
{
	const cJSON *api = lb_schema_get(&lb_schema_node, node, "api");
	const cJSON *listen = lb_schema_get(&lb_schema_api, api, "listen");

	out->has_api = api != NULL;
	snprintf(out->api_socket, sizeof(out->api_socket), "%s",
		 lb_schema_text(&lb_schema_api, api, "socket"));
	if (listen != NULL)
		lb_listen_parse(listen->valuestring, &out->api_listen_addr, &out->api_listen_port);
}

int lb_draft_fill_node(struct lb_draft *d)
{
	struct lb_cfg_node *out = &d->cfg->node;
	const cJSON *node = lb_schema_get(&lb_schema_configuration, d->root, "node");
	const cJSON *limits = lb_schema_get(&lb_schema_node, node, "limits");
	const cJSON *item;
	int rc;

	cJSON_ArrayForEach(item, lb_schema_get(&lb_schema_node, node,
					       "interfaces")) if (out->n_interfaces < LB_IFACES_MAX)
		fill_interface(out, item);
	rc = lb_name_index_init(&d->interfaces, out->interfaces[0].name, sizeof(out->interfaces[0]),
				out->n_interfaces);
	if (rc < 0)
		return rc;
	fill_workers(out, node);
	out->connections = (uint32_t)lb_schema_int(&lb_schema_limits, limits, "connections");
	out->persistence_records = (uint32_t)lb_schema_int(&lb_schema_limits, limits,
							   "persistence_records");
	fill_api(out, node);
	return fill_neighbors(d, node);
}
