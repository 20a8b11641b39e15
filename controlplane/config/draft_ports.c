#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"

/* The order in which the data plane looks for a service. */
enum claim_class { CLAIM_PORT, CLAIM_RANGE, CLAIM_ANY };

/* One entry of a service's `ports` at its address and protocol. */
struct claim {
	struct lb_addr vip;
	uint8_t protocol;
	uint8_t class;
	struct lb_port_range range;
	uint32_t service;
	uint32_t pos;
};

struct claims {
	struct claim *item; /* sorted by compare_claims */
	size_t n;
};

static int compare_blocks(const struct claim *x, const struct claim *y)
{
	int order = memcmp(&x->vip, &y->vip, sizeof(x->vip));

	return order != 0 ? order : (int)x->protocol - (int)y->protocol;
}

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order = compare_blocks(x, y);

	if (order == 0)
		order = (int)x->class - (int)y->class;
	if (order == 0)
		order = (int)x->range.first - (int)y->range.first;
	if (order == 0 && x->service != y->service)
		order = x->service < y->service ? -1 : 1;
	return order != 0 ? order : (x->pos > y->pos) - (x->pos < y->pos);
}

static int collect(const struct lb_config *cfg, struct claims *claims)
{
	size_t n = 0;

	for (uint32_t s = 0; s < cfg->n_services; s++)
		n += cfg->services[s].n_ports;
	claims->n = 0;
	claims->item = calloc(n > 0 ? n : 1, sizeof(*claims->item));
	if (claims->item == NULL)
		return -ENOMEM;
	for (uint32_t s = 0; s < cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &cfg->services[s];

		if (lb_addr_is_zero(&svc->address))
			continue;
		for (uint32_t p = 0; p < svc->n_ports; p++) {
			struct lb_port_range r = svc->ports[p];
			enum claim_class class = r.first == 0        ? CLAIM_ANY
						 : r.first == r.last ? CLAIM_PORT
								     : CLAIM_RANGE;

			claims->item[claims->n++] = (struct claim){
				svc->address, svc->protocol, (uint8_t) class, r, s, p};
		}
	}
	qsort(claims->item, claims->n, sizeof(*claims->item), compare_claims);
	return 0;
}

static const char *range_text(struct lb_port_range range, char text[16])
{
	if (range.first == 0)
		snprintf(text, 16, "any");
	else if (range.first == range.last)
		snprintf(text, 16, "%u", range.first);
	else
		snprintf(text, 16, "%u-%u", range.first, range.last);
	return text;
}

/* Neighbours of one class in the sorted list: the one that reaches furthest is held against the
 * next. An exact port inside a range, and both beside "any", are of different classes. */
static void check_overlaps(struct lb_draft *d, const struct claims *claims)
{
	char where[LB_ERROR_WHERE_MAX], key[24], ports[16], others[16], vip[LB_ADDR_TEXT_MAX];
	const struct claim *far = claims->item;

	for (const struct claim *at = claims->item + 1; at < claims->item + claims->n; at++) {
		if (compare_blocks(far, at) != 0 || far->class != at->class ||
		    at->range.first > far->range.last) {
			far = at;
			continue;
		}
		snprintf(key, sizeof(key), "/ports/%u", at->pos);
		lb_error_list_add(d->errors, lb_draft_service_place(at->service, key, where),
				  "%s at %s %s overlaps %s of /virtual_services/%u",
				  range_text(at->range, ports), lb_addr_format(&at->vip, vip),
				  at->protocol == IPPROTO_TCP ? "tcp" : "udp",
				  range_text(far->range, others), far->service);
		if (at->range.last > far->range.last)
			far = at;
	}
}

static bool uses_own_vip(const struct lb_cfg_service *svc)
{
	return svc->forwarding == LB_FORWARD_FULLNAT && svc->nat_source == LB_CFG_NONE;
}

static bool has_free_source_port(const struct claim *first, const struct claim *end)
{
	uint8_t taken[65536 / 8] = {0};

	for (; first < end; first++) {
		if (first->class == CLAIM_ANY)
			return false;
		for (uint32_t port = first->range.first; port <= first->range.last; port++)
			taken[port / 8] |= (uint8_t)(1u << port % 8);
	}
	for (uint32_t port = LB_CFG_NAT_FIRST_PORT; port <= LB_CFG_NAT_LAST_PORT; port++)
		if ((taken[port / 8] & 1u << port % 8) == 0)
			return true;
	return false;
}

/* A fullnat service without nat_source takes its VIP's ports that no service claims. */
static void check_own_vips(struct lb_draft *d, const struct claims *claims)
{
	const struct claim *end, *last = claims->item + claims->n;
	char where[LB_ERROR_WHERE_MAX], vip[LB_ADDR_TEXT_MAX];

	for (const struct claim *at = claims->item; at < last; at = end) {
		uint32_t service = LB_CFG_NONE;

		for (end = at; end < last && compare_blocks(at, end) == 0; end++)
			if (uses_own_vip(&d->cfg->services[end->service]) && end->service < service)
				service = end->service;
		if (service == LB_CFG_NONE || has_free_source_port(at, end))
			continue;
		lb_error_list_add(d->errors, lb_draft_service_place(service, "", where),
				  "needs a nat_source with another address: virtual services claim "
				  "all of the ports %u-%u at %s that would be its source",
				  LB_CFG_NAT_FIRST_PORT, LB_CFG_NAT_LAST_PORT,
				  lb_addr_format(&at->vip, vip));
	}
}

/* The first claim that is not before `key`. */
static const struct claim *lower_bound(const struct claims *claims, const struct claim *key)
{
	size_t low = 0, high = claims->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_claims(&claims->item[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return claims->item + low;
}

/* A claim at that address and protocol that has one of the ports, or NULL. */
static const struct claim *find_claim(const struct claims *claims, const struct lb_addr *vip,
				      uint8_t protocol, struct lb_port_range ports)
{
	const struct claim *end = claims->item + claims->n, *at;
	struct claim key = {*vip, protocol, CLAIM_PORT, ports, 0, 0};

	at = lower_bound(claims, &key);
	if (at < end && compare_blocks(at, &key) == 0 && at->class == CLAIM_PORT &&
	    at->range.first <= ports.last)
		return at;
	/* Ranges do not overlap each other, so only the last one that starts in time can reach. */
	key = (struct claim){*vip, protocol, CLAIM_RANGE, {ports.last, 0}, UINT32_MAX, UINT32_MAX};
	at = lower_bound(claims, &key);
	if (at > claims->item && compare_blocks(at - 1, &key) == 0 && at[-1].class == CLAIM_RANGE &&
	    at[-1].range.last >= ports.first)
		return at - 1;
	key = (struct claim){*vip, protocol, CLAIM_ANY, {0, 0}, 0, 0};
	at = lower_bound(claims, &key);
	return at < end && compare_blocks(at, &key) == 0 && at->class == CLAIM_ANY ? at : NULL;
}

static void check_source(struct lb_draft *d, const struct claims *claims, uint32_t idx,
			 uint8_t protocol)
{
	const struct lb_cfg_nat_source *src = &d->cfg->nat_sources[idx];
	char where[LB_ERROR_WHERE_MAX], ports[16], others[16], address[LB_ADDR_TEXT_MAX];
	const struct claim *claim;

	snprintf(where, sizeof(where), "/nat_sources/%u/ports", idx);
	for (uint32_t a = 0; a < src->n_addresses; a++) {
		claim = find_claim(claims, &src->addresses[a], protocol, src->ports);
		if (claim == NULL)
			continue;
		lb_error_list_add(d->errors, where, "%s at %s overlaps %s of /virtual_services/%u",
				  range_text(src->ports, ports),
				  lb_addr_format(&src->addresses[a], address),
				  range_text(claim->range, others), claim->service);
		return;
	}
}

/* Sources are held against the claims of the protocols that their services use. */
static int check_sources(struct lb_draft *d, const struct claims *claims)
{
	const struct lb_config *cfg = d->cfg;
	uint8_t *used = calloc((size_t)cfg->n_nat_sources + 1, 1);

	if (used == NULL)
		return -ENOMEM;
	for (uint32_t s = 0; s < cfg->n_services; s++)
		if (cfg->services[s].nat_source != LB_CFG_NONE)
			used[cfg->services[s].nat_source] |=
				cfg->services[s].protocol == IPPROTO_TCP ? 1 : 2;
	for (uint32_t i = 0; i < cfg->n_nat_sources; i++) {
		if ((used[i] & 1) != 0)
			check_source(d, claims, i, IPPROTO_TCP);
		if ((used[i] & 2) != 0)
			check_source(d, claims, i, IPPROTO_UDP);
	}
	free(used);
	return 0;
}

/* The workers' look-up is sized for so many; the service at which it would overflow is named. */
static void check_entries(struct lb_draft *d)
{
	const struct lb_config *cfg = d->cfg;
	char where[LB_ERROR_WHERE_MAX];
	uint64_t n = 0;

	for (uint32_t s = 0; s < cfg->n_services; s++) {
		const struct lb_cfg_service *svc = &cfg->services[s];

		n += lb_service_table_entries(svc->ports, svc->n_ports);
		if (n <= LB_SERVICE_ENTRIES_MAX)
			continue;
		lb_error_list_add(d->errors, lb_draft_service_place(s, "/ports", where),
				  "the virtual services up to this one take more than %u entries: "
				  "one per port, up to 30 per range and two per service",
				  LB_SERVICE_ENTRIES_MAX);
		return;
	}
}

int lb_draft_check_ports(struct lb_draft *d)
{
	struct claims claims;
	int rc = collect(d->cfg, &claims);

	if (rc < 0)
		return rc;
	check_entries(d);
	check_overlaps(d, &claims);
	check_own_vips(d, &claims);
	rc = check_sources(d, &claims);
	free(claims.item);
	return rc;
}
