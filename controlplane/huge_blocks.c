#include "huge_blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BLOCK_BYTES ((size_t)LB_HUGE_PIECE_MAX)
#define PAGE_BYTES ((size_t)4096)
#define PAGES (BLOCK_BYTES / PAGE_BYTES)

struct block {
	struct block *next;
	uint8_t *mem;
	uint32_t n_used;
	bool is_used[PAGES];
};

struct lb_huge_blocks {
	pthread_mutex_t mutex;
	uint32_t n_owners;
	struct block *first;
};

/* At a multiple of its own size, or no huge page fits. */
static uint8_t *map_block(void)
{
	uint8_t *raw = mmap(NULL, 2 * BLOCK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (raw == MAP_FAILED)
		return NULL;
	before = (BLOCK_BYTES - (uintptr_t)raw % BLOCK_BYTES) % BLOCK_BYTES;
	if (before != 0)
		munmap(raw, before);
	munmap(raw + before + BLOCK_BYTES, BLOCK_BYTES - before);
	madvise(raw + before, BLOCK_BYTES, MADV_HUGEPAGE);
	return raw + before;
}

static struct block *add_block(struct lb_huge_blocks *blocks)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->mem = map_block();
	if (b->mem == NULL) {
		free(b);
		return NULL;
	}
	b->next = blocks->first;
	blocks->first = b;
	return b;
}

static void free_block(struct block *b)
{
	munmap(b->mem, BLOCK_BYTES);
	free(b);
}

/* The first run of n free pages; PAGES: there is none. */
static size_t find_run(const struct block *b, size_t n)
{
	size_t length = 0;

	if (PAGES - b->n_used < n)
		return PAGES;
	for (size_t i = 0; i < PAGES; i++) {
		length = b->is_used[i] ? 0 : length + 1;
		if (length == n)
			return i + 1 - n;
	}
	return PAGES;
}

static size_t pages_of(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

static void mark(struct block *b, size_t from, size_t n, bool is_used)
{
	memset(b->is_used + from, is_used, n);
	b->n_used += is_used ? (uint32_t)n : -(uint32_t)n;
}

static void *take(struct lb_huge_blocks *blocks, size_t n)
{
	struct block *b = blocks->first;
	size_t at = PAGES;

	for (; b != NULL; b = b->next) {
		at = find_run(b, n);
		if (at != PAGES)
			break;
	}
	if (b == NULL) {
		b = add_block(blocks);
		at = 0;
	}
	if (b == NULL)
		return NULL;
	mark(b, at, n, true);
	blocks->n_owners++;
	return b->mem + at * PAGE_BYTES;
}

void *lb_huge_blocks_take(void *ctx, size_t bytes)
{
	struct lb_huge_blocks *blocks = ctx;
	void *piece;

	if (bytes < LB_HUGE_PIECE_MIN || bytes > LB_HUGE_PIECE_MAX)
		return NULL;
	pthread_mutex_lock(&blocks->mutex);
	piece = take(blocks, pages_of(bytes));
	pthread_mutex_unlock(&blocks->mutex);
	return piece;
}

static void give_back(struct lb_huge_blocks *blocks, const uint8_t *piece, size_t n)
{
	struct block **link = &blocks->first, *b;

	while ((uintptr_t)piece - (uintptr_t)(*link)->mem >= BLOCK_BYTES)
		link = &(*link)->next;
	b = *link;
	mark(b, (size_t)(piece - b->mem) / PAGE_BYTES, n, false);
	if (b->n_used != 0)
		return;
	*link = b->next;
	free_block(b);
}

void lb_huge_blocks_give_back(void *ctx, void *piece, size_t bytes)
{
	struct lb_huge_blocks *blocks = ctx;

	pthread_mutex_lock(&blocks->mutex);
	give_back(blocks, piece, pages_of(bytes));
	pthread_mutex_unlock(&blocks->mutex);
	lb_huge_blocks_unref(blocks);
}

struct lb_huge_blocks *lb_huge_blocks_create(void)
{
	struct lb_huge_blocks *blocks = calloc(1, sizeof(*blocks));

	if (blocks == NULL)
		return NULL;
	pthread_mutex_init(&blocks->mutex, NULL);
	blocks->n_owners = 1;
	return blocks;
}

struct lb_huge_blocks *lb_huge_blocks_ref(struct lb_huge_blocks *blocks)
{
	pthread_mutex_lock(&blocks->mutex);
	blocks->n_owners++;
	pthread_mutex_unlock(&blocks->mutex);
	return blocks;
}

void lb_huge_blocks_unref(struct lb_huge_blocks *blocks)
{
	bool is_last;

	if (blocks == NULL)
		return;
	pthread_mutex_lock(&blocks->mutex);
	is_last = --blocks->n_owners == 0;
	pthread_mutex_unlock(&blocks->mutex);
	if (!is_last)
		return;
	/* No piece, so no block either. */
	pthread_mutex_destroy(&blocks->mutex);
	free(blocks);
}

uint32_t lb_huge_blocks_n(struct lb_huge_blocks *blocks)
{
	uint32_t n = 0;

	pthread_mutex_lock(&blocks->mutex);
	for (const struct block *b = blocks->first; b != NULL; b = b->next)
		n++;
	pthread_mutex_unlock(&blocks->mutex);
	return n;
}
