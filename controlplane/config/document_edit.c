#include "document_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* A path taken apart: LIST, LIST/NAME, server-pools/NAME/real-servers[/NAME], real-servers/NAME. */
struct resource {
	char text[LB_RESOURCE_MAX];
	const char *list; /* key of the document; NULL: machines, across all pools */
	const char *name; /* NULL: the list itself */
	bool is_inner;    /* the pool's real servers, or one of them */
	const char *inner_name;
};

/* The document's key for a list's word in paths; NULL: there is no such list. */
static const char *find_list(const char *word)
{
	static const char *const lists[][2] = {
		{"health-monitors", "health_monitors"},       {"nat-sources", "nat_sources"},
		{"persistence-groups", "persistence_groups"}, {"server-pools", "server_pools"},
		{"virtual-services", "virtual_services"},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(word, lists[i][0]) == 0)
			return lists[i][1];
	return NULL;
}

static int parse_path(const char *path, struct resource *res)
{
	char *part[4] = {0}, *rest = NULL;
	size_t n = 0;

	*res = (struct resource){0};
	if (strlen(path) >= sizeof(res->text))
		return -ENOENT;
	memcpy(res->text, path, strlen(path) + 1);
	for (char *at = strtok_r(res->text, "/", &rest); at != NULL;
	     at = strtok_r(NULL, "/", &rest)) {
		if (n == 4)
			return -ENOENT;
		part[n++] = at;
	}
	if (n == 0)
		return -ENOENT;
	res->name = part[1];
	res->inner_name = part[3];
	res->is_inner = n > 2;
	if (strcmp(part[0], "real-servers") == 0)
		return n == 2 ? 0 : -ENOENT;
	res->list = find_list(part[0]);
	if (res->list == NULL)
		return -ENOENT;
	if (n > 2 &&
	    (strcmp(res->list, "server_pools") != 0 || strcmp(part[2], "real-servers") != 0))
		return -ENOENT;
	return 0;
}

static cJSON *find_named(const cJSON *list, const char *name)
{
	cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const cJSON *key = cJSON_GetObjectItemCaseSensitive(item, "name");

		if (cJSON_IsString(key) && strcmp(key->valuestring, name) == 0)
			return item;
	}
	return NULL;
}

/* Calls for each place that lists real server `name`, in pools and in services; stops when `visit`
 * returns non-zero. */
static int each_listing(const cJSON *root, const char *name, int (*visit)(cJSON *real, void *ctx),
			void *ctx)
{
	static const char *const lists[] = {"server_pools", "virtual_services"};
	const cJSON *owner;
	int rc = 0;

	for (size_t i = 0; i < 2; i++)
		cJSON_ArrayForEach(owner, cJSON_GetObjectItemCaseSensitive(root, lists[i]))
		{
			cJSON *real = find_named(
				cJSON_GetObjectItemCaseSensitive(owner, "real_servers"), name);

			if (real != NULL)
				rc = visit(real, ctx);
			if (rc != 0)
				return rc;
		}
	return rc;
}

static int keep_first(cJSON *real, void *ctx)
{
	*(const cJSON **)ctx = real;
	return 1;
}

/* Where a resource is: the object that holds the list (the root or a pool), the list's key, and
 * the name in it. */
struct place {
	cJSON *owner;
	const char *key;
	const char *name;
};

static int find_place(cJSON *root, const struct resource *res, struct place *place)
{
	*place = (struct place){root, res->list, res->name};
	if (!res->is_inner)
		return 0;
	place->owner = find_named(cJSON_GetObjectItemCaseSensitive(root, res->list), res->name);
	place->key = "real_servers";
	place->name = res->inner_name;
	return place->owner != NULL ? 0 : -ENOENT;
}

int lb_document_find(const struct lb_document *doc, const char *path, const cJSON **out)
{
	struct resource res;
	struct place place;
	int rc = parse_path(path, &res);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (res.list == NULL)
		return each_listing(doc->root, res.name, keep_first, out) != 0 ? 0 : -ENOENT;
	rc = find_place(doc->root, &res, &place);
	if (rc < 0)
		return rc;
	*out = cJSON_GetObjectItemCaseSensitive(place.owner, place.key);
	if (place.name == NULL)
		return 0;
	*out = find_named(*out, place.name);
	return *out != NULL ? 0 : -ENOENT;
}

/* RFC 7396. Takes `target` (may be NULL) over and returns what it became; NULL: out of memory.
 * Recursion is bounded by the patch's depth, which the parser bounds. */
static cJSON *merge_patch(cJSON *target, const cJSON *patch)
{
	const cJSON *member;

	if (!cJSON_IsObject(patch)) {
		cJSON_Delete(target);
		return cJSON_Duplicate(patch, 1);
	}
	if (!cJSON_IsObject(target)) {
		cJSON_Delete(target);
		target = cJSON_CreateObject();
	}
	cJSON_ArrayForEach(member, patch)
	{
		cJSON *old = cJSON_GetObjectItemCaseSensitive(target, member->string), *new;

		if (cJSON_IsNull(member)) {
			cJSON_DeleteItemFromObjectCaseSensitive(target, member->string);
			continue;
		}
		new = merge_patch(old != NULL ? cJSON_Duplicate(old, 1) : NULL, member);
		/* Replaced in place, so that the keys keep their order. */
		if (new == NULL ||
		    !(old != NULL
			      ? cJSON_ReplaceItemInObjectCaseSensitive(target, member->string, new)
			      : cJSON_AddItemToObject(target, member->string, new))) {
			cJSON_Delete(new);
			cJSON_Delete(target);
			return NULL;
		}
	}
	return target;
}

/* The object of a PUT: its name is the path's, and may be left out. NULL: out of memory. */
static cJSON *with_name(const cJSON *body, const char *name)
{
	cJSON *out = cJSON_CreateObject(), *copy;
	const cJSON *member;

	if (cJSON_GetObjectItemCaseSensitive(body, "name") != NULL) {
		cJSON_Delete(out);
		return cJSON_Duplicate(body, 1);
	}
	if (out == NULL || cJSON_AddStringToObject(out, "name", name) == NULL)
		goto no_memory;
	cJSON_ArrayForEach(member, body)
	{
		copy = cJSON_Duplicate(member, 1);
		if (copy == NULL || !cJSON_AddItemToObject(out, member->string, copy)) {
			cJSON_Delete(copy);
			goto no_memory;
		}
	}
	return out;
no_memory:
	cJSON_Delete(out);
	return NULL;
}

static int refuse(struct lb_error_list *errors, int rc, const char *where, const char *what)
{
	lb_error_list_add(errors, where, "%s", what);
	return rc;
}

static bool names_another(const cJSON *body, const char *name)
{
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(body, "name");

	return key != NULL && (!cJSON_IsString(key) || strcmp(key->valuestring, name) != 0);
}

static int put_list(const struct place *place, const cJSON *body, struct lb_error_list *errors)
{
	cJSON *copy;
	bool is_done;

	if (!cJSON_IsArray(body))
		return refuse(errors, -EINVAL, "", "the body must be a list");
	copy = cJSON_Duplicate(body, 1);
	if (copy == NULL)
		return -ENOMEM;
	if (cJSON_GetObjectItemCaseSensitive(place->owner, place->key) != NULL)
		is_done = cJSON_ReplaceItemInObjectCaseSensitive(place->owner, place->key, copy);
	else
		is_done = cJSON_AddItemToObject(place->owner, place->key, copy);
	if (!is_done)
		cJSON_Delete(copy);
	return is_done ? 0 : -ENOMEM;
}

/* Appends to the list, which is made when the document has none. Takes `item` over. */
static int append(const struct place *place, cJSON *item)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(place->owner, place->key);

	if (item != NULL && list == NULL)
		list = cJSON_AddArrayToObject(place->owner, place->key);
	if (item == NULL || list == NULL || !cJSON_AddItemToArray(list, item)) {
		cJSON_Delete(item);
		return -ENOMEM;
	}
	return 1;
}

static int post(const struct place *place, const cJSON *body, struct lb_error_list *errors)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(place->owner, place->key);
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(body, "name");

	if (place->name != NULL)
		return refuse(errors, -EOPNOTSUPP, "", "POST adds to a list; this is an object");
	if (!cJSON_IsObject(body))
		return refuse(errors, -EINVAL, "", "the body must be an object");
	if (cJSON_IsString(name) && find_named(list, name->valuestring) != NULL) {
		lb_error_list_add(errors, "/name", "\"%s\" exists already", name->valuestring);
		return -EEXIST;
	}
	return append(place, cJSON_Duplicate(body, 1));
}

static int put(const struct place *place, const cJSON *body, struct lb_error_list *errors)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(place->owner, place->key), *old, *new;

	if (place->name == NULL)
		return put_list(place, body, errors);
	if (!cJSON_IsObject(body))
		return refuse(errors, -EINVAL, "", "the body must be an object");
	if (names_another(body, place->name))
		return refuse(errors, -EINVAL, "/name", "is not the name in the path");
	old = find_named(list, place->name);
	new = with_name(body, place->name);
	if (old == NULL)
		return append(place, new);
	if (new == NULL || !cJSON_ReplaceItemViaPointer(list, old, new)) {
		cJSON_Delete(new);
		return -ENOMEM;
	}
	return 0;
}

static int patch(const struct place *place, const cJSON *body, struct lb_error_list *errors)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(place->owner, place->key), *old, *new;

	if (place->name == NULL)
		return refuse(errors, -EOPNOTSUPP, "", "PATCH changes an object; this is a list");
	old = find_named(list, place->name);
	if (old == NULL)
		return -ENOENT;
	if (!cJSON_IsObject(body))
		return refuse(errors, -EINVAL, "", "the body must be an object");
	if (names_another(body, place->name))
		return refuse(errors, -EINVAL, "/name", "an object cannot be renamed");
	new = merge_patch(cJSON_Duplicate(old, 1), body);
	if (new == NULL || !cJSON_ReplaceItemViaPointer(list, old, new)) {
		cJSON_Delete(new);
		return -ENOMEM;
	}
	return 0;
}

static int delete (const struct place *place, struct lb_error_list *errors)
{
	cJSON *list = cJSON_GetObjectItemCaseSensitive(place->owner, place->key), *old;

	if (place->name == NULL)
		return refuse(errors, -EOPNOTSUPP, "",
			      "DELETE takes an object away; this is a list");
	old = find_named(list, place->name);
	if (old == NULL)
		return -ENOENT;
	cJSON_Delete(cJSON_DetachItemViaPointer(list, old));
	return 0;
}

static int set_admin_state(cJSON *real, void *ctx)
{
	const cJSON *state = ctx;
	cJSON *copy = cJSON_Duplicate(state, 1);
	bool is_done;

	if (copy == NULL)
		return -ENOMEM;
	if (cJSON_GetObjectItemCaseSensitive(real, "admin_state") != NULL)
		is_done = cJSON_ReplaceItemInObjectCaseSensitive(real, "admin_state", copy);
	else
		is_done = cJSON_AddItemToObject(real, "admin_state", copy);
	if (!is_done)
		cJSON_Delete(copy);
	return is_done ? 0 : -ENOMEM;
}

static int edit_machine(cJSON *root, enum lb_edit op, const char *name, const cJSON *body,
			struct lb_error_list *errors)
{
	const cJSON *first;

	if (op != LB_EDIT_PATCH)
		return refuse(errors, -EOPNOTSUPP, "",
			      "a real server is added and removed on a pool's list");
	if (each_listing(root, name, keep_first, &first) == 0)
		return -ENOENT;
	if (!cJSON_IsObject(body) || body->child == NULL || body->child->next != NULL ||
	    strcmp(body->child->string, "admin_state") != 0 || !cJSON_IsString(body->child))
		return refuse(errors, -EINVAL, "",
			      "the body must be an object with admin_state and nothing else");
	return each_listing(root, name, set_admin_state, body->child);
}

static int edit_copy(cJSON *root, enum lb_edit op, const char *path, const cJSON *body,
		     struct lb_error_list *errors)
{
	struct resource res;
	struct place place;
	int rc = parse_path(path, &res);

	if (rc < 0)
		return rc;
	if (res.list == NULL)
		return edit_machine(root, op, res.name, body, errors);
	rc = find_place(root, &res, &place);
	if (rc < 0)
		return rc;
	switch (op) {
	case LB_EDIT_POST:
		return post(&place, body, errors);
	case LB_EDIT_PUT:
		return put(&place, body, errors);
	case LB_EDIT_PATCH:
		return patch(&place, body, errors);
	case LB_EDIT_DELETE:
		return delete (&place, errors);
	}
	return -EOPNOTSUPP;
}

int lb_document_edit(const struct lb_document *doc, enum lb_edit op, const char *path,
		     const cJSON *body, struct lb_document **out, struct lb_error_list *errors)
{
	cJSON *copy = cJSON_Duplicate(doc->root, 1);
	int rc = copy != NULL ? edit_copy(copy, op, path, body, errors) : -ENOMEM;

	*out = NULL;
	if (rc >= 0) {
		*out = lb_document_of(copy);
		copy = NULL;
		if (*out == NULL)
			rc = -ENOMEM;
	}
	cJSON_Delete(copy);
	if (rc == -ENOMEM)
		lb_error_list_add(errors, "", "out of memory");
	if (rc == -ENOENT)
		lb_error_list_add(errors, "", "there is no %.150s", path);
	return rc;
}
