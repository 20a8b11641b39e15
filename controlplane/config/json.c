#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Objects of at most this many keys are compared pair by pair; larger ones are sorted. */
#define PAIRWISE_MAX 16

const char *lb_json_pointer(const struct lb_json_path *path, char text[LB_ERROR_WHERE_MAX])
{
	const struct lb_json_path *steps[LB_JSON_DEPTH_MAX + 1];
	size_t n_steps = 0, used = 0;

	for (; path != NULL && path->parent != NULL && n_steps <= LB_JSON_DEPTH_MAX;
	     path = path->parent)
		steps[n_steps++] = path;
	text[0] = '\0';
	while (n_steps > 0 && used + 3 < LB_ERROR_WHERE_MAX) {
		const struct lb_json_path *step = steps[--n_steps];

		if (step->key == NULL) {
			used += (size_t)snprintf(text + used, LB_ERROR_WHERE_MAX - used, "/%u",
						 step->idx);
			continue;
		}
		text[used++] = '/';
		for (const char *c = step->key; *c != '\0' && used + 3 < LB_ERROR_WHERE_MAX; c++) {
			if (*c == '~' || *c == '/') {
				text[used++] = '~';
				text[used++] = *c == '~' ? '0' : '1';
			} else {
				text[used++] = *c;
			}
		}
		text[used] = '\0';
	}
	return text;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The key that stands more than once, or NULL. *is_out_of_memory is set when that is unknown. */
static const char *repeated_key(const cJSON *object, bool *is_out_of_memory)
{
	const char **keys, *found = NULL;
	const cJSON *member, *other;
	size_t n = 0, i = 0;

	cJSON_ArrayForEach(member, object) n++;
	if (n <= PAIRWISE_MAX) {
		cJSON_ArrayForEach(member,
				   object) for (other = member->next; other != NULL;
						other = other->next) if (strcmp(member->string,
										other->string) ==
									 0) return member->string;
		return NULL;
	}
	keys = calloc(n, sizeof(*keys));
	if (keys == NULL) {
		*is_out_of_memory = true;
		return NULL;
	}
	cJSON_ArrayForEach(member, object) keys[i++] = member->string;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (i = 1; i < n && found == NULL; i++)
		if (strcmp(keys[i - 1], keys[i]) == 0)
			found = keys[i];
	free(keys);
	return found;
}

/* What the grammar cannot say. Recursion is bounded by the scan that came before. */
static int check_tree(const cJSON *value, const struct lb_json_path *path,
		      struct lb_error_list *errors)
{
	char where[LB_ERROR_WHERE_MAX];
	bool is_out_of_memory = false;
	const cJSON *member;
	uint32_t idx = 0;
	int rc = 0;

	if (cJSON_IsNumber(value) && !isfinite(value->valuedouble)) {
		lb_error_list_add(errors, lb_json_pointer(path, where), "the number is too large");
		return -EINVAL;
	}
	if (cJSON_IsObject(value)) {
		const char *key = repeated_key(value, &is_out_of_memory);
		struct lb_json_path at = {path, key, 0};

		if (is_out_of_memory)
			return -ENOMEM;
		if (key != NULL) {
			lb_error_list_add(errors, lb_json_pointer(&at, where),
					  "the key stands more than once; one of them is allowed");
			rc = -EINVAL;
		}
	}
	cJSON_ArrayForEach(member, value)
	{
		struct lb_json_path at = {path, member->string, idx++};
		int inner;

		inner = check_tree(member, &at, errors);
		if (inner == -ENOMEM)
			return inner;
		if (inner < 0)
			rc = inner;
	}
	return rc;
}

int lb_json_parse(const char *text, size_t len, cJSON **out, struct lb_error_list *errors)
{
	const struct lb_json_path root = {0};
	struct lb_error err;
	cJSON *value;
	int rc;

	*out = NULL;
	if (len > LB_JSON_BYTES_MAX) {
		lb_error_list_add(errors, "", "a document has at most %zu MiB",
				  LB_JSON_BYTES_MAX >> 20);
		return -E2BIG;
	}
	rc = lb_json_scan(text, len, &err);
	if (rc < 0) {
		lb_error_list_add(errors, err.where, "%s", err.what);
		return rc;
	}
	value = cJSON_ParseWithLength(text, len);
	if (value == NULL) {
		lb_error_list_add(errors, "", "out of memory");
		return -ENOMEM;
	}
	rc = check_tree(value, &root, errors);
	if (rc < 0) {
		cJSON_Delete(value);
		return rc;
	}
	*out = value;
	return 0;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

static uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t h = seed ^ 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return mix(h);
}

uint64_t lb_json_hash(const cJSON *value, const char *without)
{
	const uint64_t kind = (uint64_t)(value->type & 0xff);
	const cJSON *member;
	uint64_t h = kind;
	double number;

	if (cJSON_IsString(value))
		return hash_bytes(kind, value->valuestring, strlen(value->valuestring));
	if (cJSON_IsNumber(value)) {
		number = value->valuedouble == 0 ? 0 : value->valuedouble; /* -0 is 0 */
		return hash_bytes(kind, &number, sizeof(number));
	}
	cJSON_ArrayForEach(member, value)
	{
		if (cJSON_IsArray(value)) {
			h = mix(h + lb_json_hash(member, NULL));
			continue;
		}
		if (without != NULL && strcmp(member->string, without) == 0)
			continue;
		/* A sum, since the order of keys must not count. */
		h += mix(hash_bytes(0, member->string, strlen(member->string)) +
			 3 * lb_json_hash(member, NULL));
	}
	return mix(h);
}
