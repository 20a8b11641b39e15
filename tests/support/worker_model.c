#include "worker_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steer/next_hop.h"
#include "steer/service_object.h"

struct worker_model *worker_model_create(void)
{
	struct worker_model *w = calloc(1, sizeof(*w));

	assert(w != NULL);
	return w;
}

void worker_model_count_anew(struct worker_model *w)
{
	memset(w->n_of, 0, sizeof(w->n_of));
}

static void apply(struct worker_model *w, const struct lb_cmd *cmd)
{
	assert(cmd->idx < WORKER_MODEL_MAX && cmd->type < LB_CMD_N);
	w->n_of[cmd->type]++;
	switch ((enum lb_cmd_type)cmd->type) {
	case LB_CMD_SERVICE:
		w->services[cmd->idx] = cmd->object;
		break;
	case LB_CMD_REAL:
		memcpy(&w->reals[cmd->idx], cmd->object, sizeof(w->reals[0]));
		break;
	case LB_CMD_TARGET:
		w->targets[cmd->idx] = (uint8_t)cmd->value;
		break;
	case LB_CMD_MEMBER:
		w->members[cmd->idx] = cmd->value;
		break;
	case LB_CMD_NEXT_HOP:
		memcpy(&w->hops[cmd->idx], cmd->object, sizeof(w->hops[0]));
		break;
	case LB_CMD_NAT_SOURCE:
		w->nats[cmd->idx] = cmd->object;
		break;
	case LB_CMD_ROUTES:
		w->routes = cmd->object;
		break;
	case LB_CMD_IFACE:
		memcpy(&w->ifaces[cmd->idx], cmd->object, sizeof(w->ifaces[0]));
		break;
	case LB_CMD_ASK:
	case LB_CMD_GENERATION:
	case LB_CMD_N:
		break;
	}
}

void worker_model_apply(struct worker_model *w, const struct lb_cmd *cmds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(w, &cmds[i]);
}

uint64_t worker_model_touch(const struct worker_model *w)
{
	const struct lb_addr nowhere = {{0}};
	uint64_t sum = 0;

	for (uint32_t i = 0; i < WORKER_MODEL_MAX; i++) {
		const struct lb_service *svc = w->services[i];

		for (uint32_t s = 0; svc != NULL && s < svc->n_servers; s++)
			sum += svc->servers[s].real_id + svc->epoch;
		if (w->nats[i] != NULL)
			sum += w->nats[i]->n_v4 + w->nats[i]->v6[LB_NAT_ADDRS_MAX - 1].id;
	}
	if (w->routes != NULL)
		sum += lb_route_lookup(w->routes, &nowhere) != NULL;
	return sum;
}

bool worker_model_equal(const struct worker_model *a, const struct worker_model *b)
{
	return memcmp(a->services, b->services, sizeof(a->services)) == 0 &&
	       memcmp(a->reals, b->reals, sizeof(a->reals)) == 0 &&
	       memcmp(a->hops, b->hops, sizeof(a->hops)) == 0 &&
	       memcmp(a->nats, b->nats, sizeof(a->nats)) == 0 &&
	       memcmp(a->targets, b->targets, sizeof(a->targets)) == 0 &&
	       memcmp(a->members, b->members, sizeof(a->members)) == 0 && a->routes == b->routes;
}
