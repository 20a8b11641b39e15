#include "runtime/spsc_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define CELLS_MAX (UINT32_C(1) << 31)

struct lb_spsc_ring {
	/* Positions count cells since the start and wrap at 2^32. */
	_Alignas(64) _Atomic uint32_t tail; /* producer: rw, consumer: ro */
	uint32_t head_seen;                 /* producer's copy of head */
	_Alignas(64) _Atomic uint32_t head; /* consumer: rw, producer: ro */
	uint32_t tail_seen;                 /* consumer's copy of tail */
	_Alignas(64) uint32_t n_cells;      /* constant after init */
	uint32_t cell_bytes;
	_Alignas(64) uint8_t cells[];
};

size_t lb_spsc_bytes(uint32_t n_cells, uint32_t cell_bytes)
{
	return sizeof(struct lb_spsc_ring) + (size_t)n_cells * cell_bytes;
}

int lb_spsc_init(void *mem, uint32_t n_cells, uint32_t cell_bytes, struct lb_spsc_ring **out)
{
	struct lb_spsc_ring *r = mem;

	if (n_cells == 0 || n_cells > CELLS_MAX || (n_cells & (n_cells - 1)) != 0 ||
	    cell_bytes == 0)
		return -EINVAL;
	atomic_init(&r->tail, 0);
	atomic_init(&r->head, 0);
	r->head_seen = 0;
	r->tail_seen = 0;
	r->n_cells = n_cells;
	r->cell_bytes = cell_bytes;
	*out = r;
	return 0;
}

/* The run of n cells from `pos` on, in at most two pieces. */
static uint32_t first_piece(const struct lb_spsc_ring *r, uint32_t pos, uint32_t n)
{
	uint32_t to_end = r->n_cells - (pos & (r->n_cells - 1));

	return n < to_end ? n : to_end;
}

static uint8_t *cell_at(struct lb_spsc_ring *r, uint32_t pos)
{
	return r->cells + (size_t)(pos & (r->n_cells - 1)) * r->cell_bytes;
}

uint32_t lb_spsc_room(struct lb_spsc_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return r->n_cells - (tail - r->head_seen);
}

uint32_t lb_spsc_push(struct lb_spsc_ring *r, const void *cells, uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t room = r->n_cells - (tail - r->head_seen);
	uint32_t piece;

	if (room < n)
		room = lb_spsc_room(r);
	if (n > room)
		n = room;
	if (n == 0)
		return 0;
	piece = first_piece(r, tail, n);
	memcpy(cell_at(r, tail), cells, (size_t)piece * r->cell_bytes);
	memcpy(r->cells, (const uint8_t *)cells + (size_t)piece * r->cell_bytes,
	       (size_t)(n - piece) * r->cell_bytes);
	atomic_store_explicit(&r->tail, tail + n, memory_order_release);
	return n;
}

uint32_t lb_spsc_pop(struct lb_spsc_ring *r, void *cells, uint32_t n)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t piece;

	if (r->tail_seen - head < n)
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	if (n > r->tail_seen - head)
		n = r->tail_seen - head;
	if (n == 0)
		return 0;
	piece = first_piece(r, head, n);
	memcpy(cells, cell_at(r, head), (size_t)piece * r->cell_bytes);
	memcpy((uint8_t *)cells + (size_t)piece * r->cell_bytes, r->cells,
	       (size_t)(n - piece) * r->cell_bytes);
	atomic_store_explicit(&r->head, head + n, memory_order_release);
	return n;
}

uint32_t lb_spsc_count(const struct lb_spsc_ring *r)
{
	/* head first: an older head with a newer tail can only show too many, never a wrap. */
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t n = tail - head;

	return n < r->n_cells ? n : r->n_cells;
}
