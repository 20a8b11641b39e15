#include "document.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

struct lb_document *lb_document_of(cJSON *root)
{
	struct lb_document *doc = calloc(1, sizeof(*doc));
	const cJSON *node;

	if (doc == NULL || root == NULL) {
		cJSON_Delete(root);
		free(doc);
		return NULL;
	}
	doc->root = root;
	doc->hash_shared = lb_json_hash(root, "node");
	node = cJSON_GetObjectItemCaseSensitive(root, "node");
	doc->hash_node = node != NULL ? lb_json_hash(node, NULL) : 0;
	return doc;
}

int lb_document_parse(const char *text, size_t len, struct lb_document **out,
		      struct lb_error_list *errors)
{
	cJSON *root;
	int rc = lb_json_parse(text, len, &root, errors);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (!cJSON_IsObject(root)) {
		cJSON_Delete(root);
		lb_error_list_add(errors, "", "the document must be an object");
		return -EINVAL;
	}
	*out = lb_document_of(root);
	if (*out == NULL) {
		lb_error_list_add(errors, "", "out of memory");
		return -ENOMEM;
	}
	return 0;
}

struct lb_document *lb_document_create_empty(void)
{
	cJSON *root = cJSON_CreateObject();

	if (root != NULL && cJSON_AddNumberToObject(root, "version", 1) == NULL) {
		cJSON_Delete(root);
		return NULL;
	}
	return lb_document_of(root);
}

void lb_document_free(struct lb_document *doc)
{
	if (doc == NULL)
		return;
	cJSON_Delete(doc->root);
	free(doc);
}

int lb_document_print(const struct lb_document *doc, char **text, size_t *len)
{
	return lb_json_print(doc->root, text, len);
}

const char *lb_document_etag(const struct lb_document *doc, char text[LB_ETAG_MAX])
{
	snprintf(text, LB_ETAG_MAX, "%016" PRIx64 "-%016" PRIx64, doc->hash_shared, doc->hash_node);
	return text;
}
