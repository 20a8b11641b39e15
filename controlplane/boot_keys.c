#include "boot_keys.h"

#include <string.h>

static uint32_t interface_of(const struct lb_cfg_node *node, const char *name)
{
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		if (strcmp(node->interfaces[i].name, name) == 0)
			return i;
	return LB_CFG_NONE;
}

void lb_boot_keys_keep(const struct lb_config *running, struct lb_config *next)
{
	const struct lb_cfg_node *from = &running->node;
	struct lb_cfg_node *to = &next->node;
	uint32_t n = 0;

	for (uint32_t i = 0; i < to->n_neighbors; i++) {
		struct lb_cfg_neighbor neighbor = to->neighbors[i];

		neighbor.interface = interface_of(from, to->interfaces[neighbor.interface].name);
		if (neighbor.interface != LB_CFG_NONE)
			to->neighbors[n++] = neighbor;
	}
	to->n_neighbors = n;
	memcpy(to->interfaces, from->interfaces, sizeof(to->interfaces));
	to->n_interfaces = from->n_interfaces;
	memcpy(to->workers, from->workers, sizeof(to->workers));
	to->n_workers = from->n_workers;
	to->connections = from->connections;
	to->persistence_records = from->persistence_records;
	to->has_api = from->has_api;
	memcpy(to->api_socket, from->api_socket, sizeof(to->api_socket));
	to->api_listen_addr = from->api_listen_addr;
	to->api_listen_port = from->api_listen_port;
}
