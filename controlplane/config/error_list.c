#include "error_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lb_error_list_init(struct lb_error_list *list)
{
	list->n = 0;
	list->n_more = 0;
}

/* Texts of a document are quoted in complaints: they must stay one line, and where a complaint was
 * cut it must not end in half a character. */
static void tidy(char *text)
{
	size_t len = strlen(text), tail = len;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	while (tail > 0 && len - tail < 4 && ((unsigned char)text[tail - 1] & 0xc0) == 0x80)
		tail--;
	if (tail > 0 && (unsigned char)text[tail - 1] >= 0xc0) {
		unsigned char first = (unsigned char)text[tail - 1];
		size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

		if (len - tail + 1 < wanted)
			text[tail - 1] = '\0';
	}
}

void lb_error_list_add(struct lb_error_list *list, const char *where, const char *fmt, ...)
{
	struct lb_error *err;
	va_list ap;

	if (list == NULL)
		return;
	if (list->n == LB_ERRORS_MAX) {
		list->n_more++;
		return;
	}
	err = &list->item[list->n++];
	snprintf(err->where, sizeof(err->where), "%s", where);
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	tidy(err->where);
	tidy(err->what);
}

const char *lb_error_format(const struct lb_error *err, char line[LB_ERROR_LINE_MAX])
{
	snprintf(line, LB_ERROR_LINE_MAX, "%s%s%s", err->where, err->where[0] != '\0' ? ": " : "",
		 err->what);
	return line;
}
