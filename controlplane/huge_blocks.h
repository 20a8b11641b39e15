/* huge_blocks.h - memory on huge pages for objects that are smaller than one.
 *
 * Role     what packets read at random and at any time, such as consistent-hash tables, costs a
 *          walk of page tables for each read where it lies on small pages
 * Shape    blocks of 2 MB, each divided into pages of 4 KB; a piece is a run of them, the first one
 *          that is free. A block without pieces goes back to the system
 * Units    bytes
 * Threads  any: one mutex, which no worker takes
 * Memory   2 MB for each block; pieces are rounded up to 4 KB. The kernel gives huge pages where it
 *          has them (MADV_HUGEPAGE), else small ones
 * Limits   pieces of LB_HUGE_PIECE_MIN to LB_HUGE_PIECE_MAX bytes
 * Errors   NULL: no memory, or not of such a size: the heap serves as well
 * Source   decision 0041
 * Tests    tests/unit/test_huge_blocks.c (naive twin)
 */
#ifndef LB_HUGE_BLOCKS_H
#define LB_HUGE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#define LB_HUGE_PIECE_MIN (16u << 10) /* what is smaller wastes too much of its last page */
#define LB_HUGE_PIECE_MAX (2u << 20)

struct lb_huge_blocks;

/* NULL: no memory. One owner is the caller's, one each piece: it lasts as long as there is any. */
struct lb_huge_blocks *lb_huge_blocks_create(void);
struct lb_huge_blocks *lb_huge_blocks_ref(struct lb_huge_blocks *blocks);
void lb_huge_blocks_unref(struct lb_huge_blocks *blocks);

/* Not zeroed. `blocks` is a struct lb_huge_blocks: both serve as struct lb_maglev_home. */
void *lb_huge_blocks_take(void *blocks, size_t bytes);

/* `bytes` as it was taken. */
void lb_huge_blocks_give_back(void *blocks, void *piece, size_t bytes);

/* How many blocks there are. */
uint32_t lb_huge_blocks_n(struct lb_huge_blocks *blocks);

#endif
