#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "port_text.h"
#include "schema.h"

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

/* An array of objects and how many there are; zeroed, and never NULL on success. */
static int alloc_list(const cJSON *list, size_t size, void **out, uint32_t *n)
{
	*n = (uint32_t)cJSON_GetArraySize(list);
	*out = calloc(*n > 0 ? *n : 1, size);
	return *out != NULL ? 0 : -ENOMEM;
}

static int fill_nat_sources(struct lb_draft *d)
{
	const struct lb_schema *schema = &lb_schema_nat_source;
	const cJSON *list = lb_schema_get(&lb_schema_configuration, d->root, "nat_sources");
	const cJSON *item, *address;
	struct lb_cfg_nat_source *src;
	void *mem;
	int rc;

	rc = alloc_list(list, sizeof(*src), &mem, &d->cfg->n_nat_sources);
	if (rc < 0)
		return rc;
	src = d->cfg->nat_sources = mem;
	cJSON_ArrayForEach(item, list)
	{
		copy_text(src->name, sizeof(src->name), lb_schema_text(schema, item, "name"));
		/* The default of the contract has the right form, so this cannot fail. */
		if (!lb_ports_parse(lb_schema_text(schema, item, "ports"), &src->ports))
			src->ports = (struct lb_port_range){0, 0};
		cJSON_ArrayForEach(address, lb_schema_get(schema, item, "addresses"))
		{
			if (src->n_addresses < LB_NAT_ADDRS_MAX && cJSON_IsString(address) &&
			    lb_addr_parse(address->valuestring,
					  &src->addresses[src->n_addresses]) == 0)
				src->n_addresses++;
		}
		src++;
	}
	return 0;
}

/* Of a group, and of a service's own persistence: both have the same keys. */
static void fill_group(struct lb_cfg_group *group, const struct lb_schema *schema,
		       const cJSON *item)
{
	group->timeout_s = (uint32_t)lb_schema_int(schema, item, "timeout_s");
	group->ipv4_prefix = (uint8_t)lb_schema_int(schema, item, "ipv4_prefix");
	group->ipv6_prefix = (uint8_t)lb_schema_int(schema, item, "ipv6_prefix");
}

/* Space for the declared groups and for those of services. */
static int fill_groups(struct lb_draft *d)
{
	const struct lb_schema *schema = &lb_schema_persistence_group;
	const cJSON *list = lb_schema_get(&lb_schema_configuration, d->root, "persistence_groups");
	const cJSON *services = lb_schema_get(&lb_schema_configuration, d->root,
					      "virtual_services");
	const cJSON *item;
	size_t n = (size_t)cJSON_GetArraySize(list) + (size_t)cJSON_GetArraySize(services);
	struct lb_cfg_group *group;

	d->cfg->groups = calloc(n > 0 ? n : 1, sizeof(*group));
	if (d->cfg->groups == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list)
	{
		group = &d->cfg->groups[d->cfg->n_groups++];
		copy_text(group->name, sizeof(group->name), lb_schema_text(schema, item, "name"));
		fill_group(group, schema, item);
	}
	d->n_declared_groups = d->cfg->n_groups;
	return 0;
}

/* A list entry of a service's `ports`; false when the contract does not allow it. */
static bool fill_port(const cJSON *entry, struct lb_port_range *out)
{
	if (cJSON_IsString(entry))
		return lb_ports_parse(entry->valuestring, out);
	if (!cJSON_IsNumber(entry) || entry->valuedouble < 1 || entry->valuedouble > 65535)
		return false;
	out->first = out->last = (uint16_t)entry->valuedouble;
	return true;
}

/* The index of what `key` names; a name that nothing has is an error. */
static uint32_t refer(struct lb_draft *d, const struct lb_name_index *index, const cJSON *item,
		      uint32_t service, const char *key)
{
	const cJSON *value = lb_schema_get(&lb_schema_virtual_service, item, key);
	char where[LB_ERROR_WHERE_MAX], slash_key[40];
	uint32_t found;

	if (value == NULL)
		return LB_CFG_NONE;
	found = lb_name_index_find(index, value->valuestring);
	if (found == LB_CFG_NONE) {
		snprintf(slash_key, sizeof(slash_key), "/%s", key);
		lb_error_list_add(d->errors, lb_draft_service_place(service, slash_key, where),
				  "there is no \"%s\" in %ss", value->valuestring, key);
	}
	return found;
}

static int fill_service_pool(struct lb_draft *d, struct lb_cfg_service *svc, const cJSON *item,
			     uint32_t idx)
{
	const struct lb_schema *schema = &lb_schema_virtual_service;
	const cJSON *reals = lb_schema_get(schema, item, "real_servers");
	const cJSON *monitors = lb_schema_get(schema, item, "health_monitors");
	char where[LB_ERROR_WHERE_MAX];
	struct lb_cfg_pool *pool;

	svc->pool = refer(d, &d->pools, item, idx, "server_pool");
	if (reals == NULL) {
		if (monitors != NULL && monitors->child != NULL)
			lb_error_list_add(d->errors,
					  lb_draft_service_place(idx, "/health_monitors", where),
					  "goes with real_servers only; a server_pool has its own "
					  "health_monitors");
		return 0;
	}
	if (svc->pool != LB_CFG_NONE)
		return 0; /* both are given, which the contract refuses already */
	svc->pool = d->cfg->n_pools++;
	d->pool_service[svc->pool] = idx;
	pool = &d->cfg->pools[svc->pool];
	pool->is_inline = true;
	snprintf(pool->name, sizeof(pool->name), "service:%.64s", svc->name);
	return lb_draft_fill_pool_lists(d, svc->pool, monitors, reals);
}

static void fill_service_group(struct lb_draft *d, struct lb_cfg_service *svc, const cJSON *item,
			       uint32_t idx)
{
	const cJSON *own = lb_schema_get(&lb_schema_virtual_service, item, "persistence");
	struct lb_cfg_group *group;

	svc->group = refer(d, &d->groups, item, idx, "persistence_group");
	if (own == NULL || svc->group != LB_CFG_NONE)
		return;
	svc->group = d->cfg->n_groups++;
	group = &d->cfg->groups[svc->group];
	snprintf(group->name, sizeof(group->name), "service:%.64s", svc->name);
	fill_group(group, &lb_schema_persistence, own);
}

static uint32_t default_idle_s(const struct lb_cfg_service *svc)
{
	if (svc->protocol != IPPROTO_TCP)
		return LB_CFG_IDLE_UDP_S;
	return lb_forwarding_is_one_way((uint8_t)svc->forwarding) ? LB_CFG_IDLE_ONE_WAY_TCP_S
								  : LB_CFG_IDLE_TCP_S;
}

static uint16_t fill_mss_clamp(const cJSON *clamp)
{
	if (clamp == NULL)
		return 0;
	return cJSON_IsString(clamp) ? LB_MSS_CLAMP_AUTO : (uint16_t)clamp->valuedouble;
}

static int fill_service(struct lb_draft *d, struct lb_cfg_service *svc, const cJSON *item,
			uint32_t idx)
{
	const struct lb_schema *schema = &lb_schema_virtual_service;
	const cJSON *address = lb_schema_get(schema, item, "address");
	const cJSON *entry;

	copy_text(svc->name, sizeof(svc->name), lb_schema_text(schema, item, "name"));
	if (address != NULL)
		lb_addr_parse(address->valuestring, &svc->address);
	svc->protocol = lb_schema_word(schema, item, "protocol") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	cJSON_ArrayForEach(entry, lb_schema_get(schema, item, "ports"))
	{
		if (svc->n_ports < LB_SERVICE_PORTS_MAX &&
		    fill_port(entry, &svc->ports[svc->n_ports]))
			svc->n_ports++;
	}
	svc->forwarding = (enum lb_forwarding)lb_schema_word(schema, item, "forwarding");
	svc->scheduler = (enum lb_scheduler)lb_schema_word(schema, item, "scheduler");
	svc->maglev_table_size = (uint32_t)lb_schema_int(schema, item, "maglev_table_size");
	svc->tracking = (enum lb_tracking)lb_schema_word(schema, item, "tracking");
	if (svc->tracking == LB_TRACKING_NONE && svc->maglev_table_size == 0 &&
	    lb_sched_has_table(svc->scheduler))
		svc->maglev_table_size = LB_MAGLEV_SIZE_STATELESS;
	svc->no_server_action = (enum lb_no_server_action)lb_schema_word(schema, item,
									 "no_server_action");
	svc->server_down_action =
		(enum lb_server_down_action)lb_schema_word(schema, item, "server_down_action");
	svc->server_down_drain_s = (uint32_t)lb_schema_int(schema, item, "server_down_drain_s");
	svc->advertise = (enum lb_advertise)lb_schema_word(schema, item, "advertise");
	svc->max_connections = (uint32_t)lb_schema_int(schema, item, "max_connections");
	svc->max_new_connections_per_s =
		(uint32_t)lb_schema_int(schema, item, "max_new_connections_per_s");
	svc->idle_timeout_s = (uint32_t)lb_schema_int(schema, item, "idle_timeout_s");
	if (svc->idle_timeout_s == 0)
		svc->idle_timeout_s = default_idle_s(svc);
	svc->settle_time_s = (uint32_t)lb_schema_int(schema, item, "settle_time_s");
	svc->gue_port = (uint16_t)lb_schema_int(schema, item, "gue_port");
	svc->mss_clamp = fill_mss_clamp(lb_schema_get(schema, item, "mss_clamp"));
	svc->nat_source = refer(d, &d->nat_sources, item, idx, "nat_source");
	fill_service_group(d, svc, item, idx);
	return fill_service_pool(d, svc, item, idx);
}

static int fill_services(struct lb_draft *d)
{
	const cJSON *list = lb_schema_get(&lb_schema_configuration, d->root, "virtual_services");
	const cJSON *item;
	uint32_t idx = 0;
	void *mem;
	int rc;

	rc = alloc_list(list, sizeof(*d->cfg->services), &mem, &d->cfg->n_services);
	if (rc < 0)
		return rc;
	d->cfg->services = mem;
	cJSON_ArrayForEach(item, list)
	{
		rc = fill_service(d, &d->cfg->services[idx], item, idx);
		if (rc < 0)
			return rc;
		idx++;
	}
	return 0;
}

/* Declared objects first: services refer to them by name. */
int lb_draft_fill(struct lb_draft *d)
{
	struct lb_config *cfg = d->cfg;
	int rc;

	rc = lb_draft_fill_node(d);
	if (rc == 0)
		rc = fill_nat_sources(d);
	if (rc == 0)
		rc = fill_groups(d);
	if (rc == 0)
		rc = lb_name_index_init(&d->nat_sources, cfg->nat_sources->name,
					sizeof(*cfg->nat_sources), cfg->n_nat_sources);
	if (rc == 0)
		rc = lb_name_index_init(&d->groups, cfg->groups->name, sizeof(*cfg->groups),
					cfg->n_groups);
	if (rc == 0)
		rc = lb_draft_fill_pools(d);
	return rc == 0 ? fill_services(d) : rc;
}
