#include <stdlib.h>
#include <string.h>

#include "availability.h"
#include "plan.h"
#include "reconcile.h"

bool lb_reconcile_next_probe(const struct lb_reconcile *r, uint32_t *cursor,
			     struct lb_probe_spec *out)
{
	const struct lb_ids *probes = r->reg.of[LB_ID_PROBE];
	const struct lb_monitor_key *monitor;
	const struct lb_probe_key *key;
	uint32_t id = *cursor;

	while (id < lb_ids_bound(probes) && !lb_ids_is_used(probes, id))
		id++;
	*cursor = id + 1;
	if (id >= lb_ids_bound(probes))
		return false;
	key = lb_ids_key(probes, id);
	monitor = lb_ids_key(r->reg.of[LB_ID_MONITOR], key->monitor);
	*out = (struct lb_probe_spec){
		.id = id,
		.type = (enum lb_monitor_type)monitor->type,
		.port = (uint16_t)key->port,
		.interval_ms = monitor->interval_ms,
		.timeout_ms = monitor->timeout_ms,
		.rise = monitor->rise,
		.fall = monitor->fall,
		.jitter_percent = monitor->jitter_percent,
		.initial = r->probes[id].state,
	};
	memcpy(&out->address, lb_ids_key(r->reg.of[LB_ID_MACHINE], key->machine),
	       sizeof(out->address));
	if (key->vip_path != 0) {
		const struct lb_vip_path_key *path = lb_ids_key(r->reg.of[LB_ID_VIP_PATH],
								key->vip_path);

		out->is_of_vip = true;
		out->vip = path->vip;
		out->forwarding = (uint8_t)path->forwarding;
		out->gue_port = (uint16_t)path->gue_port;
	}
	return true;
}

bool lb_reconcile_probe_hop(const struct lb_reconcile *r, uint32_t probe, struct lb_next_hop *out,
			    bool *via_gateway)
{
	const struct lb_probe_key *key;
	uint32_t hop;

	if (!lb_ids_is_used(r->reg.of[LB_ID_PROBE], probe))
		return false;
	key = lb_ids_key(r->reg.of[LB_ID_PROBE], probe);
	hop = r->machines[key->machine].next_hop;
	if (hop == LB_NEXT_HOP_NONE || hop >= r->hops_max || !r->hops[hop].value.resolved)
		return false;
	*out = r->hops[hop].value;
	*via_gateway = lb_plan_is_via_gateway(
		r, &r->reg, lb_ids_key(r->reg.of[LB_ID_MACHINE], key->machine), hop);
	return true;
}

void lb_reconcile_probe_counts(const struct lb_reconcile *r, uint32_t *n, uint32_t *n_checking)
{
	const struct lb_ids *probes = r->reg.of[LB_ID_PROBE];

	*n = lb_ids_count(probes);
	*n_checking = 0;
	for (uint32_t id = 0; id < lb_ids_bound(probes); id++)
		*n_checking += lb_ids_is_used(probes, id) &&
			       r->probes[id].state == LB_HEALTH_CHECKING;
}

uint32_t lb_reconcile_service_slot(const struct lb_reconcile *r, uint32_t service_idx)
{
	return r->wanted.services[service_idx].slot;
}

uint32_t lb_reconcile_member_real(const struct lb_reconcile *r, uint32_t pool_idx,
				  uint32_t real_idx)
{
	return r->wanted.members[r->wanted.pools[pool_idx].first_member + real_idx].real_id;
}

bool lb_reconcile_member_address(const struct lb_reconcile *r, uint32_t member_id,
				 struct lb_addr *out)
{
	const struct lb_ids *targets = r->reg.of[LB_ID_TARGET];
	const struct lb_target_key *key;

	if (member_id >= lb_ids_bound(targets) || !lb_ids_is_used(targets, member_id))
		return false;
	key = lb_ids_key(targets, member_id);
	if ((key->scope & LB_SCOPE_GROUP) == 0)
		return false;
	memcpy(out, lb_ids_key(r->reg.of[LB_ID_MACHINE], key->machine), sizeof(*out));
	return true;
}

uint32_t lb_reconcile_group_id(const struct lb_reconcile *r, const char *name)
{
	struct lb_name_key key = lb_name_key(name);
	uint32_t id = lb_ids_find(r->reg.of[LB_ID_GROUP], &key);

	return id == LB_IDS_NONE ? 0 : id;
}

const char *lb_reconcile_group_name(const struct lb_reconcile *r, uint32_t group_id)
{
	const struct lb_name_key *key;

	if (!lb_ids_is_used(r->reg.of[LB_ID_GROUP], group_id))
		return NULL;
	key = lb_ids_key(r->reg.of[LB_ID_GROUP], group_id);
	return key->name;
}

uint32_t lb_reconcile_service_group(const struct lb_reconcile *r, uint32_t service_idx)
{
	return r->wanted.services[service_idx].group_id;
}

bool lb_reconcile_group_member(const struct lb_reconcile *r, uint32_t group_id,
			       const struct lb_addr *machine, uint32_t *member_id)
{
	struct lb_target_key key = {.scope = LB_SCOPE_GROUP | group_id};

	key.machine = lb_ids_find(r->reg.of[LB_ID_MACHINE], machine);
	if (group_id == 0 || key.machine == LB_IDS_NONE)
		return false;
	*member_id = lb_ids_find(r->reg.of[LB_ID_TARGET], &key);
	return *member_id != LB_IDS_NONE;
}

static void machine_reason(const struct lb_reconcile *r, uint32_t machine,
			   struct lb_real_status *out)
{
	const struct lb_machine_state *m = &r->machines[machine];
	const char *text = "next hop does not resolve";

	if (m->next_hop == LB_NEXT_HOP_NONE)
		text = "no route";
	else if (lb_availability_machine(r, machine) == LB_HEALTH_CHECKING)
		text = "next hop is being resolved";
	snprintf(out->reason, sizeof(out->reason), "%s", text);
}

static void describe_vip_path(const struct lb_reconcile *r, uint32_t id, char *out, size_t size)
{
	static const char *const words[LB_FORWARD_N] = {
		[LB_FORWARD_DSR] = "dsr", [LB_FORWARD_IPIP] = "ipip", [LB_FORWARD_GUE] = "gue"};
	const struct lb_vip_path_key *path = lb_ids_key(r->reg.of[LB_ID_VIP_PATH], id);
	char text[LB_ADDR_TEXT_MAX];

	snprintf(out, size, "VIP %s by %s: ", lb_addr_format(&path->vip, text),
		 words[path->forwarding]);
}

static void probe_reason(const struct lb_reconcile *r, uint32_t probe, struct lb_real_status *out)
{
	const struct lb_probe_key *key = lb_ids_key(r->reg.of[LB_ID_PROBE], probe);
	const struct lb_probe_state *p = &r->probes[probe];
	const char *why = p->reason[0] == '\0' ? "no verdict yet" : p->reason;
	char where[LB_REASON_MAX / 2] = "";

	if (key->vip_path != 0)
		describe_vip_path(r, key->vip_path, where, sizeof(where));
	/* Only tcp probes have a port. */
	if (key->port == 0)
		snprintf(out->reason, sizeof(out->reason), "%sicmp: %s", where, why);
	else
		snprintf(out->reason, sizeof(out->reason), "%stcp port %u: %s", where, key->port,
			 why);
}

/* An up server with a reason: it was up when this host stopped being able to ask. */
static void explain_up(const struct lb_reconcile *r, uint32_t target, struct lb_real_status *out)
{
	const uint32_t *probes;
	uint32_t n = lb_adjacent(&r->wanted.target_probes, target, &probes);

	for (uint32_t i = 0; i < n; i++)
		if (r->probes[probes[i]].reason[0] != '\0') {
			probe_reason(r, probes[i], out);
			return;
		}
}

/* A server that answers at its address and not at the VIP is missing the VIP, or what unwraps its
 * packets: it is said so. */
static void contrast(const struct lb_reconcile *r, uint32_t target, struct lb_real_status *out)
{
	static const char words[] = "address up, ";
	const uint32_t *probes;
	uint32_t n = lb_adjacent(&r->wanted.target_probes, target, &probes);
	size_t len = strlen(out->reason), more = sizeof(words) - 1;

	for (uint32_t i = 0; i < n; i++) {
		const struct lb_probe_key *key = lb_ids_key(r->reg.of[LB_ID_PROBE], probes[i]);

		if (key->vip_path == 0 && r->probes[probes[i]].state != LB_HEALTH_UP)
			return;
	}
	if (len + more >= sizeof(out->reason))
		return;
	memmove(out->reason + more, out->reason, len + 1);
	memcpy(out->reason, words, more);
}

/* The first thing that keeps the target from being up: the machine's ICMP, its next hop, then the
 * pool's own probes in their order. */
static void explain(const struct lb_reconcile *r, uint32_t target, struct lb_real_status *out)
{
	uint32_t machine = r->wanted.targets[target].machine;
	enum lb_health_state state = r->targets[target].state;
	const uint32_t *probes;
	uint32_t n;

	out->reason[0] = '\0';
	if (state == LB_HEALTH_UP) {
		explain_up(r, target, out);
		return;
	}
	n = lb_adjacent(&r->wanted.machine_probes, machine, &probes);
	for (uint32_t i = 0; i < n && r->machines[machine].n_icmp_down > 0; i++)
		if (lb_availability_is_of_machine(r, probes[i]) &&
		    r->probes[probes[i]].state == LB_HEALTH_DOWN) {
			probe_reason(r, probes[i], out);
			return;
		}
	if (lb_availability_machine(r, machine) == state) {
		machine_reason(r, machine, out);
		return;
	}
	n = lb_adjacent(&r->wanted.target_probes, target, &probes);
	for (uint32_t i = 0; i < n; i++)
		if (r->probes[probes[i]].state == state) {
			const struct lb_probe_key *key = lb_ids_key(r->reg.of[LB_ID_PROBE],
								    probes[i]);

			probe_reason(r, probes[i], out);
			if (key->vip_path != 0)
				contrast(r, target, out);
			return;
		}
}

static void fill_status(const struct lb_reconcile *r, const struct lb_wanted_member *member,
			uint32_t target, struct lb_real_status *out)
{
	const struct lb_target_state *t = &r->targets[target];

	out->state = t->state;
	out->admin_state = (enum lb_admin_state)member->admin_state;
	out->since_ms = t->since_ms;
	out->real_id = member->real_id;
	out->target_bits = t->bits;
	explain(r, target, out);
}

void lb_reconcile_service_real(const struct lb_reconcile *r, uint32_t service_idx,
			       uint32_t real_idx, struct lb_real_status *out)
{
	const struct lb_wanted_row *row = &r->wanted.rows[r->wanted.services[service_idx].row];
	const struct lb_wanted_pool *pool = &r->wanted.pools[row->pool];

	fill_status(r, &r->wanted.members[pool->first_member + real_idx],
		    r->wanted.member_targets[row->first_target + real_idx], out);
}

bool lb_reconcile_takes_new(const struct lb_reconcile *r, uint32_t service_idx, uint32_t real_idx)
{
	const struct lb_wanted_service *service = &r->wanted.services[service_idx];
	const struct lb_wanted_row *row = &r->wanted.rows[service->row];
	const struct lb_wanted_pool *pool = &r->wanted.pools[row->pool];
	uint32_t target = r->wanted.member_targets[row->first_target + real_idx];

	if (service->group_id != 0)
		target = r->wanted.group_targets[service->first_group_target + real_idx];
	return r->wanted.members[pool->first_member + real_idx].weight != 0 &&
	       (r->targets[target].bits & LB_TARGET_NEW) != 0;
}

static int badness(enum lb_health_state state)
{
	return state == LB_HEALTH_DOWN ? 2 : state == LB_HEALTH_CHECKING ? 1 : 0;
}

void lb_reconcile_pool_real(const struct lb_reconcile *r, uint32_t pool_idx, uint32_t real_idx,
			    struct lb_real_status *out)
{
	const struct lb_wanted_pool *pool = &r->wanted.pools[pool_idx];
	uint32_t worst = 0;

	for (uint32_t i = 0; i < pool->n_rows; i++) {
		const struct lb_wanted_row *row = &r->wanted.rows[pool->first_row + i];
		uint32_t target = r->wanted.member_targets[row->first_target + real_idx];

		if (i == 0 || badness(r->targets[target].state) > badness(r->targets[worst].state))
			worst = target;
	}
	fill_status(r, &r->wanted.members[pool->first_member + real_idx], worst, out);
}
