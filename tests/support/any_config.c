#include "any_config.h"

#include <assert.h>
#include <netinet/in.h>

struct lb_addr any_machine_address(uint32_t machine)
{
	struct lb_addr addr = {{RTE_BE32(0xfd000000), 0, 0, RTE_BE32(0x20)}};

	/* The last two: IPv6, and one behind the gateway. */
	if (machine == ANY_MACHINES - 1)
		return addr;
	if (machine == ANY_MACHINES - 2)
		return lb_addr_from_v4(RTE_BE32(0xcb007105));
	return lb_addr_from_v4(rte_cpu_to_be_32(0x0a00000a + machine));
}

static void edit_pool(struct any_pool *pool, struct test_random *random)
{
	struct any_member *m = &pool->members[test_random_below(random, ANY_MACHINES)];

	switch (test_random_below(random, 5)) {
	case 0:
		m->is_present = !m->is_present;
		break;
	case 1:
		m->admin_state = (enum lb_admin_state)test_random_below(random, 3);
		break;
	case 2:
		m->weight = test_random_below(random, 3);
		m->priority = 1 + test_random_below(random, 3);
		break;
	case 3:
		m->port = test_random_below(random, 2) ? 8080 : 0;
		break;
	default:
		pool->monitors[test_random_below(random, ANY_MONITORS)] ^= true;
	}
}

static void edit_service(struct any_service *svc, struct test_random *random)
{
	switch (test_random_below(random, 8)) {
	case 0:
		svc->is_present = !svc->is_present;
		break;
	case 1:
		svc->vip = test_random_below(random, 3);
		break;
	case 2:
		svc->n_ports = 1 + test_random_below(random, 3);
		break;
	case 3:
		svc->pool = test_random_below(random, ANY_POOLS + 1);
		break;
	case 4:
		svc->group = test_random_below(random, ANY_GROUPS + 1);
		break;
	case 5:
		svc->nat = test_random_below(random, ANY_NATS + 1);
		break;
	case 6:
		svc->forwarding = (enum lb_forwarding)test_random_below(random, LB_FORWARD_N);
		svc->scheduler = (enum lb_scheduler)test_random_below(random, LB_SCHED_N);
		svc->maglev_table_size = 307 * test_random_below(random, 2);
		break;
	default:
		svc->idle_timeout_s = 60 + test_random_below(random, 3);
		svc->max_connections = test_random_below(random, 3);
		svc->max_new_connections_per_s = test_random_below(random, 3);
	}
}

void any_config_edit(struct any_config *any, struct test_random *random)
{
	uint32_t i = test_random_below(random, ANY_SERVICES);
	uint32_t m = test_random_below(random, ANY_MACHINES);

	switch (test_random_below(random, 8)) {
	case 0:
	case 1:
		edit_pool(&any->pools[i % ANY_POOLS], random);
		break;
	case 2:
		edit_pool(&any->services[i].own, random);
		break;
	case 3:
		any->interval_ms[i % ANY_MONITORS] = 100 + test_random_below(random, 2);
		break;
	case 4:
		any->has_neighbor[m] = !any->has_neighbor[m];
		any->mac_byte[m]++;
		break;
	default:
		edit_service(&any->services[i], random);
	}
}

void any_config_init(struct any_config *any, struct test_random *random)
{
	*any = (struct any_config){0};
	for (uint32_t i = 0; i < ANY_MONITORS; i++)
		any->interval_ms[i] = 100;
	for (uint32_t i = 0; i < ANY_SERVICES; i++)
		any->services[i].n_ports = 1;
	for (uint32_t i = 0; i < 200; i++)
		any_config_edit(any, random);
}

static void make_node(const struct any_config *any, struct lb_cfg_node *node)
{
	struct lb_cfg_interface *iface = &node->interfaces[0];

	node->n_interfaces = 1;
	snprintf(iface->name, sizeof(iface->name), "lan");
	iface->addresses[0] = (struct lb_prefix){lb_addr_from_v4(RTE_BE32(0x0a000002)), 24};
	iface->addresses[1] = (struct lb_prefix){{{RTE_BE32(0xfd000000), 0, 0, RTE_BE32(0x2)}}, 64};
	iface->n_addresses = 2;
	iface->gateway = lb_addr_from_v4(RTE_BE32(0x0a000001));
	node->neighbors = calloc(ANY_MACHINES, sizeof(*node->neighbors));
	assert(node->neighbors != NULL);
	for (uint32_t m = 0; m < ANY_MACHINES; m++) {
		struct lb_cfg_neighbor *n = &node->neighbors[node->n_neighbors];

		if (!any->has_neighbor[m])
			continue;
		n->address = m == ANY_MACHINES - 2 ? iface->gateway : any_machine_address(m);
		n->mac[0] = 2;
		n->mac[4] = (uint8_t)m;
		n->mac[5] = any->mac_byte[m];
		node->n_neighbors++;
	}
}

static void make_monitors(const struct any_config *any, struct lb_config *cfg)
{
	static const uint16_t ports[ANY_MONITORS] = {80, 0, 0, 80, 443};

	cfg->n_monitors = ANY_MONITORS;
	for (uint32_t i = 0; i < ANY_MONITORS; i++) {
		struct lb_cfg_monitor *m = &cfg->monitors[i];

		snprintf(m->name, sizeof(m->name), "m%u", i);
		m->type = i == 2 ? LB_MONITOR_ICMP : LB_MONITOR_TCP;
		m->port = ports[i];
		m->interval_ms = any->interval_ms[i];
		m->timeout_ms = 50;
		m->rise = 2;
		m->fall = 3;
		m->probes_vip = i != 1;
	}
}

static void make_pool(const struct any_pool *any, struct lb_cfg_pool *out)
{
	for (uint32_t i = 0; i < ANY_MONITORS; i++)
		if (any->monitors[i])
			out->monitors[out->n_monitors++] = i;
	out->reals = calloc(ANY_MACHINES, sizeof(*out->reals));
	assert(out->reals != NULL);
	for (uint32_t m = 0; m < ANY_MACHINES; m++) {
		struct lb_cfg_real *real = &out->reals[out->n_reals];

		if (!any->members[m].is_present)
			continue;
		snprintf(real->name, sizeof(real->name), "r%u", m);
		real->address = any_machine_address(m);
		real->port = any->members[m].port;
		real->weight = any->members[m].weight;
		real->priority = any->members[m].priority;
		real->admin_state = any->members[m].admin_state;
		out->n_reals++;
	}
}

static void make_service(const struct any_config *any, uint32_t idx, struct lb_config *cfg)
{
	const struct any_service *svc = &any->services[idx];
	struct lb_cfg_service *out = &cfg->services[cfg->n_services++];

	snprintf(out->name, sizeof(out->name), "s%u", idx);
	out->address = lb_addr_from_v4(rte_cpu_to_be_32(0xc0000201 + svc->vip));
	out->protocol = IPPROTO_TCP;
	out->n_ports = svc->n_ports;
	for (uint32_t p = 0; p < svc->n_ports; p++) {
		out->ports[p].first = (uint16_t)(1000 + 10 * idx + p);
		out->ports[p].last = out->ports[p].first;
	}
	out->pool = svc->pool;
	if (svc->pool == ANY_POOLS) {
		out->pool = cfg->n_pools++;
		cfg->pools[out->pool].is_inline = true;
		snprintf(cfg->pools[out->pool].name, LB_NAME_MAX, "service:s%u", idx);
		make_pool(&svc->own, &cfg->pools[out->pool]);
	}
	out->group = svc->group == ANY_GROUPS ? LB_CFG_NONE : svc->group;
	out->nat_source = svc->nat == ANY_NATS ? LB_CFG_NONE : svc->nat;
	out->forwarding = svc->forwarding;
	out->scheduler = svc->scheduler;
	out->maglev_table_size = svc->maglev_table_size;
	out->idle_timeout_s = svc->idle_timeout_s;
	out->max_connections = svc->max_connections;
	out->max_new_connections_per_s = svc->max_new_connections_per_s;
}

struct lb_config *any_config_make(const struct any_config *any)
{
	struct lb_config *cfg = calloc(1, sizeof(*cfg));

	assert(cfg != NULL);
	cfg->monitors = calloc(ANY_MONITORS, sizeof(*cfg->monitors));
	cfg->groups = calloc(ANY_GROUPS, sizeof(*cfg->groups));
	cfg->nat_sources = calloc(ANY_NATS, sizeof(*cfg->nat_sources));
	cfg->pools = calloc(ANY_POOLS + ANY_SERVICES, sizeof(*cfg->pools));
	cfg->services = calloc(ANY_SERVICES, sizeof(*cfg->services));
	assert(cfg->monitors && cfg->groups && cfg->nat_sources && cfg->pools && cfg->services);
	make_node(any, &cfg->node);
	make_monitors(any, cfg);
	cfg->n_groups = ANY_GROUPS;
	for (uint32_t i = 0; i < ANY_GROUPS; i++) {
		snprintf(cfg->groups[i].name, LB_NAME_MAX, "g%u", i);
		cfg->groups[i].timeout_s = 60;
		cfg->groups[i].ipv4_prefix = 32;
		cfg->groups[i].ipv6_prefix = 128;
	}
	cfg->n_nat_sources = ANY_NATS;
	for (uint32_t i = 0; i < ANY_NATS; i++) {
		struct lb_cfg_nat_source *nat = &cfg->nat_sources[i];

		snprintf(nat->name, LB_NAME_MAX, "n%u", i);
		nat->addresses[0] = lb_addr_from_v4(rte_cpu_to_be_32(0x0a0000c8 + i));
		nat->n_addresses = 1;
		nat->ports = (struct lb_port_range){20000, 30000};
	}
	cfg->n_pools = ANY_POOLS;
	for (uint32_t i = 0; i < ANY_POOLS; i++) {
		snprintf(cfg->pools[i].name, LB_NAME_MAX, "p%u", i);
		make_pool(&any->pools[i], &cfg->pools[i]);
	}
	for (uint32_t i = 0; i < ANY_SERVICES; i++)
		if (any->services[i].is_present)
			make_service(any, i, cfg);
	return cfg;
}
