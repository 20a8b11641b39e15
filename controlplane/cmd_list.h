/* cmd_list.h - commands on their way to the workers.
 *
 * Role     collects what one or several changes want published together
 * Shape    a growing array and the generation that ends it
 * Units    as in lb/command.h
 * Threads  one
 * Memory   own heap for the array; the objects belong to whoever appended them
 * Limits   bounded by what is reserved
 * Errors   reserve: -ENOMEM, the list is as before
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_CMD_LIST_H
#define LB_CMD_LIST_H

#include <stddef.h>

#include "lb/command.h"

struct lb_cmd_list {
	struct lb_cmd *cmds;
	size_t n;
	size_t max;
	uint64_t generation; /* publish with it; 0: nothing to publish */
};

/* Room for `more` further commands. */
int lb_cmd_list_reserve(struct lb_cmd_list *list, size_t more);

/* Precondition: there is room. */
void lb_cmd_list_add(struct lb_cmd_list *list, struct lb_cmd cmd);

/* Empties the list after it was published. */
void lb_cmd_list_reset(struct lb_cmd_list *list);

void lb_cmd_list_free(struct lb_cmd_list *list);

#endif
