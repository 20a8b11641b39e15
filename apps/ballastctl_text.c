#include "ballastctl_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

const char *lb_ctl_count(uint64_t n, char text[LB_CTL_TEXT_MAX])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return text;
}

const char *lb_ctl_human(uint64_t n, const char *unit, char text[LB_CTL_TEXT_MAX])
{
	static const char letters[] = "kMGTPE";
	const char *space = unit[0] != '\0' ? " " : "";
	uint64_t scale = 1000;
	size_t i = 0;
	unsigned decimals;
	double value;

	if (n < 1000) {
		snprintf(text, LB_CTL_TEXT_MAX, "%" PRIu64 "%s%s", n, space, unit);
		return text;
	}
	/* The next unit from where three digits would round up to a fourth. */
	while (i + 2 < sizeof(letters) && n / scale >= 999 && n >= scale * 1000 - scale / 2) {
		scale *= 1000;
		i++;
	}
	value = (double)n / (double)scale;
	decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(text, LB_CTL_TEXT_MAX, "%.*f %c%s", (int)decimals, value, letters[i], unit);
	return text;
}

const char *lb_ctl_duration(double seconds, char text[LB_CTL_TEXT_MAX])
{
	static const struct {
		uint64_t seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	uint64_t left = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;
	size_t i = 0;

	while (i < 3 && left < units[i].seconds)
		i++;
	if (i == 3)
		snprintf(text, LB_CTL_TEXT_MAX, "%" PRIu64 "s", left);
	else
		snprintf(text, LB_CTL_TEXT_MAX, "%" PRIu64 "%c %" PRIu64 "%c",
			 left / units[i].seconds, units[i].letter,
			 left % units[i].seconds / units[i + 1].seconds, units[i + 1].letter);
	return text;
}

/* The code point at `s` and its length; -1: no UTF-8 (too long a form and surrogates included). */
static int32_t decode(const unsigned char *s, size_t n, size_t *len)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;

	*len = 1;
	if (s[0] < 0x80)
		return s[0];
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return -1;
	*len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	code = s[0] & (0x7fu >> *len);
	for (size_t i = 1; i < *len; i++) {
		if (i >= n || (s[i] & 0xc0) != 0x80) {
			*len = 1;
			return -1;
		}
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[*len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
		*len = 1;
		return -1;
	}
	return (int32_t)code;
}

/* What moves a cursor, changes a terminal's state or the order of letters, or cannot be seen. */
static bool is_unfit(int32_t code)
{
	static const struct {
		int32_t first, last;
	} ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},      {0x61c, 0x61c},
		      {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f},
		      {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Both ways of escaping have the same width per code point in the basic plane. */
static size_t escape(char *out, size_t size, int32_t code, unsigned char byte)
{
	if (code < 0 || code < 0x80)
		return (size_t)snprintf(out, size, "\\x%02x", byte);
	return (size_t)snprintf(out, size, code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
}

void lb_ctl_put_text(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = strlen(text), len;
	char escaped[16];

	for (size_t i = 0; i < n; i += len) {
		int32_t code = decode(s + i, n - i, &len);

		if (code < 0 || is_unfit(code)) {
			escape(escaped, sizeof(escaped), code, s[i]);
			fputs(escaped, out);
		} else {
			fwrite(s + i, 1, len, out);
		}
	}
}

size_t lb_ctl_columns(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = strlen(text), columns = 0, len;
	char escaped[16];

	for (size_t i = 0; i < n; i += len) {
		int32_t code = decode(s + i, n - i, &len);

		if (code < 0 || is_unfit(code))
			columns += escape(escaped, sizeof(escaped), code, s[i]);
		else
			columns++;
	}
	return columns;
}

void lb_ctl_put_json(FILE *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		int32_t code = decode(s + i, n - i, &len);

		if (code == '\r')
			continue;
		if (code < 0)
			fputs("\\ufffd", out);
		else if (code == '\n' || code == '\t' || !is_unfit(code))
			fwrite(s + i, 1, len, out);
		else if (code > 0xffff)
			fprintf(out, "\\u%04x\\u%04x", 0xd800u + ((unsigned)(code - 0x10000) >> 10),
				0xdc00u + ((unsigned)(code - 0x10000) & 0x3ff));
		else
			fprintf(out, "\\u%04x", (unsigned)code);
	}
}
