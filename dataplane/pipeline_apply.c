#include <assert.h>
#include <string.h>

#include "pipeline_state.h"
#include "steer/maglev_table.h"
#include "steer/service_limits.h"
#include "steer/service_object.h"

static void reset_cell(struct lb_traffic_cell *cell)
{
	/* conns_live goes down by itself as the connections of the former owner are removed. */
	__atomic_store_n(&cell->conns, 0, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < 2; i++) {
		__atomic_store_n(&cell->way[i].pkts, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&cell->way[i].bytes, 0, __ATOMIC_RELAXED);
	}
}

static bool has_same_ports(const struct lb_service *a, const struct lb_service *b)
{
	return a->protocol == b->protocol && lb_addr_equal(&a->vip, &b->vip) &&
	       a->n_ports == b->n_ports &&
	       memcmp(a->ports, b->ports, a->n_ports * sizeof(*a->ports)) == 0;
}

static bool is_unplaced(const struct lb_pipeline *pl, uint32_t slot)
{
	return (pl->unplaced[slot / 64] >> (slot % 64) & 1) != 0;
}

static void set_unplaced(struct lb_pipeline *pl, uint32_t slot, bool is_now)
{
	if (is_unplaced(pl, slot) == is_now)
		return;
	pl->unplaced[slot / 64] ^= UINT64_C(1) << (slot % 64);
	pl->n_unplaced += is_now ? 1u : (uint32_t)-1;
}

static void place_ports(struct lb_pipeline *pl, uint32_t slot)
{
	const struct lb_service *svc = pl->steer.services[slot];
	int rc = lb_service_table_add(pl->steer.service_table, &svc->vip, svc->protocol, svc->ports,
				      svc->n_ports, slot);

	set_unplaced(pl, slot, rc != 0);
}

/* Ports that move from one service to another may be claimed before they are released: commands
 * come in any order, and two services may exchange theirs. */
static void place_waiting(struct lb_pipeline *pl)
{
	for (uint32_t word = 0; word < LB_SERVICES_MAX / 64 && pl->n_unplaced != 0; word++)
		for (uint64_t bits = pl->unplaced[word]; bits != 0; bits &= bits - 1)
			place_ports(pl, word * 64 + (uint32_t)__builtin_ctzll(bits));
}

/* The address stays after the service: connections that end because of this still have to find both
 * their entries. */
static void set_service_line(struct lb_service_line *line, const struct lb_service *svc)
{
	line->life = svc != NULL ? svc->epoch : LB_LIFE_NONE;
	if (svc == NULL)
		return;
	line->vip4_be = lb_addr_is_v4(&svc->vip) ? lb_addr_v4(&svc->vip) : 0;
	line->forwarding = svc->forwarding;
	line->gue_port_be = svc->gue_port_be;
	line->persist_len = svc->persist_len;
	line->group_id = svc->group_id;
	line->server_down_action = svc->server_down_action;
}

/* While slots settle, or where there is no table, the long way decides. */
static void set_table_line(struct lb_table_line *line, const struct lb_service *svc)
{
	*line = (struct lb_table_line){.slots = NULL};
	if (svc == NULL || !svc->is_stateless || svc->settling != NULL || svc->maglev == NULL)
		return;
	line->slots = svc->maglev->slots;
	line->size = svc->maglev->size;
	line->servers = svc->by_table;
	line->scheduler = svc->scheduler;
	line->forwarding = svc->forwarding;
}

static void apply_service(struct lb_pipeline *pl, uint32_t slot, const struct lb_service *svc)
{
	struct lb_steer *st = &pl->steer;
	const struct lb_service *old = st->services[slot];
	bool keeps_ports = old != NULL && svc != NULL && has_same_ports(old, svc);

	st->services[slot] = svc;
	set_service_line(&st->service_lines[slot], svc);
	set_table_line(&st->table_lines[slot], svc);
	st->n_nat_services += (svc != NULL && svc->forwarding == LB_FORWARD_NAT);
	st->n_nat_services -= (old != NULL && old->forwarding == LB_FORWARD_NAT);
	st->n_stateless += (svc != NULL && svc->is_stateless);
	st->n_stateless -= (old != NULL && old->is_stateless);
	if (old != NULL && !keeps_ports) {
		if (!is_unplaced(pl, slot))
			lb_service_table_remove(st->service_table, &old->vip, old->protocol,
						old->ports, old->n_ports, slot);
		set_unplaced(pl, slot, false);
		place_waiting(pl);
	}
	if (svc == NULL)
		return;
	lb_service_limits_set(&st->limits[slot], svc->starts_per_s_max, svc->conns_max,
			      st->n_workers);
	if (!keeps_ports)
		place_ports(pl, slot);
	if (old != NULL && old->epoch == svc->epoch) {
		lb_schedule_replace(&st->schedule[slot], svc);
		return;
	}
	lb_schedule_init(&st->schedule[slot], svc, st->worker, st->n_workers, st->seed);
	reset_cell(&st->service_lines[slot].traffic);
}

static void apply_real(struct lb_steer *st, uint32_t id, const struct lb_real *real)
{
	struct lb_real *own = &st->reals[id];
	struct lb_real_line *line = &st->real_lines[id];

	assert(real->machine_id < LB_MACHINES_MAX && real->next_hop < LB_NEXT_HOPS_MAX);
	if (own->in_use != 0)
		lb_awaited_remove(st->awaited, &own->addr);
	if (real->in_use == 0) {
		/* The address stays until the id is given out again: connections that end because
		 * of this still have to find both their entries. */
		own->in_use = 0;
		line->life = LB_LIFE_NONE;
		return;
	}
	lb_awaited_add(st->awaited, &real->addr);
	if (own->epoch != real->epoch)
		reset_cell(&line->traffic);
	*own = *real;
	line->addr4_be = lb_addr_is_v4(&real->addr) ? lb_addr_v4(&real->addr) : 0;
	line->next_hop = real->next_hop;
	line->port_be = real->port_be;
	line->life = real->epoch;
	line->via_gateway = real->via_gateway;
}

/* Time is that of the last ageing, at most a round of the worker ago. Who is down keeps the time at
 * which it went. */
static void apply_target(struct lb_steer *st, uint32_t id, uint32_t bits)
{
	if ((bits & LB_TARGET_DOWN) != 0 && !lb_target_is_down(&st->targets, id))
		st->down_since_s[id] = (uint32_t)(st->age.last_ms / 1000);
	lb_target_set(&st->targets, id, bits);
}

static void intern(struct lb_steer *st, const struct lb_nat_addr *addrs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert(addrs[i].id != 0);
		st->nat_addrs[addrs[i].id] = addrs[i].addr;
	}
}

/* Addresses stay interned after their source is gone: live connections still use them. */
static void apply_nat_source(struct lb_steer *st, uint32_t idx, const struct lb_nat_source *src)
{
	if (st->nat_sources[idx] != NULL)
		lb_nat_addr_set_remove(st->nat_addr_set, st->nat_sources[idx], idx);
	st->nat_sources[idx] = src;
	if (src == NULL)
		return;
	intern(st, src->v4, src->n_v4);
	intern(st, src->v6, src->n_v6);
	lb_nat_addr_set_add(st->nat_addr_set, src, idx);
}

void lb_pipeline_apply(struct lb_pipeline *pl, const struct lb_cmd *cmd)
{
	struct lb_steer *st = &pl->steer;

	switch ((enum lb_cmd_type)cmd->type) {
	case LB_CMD_SERVICE:
		assert(cmd->idx < LB_SERVICES_MAX);
		apply_service(pl, cmd->idx, cmd->object);
		break;
	case LB_CMD_REAL:
		assert(cmd->idx < LB_REALS_MAX && cmd->object != NULL);
		apply_real(st, cmd->idx, cmd->object);
		break;
	case LB_CMD_TARGET:
		assert(cmd->idx < LB_TARGETS_MAX);
		apply_target(st, cmd->idx, (uint32_t)cmd->value);
		break;
	case LB_CMD_MEMBER:
		assert(cmd->idx < LB_TARGETS_MAX);
		st->member_generation[cmd->idx] = (uint16_t)cmd->value;
		if (st->persist != NULL)
			lb_persist_set_generation(st->persist, cmd->idx, (uint32_t)cmd->value);
		break;
	case LB_CMD_NEXT_HOP:
		assert(cmd->idx < LB_NEXT_HOP_LEARNED);
		lb_next_hop_set(st->next_hops, cmd->idx, cmd->object);
		break;
	case LB_CMD_NAT_SOURCE:
		assert(cmd->idx < LB_NAT_SOURCES_MAX);
		apply_nat_source(st, cmd->idx, cmd->object);
		break;
	case LB_CMD_ROUTES:
		st->routes = cmd->object;
		lb_conn_age_reroute(st);
		break;
	case LB_CMD_IFACE:
		assert(cmd->idx < LB_IFACES_MAX && cmd->object != NULL);
		lb_ifaces_set(&st->ifaces, cmd->idx, cmd->object);
		break;
	case LB_CMD_ASK: /* the caller's */
	case LB_CMD_GENERATION:
	case LB_CMD_N:
		break;
	}
}
