#include "ballastctl_table.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static const struct lb_ctl_column columns[] = {{"NAME", false}, {"N", true}, {"WHY", false}};

/* What the table prints; the caller frees. */
static char *printed(const struct lb_ctl_table *t, bool use_color, int wanted)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	cr_expect_eq(lb_ctl_table_print(t, out, use_color), wanted);
	fclose(out);
	return text;
}

static void add_row(struct lb_ctl_table *t, enum lb_ctl_color color, const char *name, int n,
		    const char *why)
{
	lb_ctl_cell(t, color, name);
	lb_ctl_cellf(t, LB_CTL_PLAIN, "%d", n);
	lb_ctl_cell(t, LB_CTL_PLAIN, why);
}

Test(ballastctl_table, columns_are_aligned_and_lines_end_with_their_text)
{
	struct lb_ctl_table *t = lb_ctl_table_create(columns, 3);
	char *text;

	add_row(t, LB_CTL_PLAIN, "a", 7, "");
	add_row(t, LB_CTL_PLAIN, "", 12345, "why");
	add_row(t, LB_CTL_PLAIN, "B\xc3\xa4r\x1b", 1, "b");
	text = printed(t, false, 0);
	cr_expect_str_eq(text, "NAME         N  WHY\n"
			       "a            7\n"
			       "         12345  why\n"
			       "B\xc3\xa4r\\x1b      1  b\n");
	free(text);
	lb_ctl_table_destroy(t);
}

Test(ballastctl_table, colors_do_not_move_columns)
{
	struct lb_ctl_table *t = lb_ctl_table_create(columns, 3);
	char *text;

	add_row(t, LB_CTL_GREEN, "up", 1, "x");
	add_row(t, LB_CTL_RED, "down", 2, "y");
	add_row(t, LB_CTL_YELLOW, "", 3, "z");
	text = printed(t, true, 0);
	cr_expect_str_eq(text, "NAME  N  WHY\n"
			       "\033[32mup\033[0m    1  x\n"
			       "\033[31mdown\033[0m  2  y\n"
			       "      3  z\n");
	free(text);
	lb_ctl_table_destroy(t);
}

Test(ballastctl_table, no_rows_are_said)
{
	struct lb_ctl_table *t = lb_ctl_table_create(columns, 3);
	char *text = printed(t, true, 0);

	cr_expect_str_eq(text, "(none)\n");
	free(text);
	lb_ctl_table_destroy(t);
}

Test(ballastctl_table, a_table_that_could_not_be_made_is_an_error)
{
	struct lb_ctl_table *t = lb_ctl_table_create(columns, LB_CTL_COLUMNS_MAX + 1);
	char *text;

	cr_expect_null(t);
	lb_ctl_cell(t, LB_CTL_PLAIN, "a");
	lb_ctl_cellf(t, LB_CTL_PLAIN, "%d", 1);
	text = printed(t, false, -ENOMEM);
	cr_expect_str_eq(text, "");
	free(text);
	lb_ctl_table_destroy(t);
}

Test(ballastctl_table, rows_beyond_any_guess_are_kept)
{
	struct lb_ctl_table *t = lb_ctl_table_create(columns, 3);
	size_t n_lines = 0;
	char *text;

	for (int i = 0; i < 10000; i++)
		add_row(t, LB_CTL_PLAIN, "a", i, "b");
	text = printed(t, false, 0);
	for (const char *s = text; *s != '\0'; s++)
		n_lines += *s == '\n';
	cr_expect_eq(n_lines, 10001);
	free(text);
	lb_ctl_table_destroy(t);
}
