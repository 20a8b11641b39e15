#include "ballastctl_table.h"

#include "ballastctl_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cell {
	char *text;
	size_t width;
	enum lb_ctl_color color;
};

struct lb_ctl_table {
	const struct lb_ctl_column *columns;
	unsigned n_columns;
	struct cell *cells;
	size_t n_cells;
	size_t room;
	bool has_failed;
};

struct lb_ctl_table *lb_ctl_table_create(const struct lb_ctl_column *columns, unsigned n)
{
	struct lb_ctl_table *t = n <= LB_CTL_COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (t == NULL)
		return NULL;
	t->columns = columns;
	t->n_columns = n;
	return t;
}

void lb_ctl_table_destroy(struct lb_ctl_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}

static bool make_room(struct lb_ctl_table *t)
{
	size_t room = t->room > 0 ? t->room * 2 : 64;
	struct cell *cells;

	if (t->n_cells < t->room)
		return true;
	cells = realloc(t->cells, room * sizeof(*cells));
	if (cells == NULL)
		return false;
	t->cells = cells;
	t->room = room;
	return true;
}

/* Takes `text` over. */
static void add(struct lb_ctl_table *t, enum lb_ctl_color color, char *text)
{
	if (t == NULL || text == NULL || !make_room(t)) {
		if (t != NULL)
			t->has_failed = true;
		free(text);
		return;
	}
	t->cells[t->n_cells++] = (struct cell){text, lb_ctl_columns(text), color};
}

void lb_ctl_cell(struct lb_ctl_table *t, enum lb_ctl_color color, const char *text)
{
	add(t, color, strdup(text));
}

void lb_ctl_cellf(struct lb_ctl_table *t, enum lb_ctl_color color, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add(t, color, text);
}

static void put_cell(FILE *out, const struct cell *cell, bool use_color)
{
	static const char *const codes[LB_CTL_COLOR_N] = {
		[LB_CTL_GREEN] = "\033[32m",
		[LB_CTL_RED] = "\033[31m",
		[LB_CTL_YELLOW] = "\033[33m",
	};
	const char *code = use_color ? codes[cell->color] : NULL;

	if (code != NULL)
		fputs(code, out);
	lb_ctl_put_text(out, cell->text);
	if (code != NULL)
		fputs("\033[0m", out);
}

/* Two blanks between columns, none at the end of a line. */
static void put_row(const struct lb_ctl_table *t, FILE *out, const struct cell *row,
		    const size_t *widths, bool use_color)
{
	size_t owed = 0;

	for (unsigned c = 0; c < t->n_columns; c++) {
		size_t pad = widths[c] - row[c].width;

		if (row[c].width > 0) {
			owed += t->columns[c].is_right ? pad : 0;
			fprintf(out, "%*s", (int)owed, "");
			put_cell(out, &row[c], use_color);
			owed = t->columns[c].is_right ? 0 : pad;
		} else {
			owed += pad;
		}
		owed += 2;
	}
	fputc('\n', out);
}

int lb_ctl_table_print(const struct lb_ctl_table *t, FILE *out, bool use_color)
{
	size_t widths[LB_CTL_COLUMNS_MAX];
	struct cell titles[LB_CTL_COLUMNS_MAX];

	if (t == NULL || t->has_failed)
		return -ENOMEM;
	if (t->n_cells == 0) {
		fputs("(none)\n", out);
		return 0;
	}
	for (unsigned c = 0; c < t->n_columns; c++) {
		widths[c] = strlen(t->columns[c].title);
		titles[c] = (struct cell){(char *)(uintptr_t)t->columns[c].title, widths[c],
					  LB_CTL_PLAIN};
	}
	for (size_t i = 0; i < t->n_cells; i++)
		if (t->cells[i].width > widths[i % t->n_columns])
			widths[i % t->n_columns] = t->cells[i].width;
	put_row(t, out, titles, widths, false);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		put_row(t, out, &t->cells[i], widths, use_color);
	return 0;
}
