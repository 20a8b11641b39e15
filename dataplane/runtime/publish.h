/* publish.h - control's end of the rings to and from the workers.
 *
 * Role     brings every command to every worker in order and collects what they answer
 * Shape    each publication is one batch, shared by the workers; each worker has a cursor into the
 *          list of batches, and a batch is freed when the last cursor has left it
 * Units    commands; generations
 * Threads  control only; the rings' other ends are the workers'
 * Memory   one heap block per publication until every worker's ring has taken it
 * Limits   rings: LB_COMMANDS_MAX and LB_EVENTS_MAX cells. What a full command ring refuses stays
 *          in its batch and is offered again by each lb_publisher_poll. Next hops asked for are
 *          one bit each until they are read, so no event is lost either
 * Errors   publish: -ENOMEM, -EINVAL on a generation that does not grow; nothing is queued then
 * Source   DESIGN 1
 * Tests    tests/unit/test_publish.c, tests/race/race_command_ring.c
 */
#ifndef LB_PUBLISH_H
#define LB_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "lb/command.h"
#include "lb/limits.h"
#include "runtime/spsc_ring.h"

#define LB_COMMANDS_MAX 4096u
#define LB_EVENTS_MAX 256u

/* The rings of one worker: it pops `commands` and pushes `events`. */
struct lb_mailbox {
	struct lb_spsc_ring *commands; /* of struct lb_cmd */
	struct lb_spsc_ring *events;   /* of struct lb_event */
};

struct lb_publisher;

int lb_publisher_create(const struct lb_mailbox *mailboxes, uint32_t n_mailboxes,
			struct lb_publisher **out);
void lb_publisher_destroy(struct lb_publisher *p); /* NULL is allowed */

int lb_publisher_publish(struct lb_publisher *p, const struct lb_cmd *cmds, size_t n,
			 uint64_t generation);

/* The same without a generation: what is asked, not changed. */
int lb_publisher_ask(struct lb_publisher *p, const struct lb_cmd *cmd);

/* Moves commands on, takes acknowledgements, writes at most `max` LB_EVENT_RESOLVE, each next hop
 * once however many workers asked; their `worker` is UINT32_MAX. Returns how many. */
size_t lb_publisher_poll(struct lb_publisher *p, struct lb_event *events, size_t max);

/* The generation that every worker has acknowledged. */
uint64_t lb_publisher_acked(const struct lb_publisher *p);

/* The same for one worker; *n_queued: commands that it has not taken yet. */
uint64_t lb_publisher_worker_acked(const struct lb_publisher *p, uint32_t worker, size_t *n_queued);

#endif
