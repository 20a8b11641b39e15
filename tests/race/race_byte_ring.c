/* race_byte_ring.c - two threads on a byte ring under the thread sanitizer: frames of every
 * length arrive once, in order, whole, also around the end of the ring. */
#include "runtime/byte_ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_FRAMES 60000u
#define RING_BYTES 4096u
#define FRAME_MAX 1514u

static uint32_t length_of(uint32_t frame)
{
	return (frame * 2654435761u) % (FRAME_MAX + 1);
}

static void *produce(void *arg)
{
	struct lb_byte_ring *ring = arg;
	uint8_t bytes[FRAME_MAX];

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		memset(bytes, (int)(i & 0xff), sizeof(bytes));
		while (!lb_byte_ring_put(ring, i, bytes, length_of(i)))
			sched_yield();
	}
	return NULL;
}

static uint32_t consume(struct lb_byte_ring *ring)
{
	uint8_t bytes[FRAME_MAX];
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		uint32_t tag, len;

		while (!lb_byte_ring_get(ring, &tag, bytes, sizeof(bytes), &len))
			sched_yield();
		if (tag != i || len != length_of(i)) {
			wrong++;
			continue;
		}
		for (uint32_t k = 0; k < len; k++)
			if (bytes[k] != (i & 0xff)) {
				wrong++;
				break;
			}
	}
	return wrong;
}

int main(void)
{
	size_t bytes = (lb_byte_ring_bytes(RING_BYTES) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, bytes);
	struct lb_byte_ring *ring;
	pthread_t producer;
	uint32_t wrong;

	if (mem == NULL || lb_byte_ring_init(mem, RING_BYTES, &ring) != 0)
		return 2;
	if (pthread_create(&producer, NULL, produce, ring) != 0)
		return 2;
	wrong = consume(ring);
	pthread_join(producer, NULL);
	free(mem);
	printf("byte ring: %u frames, %u wrong\n", N_FRAMES, wrong);
	return wrong == 0 ? 0 : 1;
}
