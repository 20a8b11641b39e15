#include "name_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config.h"

static int compare(const void *a, const void *b)
{
	const struct lb_name_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : (x->idx > y->idx) - (x->idx < y->idx);
}

int lb_name_index_init(struct lb_name_index *index, const char *first, size_t stride, uint32_t n)
{
	index->n = 0;
	index->entry = calloc(n > 0 ? n : 1, sizeof(*index->entry));
	if (index->entry == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const char *name = first + i * stride;

		if (name[0] != '\0')
			index->entry[index->n++] = (struct lb_name_entry){name, i};
	}
	qsort(index->entry, index->n, sizeof(*index->entry), compare);
	return 0;
}

void lb_name_index_fini(struct lb_name_index *index)
{
	free(index->entry);
	index->entry = NULL;
	index->n = 0;
}

uint32_t lb_name_index_find(const struct lb_name_index *index, const char *name)
{
	uint32_t low = 0, high = index->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(index->entry[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == index->n || strcmp(index->entry[low].name, name) != 0)
		return LB_CFG_NONE;
	return index->entry[low].idx;
}
