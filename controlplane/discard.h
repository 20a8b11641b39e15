/* discard.h - frees documents, configurations and plans where nobody waits for it.
 *
 * Role     hands what a write has replaced, or left over, to the helper thread
 * Shape    one call; a tree of a million values takes the loop as long as the rest of its write
 * Threads  call: the loop's; the freeing is the helper's
 * Memory   one small block for each call until the helper has come to it
 * Limits   where the helper's queue is full, or memory is out, it is freed at once
 * Errors   none
 * Tests    tests/unit/test_discard.c
 */
#ifndef LB_DISCARD_H
#define LB_DISCARD_H

struct lb_helper;
struct lb_document;
struct lb_config;
struct lb_plan;

/* Nothing else may refer to them. Each may be NULL; `helper` NULL: at once. */
void lb_discard(struct lb_helper *helper, struct lb_document *doc, struct lb_config *cfg,
		struct lb_plan *plan);

#endif
