/* state_json.h - the state and the counters as the API, the metrics and the end of the daemon show
 * them.
 *
 * Role     reads the parts of the control loop, writes JSON or OpenMetrics text
 * Shape    one function per answer
 * Units    seconds where a key says _s, microseconds where it says _us
 * Threads  the loop's thread
 * Memory   the caller's text
 * Limits   time and text in proportion to services and real servers
 * Errors   lack of memory shows in the text (lb_text_take)
 * Source   controlplane/api/openapi.yaml (Status, Stats, Machine); OpenMetrics 1.0
 * Tests    tests/unit/test_api.c, test_api_promises.c
 */
#ifndef LB_STATE_JSON_H
#define LB_STATE_JSON_H

#include <stdbool.h>

#include "control.h"
#include "lb/counters.h"
#include "text.h"

/* {"totals": {...}, "workers": [...], "imbalance": 0}. -EAGAIN: it does not balance just now. */
int lb_state_counters(const struct lb_dataplane *dp, struct lb_text *out);

void lb_state_status(const struct lb_control *ctl, struct lb_text *out);
void lb_state_stats(const struct lb_control *ctl, struct lb_text *out);
void lb_state_workers(const struct lb_control *ctl, struct lb_text *out);

/* One machine across all pools; false: no pool lists it. */
bool lb_state_machine(const struct lb_control *ctl, const char *name, struct lb_text *out);
void lb_state_machines(const struct lb_control *ctl, struct lb_text *out);

void lb_state_metrics(const struct lb_control *ctl, struct lb_text *out);

/* As in the configuration document. */
extern const char *const lb_state_admin_words[LB_ADMIN_DISABLED + 1];
extern const char *const lb_state_forwarding_words[LB_FORWARD_N];
extern const char *const lb_state_scheduler_words[LB_SCHED_N];

/* The part of a walk over real servers that stats and metrics share: each real id once. */
struct lb_state_real {
	const struct lb_cfg_pool *pool;
	const struct lb_cfg_real *real;
	uint32_t real_id;
	uint32_t pool_idx;
	uint32_t real_idx;
};
typedef void (*lb_state_on_real)(void *ctx, const struct lb_state_real *real);
void lb_state_each_real(const struct lb_control *ctl, lb_state_on_real on_real, void *ctx);

#endif
