/* control_state.h - the insides of struct lb_control, shared by control.c, apply.c and write.c.
 *
 * Role     what the control loop owns
 * Threads  the loop's thread; while a write is with the helper it reads `doc` and `cfg`, which only
 *          the end of that write replaces
 */
#ifndef LB_CONTROL_STATE_H
#define LB_CONTROL_STATE_H

#include "control.h"
#include "courier.h"
#include "health/health.h"
#include "helper.h"
#include "inquiry.h"
#include "kernel_path.h"
#include "reconcile.h"
#include "store.h"
#include "write.h"

#include <event2/event.h>

#define LB_CONTROL_SIGNALS 3u

struct lb_control {
	struct lb_control_params params;
	struct event_base *base;
	struct event *signals[LB_CONTROL_SIGNALS];
	struct event *settle; /* when slots of services without tracking have settled */
	struct lb_helper *helper;
	struct lb_store *store; /* NULL: the configuration lives in memory only */
	struct lb_reconcile *reconcile;
	struct lb_courier *courier;
	struct lb_inquiries *inquiries;
	struct lb_kernel_path *kernel;
	struct lb_health *health;
	struct lb_dataplane *dp; /* NULL: not running */
	/* in force */
	struct lb_document *doc;
	struct lb_config *cfg; /* boot keys are those of the start */
	/* Of `cfg`: the first news of a netdev come while it is being put in force. */
	struct lb_cfg_interface interfaces[LB_IFACES_MAX];
	struct lb_shared_text *text;
	struct lb_error_list warnings;
	struct lb_error_list pending_restart;
	struct lb_document *booted; /* the keys in `node` that the daemon was started with */
	uint64_t config_generation; /* of `cfg` */
	bool is_extended;           /* the kernel has what `cfg` needs */
	bool is_active;
	uint64_t started_ms;
	uint64_t n_verdicts;
	/* writes: the first is under way */
	TAILQ_HEAD(, lb_write) writes;
	uint32_t n_writes;
	bool is_stopping;
};

static inline uint64_t lb_now_ms(void)
{
	return lb_now_us() / 1000;
}

struct lb_shared_text *lb_shared_text_create(char *text, size_t n);

/* Puts a checked configuration in force: kernel, reconcile, publish, probes. Takes all over on
 * success; on error nothing has changed. */
struct lb_candidate {
	struct lb_document *doc;
	struct lb_config *cfg;
	struct lb_plan *plan; /* NULL: it is made at once */
	char *text;
	size_t n_text;
};
int lb_control_apply(struct lb_control *ctl, struct lb_candidate *candidate, struct lb_error *err);

/* Does what is due for services without tracking; later while a write is under way. */
void lb_control_settle(struct lb_control *ctl);

/* What the workers have to know of interface `i`, whose device has this MTU. */
struct lb_iface lb_control_iface(const struct lb_control *ctl, uint32_t i, const uint8_t mac[6],
				 uint16_t mtu);

/* Callbacks of the courier and the kernel path, for lb_control_start. */
void lb_control_on_acked(void *ctx, uint64_t generation);
void lb_control_on_resolve(void *ctx, uint32_t next_hop);
bool lb_control_on_tick(void *ctx);
struct lb_netlink_events lb_control_netlink_events(struct lb_control *ctl);
void lb_control_on_verdict(void *ctx, const struct lb_health_verdict *verdict);

/* SIGHUP. */
void lb_control_reload(struct lb_control *ctl);

#endif
