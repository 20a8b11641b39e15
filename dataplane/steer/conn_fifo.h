/* conn_fifo.h - connections in the order in which something happened to them.
 *
 * Role     finds the oldest embryonic connection, and the one that has been over for longest,
 *          without a search: whoever floods the table pushes out his own oldest ones
 * Shape    a ring of marks (hash and time); the entry itself knows nothing of it. A mark whose
 *          connection has changed meanwhile is stale and skipped by whoever reads it
 * Units    ms since the worker started, the low 31 bits
 * Threads  owner worker only
 * Memory   8 bytes a mark in the caller's block, touched only as far as it was ever used
 * Limits   as many marks as the worker has stated connections, and so half as many as it may have
 *          one-way ones; a further one forgets the oldest mark, whose connection then leaves by its
 *          timeout
 * Errors   none
 * Tests    tests/unit/test_conn_room.c
 */
#ifndef LB_CONN_FIFO_H
#define LB_CONN_FIFO_H

#include <stdbool.h>
#include <stdint.h>

struct lb_conn_mark {
	uint32_t hash; /* of the forward entry's key */
	uint32_t at_ms : 31;
	uint32_t is_v6 : 1;
};

struct lb_conn_fifo {
	struct lb_conn_mark *marks;
	uint32_t n_max;
	uint32_t first;
	uint32_t n;
};

static inline void lb_conn_fifo_drop_first(struct lb_conn_fifo *f)
{
	f->first = f->first + 1 < f->n_max ? f->first + 1 : 0;
	f->n--;
}

static inline void lb_conn_fifo_push(struct lb_conn_fifo *f, uint32_t hash, bool is_v6,
				     uint64_t now_ms)
{
	uint32_t at;

	if (f->n == f->n_max)
		lb_conn_fifo_drop_first(f);
	at = f->n_max - f->first > f->n ? f->first + f->n : f->first + f->n - f->n_max;
	f->marks[at] = (struct lb_conn_mark){hash, (uint32_t)now_ms & 0x7fffffffu, is_v6 & 1u};
	f->n++;
}

static inline uint32_t lb_conn_mark_age_ms(const struct lb_conn_mark *m, uint64_t now_ms)
{
	return ((uint32_t)now_ms - m->at_ms) & 0x7fffffffu;
}

#endif
