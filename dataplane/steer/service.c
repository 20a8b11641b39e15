#include "lb/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "steer/maglev_table.h"
#include "steer/service_object.h"

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Length of the weighted cycle: the sum of the weights over their common divisor. */
static uint64_t sequence_length(const struct lb_service_params *params, uint32_t *divisor)
{
	uint64_t sum = 0;
	uint32_t d = 0;

	for (size_t i = 0; i < params->n_servers; i++) {
		sum += params->servers[i].weight;
		d = gcd(d, params->servers[i].weight);
	}
	*divisor = d;
	return d == 0 ? 0 : sum / d;
}

/* A turn of server `server`: the cycle is ordered by (2 turn + 1) / weight, so that each server's
 * turns lie evenly over it. With priorities each has a cycle of its own. */
struct turn {
	uint64_t numerator;
	uint32_t priority;
	uint32_t weight;
	uint32_t server;
};

static int compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	uint64_t left = x->numerator * y->weight, right = y->numerator * x->weight;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (left != right)
		return left < right ? -1 : 1;
	return x->server < y->server ? -1 : x->server > y->server;
}

static int build_sequence(const struct lb_service_params *params, uint32_t divisor, uint32_t *out,
			  size_t n)
{
	struct turn *turns = calloc(n == 0 ? 1 : n, sizeof(*turns));
	size_t k = 0;

	if (turns == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < params->n_servers; i++) {
		uint32_t weight = divisor == 0 ? 0 : params->servers[i].weight / divisor;
		uint32_t priority = params->scheduler == LB_SCHED_PRIORITY
					    ? params->servers[i].priority
					    : 0;

		for (uint32_t j = 0; j < weight; j++)
			turns[k++] = (struct turn){2 * (uint64_t)j + 1, priority, weight, i};
	}
	qsort(turns, k, sizeof(*turns), compare_turns);
	for (size_t i = 0; i < k; i++)
		out[i] = turns[i].server;
	free(turns);
	return 0;
}

struct rank {
	uint32_t by;
	uint32_t server;
};

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->by != y->by)
		return x->by < y->by ? -1 : 1;
	return x->server < y->server ? -1 : x->server > y->server;
}

/* What servers are ordered and found by. */
typedef uint32_t (*rank_fn)(const struct lb_service_server *server);

static uint32_t machine_of(const struct lb_service_server *server)
{
	return server->machine_id;
}

static uint32_t member_of(const struct lb_service_server *server)
{
	return server->group_target_id;
}

static uint32_t priority_of(const struct lb_service_server *server)
{
	return server->priority;
}

static int build_order(const struct lb_service_params *params, rank_fn rank_of, uint32_t *out)
{
	size_t n = params->n_servers;
	struct rank *rows = calloc(n == 0 ? 1 : n, sizeof(*rows));

	if (rows == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (struct rank){rank_of(&params->servers[i]), i};
	qsort(rows, n, sizeof(*rows), compare_ranks);
	for (size_t i = 0; i < n; i++)
		out[i] = rows[i].server;
	free(rows);
	return 0;
}

static bool has_its_table(const struct lb_service_params *params)
{
	uint32_t divisor;

	if (!lb_sched_has_table(params->scheduler))
		return true;
	if (params->maglev == NULL)
		return sequence_length(params, &divisor) == 0;
	return params->maglev->n_servers == params->n_servers;
}

static int check_params(const struct lb_service_params *params, struct lb_error *err)
{
	uint32_t divisor;

	if (params->protocol != IPPROTO_TCP && params->protocol != IPPROTO_UDP)
		return lb_error_set(err, -EINVAL, "protocol", "must be TCP or UDP");
	if (params->forwarding >= LB_FORWARD_N || params->scheduler >= LB_SCHED_N)
		return lb_error_set(err, -EINVAL, "", "unknown forwarding mode or scheduler");
	if (params->server_down_action != LB_SERVER_DOWN_KEEP &&
	    (params->server_down_action == LB_SERVER_DOWN_RESET) !=
		    (params->protocol == IPPROTO_TCP))
		return lb_error_set(err, -EINVAL, "server_down_action",
				    "reset goes with TCP, move with UDP");
	if (params->idle_timeout_ms > LB_TIMEOUT_MAX_S * 1000)
		return lb_error_set(err, -EINVAL, "idle_timeout_s", "more than %u s",
				    LB_TIMEOUT_MAX_S);
	if (params->n_ports == 0 || params->n_ports > LB_SERVICE_PORTS_MAX)
		return lb_error_set(err, -E2BIG, "ports", "a service takes 1 to %u port entries",
				    LB_SERVICE_PORTS_MAX);
	for (size_t i = 0; i < params->n_ports; i++)
		if (params->ports[i].first > params->ports[i].last)
			return lb_error_set(err, -EINVAL, "ports", "range ends before it begins");
	if (params->n_servers > LB_SERVICE_SERVERS_MAX)
		return lb_error_set(err, -E2BIG, "real_servers",
				    "a service takes at most %u real servers",
				    LB_SERVICE_SERVERS_MAX);
	if (params->is_stateless &&
	    (!lb_forwarding_is_one_way(params->forwarding) ||
	     !lb_sched_has_table(params->scheduler) || params->group_id != 0))
		return lb_error_set(err, -EINVAL, "tracking",
				    "none goes with one-way modes, a table and no group only");
	if (!has_its_table(params))
		return lb_error_set(err, -EINVAL, "scheduler", "has no table of these servers");
	if (lb_sched_has_cycle(params->scheduler) &&
	    sequence_length(params, &divisor) > LB_SERVICE_SEQUENCE_MAX)
		return lb_error_set(err, -E2BIG, "weight",
				    "the weights add up to more than %u after their common divisor",
				    LB_SERVICE_SEQUENCE_MAX);
	return 0;
}

static void copy_head(struct lb_service *svc, const struct lb_service_params *params)
{
	svc->vip = params->vip;
	svc->protocol = params->protocol;
	svc->epoch = params->epoch;
	svc->forwarding = params->forwarding;
	svc->scheduler = params->scheduler;
	svc->no_server_action = params->no_server_action;
	svc->server_down_action = params->server_down_action;
	svc->persist_len = params->persist_len;
	svc->group_id = params->group_id;
	svc->nat_source_id = params->nat_source_id;
	svc->gue_port_be = rte_cpu_to_be_16(params->gue_port);
	svc->mss_clamp = params->mss_clamp;
	svc->idle_timeout_ms = params->idle_timeout_ms;
	svc->server_down_drain_s = params->server_down_drain_s;
	svc->has_limits = params->starts_per_s_max != 0 || params->conns_max != 0;
	svc->starts_per_s_max = params->starts_per_s_max;
	svc->conns_max = params->conns_max;
	svc->persist_timeout_ms = params->persist_timeout_ms;
	svc->n_servers = (uint32_t)params->n_servers;
	svc->n_ports = (uint32_t)params->n_ports;
	svc->is_stateless = params->is_stateless;
	if (lb_sched_has_table(params->scheduler) && params->maglev != NULL)
		svc->maglev = lb_maglev_ref(params->maglev);
}

/* Everything behind the head, in one block with it. */
struct parts {
	struct lb_service_server *servers;
	struct lb_table_server *by_table;
	uint32_t *by_machine;
	uint32_t *by_member;
	uint32_t *by_priority;
	uint32_t *sequence;
	struct lb_port_range *ports;
	size_t n_sequence;
	size_t bytes;
};

/* `svc` NULL: only measures. */
static void place_parts(const struct lb_service_params *params, struct lb_service *svc,
			struct parts *p)
{
	size_t n = params->n_servers, n_ranked = params->scheduler == LB_SCHED_PRIORITY ? n : 0;
	size_t bytes = sizeof(*svc) + n * sizeof(*p->servers) + params->n_ports * sizeof(*p->ports);
	size_t n_by_table = params->is_stateless ? n : 0;

	bytes += n_by_table * sizeof(*p->by_table);
	bytes += (2 * n + n_ranked + p->n_sequence) * sizeof(uint32_t);
	/* Whole lines, so that no two services share one. */
	p->bytes = (bytes + 63) & ~(size_t)63;
	if (svc == NULL)
		return;
	p->servers = (struct lb_service_server *)(svc + 1);
	p->by_table = (struct lb_table_server *)(p->servers + n);
	p->by_machine = (uint32_t *)(p->by_table + n_by_table);
	p->by_member = p->by_machine + n;
	p->by_priority = p->by_member + n;
	p->sequence = p->by_priority + n_ranked;
	p->ports = (struct lb_port_range *)(p->sequence + p->n_sequence);
	svc->bytes = p->bytes;
	svc->servers = p->servers;
	svc->by_table = n_by_table != 0 ? p->by_table : NULL;
	svc->by_machine = p->by_machine;
	svc->by_member = p->by_member;
	svc->by_priority = n_ranked != 0 ? p->by_priority : NULL;
	svc->ports = p->ports;
}

static int fill_parts(const struct lb_service_params *params, const struct lb_service *svc,
		      const struct parts *p, uint32_t divisor)
{
	int rc;

	if (params->n_servers != 0)
		memcpy(p->servers, params->servers, params->n_servers * sizeof(*p->servers));
	for (uint32_t i = 0; svc->by_table != NULL && i < params->n_servers; i++)
		p->by_table[i] = (struct lb_table_server){params->servers[i].real_id,
							  params->servers[i].target_id};
	memcpy(p->ports, params->ports, params->n_ports * sizeof(*p->ports));
	rc = build_order(params, machine_of, p->by_machine);
	if (rc == 0)
		rc = build_order(params, member_of, p->by_member);
	if (rc == 0 && svc->by_priority != NULL)
		rc = build_order(params, priority_of, p->by_priority);
	if (rc == 0 && svc->sequence != NULL)
		rc = build_sequence(params, divisor, p->sequence, p->n_sequence);
	return rc;
}

int lb_service_build(const struct lb_service_params *params, struct lb_service **out,
		     struct lb_error *err)
{
	bool weighted = lb_sched_has_cycle(params->scheduler);
	struct parts parts = {.n_sequence = 0};
	struct lb_service *svc;
	uint32_t divisor = 0;
	int rc;

	*out = NULL;
	rc = check_params(params, err);
	if (rc != 0)
		return rc;
	if (weighted)
		parts.n_sequence = (size_t)sequence_length(params, &divisor);
	place_parts(params, NULL, &parts);
	svc = aligned_alloc(64, parts.bytes);
	if (svc == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for a service of %zu bytes",
				    parts.bytes);
	memset(svc, 0, parts.bytes);
	copy_head(svc, params);
	place_parts(params, svc, &parts);
	svc->sequence = weighted ? parts.sequence : NULL;
	svc->n_sequence = (uint32_t)(weighted ? parts.n_sequence : params->n_servers);
	rc = fill_parts(params, svc, &parts, divisor);
	if (rc != 0) {
		lb_service_free(svc);
		return lb_error_set(err, rc, "", "no memory to order a service's servers");
	}
	svc->settling = params->settling;
	*out = svc;
	return 0;
}

void lb_service_delay_settling(struct lb_service *svc, uint64_t until_ms, uint64_t ms)
{
	if (svc->settling != NULL)
		lb_settling_delay(svc->settling, until_ms, ms);
}

const struct lb_settling *lb_service_settling(const struct lb_service *svc)
{
	return svc->settling;
}

size_t lb_service_bytes(const struct lb_service *svc)
{
	return svc->bytes;
}

void lb_service_free(struct lb_service *svc)
{
	if (svc == NULL)
		return;
	lb_maglev_unref(svc->maglev);
	lb_settling_free(svc->settling);
	free(svc);
}

/* Where in `order` the first server of this rank is, n_servers: nowhere. */
static uint32_t find_rank(const struct lb_service *svc, const uint32_t *order, rank_fn rank_of,
			  uint32_t wanted)
{
	uint32_t low = 0, high = svc->n_servers;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (rank_of(&svc->servers[order[mid]]) < wanted)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < svc->n_servers && rank_of(&svc->servers[order[low]]) != wanted)
		return svc->n_servers;
	return low;
}

/* Index of the first server of this rank in `order`, or UINT32_MAX. */
static uint32_t find_ranked(const struct lb_service *svc, const uint32_t *order, rank_fn rank_of,
			    uint32_t wanted)
{
	uint32_t at = find_rank(svc, order, rank_of, wanted);

	return at < svc->n_servers ? order[at] : UINT32_MAX;
}

uint32_t lb_service_find_machine(const struct lb_service *svc, uint32_t machine_id)
{
	return find_ranked(svc, svc->by_machine, machine_of, machine_id);
}

uint32_t lb_service_find_real(const struct lb_service *svc, uint32_t machine_id, uint32_t real_id)
{
	uint32_t at = find_rank(svc, svc->by_machine, machine_of, machine_id);

	for (; at < svc->n_servers; at++) {
		const struct lb_service_server *server = &svc->servers[svc->by_machine[at]];

		if (server->machine_id != machine_id)
			break;
		if (server->real_id == real_id)
			return svc->by_machine[at];
	}
	return UINT32_MAX;
}

uint32_t lb_service_find_member(const struct lb_service *svc, uint32_t group_target_id)
{
	return find_ranked(svc, svc->by_member, member_of, group_target_id);
}
