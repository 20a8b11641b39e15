/* reconcile.h - from what is wanted and what is healthy to commands for the workers.
 *
 * Role     gives out every id; turns configuration, verdicts, next hops and routes into the
 *          fewest commands that bring the workers from what was published to what is wanted now
 * Shape    registries of ids (ids.h), the derived relations of the current configuration
 *          (wanted.h), the states that change between configurations
 * Units    now_ms: any clock of the caller's, kept only to say since when
 * Threads  control thread only, but for lb_reconcile_plan(); pure but for the heap: no clock, no
 *          log, no input or output
 * Memory   own heap. Objects named by commands stay valid until lb_reconcile_acked() hears of a
 *          generation at or past the one that replaced (or, for copied ones, carried) them
 * Limits   include/lb/limits.h; past them the configuration is refused with place and bound.
 *          A plan and its carrying out cost time in proportion to the configuration, a verdict in
 *          proportion to the targets of one machine; commands are in proportion to the change
 * Errors   0 or -errno; on error nothing has changed and no command was appended
 * Source   DESIGN 1, 3.5, 4.4, 4.6
 * Tests    tests/unit/test_reconcile.c (naive twin that applies the commands)
 *
 * Use: each call below appends to a struct lb_cmd_list; when list.generation is not 0 the caller
 * passes it to lb_dataplane_publish (which it repeats with the same list until it succeeds) and
 * empties it. Several calls may share one list. A configuration always sets a generation, even
 * when no command is needed, so that workers have one to acknowledge.
 */
#ifndef LB_RECONCILE_H
#define LB_RECONCILE_H

#include "cmd_list.h"
#include "health/monitor.h"
#include "lb/config.h"
#include "lb/error.h"
#include "lb/service.h"

#define LB_REASON_MAX 160

struct lb_reconcile;

struct lb_reconcile_params {
	/* Who resolves next hops. With `next_hop_of` (netlink): it gives the id towards a real
	 * server's address, LB_NEXT_HOP_NONE for no route; the ids' contents, the routes and
	 * changes come by lb_reconcile_next_hop, _routes and _paths. Whoever owns it must know the
	 * addresses of a configuration before lb_reconcile_config gets it. NULL: interface
	 * addresses, gateways and `neighbors` of the configuration decide all that. */
	uint32_t (*next_hop_of)(void *ctx, const struct lb_addr *addr);
	/* With `next_hop_of`: is that next hop the destination itself? NULL: it always is. */
	bool (*is_on_link)(void *ctx, const struct lb_addr *addr);
	void *ctx;
	/* A next hop that does not resolve counts as down, one not heard of yet as checking. */
	bool has_neighbor_discovery;
};

int lb_reconcile_create(const struct lb_reconcile_params *params, struct lb_reconcile **out);

/* Only when the workers have stopped. NULL is allowed. */
void lb_reconcile_destroy(struct lb_reconcile *r);

/* ---- change ---------------------------------------------------------------------------------- */

struct lb_plan;

/* The step from what is published to `next`, made before anything changes: what can fail of it is
 * refused here, but for memory. `next` must stay until the plan was carried out or freed. Any
 * thread: meanwhile, and until the plan is done with, `r` may take verdicts, next hops, routes,
 * paths and interfaces; a configuration and lb_reconcile_settle() have to wait. */
int lb_reconcile_plan(const struct lb_reconcile *r, const struct lb_config *next, uint64_t now_ms,
		      struct lb_plan **out, struct lb_error *err);

/* Puts it in force. Only memory can be missing, and then nothing has changed; the plan is to be
 * freed either way. Indexes in the questions below are those of the last configuration taken. */
int lb_reconcile_carry_out(struct lb_reconcile *r, struct lb_plan *plan, uint64_t now_ms,
			   struct lb_cmd_list *out, struct lb_error *err);

/* Any thread. NULL is allowed. */
void lb_reconcile_plan_free(struct lb_plan *plan);

/* Both in one step. `next` is only read during the call. */
int lb_reconcile_config(struct lb_reconcile *r, const struct lb_config *next, uint64_t now_ms,
			struct lb_cmd_list *out, struct lb_error *err);

/* What health says of a probe; the same state again brings only another reason. `reason` has static
 * lifetime and is empty for a plain up. Unknown probes are ignored. */
int lb_reconcile_verdict(struct lb_reconcile *r, uint32_t probe, enum lb_health_state state,
			 const char *reason, uint64_t now_ms, struct lb_cmd_list *out);

/* What is known of a next hop. Ignored without `next_hop_of`. */
int lb_reconcile_next_hop(struct lb_reconcile *r, uint32_t id, const struct lb_next_hop *value,
			  uint64_t now_ms, struct lb_cmd_list *out);

/* Routes towards clients, all of them; ids as given by the owner of `next_hop_of`. Ignored without
 * it. -E2BIG past LB_ROUTES_MAX. */
int lb_reconcile_routes(struct lb_reconcile *r, const struct lb_route *routes, size_t n,
			struct lb_cmd_list *out);

/* The ways to real servers changed: asks `next_hop_of` again for each. */
int lb_reconcile_paths(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out);

/* MAC and MTU of an interface, at start and when they change. */
int lb_reconcile_iface(struct lb_reconcile *r, uint32_t iface, const struct lb_iface *value,
		       struct lb_cmd_list *out);

/* Slots of services without tracking have settled (include/lb/settling.h): call it when
 * lb_reconcile_settle_due_ms() is reached. Later is harmless: more connections get an entry. */
int lb_reconcile_settle(struct lb_reconcile *r, uint64_t now_ms, struct lb_cmd_list *out);

/* UINT64_MAX: nothing settles. */
uint64_t lb_reconcile_settle_due_ms(const struct lb_reconcile *r);

/* Slots of this service's table that settle. */
uint32_t lb_reconcile_settling_slots(const struct lb_reconcile *r, uint32_t service_idx);

/* Every worker has acknowledged `generation`: frees what no one can see any more. */
void lb_reconcile_acked(struct lb_reconcile *r, uint64_t generation);

/* ---- what would change ----------------------------------------------------------------------- */

enum lb_change_type {
	LB_CHANGE_SERVICE_ADDED,
	LB_CHANGE_SERVICE_CHANGED,
	LB_CHANGE_SERVICE_REMOVED, /* id: its slot, whose live connections will end */
	LB_CHANGE_REAL_ADDED,
	LB_CHANGE_REAL_REMOVED, /* id: real id, whose live connections will end */
	LB_CHANGE_TYPE_N,
};

struct lb_change {
	enum lb_change_type type;
	char name[LB_NAME_MAX]; /* service name, or address and port of a real server */
	uint32_t id;
};

struct lb_change_summary {
	uint32_t n[LB_CHANGE_TYPE_N];
	uint32_t n_services; /* afterwards */
	uint32_t n_reals;
};

typedef void (*lb_on_change)(void *ctx, const struct lb_change *change);

/* What carrying it out would do. `on_change` may be NULL. */
void lb_reconcile_tell(const struct lb_plan *plan, lb_on_change on_change, void *ctx,
		       struct lb_change_summary *out);

/* ---- ask ------------------------------------------------------------------------------------- */

/* The generation last given to a list. */
uint64_t lb_reconcile_generation(const struct lb_reconcile *r);

/* Walks the probes that are wanted: *cursor starts at 0; false at the end. */
bool lb_reconcile_next_probe(const struct lb_reconcile *r, uint32_t *cursor,
			     struct lb_probe_spec *out);

/* Where frames to this probe's machine leave now, as the workers know it; false: nowhere.
 * *via_gateway: the next hop is not the machine itself. */
bool lb_reconcile_probe_hop(const struct lb_reconcile *r, uint32_t probe, struct lb_next_hop *out,
			    bool *via_gateway);

struct lb_real_status {
	enum lb_health_state state;
	enum lb_admin_state admin_state; /* weight 0 counts as drain */
	char reason[LB_REASON_MAX];      /* why it is not up, or why an up one cannot be asked */
	uint64_t since_ms;
	uint32_t real_id;
	uint8_t target_bits; /* LB_TARGET_* as published */
};

/* A real server as one service needs it: `real_idx` in the service's pool. */
void lb_reconcile_service_real(const struct lb_reconcile *r, uint32_t service_idx,
			       uint32_t real_idx, struct lb_real_status *out);

/* ... and over all services of its pool: the worst of them. */
void lb_reconcile_pool_real(const struct lb_reconcile *r, uint32_t pool_idx, uint32_t real_idx,
			    struct lb_real_status *out);

/* May the scheduler of this service give that server a new client? Weight 0 says no; with a
 * persistence group the whole machine must be fit for the group. */
bool lb_reconcile_takes_new(const struct lb_reconcile *r, uint32_t service_idx, uint32_t real_idx);

/* The slot of a service, for its traffic. */
uint32_t lb_reconcile_service_slot(const struct lb_reconcile *r, uint32_t service_idx);

/* The real id of a pool's member. */
uint32_t lb_reconcile_member_real(const struct lb_reconcile *r, uint32_t pool_idx,
				  uint32_t real_idx);

/* The machine that a record's member is; false: no group has it any more. */
bool lb_reconcile_member_address(const struct lb_reconcile *r, uint32_t member_id,
				 struct lb_addr *out);

/* The id of the group with this name; 0: there is none. */
uint32_t lb_reconcile_group_id(const struct lb_reconcile *r, const char *name);

/* NULL: no group has this id. */
const char *lb_reconcile_group_name(const struct lb_reconcile *r, uint32_t group_id);

/* The group that a service is in; 0: none. */
uint32_t lb_reconcile_service_group(const struct lb_reconcile *r, uint32_t service_idx);

/* The member that this machine is in the group; false: it is none. */
bool lb_reconcile_group_member(const struct lb_reconcile *r, uint32_t group_id,
			       const struct lb_addr *machine, uint32_t *member_id);

/* Number of probes and of those without a verdict yet, for /readyz. */
void lb_reconcile_probe_counts(const struct lb_reconcile *r, uint32_t *n, uint32_t *n_checking);

#endif
