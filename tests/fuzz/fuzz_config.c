/* Any bytes as a configuration: refused with a complaint, or loaded, and then still the same after
 * it was printed and read again and after edits that change nothing. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_load.h"
#include "config/document_edit.h"
#include "config/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static void check_complaints(const struct lb_error_list *list)
{
	char line[LB_ERROR_LINE_MAX];
	struct lb_error err;

	for (uint32_t i = 0; i < list->n; i++) {
		cJSON *value = cJSON_CreateString(lb_error_format(&list->item[i], line));
		size_t len = 0;
		char *text = NULL;

		require(strchr(line, '\n') == NULL, "a complaint is one line");
		require(list->item[i].what[0] != '\0', "a complaint says something");
		require(value != NULL && lb_json_print(value, &text, &len) == 0, "memory");
		require(lb_json_scan(text, len, &err) == 0, "a complaint is UTF-8");
		free(text);
		cJSON_Delete(value);
	}
}

static void check_round_trip(const struct lb_document *doc, bool is_valid)
{
	struct lb_error_list *errors = calloc(1, sizeof(*errors));
	struct lb_document *again;
	struct lb_config *cfg;
	size_t len = 0;
	char *text = NULL;

	require(errors != NULL && lb_document_print(doc, &text, &len) == 0, "memory");
	require(lb_document_parse(text, len, &again, errors) == 0, "what was printed can be read");
	require(again->hash_shared == doc->hash_shared && again->hash_node == doc->hash_node,
		"what was printed is the same");
	lb_config_build(again, &cfg, errors, NULL);
	require((cfg != NULL) == is_valid, "what was printed is as valid");
	lb_config_free(cfg);
	lb_document_free(again);
	free(text);
	free(errors);
}

/* Putting a list back as it is changes nothing but that it is there. */
static void check_edits(const struct lb_document *doc)
{
	static const char *const paths[] = {"server-pools", "virtual-services"};
	struct lb_error_list *errors = calloc(1, sizeof(*errors));
	struct lb_document *out;
	const cJSON *list, *same;

	require(errors != NULL, "memory");
	for (size_t i = 0; i < 2; i++) {
		require(lb_document_find(doc, paths[i], &list) == 0, "the lists exist");
		if (!cJSON_IsArray(list))
			continue;
		require(lb_document_edit(doc, LB_EDIT_PUT, paths[i], list, &out, errors) == 0,
			"a list can be put back");
		require(lb_document_find(out, paths[i], &same) == 0, "the list is there");
		require(lb_json_hash(list, NULL) == lb_json_hash(same, NULL), "nothing changed");
		require(out->hash_shared == doc->hash_shared, "nothing changed");
		require(lb_document_boot_changes(doc, out, errors) == 0, "nothing changed");
		lb_document_free(out);
	}
	free(errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lb_error_list *errors = calloc(2, sizeof(*errors));
	struct lb_document *doc, *loaded;
	struct lb_config *cfg;
	int rc;

	require(errors != NULL, "memory");
	rc = lb_config_load((const char *)data, size, &loaded, &cfg, &errors[0], &errors[1]);
	require((rc == 0) == (cfg != NULL) && (rc == 0) == (loaded != NULL), "all or nothing");
	require((rc < 0) == (errors[0].n > 0), "a refusal has a reason");
	check_complaints(&errors[0]);
	check_complaints(&errors[1]);
	if (lb_document_parse((const char *)data, size, &doc, &errors[1]) == 0) {
		check_round_trip(doc, rc == 0);
		check_edits(doc);
		lb_document_free(doc);
	} else {
		require(rc < 0, "what is no document does not load");
	}
	lb_config_free(cfg);
	lb_document_free(loaded);
	free(errors);
	return 0;
}
