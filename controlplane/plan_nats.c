#include "plan.h"

#include <errno.h>
#include <stdlib.h>

#define VIP_SOURCE_FIRST_PORT 20000u
#define VIP_SOURCE_LAST_PORT 49999u

static int no_memory(struct lb_error *err)
{
	return lb_error_set(err, -ENOMEM, "", "out of memory");
}

static int add_nat_address(struct lb_plan *plan, struct lb_nat_source *source,
			   const struct lb_addr *addr, struct lb_error *err)
{
	bool is_v4 = lb_addr_is_v4(addr);
	uint16_t *n = is_v4 ? &source->n_v4 : &source->n_v6;
	struct lb_nat_addr *at = (is_v4 ? source->v4 : source->v6) + *n;
	uint32_t id;
	int ret;

	if (*n == LB_NAT_ADDRS_MAX)
		return lb_error_set(err, -E2BIG, "/nat_sources",
				    "at most %u addresses of one family are possible",
				    LB_NAT_ADDRS_MAX);
	ret = lb_registries_get(&plan->reg, LB_ID_NAT_ADDR, addr, &id, NULL, err);
	if (ret != 0)
		return ret;
	/* Sources are compared byte by byte: what lies between members stays zero. */
	at->addr = *addr;
	at->id = (uint16_t)id;
	(*n)++;
	return 0;
}

/* Keeps a copy if it differs from what is published. */
static int note_nat(const struct lb_reconcile *r, struct lb_plan *plan, uint32_t id,
		    const struct lb_nat_source *source)
{
	struct lb_plan_nat change = {.id = id};

	if (source != NULL && !lb_ids_is_new(plan->reg.of[LB_ID_NAT_SOURCE], id) &&
	    memcmp(r->nats[id], source, sizeof(*source)) == 0)
		return 0;
	if (lb_array_reserve((void **)&plan->nats, &plan->nats_max, plan->n_nats,
			     sizeof(*plan->nats)) != 0)
		return -ENOMEM;
	if (source != NULL) {
		change.object = malloc(sizeof(*change.object));
		if (change.object == NULL)
			return -ENOMEM;
		memcpy(change.object, source, sizeof(*source));
	}
	plan->nats[plan->n_nats++] = change;
	return 0;
}

static int plan_declared_nats(const struct lb_reconcile *r, struct lb_plan *plan,
			      struct lb_nat_source *scratch, struct lb_error *err)
{
	const struct lb_config *next = plan->next;

	for (uint32_t i = 0; i < next->n_nat_sources; i++) {
		const struct lb_cfg_nat_source *cfg = &next->nat_sources[i];
		struct lb_name_key key = lb_name_key(cfg->name);
		int ret = 0;

		memset(scratch, 0, sizeof(*scratch));
		scratch->first_port = cfg->ports.first;
		scratch->last_port = cfg->ports.last;
		for (uint32_t a = 0; ret == 0 && a < cfg->n_addresses; a++)
			ret = add_nat_address(plan, scratch, &cfg->addresses[a], err);
		if (ret != 0)
			return ret;
		if (note_nat(r, plan, lb_ids_find(plan->reg.of[LB_ID_NAT_SOURCE], &key), scratch) !=
		    0)
			return no_memory(err);
	}
	return 0;
}

/* Services that use their own address; several of one address share a source. */
static int plan_vip_nats(const struct lb_reconcile *r, struct lb_plan *plan,
			 struct lb_nat_source *scratch, struct lb_error *err)
{
	const struct lb_config *next = plan->next;
	uint32_t n = lb_ids_bound(plan->reg.of[LB_ID_NAT_SOURCE]);
	bool *is_done = calloc(n + 1, sizeof(*is_done));
	int ret = is_done == NULL ? no_memory(err) : 0;

	for (uint32_t i = 0; ret == 0 && i < next->n_services; i++) {
		const struct lb_cfg_service *svc = &next->services[i];
		uint32_t id = plan->wanted.services[i].nat_source_id;

		if (svc->forwarding != LB_FORWARD_FULLNAT || svc->nat_source != LB_CFG_NONE ||
		    is_done[id])
			continue;
		is_done[id] = true;
		memset(scratch, 0, sizeof(*scratch));
		scratch->first_port = VIP_SOURCE_FIRST_PORT;
		scratch->last_port = VIP_SOURCE_LAST_PORT;
		ret = add_nat_address(plan, scratch, &svc->address, err);
		if (ret == 0 && note_nat(r, plan, id, scratch) != 0)
			ret = no_memory(err);
	}
	free(is_done);
	return ret;
}

int lb_plan_nats(const struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	const struct lb_ids *ids = plan->reg.of[LB_ID_NAT_SOURCE];
	struct lb_nat_source *scratch = malloc(sizeof(*scratch));
	int ret;

	if (scratch == NULL)
		return no_memory(err);
	ret = plan_declared_nats(r, plan, scratch, err);
	if (ret == 0)
		ret = plan_vip_nats(r, plan, scratch, err);
	free(scratch);
	for (uint32_t id = 0; ret == 0 && id < lb_ids_bound(ids); id++)
		if (lb_ids_is_leaving(ids, id) && note_nat(r, plan, id, NULL) != 0)
			ret = no_memory(err);
	return ret;
}
