/* pace.h - how many packets are due.
 *
 * Role     turns a rate and a clock into numbers of packets; what the generator could not keep up
 *          with is left out and counted, so that a late generator makes no flood
 * Shape    gen_pace_start(&p, hz, pps, now); n = gen_pace_due(&p, now)
 * Units    cycles of the clock whose frequency is `hz`
 * Threads  one
 * Memory   values
 * Limits   GEN_PACE_BEHIND_MAX packets are made up for at most
 * Errors   none
 * Tests    tests/unit/test_generator_trial.c
 */
#ifndef GEN_PACE_H
#define GEN_PACE_H

#include <stdint.h>

#define GEN_PACE_BEHIND_MAX 512u

struct gen_pace {
	double per_cycle;
	uint64_t start;
	uint64_t given; /* packets told to be due or left out so far */
	uint64_t late;  /* left out */
};

static inline void gen_pace_start(struct gen_pace *p, uint64_t hz, uint32_t pps, uint64_t now)
{
	p->per_cycle = (double)pps / (double)hz;
	p->start = now;
	p->given = 0;
	p->late = 0;
}

/* Due now, at most `max`; the rest stays due. */
static inline uint32_t gen_pace_due(struct gen_pace *p, uint64_t now, uint32_t max)
{
	uint64_t wanted = (uint64_t)((double)(now - p->start) * p->per_cycle);
	uint64_t n = wanted - p->given;

	if (n > GEN_PACE_BEHIND_MAX) {
		p->late += n - GEN_PACE_BEHIND_MAX;
		p->given += n - GEN_PACE_BEHIND_MAX;
		n = GEN_PACE_BEHIND_MAX;
	}
	if (n > max)
		n = max;
	p->given += n;
	return (uint32_t)n;
}

#endif
