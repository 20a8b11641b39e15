#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"

/* Sorted addresses of one kind, each with the object that it belongs to. */
struct owned {
	struct lb_addr addr;
	struct lb_port_range ports; /* of a NAT source */
	uint32_t idx;               /* interface, service or NAT source */
	bool is_declared;           /* NAT source: not a VIP that serves as its own */
};

struct owners {
	struct owned *item;
	size_t n;
};

static int compare_owned(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (order == 0)
		order = (int)x->ports.first - (int)y->ports.first;
	if (order == 0)
		order = (int)x->ports.last - (int)y->ports.last;
	if (order == 0)
		order = (int)y->is_declared - (int)x->is_declared;
	return order != 0 ? order : (x->idx > y->idx) - (x->idx < y->idx);
}

/* The first owner of that address, or NULL. */
static const struct owned *find_owner(const struct owners *owners, const struct lb_addr *addr)
{
	size_t low = 0, high = owners->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&owners->item[middle].addr, addr, sizeof(*addr)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == owners->n || !lb_addr_equal(&owners->item[low].addr, addr))
		return NULL;
	return &owners->item[low];
}

static int collect_interfaces(const struct lb_cfg_node *node, struct owners *out)
{
	out->n = 0;
	out->item = calloc(LB_IFACES_MAX * LB_CFG_IFACE_ADDRS_MAX, sizeof(*out->item));
	if (out->item == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		for (uint32_t a = 0; a < node->interfaces[i].n_addresses; a++)
			out->item[out->n++] = (struct owned){
				.addr = node->interfaces[i].addresses[a].addr, .idx = i};
	qsort(out->item, out->n, sizeof(*out->item), compare_owned);
	return 0;
}

static int collect_vips(const struct lb_config *cfg, struct owners *out)
{
	out->n = 0;
	out->item = calloc((size_t)cfg->n_services + 1, sizeof(*out->item));
	if (out->item == NULL)
		return -ENOMEM;
	for (uint32_t s = 0; s < cfg->n_services; s++)
		if (!lb_addr_is_zero(&cfg->services[s].address))
			out->item[out->n++] = (struct owned){.addr = cfg->services[s].address,
							     .idx = s};
	qsort(out->item, out->n, sizeof(*out->item), compare_owned);
	return 0;
}

/* Declared sources, and each VIP that serves as its own, once. */
static int collect_sources(const struct lb_config *cfg, const struct owners *vips,
			   struct owners *out)
{
	const struct lb_port_range own = {LB_CFG_NAT_FIRST_PORT, LB_CFG_NAT_LAST_PORT};
	size_t n = vips->n + 1;

	for (uint32_t i = 0; i < cfg->n_nat_sources; i++)
		n += cfg->nat_sources[i].n_addresses;
	out->n = 0;
	out->item = calloc(n, sizeof(*out->item));
	if (out->item == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cfg->n_nat_sources; i++)
		for (uint32_t a = 0; a < cfg->nat_sources[i].n_addresses; a++)
			out->item[out->n++] = (struct owned){cfg->nat_sources[i].addresses[a],
							     cfg->nat_sources[i].ports, i, true};
	for (size_t v = 0; v < vips->n; v++) {
		const struct lb_cfg_service *svc = &cfg->services[vips->item[v].idx];

		if (svc->forwarding != LB_FORWARD_FULLNAT || svc->nat_source != LB_CFG_NONE)
			continue;
		if (out->n > 0 && !out->item[out->n - 1].is_declared &&
		    lb_addr_equal(&out->item[out->n - 1].addr, &svc->address))
			continue;
		out->item[out->n++] = (struct owned){svc->address, own, vips->item[v].idx, false};
	}
	qsort(out->item, out->n, sizeof(*out->item), compare_owned);
	return 0;
}

/* The place of an address: is it one that a packet can be sent to, and is it our own? */
static void check_address(struct lb_draft *d, const struct owners *interfaces,
			  const struct lb_addr *addr, const char *where)
{
	const char *fault;
	const struct owned *owner;
	char text[LB_ADDR_TEXT_MAX];

	if (lb_addr_is_zero(addr))
		return;
	fault = lb_draft_address_fault(addr);
	if (fault != NULL)
		lb_error_list_add(d->errors, where, "%s is %s; it must be a unicast address",
				  lb_addr_format(addr, text), fault);
	owner = find_owner(interfaces, addr);
	if (owner != NULL)
		lb_error_list_add(d->errors, where,
				  "%s is an address of /node/interfaces/%u; it must be another",
				  lb_addr_format(addr, text), owner->idx);
}

static void check_services(struct lb_draft *d, const struct owners *interfaces)
{
	char where[LB_ERROR_WHERE_MAX];

	for (uint32_t s = 0; s < d->cfg->n_services; s++)
		check_address(d, interfaces, &d->cfg->services[s].address,
			      lb_draft_service_place(s, "/address", where));
	for (uint32_t i = 0; i < d->cfg->n_nat_sources; i++)
		for (uint32_t a = 0; a < d->cfg->nat_sources[i].n_addresses; a++) {
			snprintf(where, sizeof(where), "/nat_sources/%u/addresses/%u", i, a);
			check_address(d, interfaces, &d->cfg->nat_sources[i].addresses[a], where);
		}
}

static void check_reals(struct lb_draft *d, const struct owners *interfaces,
			const struct owners *vips, const struct owners *sources)
{
	char where[LB_ERROR_WHERE_MAX], text[LB_ADDR_TEXT_MAX];
	const struct owned *owner;

	for (uint32_t p = 0; p < d->cfg->n_pools; p++)
		for (uint32_t r = 0; r < d->cfg->pools[p].n_reals; r++) {
			const struct lb_addr *addr = &d->cfg->pools[p].reals[r].address;

			lb_draft_real_place(d, p, r, "/address", where);
			check_address(d, interfaces, addr, where);
			owner = find_owner(vips, addr);
			if (owner != NULL) {
				lb_error_list_add(d->errors, where,
						  "%s is the address of /virtual_services/%u; it "
						  "must be another",
						  lb_addr_format(addr, text), owner->idx);
				continue;
			}
			owner = find_owner(sources, addr);
			if (owner != NULL)
				lb_error_list_add(d->errors, where,
						  "%s is an address of /nat_sources/%u; it must be "
						  "another",
						  lb_addr_format(addr, text), owner->idx);
		}
}

/* Replies find their owner by the source port: at one address two sources have the same ports or
 * none in common. */
static void check_shared_sources(struct lb_draft *d, const struct owners *sources)
{
	char where[LB_ERROR_WHERE_MAX], text[LB_ADDR_TEXT_MAX], other[48];
	const struct owned *far = sources->item;

	for (const struct owned *at = far + 1; at < sources->item + sources->n; at++) {
		const struct owned *at_fault = at->is_declared ? at : far;
		const struct owned *rest = at->is_declared ? far : at;

		if (!lb_addr_equal(&far->addr, &at->addr) || at->ports.first > far->ports.last) {
			far = at;
			continue;
		}
		if (at->ports.first == far->ports.first && at->ports.last == far->ports.last)
			continue;
		snprintf(where, sizeof(where), "/nat_sources/%u/ports", at_fault->idx);
		snprintf(other, sizeof(other), "/%s/%u",
			 rest->is_declared ? "nat_sources" : "virtual_services", rest->idx);
		lb_error_list_add(
			d->errors, where,
			"%u-%u at %s overlaps %u-%u, the source ports of %s; they must be "
			"the same or apart",
			at_fault->ports.first, at_fault->ports.last,
			lb_addr_format(&at->addr, text), rest->ports.first, rest->ports.last,
			other);
		if (at->ports.last > far->ports.last)
			far = at;
	}
}

static void check_n_sources(struct lb_draft *d, const struct owners *sources)
{
	size_t n_sources = d->cfg->n_nat_sources, n_addresses = sources->n > 0;

	for (size_t i = 0; i < sources->n; i++)
		n_sources += !sources->item[i].is_declared;
	for (size_t i = 1; i < sources->n; i++)
		n_addresses += !lb_addr_equal(&sources->item[i - 1].addr, &sources->item[i].addr);
	if (n_sources > LB_NAT_SOURCES_MAX)
		lb_error_list_add(d->errors, "/nat_sources",
				  "there are %zu, virtual IPs that serve as their own source "
				  "included; at most %u are allowed",
				  n_sources, LB_NAT_SOURCES_MAX);
	if (n_addresses > LB_NAT_ADDR_IDS_MAX)
		lb_error_list_add(d->errors, "/nat_sources",
				  "there are %zu different addresses; at most %u are allowed",
				  n_addresses, LB_NAT_ADDR_IDS_MAX);
}

int lb_draft_check_addresses(struct lb_draft *d)
{
	struct owners interfaces = {0}, vips = {0}, sources = {0};
	int rc;

	rc = collect_interfaces(&d->cfg->node, &interfaces);
	if (rc == 0)
		rc = collect_vips(d->cfg, &vips);
	if (rc == 0)
		rc = collect_sources(d->cfg, &vips, &sources);
	if (rc == 0) {
		check_services(d, &interfaces);
		check_reals(d, &interfaces, &vips, &sources);
		check_shared_sources(d, &sources);
		check_n_sources(d, &sources);
	}
	free(interfaces.item);
	free(vips.item);
	free(sources.item);
	return rc;
}
