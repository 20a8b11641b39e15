/* settling_table.h - the inside of struct lb_settling, for the packet path only.
 *
 * Role     the server that a slot had before it changed
 * Shape    one block: head, bitmap, ranks, rows
 * Threads  immutable
 * Memory   one heap block
 * Tests    tests/unit/test_settling.c
 */
#ifndef LB_SETTLING_TABLE_H
#define LB_SETTLING_TABLE_H

#include <stdbool.h>

#include "lb/settling.h"

struct lb_settling_row {
	uint64_t until_ms; /* control's */
	uint32_t server;   /* position in the list of the service that owns this */
	uint32_t unused;
};

struct lb_settling {
	uint64_t due_ms;
	uint32_t size;   /* slots of the table that settles */
	uint32_t n_rows; /* 0 is possible when is_whole */
	bool is_whole;   /* slots are counted otherwise now: every one settles, those without a row
			    too */
	uint8_t scheduler; /* whose hash finds the slot */
	size_t bytes;
	const uint64_t *bits;   /* slots that have a row */
	const uint32_t *n_less; /* rows in front of each word of `bits` */
	const struct lb_settling_row *rows;
};

/* NULL: the slot does not settle, or nobody it had is left. */
static inline const struct lb_settling_row *lb_settling_find(const struct lb_settling *s,
							     uint32_t slot)
{
	uint64_t word = s->bits[slot / 64], bit = UINT64_C(1) << slot % 64;

	if ((word & bit) == 0)
		return NULL;
	return &s->rows[s->n_less[slot / 64] +
			(uint32_t)__builtin_popcountll(word & (bit - 1))];
}

#endif
