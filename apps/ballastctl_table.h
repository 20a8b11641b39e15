/* ballastctl_table.h - a table that is printed once its widths are known.
 *
 * Role     rows of cells under titles, aligned, a cell coloured where the terminal can
 * Shape    cells are added from left to right, row after row; then print
 * Units    columns of a terminal
 * Threads  one
 * Memory   heap, one copy of each cell's text
 * Limits   LB_CTL_COLUMNS_MAX columns; rows as many as the daemon's answer has
 * Errors   lack of memory is remembered; print returns -ENOMEM and writes nothing
 * Tests    tests/unit/test_ballastctl_table.c
 */
#ifndef LB_BALLASTCTL_TABLE_H
#define LB_BALLASTCTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define LB_CTL_COLUMNS_MAX 20u

enum lb_ctl_color {
	LB_CTL_PLAIN,
	LB_CTL_GREEN,
	LB_CTL_RED,
	LB_CTL_YELLOW,
	LB_CTL_COLOR_N,
};

struct lb_ctl_column {
	const char *title;
	bool is_right; /* numbers */
};

struct lb_ctl_table;

/* `columns` stays the caller's and must outlive the table. */
struct lb_ctl_table *lb_ctl_table_create(const struct lb_ctl_column *columns, unsigned n);
void lb_ctl_table_destroy(struct lb_ctl_table *t);

/* The next cell; `text` may come from the daemon. NULL tables are left alone. */
void lb_ctl_cell(struct lb_ctl_table *t, enum lb_ctl_color color, const char *text);
__attribute__((format(printf, 3, 4))) void
lb_ctl_cellf(struct lb_ctl_table *t, enum lb_ctl_color color, const char *fmt, ...);

/* Prints titles and rows; a table without rows prints "(none)". */
int lb_ctl_table_print(const struct lb_ctl_table *t, FILE *out, bool use_color);

#endif
