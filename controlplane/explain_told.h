/* explain_told.h - what an answer is told from, shared by explain_json.c and explain_steps.c.
 *
 * Role     an answer with the names that its ids have
 * Shape    one struct for the time of an answer, and what is asked of it
 * Threads  the loop's thread
 * Memory   the caller's text
 * Limits   a sentence of LB_TOLD_SENTENCE_MAX bytes
 * Tests    tests/unit/test_api_explain.c
 */
#ifndef LB_EXPLAIN_TOLD_H
#define LB_EXPLAIN_TOLD_H

#include "lb/explain.h"
#include "names.h"
#include "text.h"

#define LB_TOLD_SENTENCE_MAX 400

/* What the sentences and members are made of. */
struct lb_told {
	const struct lb_names *names;
	const struct lb_question *q;
	const struct lb_answer *a;
	uint32_t service; /* index, LB_CFG_NONE: none */
	uint32_t real;    /* index in its pool */
	struct lb_text *out;
};

static inline const struct lb_cfg_service *lb_told_service_of(const struct lb_told *t)
{
	return t->service == LB_CFG_NONE ? NULL : &t->names->cfg->services[t->service];
}

static inline const struct lb_cfg_pool *lb_told_pool_of(const struct lb_told *t)
{
	return &t->names->cfg->pools[lb_told_service_of(t)->pool];
}

static inline const char *lb_told_service_name(const struct lb_told *t)
{
	return t->service == LB_CFG_NONE ? "?" : lb_told_service_of(t)->name;
}

static inline const char *lb_told_real_name(const struct lb_told *t)
{
	return t->real == LB_CFG_NONE ? "?" : lb_told_pool_of(t)->reals[t->real].name;
}

/* A way out was planned, whether or not it can be gone. */
static inline bool lb_told_has_way(const struct lb_answer *a)
{
	return !lb_addr_is_zero(&a->new_dst);
}

static inline const char *lb_told_machine_text(const struct lb_told *t, char text[LB_ADDR_TEXT_MAX])
{
	struct lb_addr addr;

	if (lb_reconcile_member_address(t->names->reconcile, t->a->record_member, &addr))
		return lb_addr_format(&addr, text);
	return "that is not in the group any more";
}

/* Why this worker decides. */
const char *lb_told_owner_words(uint8_t why);

/* What becomes of the packet in the end. */
void lb_told_end_text(const struct lb_told *t, char text[LB_TOLD_SENTENCE_MAX]);

/* Each step in a sentence: the member `steps`. */
void lb_told_steps(const struct lb_told *t);

#endif
