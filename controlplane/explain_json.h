/* explain_json.h - a worker's answer to "what would happen to this packet" for people and programs.
 *
 * Role     names the ids of an answer and says each step in a sentence
 * Shape    one function: JSON as in openapi.yaml (Explanation)
 * Units    seconds where a key says _s
 * Threads  the loop's thread
 * Memory   the caller's text
 * Limits   LB_EXPLAIN_SERVERS_MAX servers are listed, the others counted
 * Errors   lack of memory shows in the text (lb_text_take)
 * Source   controlplane/api/openapi.yaml
 * Tests    tests/unit/test_api.c
 */
#ifndef LB_EXPLAIN_JSON_H
#define LB_EXPLAIN_JSON_H

#include "lb/explain.h"
#include "names.h"
#include "text.h"

#define LB_EXPLAIN_SERVERS_MAX 64u

/* Whose answer counts: of `n` workers' the one that has the connection, else the one that decides;
 * NULL: each would hand it to another, because a change has not reached all of them yet. */
const struct lb_answer *lb_explain_decider(const struct lb_answer *answers, uint32_t n);

void lb_explain_json(const struct lb_names *names, const struct lb_question *q,
		     const struct lb_answer *a, struct lb_text *out);

#endif
