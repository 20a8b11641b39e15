/* ballastctl_pages.h - queries, and lists that the daemon gives page by page.
 *
 * Role     parameters -> query text; pages -> one list
 * Shape    functions
 * Threads  one
 * Memory   the query is the caller's; the list grows to what was asked for
 * Limits   LB_CTL_QUERY_MAX bytes a query, LB_CTL_LISTED_MAX members a list
 * Errors   enum lb_ctl_exit; printed
 * Source   decision 0092
 * Tests    tests/unit/test_ballastctl.py
 */
#ifndef LB_BALLASTCTL_PAGES_H
#define LB_BALLASTCTL_PAGES_H

#include "ballastctl_show.h"

#define LB_CTL_QUERY_MAX 1024
#define LB_CTL_LISTED_DEFAULT 100u
#define LB_CTL_LISTED_MAX 1000000u

/* Appends name=value; what has a meaning in a query is escaped. A NULL value adds nothing. False:
 * it does not fit. */
bool lb_ctl_query_add(char query[LB_CTL_QUERY_MAX], const char *name, const char *value);

struct lb_ctl_pages {
	const char *path;
	const char *key; /* of the list in each answer */
	unsigned least;  /* what a page may be limited to */
};

/* Pages until there are as many members as --count says; `filter` is the query without limit and
 * cursor. *all is the caller's also after an error. */
int lb_ctl_pages_get(const struct lb_ctl_view *view, const struct lb_ctl_pages *what,
		     const char *filter, cJSON **all);

#endif
