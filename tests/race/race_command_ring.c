/* race_command_ring.c - two threads on a command ring under the thread sanitizer: every command
 * arrives once, in order, whole; what a full ring refuses is offered again. */
#include "lb/command.h"
#include "runtime/spsc_ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define N_COMMANDS UINT64_C(400000)
#define N_CELLS 64u
#define BATCH_MAX 40u

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void *produce(void *arg)
{
	struct lb_spsc_ring *ring = arg;
	struct lb_cmd cmds[BATCH_MAX];
	uint32_t random = 1;
	uint64_t sent = 0;

	while (sent < N_COMMANDS) {
		uint32_t n = 1 + next_random(&random) % BATCH_MAX, taken;

		for (uint32_t i = 0; i < n; i++)
			cmds[i] = (struct lb_cmd){.type = LB_CMD_TARGET,
						  .idx = (uint32_t)(sent + i),
						  .object = &cmds[0],
						  .value = (sent + i) * 3};
		taken = lb_spsc_push(ring, cmds, n);
		if (taken == 0)
			sched_yield();
		sent += taken;
	}
	return NULL;
}

/* Number of commands that came damaged or out of order; the producer may overrun N_COMMANDS. */
static uint64_t consume(struct lb_spsc_ring *ring)
{
	struct lb_cmd cmds[BATCH_MAX];
	uint32_t random = 7;
	uint64_t taken = 0, wrong = 0;

	while (taken < N_COMMANDS) {
		uint32_t n = lb_spsc_pop(ring, cmds, 1 + next_random(&random) % BATCH_MAX);

		if (n == 0)
			sched_yield();
		for (uint32_t i = 0; i < n; i++, taken++)
			if (cmds[i].type != LB_CMD_TARGET || cmds[i].idx != (uint32_t)taken ||
			    cmds[i].value != taken * 3)
				wrong++;
		if (lb_spsc_count(ring) > N_CELLS)
			wrong++;
	}
	return wrong;
}

int main(void)
{
	size_t bytes = (lb_spsc_bytes(N_CELLS, sizeof(struct lb_cmd)) + 63) & ~(size_t)63;
	void *mem = aligned_alloc(64, bytes);
	struct lb_spsc_ring *ring;
	pthread_t producer;
	uint64_t wrong;

	if (mem == NULL || lb_spsc_init(mem, N_CELLS, sizeof(struct lb_cmd), &ring) != 0)
		return 2;
	if (pthread_create(&producer, NULL, produce, ring) != 0)
		return 2;
	wrong = consume(ring);
	pthread_join(producer, NULL);
	free(mem);
	printf("command ring: %llu commands, %llu wrong\n", (unsigned long long)N_COMMANDS,
	       (unsigned long long)wrong);
	return wrong == 0 ? 0 : 1;
}
