#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 512u

void lb_text_free(struct lb_text *t)
{
	free(t->data);
	*t = (struct lb_text){0};
}

char *lb_text_take(struct lb_text *t, size_t *n)
{
	char *data;

	if (t->has_failed) {
		lb_text_free(t);
		return NULL;
	}
	if (t->data == NULL)
		lb_text_add(t, "", 0);
	data = t->data;
	*n = t->n;
	*t = (struct lb_text){0};
	return data;
}

/* Room for `more` bytes and a NUL. */
static bool reserve(struct lb_text *t, size_t more)
{
	size_t room = t->room == 0 ? FIRST_ROOM : t->room;
	char *data;

	if (t->has_failed)
		return false;
	if (t->n + more + 1 <= t->room)
		return true;
	while (room < t->n + more + 1)
		room *= 2;
	data = realloc(t->data, room);
	if (data == NULL) {
		t->has_failed = true;
		return false;
	}
	t->data = data;
	t->room = room;
	return true;
}

void lb_text_add(struct lb_text *t, const char *bytes, size_t n)
{
	if (!reserve(t, n))
		return;
	memcpy(t->data + t->n, bytes, n);
	t->n += n;
	t->data[t->n] = '\0';
}

void lb_text_str(struct lb_text *t, const char *str)
{
	lb_text_add(t, str, strlen(str));
}

void lb_text_fmt(struct lb_text *t, const char *fmt, ...)
{
	va_list ap, again;
	size_t room;
	int n;

	if (!reserve(t, 0))
		return;
	room = t->room - t->n;
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(t->data + t->n, room, fmt, ap);
	if (n >= 0 && (size_t)n >= room && reserve(t, (size_t)n))
		vsnprintf(t->data + t->n, (size_t)n + 1, fmt, again);
	if (n < 0)
		t->has_failed = true;
	else if (!t->has_failed)
		t->n += (size_t)n;
	va_end(again);
	va_end(ap);
}

/* By hand: answers with a hundred thousand numbers are made while the loop waits. */
static void add_u64(struct lb_text *t, uint64_t value)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	lb_text_add(t, digits + n, sizeof(digits) - n);
}

static void add_u64_after_point(struct lb_text *t, uint64_t thousandths)
{
	const char text[4] = {'.', (char)('0' + thousandths / 100),
			      (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10)};

	lb_text_add(t, text, sizeof(text));
}

static void add_quoted(struct lb_text *t, const char *str)
{
	lb_text_add(t, "\"", 1);
	while (*str != '\0') {
		size_t n = 0;

		while ((unsigned char)str[n] >= ' ' && str[n] != '"' && str[n] != '\\')
			n++;
		lb_text_add(t, str, n);
		str += n;
		if (*str == '\0')
			break;
		if (*str == '"' || *str == '\\')
			lb_text_fmt(t, "\\%c", *str);
		else
			lb_text_fmt(t, "\\u%04x", (unsigned int)(unsigned char)*str);
		str++;
	}
	lb_text_add(t, "\"", 1);
}

static void add_key(struct lb_text *t, const char *key)
{
	if (t->needs_comma)
		lb_text_add(t, ",", 1);
	t->needs_comma = true;
	if (key == NULL)
		return;
	add_quoted(t, key);
	lb_text_add(t, ":", 1);
}

void lb_text_json_open(struct lb_text *t, const char *key, char bracket)
{
	add_key(t, key);
	lb_text_add(t, &bracket, 1);
	t->needs_comma = false;
}

void lb_text_json_close(struct lb_text *t, char bracket)
{
	lb_text_add(t, &bracket, 1);
	t->needs_comma = true;
}

void lb_text_json_str(struct lb_text *t, const char *key, const char *value)
{
	add_key(t, key);
	add_quoted(t, value);
}

void lb_text_json_u64(struct lb_text *t, const char *key, uint64_t value)
{
	add_key(t, key);
	add_u64(t, value);
}

void lb_text_json_i64(struct lb_text *t, const char *key, int64_t value)
{
	add_key(t, key);
	lb_text_fmt(t, "%" PRId64, value);
}

void lb_text_json_bool(struct lb_text *t, const char *key, bool value)
{
	add_key(t, key);
	lb_text_str(t, value ? "true" : "false");
}

void lb_text_json_seconds(struct lb_text *t, const char *key, uint64_t ms)
{
	add_key(t, key);
	add_u64(t, ms / 1000);
	add_u64_after_point(t, ms % 1000);
}

void lb_text_json_raw(struct lb_text *t, const char *key, const char *value, size_t n)
{
	add_key(t, key);
	lb_text_add(t, value, n);
}
