#include "team.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "team: %s\n", what);
	abort();
}

void team_open(struct team *t, uint32_t n, uint64_t seed)
{
	team_open_with_rss(t, n, seed, NULL);
}

void team_open_with_rss(struct team *t, uint32_t n, uint64_t seed, const struct lb_rss_map *rss)
{
	expect(n > 0 && n <= TEAM_MAX, "too many workers");
	t->n = n;
	for (uint32_t i = 0; i < n; i++)
		world_open(&t->w[i],
			   &(struct world_options){.n_workers = n,
						   .worker = i,
						   .seed = seed,
						   .persist = i == 0 ? NULL : t->w[0].persist,
						   .rss = rss});
}

void team_close(struct team *t)
{
	for (uint32_t i = t->n; i > 0; i--)
		world_close(&t->w[i - 1]);
}

struct world *team_send(struct team *t, uint32_t at, struct frame *f)
{
	struct frame before = *f;
	uint32_t owner;

	if (world_send(&t->w[at], f) != LB_VERDICT_HAND_OVER)
		return &t->w[at];
	expect(f->len == before.len && memcmp(frame_at(f, 0), frame_at(&before, 0), f->len) == 0,
	       "a packet was changed before it was handed over");
	owner = t->w[at].last.owner;
	expect(owner < t->n && owner != at, "handed over to nobody else");
	t->w[owner].is_handed = true;
	expect(world_send(&t->w[owner], f) != LB_VERDICT_HAND_OVER, "handed over twice");
	t->w[owner].is_handed = false;
	return &t->w[owner];
}

uint64_t team_count(const struct team *t, enum lb_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++)
		sum += world_count(&t->w[i], counter);
	return sum;
}
