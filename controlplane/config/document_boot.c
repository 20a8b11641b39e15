#include <string.h>

#include "document_edit.h"
#include "schema.h"

struct comparison {
	struct lb_error_list *changes;
	uint32_t n;
};

static void compare_objects(struct comparison *c, const struct lb_schema *schema,
			    const cJSON *running, const cJSON *wanted,
			    const struct lb_json_path *path);

/* A key that is absent has its default, so writing the default down changes nothing. */
static bool is_same(const struct lb_schema *schema, const char *key, const cJSON *running,
		    const cJSON *wanted)
{
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(running, key);
	const cJSON *b = cJSON_GetObjectItemCaseSensitive(wanted, key);
	const cJSON *one = a != NULL ? a : b;

	if (a != NULL && b != NULL)
		return lb_json_hash(a, NULL) == lb_json_hash(b, NULL);
	if (one == NULL)
		return true;
	if (cJSON_IsArray(one))
		return one->child == NULL;
	if (cJSON_IsNumber(one))
		return lb_schema_int(schema, running, key) == lb_schema_int(schema, wanted, key);
	return strcmp(lb_schema_text(schema, running, key), lb_schema_text(schema, wanted, key)) ==
	       0;
}

static void note(struct comparison *c, const struct lb_json_path *path)
{
	char where[LB_ERROR_WHERE_MAX];

	c->n++;
	lb_error_list_add(c->changes, lb_json_pointer(path, where),
			  "takes effect at the next start");
}

/* Lists of objects are compared entry by entry, since not all of their keys are boot keys. */
static void compare_lists(struct comparison *c, const struct lb_schema *items, const cJSON *running,
			  const cJSON *wanted, const struct lb_json_path *path)
{
	const cJSON *a = running != NULL ? running->child : NULL;
	const cJSON *b = wanted != NULL ? wanted->child : NULL;

	if (cJSON_GetArraySize(running) != cJSON_GetArraySize(wanted)) {
		note(c, path);
		return;
	}
	for (uint32_t i = 0; a != NULL && b != NULL; i++, a = a->next, b = b->next) {
		struct lb_json_path at = {path, NULL, i};

		compare_objects(c, items, a, b, &at);
	}
}

static void compare_objects(struct comparison *c, const struct lb_schema *schema,
			    const cJSON *running, const cJSON *wanted,
			    const struct lb_json_path *path)
{
	for (uint32_t i = 0; i < schema->n_keys; i++) {
		const struct lb_schema_key *key = &schema->keys[i];
		const cJSON *a = cJSON_GetObjectItemCaseSensitive(running, key->name);
		const cJSON *b = cJSON_GetObjectItemCaseSensitive(wanted, key->name);
		struct lb_json_path at = {path, key->name, 0};

		if (key->schema->type == LB_SCHEMA_OBJECT)
			compare_objects(c, key->schema, a, b, &at);
		else if (!key->is_boot)
			continue;
		else if (key->schema->type == LB_SCHEMA_ARRAY &&
			 key->schema->items->type == LB_SCHEMA_OBJECT)
			compare_lists(c, key->schema->items, a, b, &at);
		else if (!is_same(schema, key->name, running, wanted))
			note(c, &at);
	}
}

uint32_t lb_document_boot_changes(const struct lb_document *running,
				  const struct lb_document *wanted, struct lb_error_list *changes)
{
	struct comparison c = {.changes = changes};
	const struct lb_json_path root = {0};

	compare_objects(&c, &lb_schema_configuration, running->root, wanted->root, &root);
	return c.n;
}
