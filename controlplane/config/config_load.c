#include "config_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_tables.h"
#include "draft.h"
#include "huge_blocks.h"
#include "schema.h"

void lb_config_free(struct lb_config *cfg)
{
	if (cfg == NULL)
		return;
	for (uint32_t i = 0; i < cfg->n_pools; i++)
		free(cfg->pools[i].reals);
	free(cfg->node.neighbors);
	free(cfg->nat_sources);
	free(cfg->groups);
	free(cfg->monitors);
	free(cfg->pools);
	for (uint32_t i = 0; i < cfg->n_tables; i++)
		lb_maglev_unref(cfg->tables[i]);
	free(cfg->tables);
	lb_huge_blocks_unref(cfg->table_blocks);
	free(cfg->services);
	free(cfg);
}

/* Every check runs, so that all errors are reported together. */
static int fill_and_check(struct lb_draft *d)
{
	int rc = lb_draft_fill(d);

	if (rc == 0)
		rc = lb_draft_check_names(d);
	if (rc < 0)
		return rc;
	lb_draft_check_node(d);
	rc = lb_draft_check_machines(d);
	if (rc == 0)
		rc = lb_draft_check_services(d);
	if (rc == 0)
		rc = lb_draft_check_ports(d);
	if (rc == 0)
		rc = lb_draft_check_addresses(d);
	if (rc == 0 && d->warnings != NULL)
		lb_draft_warn(d);
	return rc;
}

int lb_config_build_next(const struct lb_document *doc, const struct lb_config *now,
			 struct lb_config **cfg, struct lb_error_list *errors,
			 struct lb_error_list *warnings)
{
	struct lb_draft d = {.root = doc->root, .errors = errors, .warnings = warnings};
	const struct lb_json_path root = {0};
	int rc = -ENOMEM;

	*cfg = NULL;
	lb_error_list_init(errors);
	if (warnings != NULL)
		lb_error_list_init(warnings);
	d.cfg = calloc(1, sizeof(*d.cfg));
	if (d.cfg != NULL) {
		d.cfg->hash_shared = doc->hash_shared;
		d.cfg->hash_node = doc->hash_node;
		lb_schema_check(&lb_schema_configuration, doc->root, &root, errors);
		rc = fill_and_check(&d);
		if (rc == 0 && errors->n == 0)
			rc = lb_config_build_tables(d.cfg, now);
	}
	if (rc == -ENOMEM)
		lb_error_list_add(errors, "", "out of memory");
	else if (errors->n > 0)
		rc = -EINVAL;
	lb_name_index_fini(&d.interfaces);
	lb_name_index_fini(&d.nat_sources);
	lb_name_index_fini(&d.groups);
	lb_name_index_fini(&d.monitors);
	lb_name_index_fini(&d.pools);
	free(d.pool_service);
	if (rc < 0)
		lb_config_free(d.cfg);
	else
		*cfg = d.cfg;
	return rc;
}

int lb_config_build(const struct lb_document *doc, struct lb_config **cfg,
		    struct lb_error_list *errors, struct lb_error_list *warnings)
{
	return lb_config_build_next(doc, NULL, cfg, errors, warnings);
}

int lb_config_load(const char *text, size_t len, struct lb_document **doc, struct lb_config **cfg,
		   struct lb_error_list *errors, struct lb_error_list *warnings)
{
	struct lb_document *parsed;
	int rc;

	*cfg = NULL;
	if (doc != NULL)
		*doc = NULL;
	lb_error_list_init(errors);
	if (warnings != NULL)
		lb_error_list_init(warnings);
	rc = lb_document_parse(text, len, &parsed, errors);
	if (rc < 0)
		return rc;
	rc = lb_config_build(parsed, cfg, errors, warnings);
	if (rc < 0 || doc == NULL)
		lb_document_free(parsed);
	else
		*doc = parsed;
	return rc;
}
