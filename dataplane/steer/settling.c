#include "lb/settling.h"

#include <errno.h>
#include <stdlib.h>

#include "steer/maglev_table.h"
#include "steer/service_object.h"
#include "steer/settling_table.h"

#define NOBODY UINT32_MAX

/* A server of the new list, to be found by what it is. */
struct place {
	uint32_t real_id;
	uint32_t server;
};

static int by_real(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->real_id > y->real_id) - (x->real_id < y->real_id);
}

/* Positions in the new list of the old list's servers; NOBODY: it is not there any more. */
static void find_servers(const struct lb_service *old, const struct lb_service_params *next,
			 struct place *places, uint32_t *now_at)
{
	for (uint32_t i = 0; i < next->n_servers; i++)
		places[i] = (struct place){next->servers[i].real_id, i};
	qsort(places, next->n_servers, sizeof(*places), by_real);
	for (uint32_t i = 0; i < old->n_servers; i++) {
		struct place wanted = {.real_id = old->servers[i].real_id};
		const struct place *at =
			bsearch(&wanted, places, next->n_servers, sizeof(*places), by_real);

		now_at[i] = at == NULL ? NOBODY : at->server;
	}
}

/* A change under way. */
struct change {
	const struct lb_service *old;
	const struct lb_service_params *next;
	const struct lb_settling *before; /* of `old`, NULL: none that still holds */
	const uint32_t *now_at;
	uint64_t until_ms; /* of slots that change now */
	uint64_t now_ms;
	bool is_whole; /* by this change or since an earlier one */
};

/* What slot `slot` has to remember; its server NOBODY: nothing. */
static struct lb_settling_row row_of(const struct change *c, uint32_t slot)
{
	const struct lb_settling_row *row = NULL;
	struct lb_settling_row out = {.server = NOBODY};

	if (c->before != NULL)
		row = lb_settling_find(c->before, slot);
	if (row != NULL && row->until_ms > c->now_ms) {
		out.server = c->now_at[row->server];
		out.until_ms = row->until_ms;
	} else if (c->before == NULL || !c->before->is_whole) {
		out.server = c->now_at[c->old->maglev->slots[slot]];
		out.until_ms = c->until_ms;
		if (!c->is_whole && out.server == c->next->maglev->slots[slot])
			out.server = NOBODY;
	}
	return out;
}

/* What is written before it is handed over as constant. */
struct parts {
	struct lb_settling_row *rows;
	uint64_t *bits;
	uint32_t *n_less;
};

static struct lb_settling *allocate(uint32_t size, uint32_t n_rows, struct parts *p)
{
	size_t n_words = size / 64 + 1;
	size_t bytes = sizeof(struct lb_settling) + n_rows * sizeof(struct lb_settling_row) +
		       n_words * (sizeof(uint64_t) + sizeof(uint32_t));
	struct lb_settling *s = calloc(1, bytes);

	if (s == NULL)
		return NULL;
	p->rows = (struct lb_settling_row *)(s + 1);
	p->bits = (uint64_t *)(p->rows + n_rows);
	p->n_less = (uint32_t *)(p->bits + n_words);
	*s = (struct lb_settling){.size = size,
				  .n_rows = n_rows,
				  .bytes = bytes,
				  .due_ms = UINT64_MAX,
				  .rows = p->rows,
				  .bits = p->bits,
				  .n_less = p->n_less};
	return s;
}

static uint8_t scheduler_of(const struct change *c)
{
	bool goes_on = c->before != NULL && c->before->is_whole;

	return goes_on ? c->before->scheduler : c->old->scheduler;
}

static int fill(const struct change *c, uint32_t size, struct lb_settling **out)
{
	struct lb_settling *s;
	struct parts parts;
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < size; slot++)
		n += row_of(c, slot).server != NOBODY;
	if (n == 0 && !c->is_whole)
		return 0;
	s = allocate(size, n, &parts);
	if (s == NULL)
		return -ENOMEM;
	n = 0;
	for (uint32_t slot = 0; slot < size; slot++) {
		struct lb_settling_row row = row_of(c, slot);

		if (slot % 64 == 0)
			parts.n_less[slot / 64] = n;
		if (row.server == NOBODY)
			continue;
		parts.bits[slot / 64] |= UINT64_C(1) << slot % 64;
		parts.rows[n++] = row;
		if (row.until_ms < s->due_ms)
			s->due_ms = row.until_ms;
	}
	s->is_whole = c->is_whole;
	s->scheduler = scheduler_of(c);
	if (s->is_whole)
		s->due_ms = c->until_ms;
	*out = s;
	return 0;
}

/* Did packets of `old` without an entry mean anything, and do they still? */
static bool is_successor(const struct lb_service *old, const struct lb_service_params *next)
{
	return old != NULL && (old->is_stateless || old->settling != NULL) &&
	       lb_forwarding_is_one_way(next->forwarding) && old->epoch == next->epoch;
}

/* When a client's slot is another one now, because the size or the hash has changed, every slot
 * settles as whose it was until now. Until that is over no other change matters: all that is new
 * has an entry. */
static uint32_t judge_sizes(struct change *c)
{
	const struct lb_settling *before = c->before;

	if (before != NULL && before->is_whole) {
		c->is_whole = true;
		c->until_ms = before->due_ms;
		return before->size;
	}
	c->is_whole = c->next->maglev == NULL || !lb_sched_has_table(c->next->scheduler) ||
		      c->old->scheduler != c->next->scheduler ||
		      c->old->maglev->size != c->next->maglev->size;
	return c->old->maglev->size;
}

/* Nothing that changes from here on has been without entries. */
static bool is_over(const struct change *c)
{
	return c->before == NULL && (!c->old->is_stateless || c->old->maglev == NULL);
}

int lb_settling_build(const struct lb_service *old, const struct lb_service_params *next,
		      uint64_t now_ms, struct lb_settling **out)
{
	struct change c = {.old = old, .next = next, .now_ms = now_ms};
	struct place *places;
	uint32_t *now_at, size;
	int rc = -ENOMEM;

	*out = NULL;
	if (!is_successor(old, next))
		return 0;
	c.until_ms = now_ms + next->settle_ms;
	c.before = old->settling;
	if (c.before != NULL && c.before->is_whole && c.before->due_ms <= now_ms)
		c.before = NULL;
	if (is_over(&c))
		return 0;
	size = judge_sizes(&c);
	places = calloc(next->n_servers + 1, sizeof(*places));
	now_at = calloc((size_t)old->n_servers + 1, sizeof(*now_at));
	if (places != NULL && now_at != NULL) {
		find_servers(old, next, places, now_at);
		c.now_at = now_at;
		rc = fill(&c, size, out);
	}
	free(places);
	free(now_at);
	return rc;
}

void lb_settling_delay(struct lb_settling *s, uint64_t until_ms, uint64_t ms)
{
	struct lb_settling_row *rows = (struct lb_settling_row *)(s + 1);
	uint64_t due_ms = s->is_whole ? s->due_ms : UINT64_MAX;

	for (uint32_t i = 0; i < s->n_rows; i++) {
		if (rows[i].until_ms == until_ms)
			rows[i].until_ms += ms;
		if (!s->is_whole && rows[i].until_ms < due_ms)
			due_ms = rows[i].until_ms;
	}
	if (s->is_whole && due_ms == until_ms)
		due_ms += ms;
	s->due_ms = due_ms;
}

uint64_t lb_settling_due_ms(const struct lb_settling *s)
{
	return s->due_ms;
}

uint32_t lb_settling_n_slots(const struct lb_settling *s)
{
	return s->is_whole ? s->size : s->n_rows;
}

size_t lb_settling_bytes(const struct lb_settling *s)
{
	return s->bytes;
}

void lb_settling_free(struct lb_settling *s)
{
	free(s);
}
