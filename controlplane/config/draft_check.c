#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "schema.h"

const char *lb_draft_scheduler_word(enum lb_scheduler scheduler)
{
	return lb_schema_word_at(&lb_schema_virtual_service, "scheduler", (uint32_t)scheduler);
}

const char *lb_draft_pool_place(const struct lb_draft *d, uint32_t pool,
				char text[LB_ERROR_WHERE_MAX])
{
	if (d->pool_service[pool] != LB_CFG_NONE)
		return lb_draft_service_place(d->pool_service[pool], "", text);
	snprintf(text, LB_ERROR_WHERE_MAX, "/server_pools/%u", pool);
	return text;
}

const char *lb_draft_real_place(const struct lb_draft *d, uint32_t pool, uint32_t real,
				const char *key, char text[LB_ERROR_WHERE_MAX])
{
	size_t used = strlen(lb_draft_pool_place(d, pool, text));

	snprintf(text + used, LB_ERROR_WHERE_MAX - used, "/real_servers/%u%s", real, key);
	return text;
}

const char *lb_draft_service_place(uint32_t service, const char *key, char text[LB_ERROR_WHERE_MAX])
{
	snprintf(text, LB_ERROR_WHERE_MAX, "/virtual_services/%u%s", service, key);
	return text;
}

static void check_unique(struct lb_draft *d, const struct lb_name_index *index, const char *list)
{
	char where[LB_ERROR_WHERE_MAX];
	uint32_t first = 0;

	for (uint32_t i = 1; i < index->n; i++) {
		if (strcmp(index->entry[first].name, index->entry[i].name) != 0) {
			first = i;
			continue;
		}
		snprintf(where, sizeof(where), "%s/%u/name", list, index->entry[i].idx);
		lb_error_list_add(d->errors, where, "\"%s\" is the name of %s/%u already",
				  index->entry[i].name, list, index->entry[first].idx);
	}
}

int lb_draft_check_names(struct lb_draft *d)
{
	struct lb_name_index services;
	int rc;

	check_unique(d, &d->interfaces, "/node/interfaces");
	check_unique(d, &d->nat_sources, "/nat_sources");
	check_unique(d, &d->groups, "/persistence_groups");
	check_unique(d, &d->monitors, "/health_monitors");
	check_unique(d, &d->pools, "/server_pools");
	rc = lb_name_index_init(&services, d->cfg->services->name, sizeof(*d->cfg->services),
				d->cfg->n_services);
	if (rc < 0)
		return rc;
	check_unique(d, &services, "/virtual_services");
	lb_name_index_fini(&services);
	return 0;
}

/* A real server where a pool lists it. */
struct listing {
	const struct lb_cfg_real *real;
	uint32_t pool;
	uint32_t pos;
};

static int compare_places(const struct listing *x, const struct listing *y)
{
	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return (x->pos > y->pos) - (x->pos < y->pos);
}

static int by_name(const void *a, const void *b)
{
	const struct listing *x = a, *y = b;
	int order = strcmp(x->real->name, y->real->name);

	return order != 0 ? order : compare_places(x, y);
}

static int by_address(const void *a, const void *b)
{
	const struct listing *x = a, *y = b;
	int order = memcmp(&x->real->address, &y->real->address, sizeof(x->real->address));

	return order != 0 ? order : compare_places(x, y);
}

static int by_address_port(const void *a, const void *b)
{
	const struct listing *x = a, *y = b;
	int order = memcmp(&x->real->address, &y->real->address, sizeof(x->real->address));

	return order != 0 ? order
			  : (x->real->port > y->real->port) - (x->real->port < y->real->port);
}

/* Sorted by name: each name has the address of its first place, and a pool has it once. */
static void check_one_address(struct lb_draft *d, struct listing *list, size_t n)
{
	char where[LB_ERROR_WHERE_MAX], other[LB_ERROR_WHERE_MAX], address[LB_ADDR_TEXT_MAX];
	const struct listing *first = list;

	for (const struct listing *at = list; at < list + n; at++) {
		if (strcmp(first->real->name, at->real->name) != 0)
			first = at;
		if (at == first || at->real->name[0] == '\0')
			continue;
		if (at[-1].pool == at->pool)
			lb_error_list_add(d->errors,
					  lb_draft_real_place(d, at->pool, at->pos, "/name", where),
					  "\"%s\" is the name of %s already", at->real->name,
					  lb_draft_real_place(d, at->pool, at[-1].pos, "", other));
		if (lb_addr_equal(&first->real->address, &at->real->address) ||
		    lb_addr_is_zero(&first->real->address) || lb_addr_is_zero(&at->real->address))
			continue;
		lb_error_list_add(d->errors,
				  lb_draft_real_place(d, at->pool, at->pos, "/address", where),
				  "\"%s\" has the address %s at %s; one name has one address",
				  at->real->name, lb_addr_format(&first->real->address, address),
				  lb_draft_real_place(d, first->pool, first->pos, "", other));
	}
}

/* Sorted by address: each address has the name of its first place. */
static void check_one_name(struct lb_draft *d, struct listing *list, size_t n)
{
	char where[LB_ERROR_WHERE_MAX], other[LB_ERROR_WHERE_MAX], address[LB_ADDR_TEXT_MAX];
	const struct listing *first = list;

	for (const struct listing *at = list; at < list + n; at++) {
		if (!lb_addr_equal(&first->real->address, &at->real->address))
			first = at;
		if (lb_addr_is_zero(&at->real->address) ||
		    strcmp(first->real->name, at->real->name) == 0 ||
		    first->real->name[0] == '\0' || at->real->name[0] == '\0')
			continue;
		lb_error_list_add(d->errors,
				  lb_draft_real_place(d, at->pool, at->pos, "/name", where),
				  "%s is called \"%s\" at %s; one address has one name",
				  lb_addr_format(&at->real->address, address), first->real->name,
				  lb_draft_real_place(d, first->pool, first->pos, "", other));
	}
}

static void check_n_reals(struct lb_draft *d, struct listing *list, size_t n)
{
	size_t n_distinct = n > 0;

	for (size_t i = 1; i < n; i++)
		n_distinct += by_address_port(&list[i - 1], &list[i]) != 0;
	if (n_distinct > LB_REALS_MAX)
		lb_error_list_add(d->errors, "/server_pools",
				  "has %zu different real servers; at most %u are allowed",
				  n_distinct, LB_REALS_MAX);
}

int lb_draft_check_machines(struct lb_draft *d)
{
	const struct lb_config *cfg = d->cfg;
	struct listing *list;
	size_t n = 0, i = 0;

	for (uint32_t p = 0; p < cfg->n_pools; p++)
		n += cfg->pools[p].n_reals;
	list = calloc(n > 0 ? n : 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	for (uint32_t p = 0; p < cfg->n_pools; p++)
		for (uint32_t r = 0; r < cfg->pools[p].n_reals; r++)
			list[i++] = (struct listing){&cfg->pools[p].reals[r], p, r};
	qsort(list, n, sizeof(*list), by_name);
	check_one_address(d, list, n);
	qsort(list, n, sizeof(*list), by_address);
	check_one_name(d, list, n);
	qsort(list, n, sizeof(*list), by_address_port);
	check_n_reals(d, list, n);
	free(list);
	return 0;
}
