/* Services without tracking: what follows when slots of their tables have settled. */
#include <errno.h>
#include <stdlib.h>

#include "reconcile_state.h"

void lb_reconcile_find_settle_due(struct lb_reconcile *r)
{
	r->settle_due_ms = UINT64_MAX;
	for (uint32_t slot = 0; slot < r->services_max; slot++) {
		const struct lb_settling *settling = NULL;

		if (r->services[slot].object != NULL)
			settling = lb_service_settling(r->services[slot].object);
		if (settling != NULL && lb_settling_due_ms(settling) < r->settle_due_ms)
			r->settle_due_ms = lb_settling_due_ms(settling);
	}
}

uint64_t lb_reconcile_settle_due_ms(const struct lb_reconcile *r)
{
	return r->settle_due_ms;
}

uint32_t lb_reconcile_settling_slots(const struct lb_reconcile *r, uint32_t service_idx)
{
	const struct lb_service *object =
		r->services[lb_reconcile_service_slot(r, service_idx)].object;

	return object == NULL || lb_service_settling(object) == NULL
		       ? 0
		       : lb_settling_n_slots(lb_service_settling(object));
}

static bool is_due(const struct lb_service_state *s, uint64_t now_ms)
{
	const struct lb_settling *settling;

	if (s->object == NULL)
		return false;
	settling = lb_service_settling(s->object);
	return settling != NULL && lb_settling_due_ms(settling) <= now_ms;
}

/* The same service, without what has settled. */
static int settle(struct lb_reconcile *r, uint32_t slot, uint64_t now_ms, struct lb_cmd_list *out)
{
	struct lb_service_state *s = &r->services[slot];
	struct lb_retired_batch *batch = lb_retired_batch_create(1);
	struct lb_service *object = NULL;

	if (batch == NULL || lb_cmd_list_reserve(out, 1) != 0 ||
	    lb_service_image_build(s->image, s->object, now_ms, &object, NULL) != 0) {
		free(batch);
		return -ENOMEM;
	}
	lb_cmd_list_add(out, (struct lb_cmd){LB_CMD_SERVICE, slot, object, 0});
	out->generation = ++r->generation;
	lb_retired_add_service(batch, s->object);
	lb_retired_push(&r->retired, batch, r->generation);
	s->object = object;
	return 0;
}

int lb_reconcile_settle(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out)
{
	int ret = 0;

	if (r->settle_due_ms > now_ms)
		return 0;
	for (uint32_t slot = 0; ret == 0 && slot < r->services_max; slot++)
		if (is_due(&r->services[slot], now_ms))
			ret = settle(r, slot, now_ms, out);
	lb_reconcile_find_settle_due(r);
	return ret;
}
