#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "json.h"

struct scan {
	const unsigned char *at;
	const unsigned char *end;
	const unsigned char *start;
	struct lb_error *err;
};

static int scan_value(struct scan *s, int depth);

/* Says what was expected at the current place. */
static int refuse(struct scan *s, const char *what)
{
	unsigned int line = 1, column = 1;
	char where[48];

	for (const unsigned char *p = s->start; p < s->at; p++) {
		column++;
		if (*p == '\n') {
			line++;
			column = 1;
		}
	}
	snprintf(where, sizeof(where), "line %u column %u", line, column);
	return lb_error_set(s->err, -EINVAL, where, "%s", what);
}

static void skip_space(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

static bool take(struct scan *s, unsigned char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* Four hexadecimal digits; negative when they are not there. */
static int take_hex4(struct scan *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = s->at < s->end ? *s->at : 0;

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
		s->at++;
	}
	return value;
}

/* After the backslash. */
static int scan_escape(struct scan *s)
{
	int unit;

	if (s->at == s->end || *s->at == '\0' || strchr("\"\\/bfnrtu", *s->at) == NULL)
		return refuse(s, "a backslash is followed by one of \" \\ / b f n r t u");
	if (*s->at++ != 'u')
		return 0;
	unit = take_hex4(s);
	if (unit < 0)
		return refuse(s, "\\u is followed by four hexadecimal digits");
	if (unit == 0)
		return refuse(s, "text has no NUL character");
	if (unit >= 0xd800 && unit <= 0xdbff) {
		if (!take(s, '\\') || !take(s, 'u'))
			return refuse(s, "the second half of a surrogate pair is missing");
		unit = take_hex4(s);
		if (unit < 0xdc00 || unit > 0xdfff)
			return refuse(s, "the second half of a surrogate pair is missing");
		return 0;
	}
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return refuse(s, "the first half of a surrogate pair is missing");
	return 0;
}

/* One character of several bytes, shortest form only, no surrogates, up to U+10FFFF. */
static int scan_utf8(struct scan *s)
{
	unsigned char c = *s->at;
	unsigned char low = 0x80, high = 0xbf;
	int n_more;

	if (c >= 0xc2 && c <= 0xdf)
		n_more = 1;
	else if (c >= 0xe0 && c <= 0xef)
		n_more = 2;
	else if (c >= 0xf0 && c <= 0xf4)
		n_more = 3;
	else
		return refuse(s, "text is UTF-8; this byte starts no character");
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	s->at++;
	for (; n_more > 0; n_more--) {
		if (s->at == s->end || *s->at < low || *s->at > high)
			return refuse(s, "text is UTF-8; this byte does not continue a character");
		low = 0x80;
		high = 0xbf;
		s->at++;
	}
	return 0;
}

/* After the opening quote. */
static int scan_string(struct scan *s)
{
	int rc;

	while (s->at < s->end) {
		unsigned char c = *s->at;

		if (c < 0x20)
			return refuse(s, "control characters in text are escaped");
		if (c >= 0x80) {
			rc = scan_utf8(s);
			if (rc < 0)
				return rc;
			continue;
		}
		s->at++;
		if (c == '"')
			return 0;
		if (c == '\\') {
			rc = scan_escape(s);
			if (rc < 0)
				return rc;
		}
	}
	return refuse(s, "the document ends inside text");
}

static bool take_digits(struct scan *s)
{
	const unsigned char *first = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > first;
}

static int scan_number(struct scan *s)
{
	const unsigned char *first = s->at;

	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return refuse(s, "a value is expected here");
	if (take(s, '.') && !take_digits(s))
		return refuse(s, "a digit is expected here");
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		if (!take_digits(s))
			return refuse(s, "a digit is expected here");
	}
	if (s->at - first > LB_JSON_NUMBER_MAX)
		return refuse(s, "a number has at most 32 characters");
	return 0;
}

static int scan_members(struct scan *s, int depth)
{
	int rc;

	skip_space(s);
	if (take(s, '}'))
		return 0;
	do {
		skip_space(s);
		if (!take(s, '"'))
			return refuse(s, "a key in quotes is expected here");
		rc = scan_string(s);
		if (rc < 0)
			return rc;
		skip_space(s);
		if (!take(s, ':'))
			return refuse(s, "a colon is expected here");
		rc = scan_value(s, depth);
		if (rc < 0)
			return rc;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}') ? 0 : refuse(s, "a comma or } is expected here");
}

static int scan_entries(struct scan *s, int depth)
{
	int rc;

	skip_space(s);
	if (take(s, ']'))
		return 0;
	do {
		rc = scan_value(s, depth);
		if (rc < 0)
			return rc;
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']') ? 0 : refuse(s, "a comma or ] is expected here");
}

static bool take_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

/* Recursion ends at LB_JSON_DEPTH_MAX. */
static int scan_value(struct scan *s, int depth)
{
	if (depth == LB_JSON_DEPTH_MAX)
		return refuse(s, "a document has at most 32 levels");
	skip_space(s);
	if (s->at == s->end)
		return refuse(s, "the document ends where a value is expected");
	if (take(s, '{'))
		return scan_members(s, depth + 1);
	if (take(s, '['))
		return scan_entries(s, depth + 1);
	if (take(s, '"'))
		return scan_string(s);
	if (take_word(s, "true") || take_word(s, "false") || take_word(s, "null"))
		return 0;
	return scan_number(s);
}

int lb_json_scan(const char *text, size_t len, struct lb_error *err)
{
	struct scan s = {
		.at = (const unsigned char *)text,
		.start = (const unsigned char *)text,
		.end = (const unsigned char *)text + len,
		.err = err,
	};
	int rc = scan_value(&s, 0);

	if (rc < 0)
		return rc;
	skip_space(&s);
	return s.at == s.end ? 0 : refuse(&s, "nothing may follow the document");
}
