#include "document_node.h"

struct lb_document *lb_document_copy_node(const struct lb_document *doc)
{
	const cJSON *node = cJSON_GetObjectItemCaseSensitive(doc->root, "node");
	cJSON *root = cJSON_CreateObject();
	cJSON *copy;

	if (root == NULL || node == NULL)
		return lb_document_of(root);
	copy = cJSON_Duplicate(node, true);
	if (copy == NULL || !cJSON_AddItemToObject(root, "node", copy)) {
		cJSON_Delete(copy);
		cJSON_Delete(root);
		return NULL;
	}
	return lb_document_of(root);
}
