/* name_index.h - names of a kind of object -> positions.
 *
 * Role     references between objects and the rule that names are unique
 * Shape    an array sorted by name, then position
 * Units    none
 * Threads  a value; belongs to whoever holds it
 * Memory   one heap block; the names stay where they are
 * Limits   none of its own
 * Errors   -ENOMEM
 * Tests    tests/unit/test_config.c
 */
#ifndef LB_NAME_INDEX_H
#define LB_NAME_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct lb_name_entry {
	const char *name;
	uint32_t idx;
};

struct lb_name_index {
	struct lb_name_entry *entry;
	uint32_t n;
};

/* `first` is the first object's name; the others follow `stride` bytes apart. Empty names are left
 * out. */
int lb_name_index_init(struct lb_name_index *index, const char *first, size_t stride, uint32_t n);

void lb_name_index_fini(struct lb_name_index *index);

/* The lowest position of that name, LB_CFG_NONE when there is none. */
uint32_t lb_name_index_find(const struct lb_name_index *index, const char *name);

#endif
