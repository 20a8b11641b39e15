#include "cmd_list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* A list that a large change has grown past this is given back after use. */
#define KEEP_MAX 65536u

int lb_cmd_list_reserve(struct lb_cmd_list *list, size_t more)
{
	size_t max = list->n + more;
	struct lb_cmd *cmds;

	if (max <= list->max)
		return 0;
	if (max < list->max * 2)
		max = list->max * 2;
	cmds = realloc(list->cmds, max * sizeof(*cmds));
	if (cmds == NULL)
		return -ENOMEM;
	list->cmds = cmds;
	list->max = max;
	return 0;
}

void lb_cmd_list_add(struct lb_cmd_list *list, struct lb_cmd cmd)
{
	assert(list->n < list->max);
	list->cmds[list->n++] = cmd;
}

void lb_cmd_list_reset(struct lb_cmd_list *list)
{
	list->n = 0;
	list->generation = 0;
	if (list->max > KEEP_MAX)
		lb_cmd_list_free(list);
}

void lb_cmd_list_free(struct lb_cmd_list *list)
{
	free(list->cmds);
	*list = (struct lb_cmd_list){0};
}
