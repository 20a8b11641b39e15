#include "ballastctl_json.h"

#include "ballastctl_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Past 15 digits cJSON prints a rounded number, past 2^53 a double holds one. */
#define EXACT_MAX 1e15

/* The numbers of a text, in its order. */
struct number_cursor {
	const char *at;
	const char *end;
};

static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at + 1;
}

static const char *next_number(struct number_cursor *c, size_t *n)
{
	const char *start;

	while (c->at < c->end && *c->at != '-' && (*c->at < '0' || *c->at > '9'))
		c->at = *c->at == '"' ? skip_string(c->at, c->end) : c->at + 1;
	if (c->at >= c->end)
		return NULL;
	start = c->at;
	while (c->at < c->end && *c->at != '\0' && strchr("0123456789+-.eE", *c->at) != NULL)
		c->at++;
	*n = (size_t)(c->at - start);
	return start;
}

/* False: out of memory. */
static bool keep_large_numbers(cJSON *item, struct number_cursor *cursor)
{
	size_t n;

	for (; item != NULL; item = item->next) {
		const char *token;

		if (!keep_large_numbers(item->child, cursor))
			return false;
		if (!cJSON_IsNumber(item))
			continue;
		token = next_number(cursor, &n);
		if (token == NULL ||
		    (item->valuedouble < EXACT_MAX && item->valuedouble > -EXACT_MAX))
			continue;
		item->valuestring = cJSON_malloc(n + 1);
		if (item->valuestring == NULL)
			return false;
		memcpy(item->valuestring, token, n);
		item->valuestring[n] = '\0';
		item->type = cJSON_Raw;
	}
	return true;
}

cJSON *lb_ctl_json_parse(const char *text, size_t n)
{
	const char *end = NULL;
	cJSON *root = cJSON_ParseWithLengthOpts(text, n, &end, false);
	struct number_cursor cursor = {text, text + n};

	if (root == NULL)
		return NULL;
	while (end < text + n && strchr(" \t\r\n", *end) != NULL && *end != '\0')
		end++;
	if (end != text + n || !keep_large_numbers(root, &cursor)) {
		cJSON_Delete(root);
		return NULL;
	}
	return root;
}

const cJSON *lb_ctl_json_get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *lb_ctl_json_str(const cJSON *object, const char *key)
{
	const cJSON *item = lb_ctl_json_get(object, key);

	return cJSON_IsString(item) ? item->valuestring : "-";
}

double lb_ctl_json_double(const cJSON *object, const char *key)
{
	const cJSON *item = lb_ctl_json_get(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

bool lb_ctl_json_bool(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(lb_ctl_json_get(object, key));
}

uint64_t lb_ctl_json_value(const cJSON *number)
{
	if (cJSON_IsRaw(number))
		return number->valuestring[0] == '-' ? 0 : strtoull(number->valuestring, NULL, 10);
	return cJSON_IsNumber(number) && number->valuedouble > 0 ? (uint64_t)number->valuedouble
								 : 0;
}

uint64_t lb_ctl_json_u64(const cJSON *object, const char *key)
{
	return lb_ctl_json_value(lb_ctl_json_get(object, key));
}

static void put_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s != '\0'; s++) {
		size_t n = 0;

		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n' || *s == '\t' || *s == '\r')
			fprintf(out, "\\u%04x", (unsigned)*s);
		else
			n = strcspn(s, "\"\\\n\t\r");
		lb_ctl_put_json(out, s, n);
		s += n > 0 ? n - 1 : 0;
	}
	fputc('"', out);
}

static void put_scalar(FILE *out, const cJSON *item)
{
	char *text;

	if (cJSON_IsString(item)) {
		put_string(out, item->valuestring);
		return;
	}
	text = cJSON_PrintUnformatted(item);
	fputs(text != NULL ? text : "null", out);
	cJSON_free(text);
}

static void put_tree(FILE *out, const cJSON *item, int depth)
{
	const char *brackets = cJSON_IsArray(item) ? "[]" : "{}";
	const cJSON *child;

	if (!cJSON_IsArray(item) && !cJSON_IsObject(item)) {
		put_scalar(out, item);
		return;
	}
	fputc(brackets[0], out);
	cJSON_ArrayForEach(child, item)
	{
		fprintf(out, "\n%*s", 2 * depth + 2, "");
		if (cJSON_IsObject(item)) {
			put_string(out, child->string);
			fputs(": ", out);
		}
		put_tree(out, child, depth + 1);
		if (child->next != NULL)
			fputc(',', out);
	}
	if (item->child != NULL)
		fprintf(out, "\n%*s", 2 * depth, "");
	fputc(brackets[1], out);
}

void lb_ctl_json_put(FILE *out, const cJSON *tree)
{
	put_tree(out, tree, 0);
	fputc('\n', out);
}

static int compare(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;
	int by_name = strcmp(lb_ctl_json_str(*x, "name"), lb_ctl_json_str(*y, "name"));
	uint64_t px, py;

	if (by_name != 0)
		return by_name;
	px = lb_ctl_json_u64(*x, "port");
	py = lb_ctl_json_u64(*y, "port");
	return (px > py) - (px < py);
}

int lb_ctl_index_init(struct lb_ctl_index *index, const cJSON *list)
{
	size_t n = list != NULL ? (size_t)cJSON_GetArraySize(list) : 0;
	const cJSON *item;

	index->n = 0;
	index->item = malloc((n + 1) * sizeof(index->item[0]));
	if (index->item == NULL)
		return -ENOMEM;
	cJSON_ArrayForEach(item, list) if (cJSON_IsString(lb_ctl_json_get(item, "name")))
		index->item[index->n++] = item;
	qsort(index->item, index->n, sizeof(index->item[0]), compare);
	return 0;
}

void lb_ctl_index_fini(struct lb_ctl_index *index)
{
	free(index->item);
	*index = (struct lb_ctl_index){0};
}

const cJSON *lb_ctl_index_find(const struct lb_ctl_index *index, const cJSON *like)
{
	const cJSON **found = index->item == NULL ? NULL
						  : bsearch(&like, index->item, index->n,
							    sizeof(index->item[0]), compare);

	return found != NULL ? *found : NULL;
}
