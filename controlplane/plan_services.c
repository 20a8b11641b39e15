#include "plan.h"

#include <errno.h>
#include <stdlib.h>

static int no_memory(struct lb_error *err)
{
	return lb_error_set(err, -ENOMEM, "", "out of memory");
}

static int add_service(struct lb_plan *plan, struct lb_plan_service change)
{
	if (lb_array_reserve((void **)&plan->services, &plan->services_max, plan->n_services,
			     sizeof(*plan->services)) != 0) {
		free(change.image);
		return -ENOMEM;
	}
	plan->services[plan->n_services++] = change;
	return 0;
}

static uint8_t next_epoch(const struct lb_reconcile *r, const struct lb_plan *plan, uint32_t slot,
			  const struct lb_service_image *old, const struct lb_service_image *new)
{
	uint32_t epoch = lb_ids_epoch(plan->reg.of[LB_ID_SERVICE], slot);

	if (slot < r->services_max)
		epoch += r->services[slot].epoch_moves;
	/* Connections carry the slot, not the address: with another one they are orphans. */
	if (old != NULL && (!lb_addr_equal(&old->params.vip, &new->params.vip) ||
			    old->params.protocol != new->params.protocol))
		epoch++;
	return (uint8_t)epoch;
}

static int plan_service(const struct lb_reconcile *r, struct lb_plan *plan, uint32_t idx,
			const struct lb_service_image *image, struct lb_error *err)
{
	uint32_t slot = plan->wanted.services[idx].slot;
	const struct lb_service_image *old = NULL;
	struct lb_plan_service change = {.slot = slot};
	const struct lb_service *now = NULL;
	int ret;

	if (!lb_ids_is_new(plan->reg.of[LB_ID_SERVICE], slot))
		old = r->services[slot].image;
	if (old != NULL)
		now = r->services[slot].object;
	if (old != NULL && lb_service_image_equal(old, image))
		return 0;
	change.is_added = old == NULL;
	change.image = lb_service_image_copy(image);
	if (change.image == NULL)
		return no_memory(err);
	change.image->params.epoch = next_epoch(r, plan, slot, old, image);
	ret = lb_service_image_build(change.image, now, plan->now_ms, &change.object, err);
	if (ret != 0) {
		free(change.image);
		if (err != NULL)
			snprintf(err->where, sizeof(err->where), "/virtual_services/%u", idx);
		return ret;
	}
	if (add_service(plan, change) == 0)
		return 0;
	lb_service_free(change.object);
	return no_memory(err);
}

int lb_plan_services(const struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	const struct lb_ids *slots = plan->reg.of[LB_ID_SERVICE];
	const struct lb_config *next = plan->next;
	struct lb_service_scratch scratch = {0};
	struct lb_service_image *image;
	int ret = 0;

	for (uint32_t slot = 0; ret == 0 && slot < lb_ids_bound(slots); slot++)
		if (lb_ids_is_leaving(slots, slot) &&
		    add_service(plan, (struct lb_plan_service){.slot = slot}) != 0)
			ret = no_memory(err);
	for (uint32_t i = 0; ret == 0 && i < next->n_services; i++) {
		image = lb_service_image_fill(&scratch, next, &plan->wanted, i);
		ret = image == NULL ? no_memory(err) : plan_service(r, plan, i, image, err);
	}
	free(scratch.image);
	return ret;
}
