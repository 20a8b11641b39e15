#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "schema.h"

static uint32_t objects_in(const cJSON *list)
{
	const cJSON *item;
	uint32_t n = 0;

	cJSON_ArrayForEach(item, list) n += cJSON_IsObject(item);
	return n;
}

/* Of a declared one and of one inside a pool's list: both have the same keys. */
static void fill_monitor(struct lb_cfg_monitor *m, const struct lb_schema *schema,
			 const cJSON *item)
{
	m->type = (enum lb_monitor_type)lb_schema_word(schema, item, "type");
	m->port = (uint16_t)lb_schema_int(schema, item, "port");
	m->interval_ms = (uint32_t)lb_schema_int(schema, item, "interval_ms");
	m->timeout_ms = (uint32_t)lb_schema_int(schema, item, "timeout_ms");
	m->rise = (uint32_t)lb_schema_int(schema, item, "rise");
	m->fall = (uint32_t)lb_schema_int(schema, item, "fall");
	m->jitter_percent = (uint32_t)lb_schema_int(schema, item, "jitter_percent");
	m->probes_vip = lb_schema_word(schema, item, "vip_probe") == 0;
}

static void check_monitor(struct lb_draft *d, const struct lb_cfg_monitor *m, const char *place)
{
	if (m->type == LB_MONITOR_ICMP && m->port != 0)
		lb_error_list_add(d->errors, place, "an icmp monitor has no port");
}

static void fill_declared_monitors(struct lb_draft *d, const cJSON *list)
{
	const struct lb_schema *schema = &lb_schema_health_monitor;
	char where[LB_ERROR_WHERE_MAX];
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		struct lb_cfg_monitor *m = &d->cfg->monitors[d->cfg->n_monitors];

		snprintf(m->name, sizeof(m->name), "%s", lb_schema_text(schema, item, "name"));
		fill_monitor(m, schema, item);
		snprintf(where, sizeof(where), "/health_monitors/%u/port", d->cfg->n_monitors);
		check_monitor(d, m, where);
		d->cfg->n_monitors++;
	}
	d->n_declared_monitors = d->cfg->n_monitors;
}

/* `tcp` and `icmp` exist without declaration; they are added when a pool first names them. */
static uint32_t standard_monitor(struct lb_draft *d, const char *name)
{
	static const char *const names[] = {"tcp", "icmp"};
	struct lb_cfg_monitor *m;

	for (uint32_t i = d->n_declared_monitors; i < d->cfg->n_monitors; i++)
		if (strcmp(d->cfg->monitors[i].name, name) == 0)
			return i;
	for (uint32_t i = 0; i < 2; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		m = &d->cfg->monitors[d->cfg->n_monitors];
		snprintf(m->name, sizeof(m->name), "%s", name);
		fill_monitor(m, &lb_schema_inline_monitor, NULL);
		m->type = i == 0 ? LB_MONITOR_TCP : LB_MONITOR_ICMP;
		return d->cfg->n_monitors++;
	}
	return LB_CFG_NONE;
}

static uint32_t fill_pool_monitor(struct lb_draft *d, uint32_t pool, const cJSON *entry,
				  uint32_t pos)
{
	char place[LB_ERROR_WHERE_MAX], where[LB_ERROR_WHERE_MAX + 40];
	struct lb_cfg_monitor *m;
	uint32_t found;

	lb_draft_pool_place(d, pool, place);
	if (cJSON_IsObject(entry)) {
		m = &d->cfg->monitors[d->cfg->n_monitors];
		fill_monitor(m, &lb_schema_inline_monitor, entry);
		snprintf(m->name, sizeof(m->name), "%s%.72s:%u",
			 d->cfg->pools[pool].is_inline ? "" : "pool:", d->cfg->pools[pool].name,
			 pos);
		snprintf(where, sizeof(where), "%s/health_monitors/%u/port", place, pos);
		check_monitor(d, m, where);
		return d->cfg->n_monitors++;
	}
	if (!cJSON_IsString(entry))
		return LB_CFG_NONE;
	found = lb_name_index_find(&d->monitors, entry->valuestring);
	if (found == LB_CFG_NONE)
		found = standard_monitor(d, entry->valuestring);
	if (found == LB_CFG_NONE) {
		snprintf(where, sizeof(where), "%s/health_monitors/%u", place, pos);
		lb_error_list_add(d->errors, where,
				  "there is no \"%s\" in health_monitors; tcp and icmp exist "
				  "without being declared",
				  entry->valuestring);
	}
	return found;
}

static void fill_pool_monitors(struct lb_draft *d, uint32_t idx, const cJSON *list)
{
	struct lb_cfg_pool *pool = &d->cfg->pools[idx];
	char place[LB_ERROR_WHERE_MAX], where[LB_ERROR_WHERE_MAX + 40];
	const cJSON *entry;
	uint32_t pos = 0;

	cJSON_ArrayForEach(entry, list)
	{
		uint32_t monitor = fill_pool_monitor(d, idx, entry, pos++);

		if (monitor == LB_CFG_NONE || pool->n_monitors == LB_CFG_MONITORS_PER_POOL_MAX)
			continue;
		for (uint32_t i = 0; i < pool->n_monitors; i++) {
			if (pool->monitors[i] != monitor)
				continue;
			snprintf(where, sizeof(where), "%s/health_monitors/%u",
				 lb_draft_pool_place(d, idx, place), pos - 1);
			lb_error_list_add(d->errors, where, "the pool has this monitor already");
		}
		pool->monitors[pool->n_monitors++] = monitor;
	}
}

static void fill_real(struct lb_cfg_real *real, const cJSON *item)
{
	const struct lb_schema *schema = &lb_schema_real_server;
	const cJSON *address = lb_schema_get(schema, item, "address");

	snprintf(real->name, sizeof(real->name), "%s", lb_schema_text(schema, item, "name"));
	if (address != NULL)
		lb_addr_parse(address->valuestring, &real->address);
	real->port = (uint16_t)lb_schema_int(schema, item, "port");
	real->weight = (uint32_t)lb_schema_int(schema, item, "weight");
	real->priority = (uint32_t)lb_schema_int(schema, item, "priority");
	real->admin_state = (enum lb_admin_state)lb_schema_word(schema, item, "admin_state");
}

int lb_draft_fill_pool_lists(struct lb_draft *d, uint32_t idx, const cJSON *monitors,
			     const cJSON *reals)
{
	struct lb_cfg_pool *pool = &d->cfg->pools[idx];
	uint32_t n = (uint32_t)cJSON_GetArraySize(reals);
	const cJSON *item;

	pool->reals = calloc(n > 0 ? n : 1, sizeof(*pool->reals));
	if (pool->reals == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, reals) fill_real(&pool->reals[pool->n_reals++], item);
	fill_pool_monitors(d, idx, monitors);
	return 0;
}

/* Space for everything that the document can bring, declared or inside another object. */
static int alloc_pools(struct lb_draft *d, const cJSON *monitors, const cJSON *pools,
		       const cJSON *services)
{
	size_t n_pools = (size_t)cJSON_GetArraySize(pools);
	size_t n_monitors = (size_t)cJSON_GetArraySize(monitors) + 2;
	const cJSON *item;

	cJSON_ArrayForEach(item, pools) n_monitors += objects_in(
		lb_schema_get(&lb_schema_server_pool, item, "health_monitors"));
	cJSON_ArrayForEach(item, services)
	{
		n_monitors += objects_in(
			lb_schema_get(&lb_schema_virtual_service, item, "health_monitors"));
		n_pools++;
	}
	d->cfg->monitors = calloc(n_monitors, sizeof(*d->cfg->monitors));
	d->cfg->pools = calloc(n_pools + 1, sizeof(*d->cfg->pools));
	d->pool_service = malloc((n_pools + 1) * sizeof(*d->pool_service));
	if (d->cfg->monitors == NULL || d->cfg->pools == NULL || d->pool_service == NULL)
		return -ENOMEM;
	for (size_t i = 0; i <= n_pools; i++)
		d->pool_service[i] = LB_CFG_NONE;
	return 0;
}

int lb_draft_fill_pools(struct lb_draft *d)
{
	const struct lb_schema *schema = &lb_schema_server_pool;
	const struct lb_schema *top = &lb_schema_configuration;
	const cJSON *monitors = lb_schema_get(top, d->root, "health_monitors");
	const cJSON *pools = lb_schema_get(top, d->root, "server_pools");
	const cJSON *item;
	int rc;

	rc = alloc_pools(d, monitors, pools, lb_schema_get(top, d->root, "virtual_services"));
	if (rc < 0)
		return rc;
	fill_declared_monitors(d, monitors);
	rc = lb_name_index_init(&d->monitors, d->cfg->monitors->name, sizeof(*d->cfg->monitors),
				d->cfg->n_monitors);
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(item, pools)
	{
		struct lb_cfg_pool *pool = &d->cfg->pools[d->cfg->n_pools];

		snprintf(pool->name, sizeof(pool->name), "%s",
			 lb_schema_text(schema, item, "name"));
		rc = lb_draft_fill_pool_lists(d, d->cfg->n_pools++,
					      lb_schema_get(schema, item, "health_monitors"),
					      lb_schema_get(schema, item, "real_servers"));
		if (rc < 0)
			return rc;
	}
	d->n_declared_pools = d->cfg->n_pools;
	return lb_name_index_init(&d->pools, d->cfg->pools->name, sizeof(*d->cfg->pools),
				  d->cfg->n_pools);
}
