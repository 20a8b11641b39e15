#include <criterion/criterion.h>
#include <string.h>

#include "huge_blocks.h"
#include "random.h"

#define PIECES 200u

struct piece {
	uint8_t *mem; /* NULL: none */
	size_t bytes;
	uint8_t mark;
};

static void fill(struct piece *p, struct lb_huge_blocks *blocks, size_t bytes, uint8_t mark)
{
	*p = (struct piece){lb_huge_blocks_take(blocks, bytes), bytes, mark};
	cr_assert_not_null(p->mem);
	cr_assert_eq((uintptr_t)p->mem % 4096, 0);
	memset(p->mem, mark, bytes);
}

/* Nobody else has written to it. */
static void check(const struct piece *p)
{
	for (size_t i = 0; i < p->bytes; i++)
		cr_assert_eq(p->mem[i], p->mark, "byte %zu of %zu", i, p->bytes);
}

static void give_back(struct piece *p, struct lb_huge_blocks *blocks)
{
	check(p);
	lb_huge_blocks_give_back(blocks, p->mem, p->bytes);
	p->mem = NULL;
}

Test(huge_blocks, pieces_never_overlap_and_blocks_go_when_they_are_empty)
{
	struct test_random r = {test_seed("huge_blocks")};
	struct lb_huge_blocks *blocks = lb_huge_blocks_create();
	static struct piece pieces[PIECES];

	cr_assert_not_null(blocks);
	for (uint32_t i = 0; i < 700; i++) {
		struct piece *p = &pieces[test_random_below(&r, PIECES)];
		uint32_t most = test_random_below(&r, 20) == 0 ? LB_HUGE_PIECE_MAX : 140000;

		if (p->mem != NULL)
			give_back(p, blocks);
		else
			fill(p, blocks,
			     LB_HUGE_PIECE_MIN +
				     test_random_below(&r, most - LB_HUGE_PIECE_MIN + 1),
			     (uint8_t)i);
	}
	for (uint32_t i = 0; i < PIECES; i++)
		if (pieces[i].mem != NULL)
			give_back(&pieces[i], blocks);
	cr_expect_eq(lb_huge_blocks_n(blocks), 0);
	lb_huge_blocks_unref(blocks);
}

Test(huge_blocks, pieces_lie_together)
{
	struct lb_huge_blocks *blocks = lb_huge_blocks_create();
	struct piece pieces[45];

	for (uint32_t i = 0; i < 45; i++)
		fill(&pieces[i], blocks, 131200, (uint8_t)i);
	cr_expect_eq(lb_huge_blocks_n(blocks), 3, "15 to a block");
	give_back(&pieces[3], blocks);
	fill(&pieces[3], blocks, 100000, 99);
	cr_expect_eq(lb_huge_blocks_n(blocks), 3);
	for (uint32_t i = 0; i < 45; i++)
		give_back(&pieces[i], blocks);
	lb_huge_blocks_unref(blocks);
}

Test(huge_blocks, other_sizes_are_the_heaps)
{
	struct lb_huge_blocks *blocks = lb_huge_blocks_create();
	struct piece p;

	cr_expect_null(lb_huge_blocks_take(blocks, LB_HUGE_PIECE_MIN - 1));
	cr_expect_null(lb_huge_blocks_take(blocks, LB_HUGE_PIECE_MAX + 1));
	fill(&p, blocks, LB_HUGE_PIECE_MAX, 1);
	give_back(&p, blocks);
	lb_huge_blocks_unref(blocks);
}

Test(huge_blocks, a_piece_keeps_them)
{
	struct lb_huge_blocks *blocks = lb_huge_blocks_create();
	struct piece p;

	fill(&p, lb_huge_blocks_ref(blocks), 50000, 7);
	lb_huge_blocks_unref(blocks);
	lb_huge_blocks_unref(blocks);
	give_back(&p, blocks);
}
