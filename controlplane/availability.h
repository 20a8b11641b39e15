/* availability.h - which machine may take what, from verdicts and admin states.
 *
 * Role     probe verdicts and next hops -> target bits, group targets and their generations
 * Shape    functions over struct lb_reconcile; between begin and finish of one change targets are
 *          set one by one and what follows from them is emitted once
 * Threads  control thread
 * Memory   none of its own: the plan has reserved it
 * Limits   the caller has reserved room in the list (lb_availability_cmds_of)
 * Errors   none
 * Source   DESIGN 3.5, 4.4, 4.6
 * Tests    tests/unit/test_reconcile.c
 *
 * A target is up when its machine's next hop resolves, no ICMP probe of the machine says down, and
 * all probes that its pool asks for say up. The generation of a group target, a machine in a group,
 * moves on, and the records that name it become void, when the first of the group's targets on the
 * machine breaks (down, or disabled) and when the group no longer lists it: the clients of the
 * group move as a whole, those of other groups on the same machine stay. While a target is broken
 * no new record can name the machine, so that further ones need not move it again. It moves on
 * after the target bits: no worker makes a record of the new generation for a machine that it
 * still believes to be up.
 */
#ifndef LB_AVAILABILITY_H
#define LB_AVAILABILITY_H

#include "reconcile_state.h"

void lb_availability_begin(struct lb_reconcile *r);

/* Emits group targets and generations that the change touched. */
void lb_availability_finish(struct lb_reconcile *r, struct lb_cmd_list *out);

/* Sets every target anew: a configuration or the routes changed. */
void lb_availability_set_all(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out);

void lb_availability_set_machine(struct lb_reconcile *r, uint32_t machine, uint64_t now_ms,
				 struct lb_cmd_list *out);

/* The targets that this probe decides on. */
void lb_availability_set_probe(struct lb_reconcile *r, uint32_t probe, uint64_t now_ms,
			       struct lb_cmd_list *out);

/* The id is being freed. */
void lb_availability_release_target(struct lb_reconcile *r, uint32_t target,
				    struct lb_cmd_list *out);

/* Upper bound of the commands that a change of this machine takes. */
size_t lb_availability_cmds_of(const struct lb_reconcile *r, uint32_t machine);

/* An ICMP probe of the machine's address: what it says counts for every target there. One of a VIP
 * counts for those of that VIP. */
bool lb_availability_is_of_machine(const struct lb_reconcile *r, uint32_t probe);

/* By its next hop and ICMP probes alone. */
enum lb_health_state lb_availability_machine(const struct lb_reconcile *r, uint32_t machine);

#endif
