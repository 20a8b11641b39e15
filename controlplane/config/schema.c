#include "schema.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* Texts in a complaint are shown up to this length. */
#define SHOWN_BYTES_MAX 80

struct check {
	struct lb_error_list *errors; /* NULL: only whether */
	bool is_valid;
};

static void check_value(struct check *c, const struct lb_schema *schema, const cJSON *value,
			const struct lb_json_path *path);

__attribute__((format(printf, 3, 4))) static void
complain(struct check *c, const struct lb_json_path *path, const char *fmt, ...)
{
	char where[LB_ERROR_WHERE_MAX], what[LB_ERROR_WHAT_MAX];
	va_list ap;

	c->is_valid = false;
	if (c->errors == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	lb_error_list_add(c->errors, lb_json_pointer(path, where), "%s", what);
}

static bool has_type(const struct lb_schema *schema, const cJSON *value)
{
	switch (schema->type) {
	case LB_SCHEMA_OBJECT:
	case LB_SCHEMA_MAP:
		return cJSON_IsObject(value);
	case LB_SCHEMA_ARRAY:
		return cJSON_IsArray(value);
	case LB_SCHEMA_STRING:
		return cJSON_IsString(value);
	case LB_SCHEMA_INTEGER:
		return cJSON_IsNumber(value);
	case LB_SCHEMA_UNION:
		for (uint32_t i = 0; i < schema->n_options; i++)
			if (has_type(schema->options[i], value))
				return true;
		return false;
	}
	return false;
}

static const char *wanted_type(const struct lb_schema *schema)
{
	switch (schema->type) {
	case LB_SCHEMA_OBJECT:
	case LB_SCHEMA_MAP:
		return "an object";
	case LB_SCHEMA_ARRAY:
		return "a list";
	case LB_SCHEMA_STRING:
		return "text in quotes";
	case LB_SCHEMA_INTEGER:
		return "a whole number";
	case LB_SCHEMA_UNION:
		break;
	}
	return "something else";
}

static const char *found_type(const cJSON *value)
{
	if (cJSON_IsObject(value))
		return "an object";
	if (cJSON_IsArray(value))
		return "a list";
	if (cJSON_IsString(value))
		return "text";
	if (cJSON_IsNumber(value))
		return "a number";
	return cJSON_IsNull(value) ? "null" : "true or false";
}

/* Appends to a list of words and cuts it where the sentence would grow too long. */
static void append(char text[LB_ERROR_WHAT_MAX], const char *word)
{
	size_t used = strlen(text);

	if (used + strlen(word) + 8 > LB_ERROR_WHAT_MAX - 80)
		return;
	snprintf(text + used, LB_ERROR_WHAT_MAX - used, "%s%s", used > 0 ? ", " : "", word);
}

/* Most keys differ in their first letters: a large document asks this millions of times. */
static inline bool is_same(const char *a, const char *b)
{
	return a[0] == b[0] && strcmp(a, b) == 0;
}

static const struct lb_schema_key *find_key(const struct lb_schema *schema, const char *name)
{
	for (uint32_t i = 0; i < schema->n_keys; i++)
		if (is_same(schema->keys[i].name, name))
			return &schema->keys[i];
	return NULL;
}

/* `object` may be NULL. */
static const cJSON *find_member(const cJSON *object, const char *name)
{
	const cJSON *member = object != NULL ? object->child : NULL;

	while (member != NULL && (member->string == NULL || !is_same(member->string, name)))
		member = member->next;
	return member;
}

static void check_pairs(struct check *c, const struct lb_schema *schema, const cJSON *object,
			const struct lb_json_path *path)
{
	const char *const *one = schema->exactly_one, *const *both = schema->not_both;

	if (one != NULL && !find_member(object, one[0]) == !find_member(object, one[1]))
		complain(c, path, "must have exactly one of %s and %s", one[0], one[1]);
	if (both != NULL && find_member(object, both[0]) != NULL &&
	    find_member(object, both[1]) != NULL)
		complain(c, path, "may have only one of %s and %s", both[0], both[1]);
}

static void check_object(struct check *c, const struct lb_schema *schema, const cJSON *object,
			 const struct lb_json_path *path)
{
	char allowed[LB_ERROR_WHAT_MAX] = "";
	const cJSON *member;

	cJSON_ArrayForEach(member, object)
	{
		const struct lb_schema_key *key = find_key(schema, member->string);
		struct lb_json_path at = {path, member->string, 0};

		if (key != NULL) {
			check_value(c, key->schema, member, &at);
			continue;
		}
		if (allowed[0] == '\0')
			for (uint32_t i = 0; i < schema->n_keys; i++)
				append(allowed, schema->keys[i].name);
		complain(c, &at, "there is no such key; allowed are %s", allowed);
	}
	for (uint32_t i = 0; i < schema->n_keys; i++)
		if (schema->keys[i].is_required &&
		    find_member(object, schema->keys[i].name) == NULL)
			complain(c, path, "%s is missing", schema->keys[i].name);
	check_pairs(c, schema, object, path);
}

/* Quadratic; lists with unique entries have at most 256. */
static void check_unique(struct check *c, const cJSON *list, const struct lb_json_path *path)
{
	const cJSON *entry, *earlier;
	uint32_t idx = 0;

	cJSON_ArrayForEach(entry, list)
	{
		struct lb_json_path at = {path, NULL, idx++};

		for (earlier = list->child; earlier != entry; earlier = earlier->next)
			if (cJSON_Compare(earlier, entry, 1)) {
				complain(c, &at, "stands in the list already");
				break;
			}
	}
}

static void check_array(struct check *c, const struct lb_schema *schema, const cJSON *list,
			const struct lb_json_path *path)
{
	const cJSON *entry;
	uint32_t idx = 0;

	cJSON_ArrayForEach(entry, list)
	{
		struct lb_json_path at = {path, NULL, idx++};

		check_value(c, schema->items, entry, &at);
		if (!c->is_valid && c->errors == NULL)
			return;
	}
	if (idx < schema->min || idx > schema->max)
		complain(c, path, "has %u entries; %lld to %lld are allowed", idx,
			 (long long)schema->min, (long long)schema->max);
	else if (schema->is_unique)
		check_unique(c, list, path);
}

static void check_map(struct check *c, const struct lb_schema *schema, const cJSON *map,
		      const struct lb_json_path *path)
{
	const cJSON *member;
	uint32_t n = 0;

	cJSON_ArrayForEach(member, map)
	{
		struct lb_json_path at = {path, member->string, 0};

		check_value(c, schema->items, member, &at);
		n++;
	}
	if (n > schema->max)
		complain(c, path, "has %u names; at most %lld are allowed", n,
			 (long long)schema->max);
}

/* How much of a text is shown: whole characters only. */
static int shown(const char *text)
{
	size_t len = strnlen(text, SHOWN_BYTES_MAX);

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return (int)len;
}

static int64_t characters(const char *text)
{
	int64_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void check_string(struct check *c, const struct lb_schema *schema, const char *text,
			 const struct lb_json_path *path)
{
	char words[LB_ERROR_WHAT_MAX] = "";
	const char *allowed = "";
	int64_t n = characters(text);

	for (uint32_t i = 0; i < schema->n_words; i++)
		if (is_same(schema->words[i], text))
			return;
	for (uint32_t i = 0; i < schema->n_words; i++)
		append(words, schema->words[i]);
	if (schema->n_words == 1)
		complain(c, path, "\"%.*s\" is not allowed; it must be %s", shown(text), text,
			 words);
	else if (schema->n_words > 0)
		complain(c, path, "\"%.*s\" is not one of %s", shown(text), text, words);
	else if (!lb_schema_has_format(schema->format, text, &allowed))
		complain(c, path, "\"%.*s\" is not %s", shown(text), text, allowed);
	else if (n < schema->min || n > schema->max)
		complain(c, path, "has %lld characters; %lld to %lld are allowed", (long long)n,
			 (long long)schema->min, (long long)schema->max);
}

static void check_integer(struct check *c, const struct lb_schema *schema, double number,
			  const struct lb_json_path *path)
{
	if (number != floor(number))
		complain(c, path, "%.6g is not a whole number", number);
	else if (number < (double)schema->min || number > (double)schema->max)
		complain(c, path, "%.15g is not in %lld..%lld", number, (long long)schema->min,
			 (long long)schema->max);
}

static void check_type(struct check *c, const struct lb_schema *schema, const cJSON *value,
		       const struct lb_json_path *path)
{
	if (schema->type == LB_SCHEMA_UNION)
		complain(c, path, "must be %s or %s, not %s", wanted_type(schema->options[0]),
			 wanted_type(schema->options[1]), found_type(value));
	else
		complain(c, path, "must be %s, not %s", wanted_type(schema), found_type(value));
}

/* Recursion follows the tables, which are a tree. */
static void check_value(struct check *c, const struct lb_schema *schema, const cJSON *value,
			const struct lb_json_path *path)
{
	if (!has_type(schema, value)) {
		check_type(c, schema, value, path);
		return;
	}
	switch (schema->type) {
	case LB_SCHEMA_OBJECT:
		check_object(c, schema, value, path);
		break;
	case LB_SCHEMA_MAP:
		check_map(c, schema, value, path);
		break;
	case LB_SCHEMA_ARRAY:
		check_array(c, schema, value, path);
		break;
	case LB_SCHEMA_STRING:
		check_string(c, schema, value->valuestring, path);
		break;
	case LB_SCHEMA_INTEGER:
		check_integer(c, schema, value->valuedouble, path);
		break;
	case LB_SCHEMA_UNION:
		for (uint32_t i = 0; i < schema->n_options; i++)
			if (has_type(schema->options[i], value))
				check_value(c, schema->options[i], value, path);
		break;
	}
}

bool lb_schema_check(const struct lb_schema *schema, const cJSON *value,
		     const struct lb_json_path *path, struct lb_error_list *errors)
{
	struct check c = {.errors = errors, .is_valid = true};

	check_value(&c, schema, value, path);
	return c.is_valid;
}

const cJSON *lb_schema_get(const struct lb_schema *schema, const cJSON *object, const char *key)
{
	const struct lb_schema_key *k = find_key(schema, key);
	const cJSON *value = find_member(object, key);
	const struct lb_json_path root = {0};

	if (value == NULL || k == NULL || !has_type(k->schema, value))
		return NULL;
	if (cJSON_IsObject(value) || cJSON_IsArray(value))
		return value;
	return lb_schema_check(k->schema, value, &root, NULL) ? value : NULL;
}

int64_t lb_schema_int(const struct lb_schema *schema, const cJSON *object, const char *key)
{
	const cJSON *value = lb_schema_get(schema, object, key);

	return value != NULL ? (int64_t)value->valuedouble
			     : find_key(schema, key)->schema->number_default;
}

const char *lb_schema_text(const struct lb_schema *schema, const cJSON *object, const char *key)
{
	const cJSON *value = lb_schema_get(schema, object, key);
	const char *word;

	if (value != NULL && cJSON_IsString(value))
		return value->valuestring;
	word = find_key(schema, key)->schema->word_default;
	return word != NULL ? word : "";
}

uint32_t lb_schema_word(const struct lb_schema *schema, const cJSON *object, const char *key)
{
	const char *word = lb_schema_text(schema, object, key);
	const struct lb_schema *k = find_key(schema, key)->schema;

	for (uint32_t i = 0; i < k->n_words; i++)
		if (is_same(k->words[i], word))
			return i;
	return 0;
}

const char *lb_schema_word_at(const struct lb_schema *schema, const char *key, uint32_t position)
{
	const struct lb_schema *k = find_key(schema, key)->schema;

	return position < k->n_words ? k->words[position] : "";
}
