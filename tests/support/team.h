/* team.h - several worlds as the workers of one process, for tests.
 *
 * Role     pipelines that share their persistence records and hand packets over to each other
 * Shape    team_open(&t, 3, seed); team_send(&t, where_it_arrives, &f)->last.verdict
 * Threads  one; a packet that is handed over is with its owner at once
 * Memory   that of its worlds
 * Limits   TEAM_MAX workers
 * Errors   what goes wrong ends the test with a sentence on standard error
 * Tests    test_pipeline_workers.c, test_pipeline_order.c
 */
#ifndef TEAM_H
#define TEAM_H

#include "world.h"

#define TEAM_MAX 3u

struct team {
	uint32_t n;
	struct world w[TEAM_MAX];
};

void team_open(struct team *t, uint32_t n, uint64_t seed);
/* Its card hashes so; `rss` outlives the team. */
void team_open_with_rss(struct team *t, uint32_t n, uint64_t seed, const struct lb_rss_map *rss);
void team_close(struct team *t);

/* The frame arrives at worker `at` and goes where it has to, as it came; returns who ended it or
 * keeps it. A fragment may go by the worker where those of its packet meet. */
struct world *team_send(struct team *t, uint32_t at, struct frame *f);

/* Like world_settle, for all; what is handed over goes there at once. */
uint32_t team_settle(struct team *t, struct frame *sent, uint32_t max);

uint64_t team_count(const struct team *t, enum lb_counter counter);

#endif
