#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Larger integers lose digits in a double anyway. */
#define INTEGER_MAX 9007199254740992.0

struct buffer {
	char *text;
	size_t len;
	size_t size;
	bool is_failed;
};

static void put(struct buffer *b, const char *text, size_t len)
{
	size_t size = b->size;
	char *grown;

	if (b->is_failed)
		return;
	if (b->len + len + 1 > size) {
		size = (b->len + len + 1) * 2;
		grown = realloc(b->text, size);
		if (grown == NULL) {
			b->is_failed = true;
			return;
		}
		b->text = grown;
		b->size = size;
	}
	memcpy(b->text + b->len, text, len);
	b->len += len;
	b->text[b->len] = '\0';
}

static void put_text(struct buffer *b, const char *text)
{
	put(b, text, strlen(text));
}

static void put_string(struct buffer *b, const char *string)
{
	static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	const char *plain = string;
	char code[8];

	put(b, "\"", 1);
	for (const char *c = string;; c++) {
		const char *escape = NULL;

		if (*c != '\0' && (unsigned char)*c >= 0x20 && *c != '"' && *c != '\\')
			continue;
		put(b, plain, (size_t)(c - plain));
		if (*c == '\0')
			break;
		plain = c + 1;
		for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
			if (escapes[i] == *c)
				escape = &escapes[i + 1];
		if (escape != NULL)
			snprintf(code, sizeof(code), "\\%c", *escape);
		else
			snprintf(code, sizeof(code), "\\u%04x", (unsigned int)(unsigned char)*c);
		put_text(b, code);
	}
	put(b, "\"", 1);
}

static void put_number(struct buffer *b, double number)
{
	char text[40];

	if (number == floor(number) && fabs(number) < INTEGER_MAX)
		snprintf(text, sizeof(text), "%.0f", number == 0 ? 0 : number);
	else
		snprintf(text, sizeof(text), "%.17g", number);
	put_text(b, text);
}

static void put_line(struct buffer *b, int depth)
{
	put(b, "\n", 1);
	for (int i = 0; i < depth; i++)
		put(b, "  ", 2);
}

static bool is_plain_list(const cJSON *value)
{
	const cJSON *member;

	if (!cJSON_IsArray(value))
		return false;
	cJSON_ArrayForEach(member,
			   value) if (cJSON_IsArray(member) || cJSON_IsObject(member)) return false;
	return true;
}

static void put_value(struct buffer *b, const cJSON *value, int depth);

static void put_members(struct buffer *b, const cJSON *value, int depth)
{
	const bool is_object = cJSON_IsObject(value);
	const bool is_plain = is_plain_list(value);
	const cJSON *member;

	put(b, is_object ? "{" : "[", 1);
	cJSON_ArrayForEach(member, value)
	{
		if (!is_plain)
			put_line(b, depth + 1);
		if (is_object) {
			put_string(b, member->string);
			put(b, ": ", 2);
		}
		put_value(b, member, depth + 1);
		if (member->next != NULL)
			put(b, ", ", is_plain ? 2 : 1);
	}
	if (!is_plain && value->child != NULL)
		put_line(b, depth);
	put(b, is_object ? "}" : "]", 1);
}

static void put_value(struct buffer *b, const cJSON *value, int depth)
{
	if (cJSON_IsString(value))
		put_string(b, value->valuestring);
	else if (cJSON_IsNumber(value))
		put_number(b, value->valuedouble);
	else if (cJSON_IsObject(value) || cJSON_IsArray(value))
		put_members(b, value, depth);
	else if (cJSON_IsBool(value))
		put_text(b, cJSON_IsTrue(value) ? "true" : "false");
	else
		put_text(b, "null");
}

int lb_json_print(const cJSON *value, char **text, size_t *len)
{
	struct buffer b = {0};

	put_value(&b, value, 0);
	put(&b, "\n", 1);
	if (b.is_failed) {
		free(b.text);
		*text = NULL;
		*len = 0;
		return -ENOMEM;
	}
	*text = b.text;
	*len = b.len;
	return 0;
}
