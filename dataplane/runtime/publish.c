#include "runtime/publish.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS 64u
#define UNRESOLVED_WORDS (LB_NEXT_HOPS_MAX / BITS)
#define EVENT_BURST 32u

struct batch {
	struct batch *next;
	size_t n;
	uint32_t n_readers; /* workers that have not taken all of it */
	struct lb_cmd cmds[];
};

struct outlet {
	struct lb_mailbox mailbox;
	struct batch *batch; /* NULL: everything has been moved to the ring */
	size_t pos;
	uint64_t n_moved; /* commands moved to the ring so far */
	uint64_t acked;
};

struct lb_publisher {
	struct outlet outlets[LB_WORKERS_MAX];
	uint32_t n_outlets;
	struct batch *first;
	struct batch *last;
	uint64_t n_published; /* commands so far */
	uint64_t generation;
	uint64_t unresolved[UNRESOLVED_WORDS];
	uint32_t n_unresolved;
};

int lb_publisher_create(const struct lb_mailbox *mailboxes, uint32_t n_mailboxes,
			struct lb_publisher **out)
{
	struct lb_publisher *p;

	assert(n_mailboxes >= 1 && n_mailboxes <= LB_WORKERS_MAX);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->n_outlets = n_mailboxes;
	for (uint32_t i = 0; i < n_mailboxes; i++)
		p->outlets[i].mailbox = mailboxes[i];
	*out = p;
	return 0;
}

void lb_publisher_destroy(struct lb_publisher *p)
{
	if (p == NULL)
		return;
	while (p->first != NULL) {
		struct batch *b = p->first;

		p->first = b->next;
		free(b);
	}
	free(p);
}

/* Every worker passes the batches in order, so the one that its last reader leaves is the first. */
static void leave_batch(struct lb_publisher *p, struct outlet *o)
{
	struct batch *b = o->batch;

	o->batch = b->next;
	o->pos = 0;
	if (--b->n_readers > 0)
		return;
	assert(p->first == b);
	p->first = b->next;
	if (p->first == NULL)
		p->last = NULL;
	free(b);
}

static void move_commands(struct lb_publisher *p, struct outlet *o)
{
	while (o->batch != NULL) {
		size_t left = o->batch->n - o->pos;
		uint32_t n = left < LB_COMMANDS_MAX ? (uint32_t)left : LB_COMMANDS_MAX;
		uint32_t taken = lb_spsc_push(o->mailbox.commands, &o->batch->cmds[o->pos], n);

		o->pos += taken;
		o->n_moved += taken;
		if (o->pos < o->batch->n)
			return;
		leave_batch(p, o);
	}
}

static struct batch *make_batch(const struct lb_publisher *p, size_t n)
{
	struct batch *b = malloc(sizeof(*b) + n * sizeof(b->cmds[0]));

	if (b == NULL)
		return NULL;
	b->next = NULL;
	b->n = n;
	b->n_readers = p->n_outlets;
	return b;
}

static void add_batch(struct lb_publisher *p, struct batch *b)
{
	if (p->last != NULL)
		p->last->next = b;
	else
		p->first = b;
	p->last = b;
	p->n_published += b->n;
	for (uint32_t i = 0; i < p->n_outlets; i++)
		if (p->outlets[i].batch == NULL) {
			p->outlets[i].batch = b;
			p->outlets[i].pos = 0;
		}
	for (uint32_t i = 0; i < p->n_outlets; i++)
		move_commands(p, &p->outlets[i]);
}

int lb_publisher_publish(struct lb_publisher *p, const struct lb_cmd *cmds, size_t n,
			 uint64_t generation)
{
	struct batch *b;

	if (generation <= p->generation)
		return -EINVAL;
	b = make_batch(p, n + 1);
	if (b == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(b->cmds, cmds, n * sizeof(b->cmds[0]));
	b->cmds[n] = (struct lb_cmd){.type = LB_CMD_GENERATION, .value = generation};
	p->generation = generation;
	add_batch(p, b);
	return 0;
}

int lb_publisher_ask(struct lb_publisher *p, const struct lb_cmd *cmd)
{
	struct batch *b = make_batch(p, 1);

	if (b == NULL)
		return -ENOMEM;
	b->cmds[0] = *cmd;
	add_batch(p, b);
	return 0;
}

static void note_unresolved(struct lb_publisher *p, uint64_t id)
{
	uint64_t bit = UINT64_C(1) << (id % BITS);

	assert(id < LB_NEXT_HOPS_MAX);
	if ((p->unresolved[id / BITS] & bit) != 0)
		return;
	p->unresolved[id / BITS] |= bit;
	p->n_unresolved++;
}

/* Bounded by the ring: a worker that adds while we read is read again by the next poll. */
static void take_events(struct lb_publisher *p, struct outlet *o)
{
	struct lb_event events[EVENT_BURST];

	for (uint32_t round = 0; round < LB_EVENTS_MAX / EVENT_BURST; round++) {
		uint32_t n = lb_spsc_pop(o->mailbox.events, events, EVENT_BURST);

		for (uint32_t i = 0; i < n; i++) {
			if (events[i].type == LB_EVENT_ACK)
				o->acked = events[i].value;
			else
				note_unresolved(p, events[i].value);
		}
		if (n < EVENT_BURST)
			return;
	}
}

static size_t give_unresolved(struct lb_publisher *p, struct lb_event *events, size_t max)
{
	size_t n = 0;

	for (uint32_t w = 0; w < UNRESOLVED_WORDS && n < max && p->n_unresolved > 0; w++)
		while (p->unresolved[w] != 0 && n < max) {
			uint32_t bit = (uint32_t)__builtin_ctzll(p->unresolved[w]);

			p->unresolved[w] &= p->unresolved[w] - 1;
			p->n_unresolved--;
			events[n++] = (struct lb_event){.type = LB_EVENT_RESOLVE,
							.worker = UINT32_MAX,
							.value = w * BITS + bit};
		}
	return n;
}

size_t lb_publisher_poll(struct lb_publisher *p, struct lb_event *events, size_t max)
{
	for (uint32_t i = 0; i < p->n_outlets; i++) {
		move_commands(p, &p->outlets[i]);
		take_events(p, &p->outlets[i]);
	}
	return give_unresolved(p, events, max);
}

uint64_t lb_publisher_acked(const struct lb_publisher *p)
{
	uint64_t least = p->outlets[0].acked;

	for (uint32_t i = 1; i < p->n_outlets; i++)
		if (p->outlets[i].acked < least)
			least = p->outlets[i].acked;
	return least;
}

uint64_t lb_publisher_worker_acked(const struct lb_publisher *p, uint32_t worker, size_t *n_queued)
{
	const struct outlet *o = &p->outlets[worker];

	assert(worker < p->n_outlets);
	if (n_queued != NULL)
		*n_queued = (size_t)(p->n_published - o->n_moved) +
			    lb_spsc_count(o->mailbox.commands);
	return o->acked;
}
