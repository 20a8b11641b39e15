/* query.h - parameters of a request's query.
 *
 * Role     finds parameters that nobody asked for, reads those that somebody did
 * Shape    functions over the query's text; complaints go to a list
 * Threads  pure
 * Memory   no heap; a value of LB_HTTP_VALUE_MAX bytes holds whatever a query can say
 * Limits   those of http_parse.h
 * Errors   complaints with the parameter's name as place
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_QUERY_H
#define LB_QUERY_H

#include <stdbool.h>

#include "config/error_list.h"
#include "lb/addr.h"

/* Complains of every parameter that is not in the NULL-ended list, is given twice or has a value
 * that cannot be read: to the questions below such a value is absent. */
void lb_query_check(const char *query, const char *const *known, struct lb_error_list *errors);

/* An address with its port; complains when it is absent or none. */
void lb_query_end(const char *query, const char *name, struct lb_addr *addr, rte_be16_t *port_be,
		  struct lb_error_list *errors);

/* An address or a prefix; false when it is absent. */
bool lb_query_prefix(const char *query, const char *name, struct lb_prefix *out,
		     struct lb_error_list *errors);

/* The place of the value in the NULL-ended list; `absent` when there is none. */
uint32_t lb_query_word(const char *query, const char *name, const char *const *words,
		       uint32_t absent, struct lb_error_list *errors);

/* True also for a name without a value; false when it is absent. */
bool lb_query_flag(const char *query, const char *name, struct lb_error_list *errors);

/* A number of min..max; `absent` when there is none. */
uint32_t lb_query_number(const char *query, const char *name, uint32_t min, uint32_t max,
			 uint32_t absent, struct lb_error_list *errors);

#endif
