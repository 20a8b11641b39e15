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

/* To the next worker, as it came. */
static struct world *pass_on(struct team *t, uint32_t from, const struct lb_pkt *p, struct frame *f)
{
	struct world *to = &t->w[p->owner];

	expect(p->owner < t->n && p->owner != from, "handed over to nobody else");
	to->is_handed = true;
	world_send(to, f);
	to->is_handed = false;
	return to;
}

struct world *team_send(struct team *t, uint32_t at, struct frame *f)
{
	struct world *w = &t->w[at];
	struct frame before = *f;

	world_send(w, f);
	for (uint32_t n = 0; w->last.verdict == LB_VERDICT_HAND_OVER; n++) {
		expect(f->len == before.len &&
			       memcmp(frame_at(f, 0), frame_at(&before, 0), f->len) == 0,
		       "a packet was changed before it was handed over");
		expect(n == 0 || (n == 1 && w->last.kind == LB_PKT_FRAGMENT),
		       "handed over too often");
		w = pass_on(t, (uint32_t)(w - t->w), &w->last, f);
	}
	return w;
}

static uint32_t settle(struct team *t, uint32_t at, struct frame *sent, uint32_t max)
{
	struct world *w = &t->w[at];
	struct frame frames[LB_BURST_MAX];
	uint32_t n_sent = 0;
	bool is_more;

	do {
		uint32_t n = world_take_back(w, frames, &is_more);

		for (uint32_t i = 0; i < n; i++) {
			const struct lb_pkt *p = &w->burst.pkt[i];

			if (p->verdict == LB_VERDICT_HAND_OVER)
				p = &pass_on(t, at, p, &frames[i])->last;
			expect(p->verdict != LB_VERDICT_HAND_OVER, "handed over too often");
			if (p->verdict == LB_VERDICT_TX && n_sent < max)
				sent[n_sent] = frames[i];
			n_sent += p->verdict == LB_VERDICT_TX;
		}
	} while (is_more);
	return n_sent;
}

/* Who has passed on may have released others there: twice is enough, from meeting point to
 * owner. */
uint32_t team_settle(struct team *t, struct frame *sent, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 * t->n; i++)
		n += settle(t, i % t->n, sent + n, n < max ? max - n : 0);
	return n;
}

uint64_t team_count(const struct team *t, enum lb_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++)
		sum += world_count(&t->w[i], counter);
	return sum;
}
