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

static uint8_t next_epoch(const struct lb_reconcile *r, uint32_t slot,
			  const struct lb_service_image *old, const struct lb_service_image *new)
{
	uint32_t epoch = lb_ids_epoch(r->reg.of[LB_ID_SERVICE], slot);

	if (slot < r->services_max)
		epoch += r->services[slot].epoch_moves;
	/* Connections carry the slot, not the address: with another one they are orphans. */
	if (old != NULL && (!lb_addr_equal(&old->params.vip, &new->params.vip) ||
			    old->params.protocol != new->params.protocol))
		epoch++;
	return (uint8_t)epoch;
}

static int plan_service(struct lb_reconcile *r, struct lb_plan *plan, uint32_t idx,
			const struct lb_service_image *image, struct lb_error *err)
{
	uint32_t slot = plan->wanted.services[idx].slot;
	const struct lb_service_image *old = NULL;
	struct lb_plan_service change = {.slot = slot};
	int ret;

	if (!lb_ids_is_new(r->reg.of[LB_ID_SERVICE], slot))
		old = r->services[slot].image;
	if (old != NULL && lb_service_image_equal(old, image))
		return 0;
	change.is_added = old == NULL;
	change.is_moved = old != NULL && !lb_service_image_is_same_place(old, image);
	change.image = lb_service_image_copy(image);
	if (change.image == NULL)
		return no_memory(err);
	change.image->params.epoch = next_epoch(r, slot, old, image);
	ret = lb_service_build(&change.image->params, &change.object, err);
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

/* A port range that a moved service lets go. */
struct old_range {
	struct lb_addr vip;
	uint8_t protocol;
	struct lb_port_range range;
	uint16_t last_so_far; /* highest end in this address and protocol up to here */
	uint32_t change;
};

static int compare_place(const struct old_range *a, const struct old_range *b)
{
	int order = memcmp(&a->vip, &b->vip, sizeof(a->vip));

	return order != 0 ? order : (int)a->protocol - (int)b->protocol;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct old_range *ra = a, *rb = b;
	int order = compare_place(ra, rb);

	return order != 0 ? order : (int)ra->range.first - (int)rb->range.first;
}

static struct old_range *collect_old_ranges(const struct lb_reconcile *r,
					    const struct lb_plan *plan, uint32_t *n)
{
	struct old_range *ranges;
	uint32_t max = 0;

	*n = 0;
	for (uint32_t i = 0; i < plan->n_services; i++)
		if (plan->services[i].is_moved)
			max += (uint32_t)r->services[plan->services[i].slot].image->params.n_ports;
	ranges = calloc(max + 1, sizeof(*ranges));
	for (uint32_t i = 0; ranges != NULL && i < plan->n_services; i++) {
		const struct lb_service_params *old;

		if (!plan->services[i].is_moved)
			continue;
		old = &r->services[plan->services[i].slot].image->params;
		for (size_t p = 0; p < old->n_ports; p++)
			ranges[(*n)++] = (struct old_range){.vip = old->vip,
							    .protocol = old->protocol,
							    .range = old->ports[p],
							    .change = i};
	}
	return ranges;
}

static void mark_overlaps(struct lb_plan *plan, const struct old_range *ranges, uint32_t n,
			  const struct old_range *claim)
{
	uint32_t low = 0, high = n;

	/* First range that begins past the claim. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = compare_place(&ranges[mid], claim);

		if (order < 0 || (order == 0 && ranges[mid].range.first <= claim->range.last))
			low = mid + 1;
		else
			high = mid;
	}
	while (low > 0 && compare_place(&ranges[low - 1], claim) == 0 &&
	       ranges[low - 1].last_so_far >= claim->range.first) {
		const struct old_range *old = &ranges[--low];

		if (old->range.last >= claim->range.first && old->change != claim->change)
			plan->services[old->change].clears_first = true;
	}
}

/* Services that trade ports: the one that leaves a port must do so before the other comes. */
static int plan_clearing(const struct lb_reconcile *r, struct lb_plan *plan, struct lb_error *err)
{
	struct old_range *ranges;
	uint32_t n;

	ranges = collect_old_ranges(r, plan, &n);
	if (ranges == NULL)
		return no_memory(err);
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t last = ranges[i].range.last;

		if (i > 0 && compare_place(&ranges[i - 1], &ranges[i]) == 0 &&
		    ranges[i - 1].last_so_far > last)
			last = ranges[i - 1].last_so_far;
		ranges[i].last_so_far = last;
	}
	for (uint32_t i = 0; n > 0 && i < plan->n_services; i++) {
		const struct lb_service_image *image = plan->services[i].image;

		for (size_t p = 0; image != NULL && p < image->params.n_ports; p++) {
			struct old_range claim = {.vip = image->params.vip,
						  .protocol = image->params.protocol,
						  .range = image->params.ports[p],
						  .change = i};

			mark_overlaps(plan, ranges, n, &claim);
		}
	}
	free(ranges);
	return 0;
}

int lb_plan_services(struct lb_reconcile *r, struct lb_plan *plan,
		     const struct lb_config *next, struct lb_error *err)
{
	const struct lb_ids *slots = r->reg.of[LB_ID_SERVICE];
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
	return ret == 0 ? plan_clearing(r, plan, err) : ret;
}
