#include "steer/newcomers.h"

#include <assert.h>
#include <string.h>

#define LINE_BITS 240u
#define LINE_BYTES (LINE_BITS / 8)
#define PROBES 3u
#define BYTES_PER_CONNECTION 8u
#define BYTES_MIN (16u << 20)
/* A generation begins anywhere in its first tick: a short one has one tick more to be whole. */
#define TICK_MS 512u
#define SHORT_TICKS (LB_NEWCOMERS_SHORT_MS / TICK_MS + 1)
#define LONG_TICKS (LB_NEWCOMERS_LONG_MS / TICK_MS)
#define NOTES_MAX 8u /* with more a generation is short */

struct lb_newcomers_line {
	_Alignas(64) uint8_t now[LINE_BYTES];
	uint8_t before[LINE_BYTES];
	uint16_t began;   /* `now`, in ticks */
	uint16_t n_notes; /* in `now`, of clients that were not known */
};

static_assert(sizeof(struct lb_newcomers_line) == 64, "one line");

static uint32_t lines_for(uint32_t n_connections)
{
	uint64_t bytes = (uint64_t)n_connections * BYTES_PER_CONNECTION;

	return (uint32_t)((bytes < BYTES_MIN ? BYTES_MIN : bytes) / 64);
}

size_t lb_newcomers_bytes(uint32_t n_connections)
{
	return lines_for(n_connections) * sizeof(struct lb_newcomers_line);
}

void lb_newcomers_init(struct lb_newcomers *nc, void *lines, uint32_t n_connections)
{
	nc->lines = lines;
	nc->n_lines = lines_for(n_connections);
}

/* Each line moves on by itself when it is touched: nothing ever has to clear them all. */
static void move_on(struct lb_newcomers_line *line, uint16_t tick)
{
	uint16_t age = (uint16_t)(tick - line->began);

	if (age < SHORT_TICKS || (age < LONG_TICKS && line->n_notes <= NOTES_MAX))
		return;
	if (age < 2 * LONG_TICKS)
		memcpy(line->before, line->now, sizeof(line->before));
	else
		memset(line->before, 0, sizeof(line->before));
	memset(line->now, 0, sizeof(line->now));
	/* Nobody came for a while: the new generation is as old as if somebody had. */
	if (age >= LONG_TICKS && age < 2 * LONG_TICKS)
		line->began = (uint16_t)(line->began + LONG_TICKS);
	else
		line->began = tick;
	line->n_notes = 0;
}

static struct lb_newcomers_line *line_of(const struct lb_newcomers *nc, uint64_t hash)
{
	return &nc->lines[(hash >> 32) * nc->n_lines >> 32];
}

static bool note(struct lb_newcomers_line *line, uint32_t hash, uint64_t now_ms)
{
	bool is_known = true;

	move_on(line, (uint16_t)(now_ms / TICK_MS));
	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t bit = (hash >> (8 * i) & 0xffu) * LINE_BITS >> 8;
		uint8_t mask = (uint8_t)(1u << (bit % 8));

		if (((line->now[bit / 8] | line->before[bit / 8]) & mask) == 0)
			is_known = false;
		line->now[bit / 8] |= mask;
	}
	line->n_notes += !is_known;
	return is_known;
}

bool lb_newcomers_note(struct lb_newcomers *nc, uint64_t hash, uint64_t now_ms)
{
	return note(line_of(nc, hash), (uint32_t)hash, now_ms);
}

bool lb_newcomers_has(const struct lb_newcomers *nc, uint64_t hash, uint64_t now_ms)
{
	struct lb_newcomers_line copy = *line_of(nc, hash);

	return note(&copy, (uint32_t)hash, now_ms);
}
