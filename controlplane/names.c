#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t lb_names_service_idx(const struct lb_names *n, uint32_t slot)
{
	for (uint32_t i = 0; i < n->cfg->n_services; i++)
		if (lb_reconcile_service_slot(n->reconcile, i) == slot)
			return i;
	return LB_CFG_NONE;
}

uint32_t lb_names_find_service(const struct lb_names *n, const char *name)
{
	for (uint32_t i = 0; i < n->cfg->n_services; i++)
		if (strcmp(n->cfg->services[i].name, name) == 0)
			return i;
	return LB_CFG_NONE;
}

uint32_t lb_names_real_idx(const struct lb_names *n, uint32_t service_idx, uint32_t real_id)
{
	const struct lb_cfg_pool *pool = &n->cfg->pools[n->cfg->services[service_idx].pool];

	for (uint32_t i = 0; i < pool->n_reals; i++)
		if (lb_reconcile_member_real(n->reconcile, n->cfg->services[service_idx].pool, i) ==
		    real_id)
			return i;
	return LB_CFG_NONE;
}

const char *lb_names_service(const struct lb_names *n, uint32_t slot)
{
	uint32_t i = lb_names_service_idx(n, slot);

	return i == LB_CFG_NONE ? "?" : n->cfg->services[i].name;
}

const char *lb_names_real(const struct lb_names *n, uint32_t slot, uint32_t real_id)
{
	uint32_t i = lb_names_service_idx(n, slot), at;

	if (i == LB_CFG_NONE)
		return "?";
	at = lb_names_real_idx(n, i, real_id);
	return at == LB_CFG_NONE ? "?" : n->cfg->pools[n->cfg->services[i].pool].reals[at].name;
}

const char *lb_names_group(const struct lb_names *n, uint32_t group_id)
{
	const char *name = lb_reconcile_group_name(n->reconcile, group_id);

	return name == NULL ? "?" : name;
}

const char *lb_names_group_real(const struct lb_names *n, uint32_t group_id,
				const struct lb_addr *addr)
{
	for (uint32_t i = 0; i < n->cfg->n_services; i++) {
		const struct lb_cfg_pool *pool = &n->cfg->pools[n->cfg->services[i].pool];

		if (lb_reconcile_service_group(n->reconcile, i) != group_id)
			continue;
		for (uint32_t k = 0; k < pool->n_reals; k++)
			if (lb_addr_equal(&pool->reals[k].address, addr))
				return pool->reals[k].name;
	}
	return "?";
}

const char *lb_names_iface(const struct lb_names *n, uint32_t iface)
{
	return iface < n->cfg->node.n_interfaces ? n->cfg->node.interfaces[iface].name : "?";
}

const char *lb_end_format(const struct lb_addr *addr, rte_be16_t port_be,
			  char text[LB_END_TEXT_MAX])
{
	char a[LB_ADDR_TEXT_MAX];

	lb_addr_format(addr, a);
	snprintf(text, LB_END_TEXT_MAX, lb_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u", a,
		 rte_be_to_cpu_16(port_be));
	return text;
}

static int parse_port(const char *text, rte_be16_t *port_be)
{
	char *end;
	long port;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	port = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || port > UINT16_MAX)
		return -EINVAL;
	*port_be = rte_cpu_to_be_16((uint16_t)port);
	return 0;
}

int lb_end_parse(const char *text, struct lb_addr *addr, rte_be16_t *port_be)
{
	bool is_bracketed = text[0] == '[';
	const char *from = text + is_bracketed, *colon;
	char host[LB_ADDR_TEXT_MAX];
	size_t n = is_bracketed ? strcspn(from, "]") : strcspn(from, ":");

	colon = from + n + (is_bracketed && from[n] == ']');
	if (n >= sizeof(host) || *colon != ':')
		return -EINVAL;
	memcpy(host, from, n);
	host[n] = '\0';
	if (lb_addr_parse(host, addr) < 0 || lb_addr_is_v4(addr) == is_bracketed)
		return -EINVAL;
	return parse_port(colon + 1, port_be);
}

const char *lb_mac_format(const uint8_t mac[6], char text[LB_MAC_TEXT_MAX])
{
	snprintf(text, LB_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}
