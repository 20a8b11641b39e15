/* control.h - the control loop: owner of everything that is not a packet.
 *
 * Role     starts and stops the parts in order, carries verdicts, kernel news and configurations to
 *          the workers, answers what others ask about the state
 * Shape    one handle on one libevent loop; the API and the writes work on it
 * Units    milliseconds of CLOCK_MONOTONIC unless named otherwise
 * Threads  the loop's thread; slow work goes to the helper thread (helper.h)
 * Memory   own heap; the configuration in force is held once as document, text and struct
 * Limits   those of the parts
 * Errors   create: every complaint about the configuration; run: the first that prevents the start
 * Source   DESIGN 1, 4
 * Tests    tests/unit/test_api.c (over a data plane of the test), tests/eal/
 */
#ifndef LB_CONTROL_H
#define LB_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_load.h"
#include "lb/config.h"
#include "lb/dataplane.h"

/* LB_VERSION comes from the build. */

struct event_base;
struct lb_control;
struct lb_inquiries;
struct lb_kernel_path;
struct lb_courier;
struct lb_reconcile;
struct lb_text;

struct lb_control_params {
	const char *program;     /* argv[0] */
	const char *config_path; /* NULL: starts empty */
	bool is_read_only_config;
	const char *state_dir; /* NULL: none */
	bool has_seed;
	uint64_t seed;
	const char *const *eal_args;
	size_t n_eal_args;
	void (*on_ready)(void *ctx); /* the first configuration is in force */
	void *ctx;
};

/* Reads and checks the configuration; nothing else of the system is touched yet. */
int lb_control_create(const struct lb_control_params *params, struct lb_control **out,
		      struct lb_error_list *errors);

/* Starts data plane and probes and publishes the configuration. */
int lb_control_start(struct lb_control *ctl, struct lb_error *err);

/* After start: the threads that read what strangers send keep only what running needs. */
void lb_control_drop_privileges(struct lb_control *ctl);

/* Runs the loop until a SIGTERM or SIGINT. */
void lb_control_run(struct lb_control *ctl);

/* Takes away what the kernel holds for us, stops the workers; `counters` (may be NULL) gets their
 * last counters as one JSON object. */
void lb_control_stop(struct lb_control *ctl, struct lb_text *counters);

/* NULL is allowed. */
void lb_control_destroy(struct lb_control *ctl);

/* ---- ask ------------------------------------------------------------------------------------- */

struct event_base *lb_control_base(const struct lb_control *ctl);
const struct lb_config *lb_control_config(const struct lb_control *ctl);
const struct lb_document *lb_control_document(const struct lb_control *ctl);
const struct lb_error_list *lb_control_warnings(const struct lb_control *ctl);

/* What the stored document has and the running daemon takes at its next start. */
const struct lb_error_list *lb_control_pending(const struct lb_control *ctl);

struct lb_dataplane *lb_control_dataplane(const struct lb_control *ctl); /* NULL: not running */
struct lb_reconcile *lb_control_reconcile(const struct lb_control *ctl);
struct lb_courier *lb_control_courier(const struct lb_control *ctl);
struct lb_inquiries *lb_control_inquiries(const struct lb_control *ctl);
const struct lb_kernel_path *lb_control_kernel_path(const struct lb_control *ctl);
uint64_t lb_control_uptime_ms(const struct lb_control *ctl);

/* The text of the document as it is stored, shared: release it with lb_control_text_release. */
struct lb_shared_text {
	uint32_t n_refs;
	size_t n;
	char *text;
};
struct lb_shared_text *lb_control_text(struct lb_control *ctl);
void lb_control_text_release(void *shared);

/* In force: every worker has acknowledged the first configuration. */
bool lb_control_is_active(const struct lb_control *ctl);

/* In force and every probe has given a verdict. */
bool lb_control_is_ready(const struct lb_control *ctl, uint32_t *n_checking);

/* What is on, what is off and why. */
void lb_control_report(const struct lb_control *ctl, struct lb_text *out);

#endif
