#include "runtime/byte_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define SIZE_MIN_BYTES 64u
#define SIZE_MAX_BYTES (UINT32_C(1) << 30)

struct head {
	uint32_t len;
	uint32_t tag;
};

struct lb_byte_ring {
	/* Positions count bytes since the start, wrap at 2^32 and are multiples of 8. */
	_Alignas(64) _Atomic uint32_t tail; /* producer: rw, consumer: ro */
	_Alignas(64) _Atomic uint32_t head; /* consumer: rw, producer: ro */
	_Alignas(64) uint32_t size_bytes;   /* constant after init */
	_Alignas(64) uint8_t bytes[];
};

size_t lb_byte_ring_bytes(uint32_t size_bytes)
{
	return sizeof(struct lb_byte_ring) + size_bytes;
}

int lb_byte_ring_init(void *mem, uint32_t size_bytes, struct lb_byte_ring **out)
{
	struct lb_byte_ring *r = mem;

	if (size_bytes < SIZE_MIN_BYTES || size_bytes > SIZE_MAX_BYTES ||
	    (size_bytes & (size_bytes - 1)) != 0)
		return -EINVAL;
	atomic_init(&r->tail, 0);
	atomic_init(&r->head, 0);
	r->size_bytes = size_bytes;
	*out = r;
	return 0;
}

static uint32_t record_bytes(uint32_t len)
{
	return (uint32_t)sizeof(struct head) + ((len + 7u) & ~7u);
}

/* Heads are aligned to their size and never wrap; only the bytes behind them may. */
static void copy_in(struct lb_byte_ring *r, uint32_t pos, const void *from, uint32_t len)
{
	uint32_t at = pos & (r->size_bytes - 1);
	uint32_t to_end = r->size_bytes - at;
	uint32_t piece = len < to_end ? len : to_end;

	memcpy(r->bytes + at, from, piece);
	memcpy(r->bytes, (const uint8_t *)from + piece, len - piece);
}

static void copy_out(const struct lb_byte_ring *r, uint32_t pos, void *to, uint32_t len)
{
	uint32_t at = pos & (r->size_bytes - 1);
	uint32_t to_end = r->size_bytes - at;
	uint32_t piece = len < to_end ? len : to_end;

	memcpy(to, r->bytes + at, piece);
	memcpy((uint8_t *)to + piece, r->bytes, len - piece);
}

bool lb_byte_ring_put(struct lb_byte_ring *r, uint32_t tag, const void *bytes, uint32_t len)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	struct head h = {.len = len, .tag = tag};

	/* The first test keeps the sum in the second from wrapping. */
	if (len > r->size_bytes || record_bytes(len) > r->size_bytes - (tail - head))
		return false;
	copy_in(r, tail, &h, sizeof(h));
	copy_in(r, tail + (uint32_t)sizeof(h), bytes, len);
	atomic_store_explicit(&r->tail, tail + record_bytes(len), memory_order_release);
	return true;
}

uint32_t lb_byte_ring_room(const struct lb_byte_ring *r)
{
	return r->size_bytes - (atomic_load_explicit(&r->tail, memory_order_relaxed) -
				atomic_load_explicit(&r->head, memory_order_acquire));
}

bool lb_byte_ring_get(struct lb_byte_ring *r, uint32_t *tag, void *bytes, uint32_t size,
		      uint32_t *len)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	struct head h;

	if (head == tail)
		return false;
	copy_out(r, head, &h, sizeof(h));
	copy_out(r, head + (uint32_t)sizeof(h), bytes, h.len < size ? h.len : size);
	*tag = h.tag;
	*len = h.len;
	atomic_store_explicit(&r->head, head + record_bytes(h.len), memory_order_release);
	return true;
}
