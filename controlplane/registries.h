/* registries.h - every kind of id that reconcile gives out.
 *
 * Role     one ids.h registry per kind, their keys, and rounds over all of them together
 * Shape    an array by kind
 * Threads  one; any may ask and copy while no round is open
 * Memory   own heap
 * Limits   include/lb/limits.h by kind
 * Errors   get: -ENOSPC with the bound in lb_error, -ENOMEM
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_REGISTRIES_H
#define LB_REGISTRIES_H

#include "ids.h"
#include "lb/config.h"
#include "lb/error.h"

enum lb_id_kind {
	LB_ID_SERVICE,     /* slot; by name */
	LB_ID_GROUP,       /* by name */
	LB_ID_NAT_SOURCE,  /* by name, or "vip:ADDRESS" */
	LB_ID_NAT_ADDR,    /* by address */
	LB_ID_REAL,        /* by address and port */
	LB_ID_MACHINE,     /* by address */
	LB_ID_NEXT_HOP,    /* by address and interface */
	LB_ID_TARGET,      /* struct lb_target_key */
	LB_ID_PROBE,       /* struct lb_probe_key */
	LB_ID_SCOPE,       /* struct lb_scope_key */
	LB_ID_MONITOR,     /* struct lb_monitor_key: what is done, whatever it is called */
	LB_ID_MONITOR_SET, /* struct lb_chain_key over monitors */
	LB_ID_PORT_SET,    /* struct lb_chain_key over ports */
	LB_ID_VIP_PATH,    /* struct lb_vip_path_key */
	LB_ID_KIND_N,
};

struct lb_name_key {
	char name[LB_NAME_MAX];
};

struct lb_endpoint_key {
	struct lb_addr addr;
	uint32_t number; /* port, or interface */
};

/* A set is its last element and the set before it; 0 is the empty one. */
struct lb_chain_key {
	uint32_t before;
	uint32_t item;
};

/* Whose admin state a target carries. A named pool has its own targets, so that draining a server
 * there is one command; services with servers of their own share the targets of equal ones, so
 * that one machine's verdict is one command whatever their number. */
struct lb_scope_key {
	struct lb_name_key pool; /* empty: shared */
	uint32_t admin_state;    /* shared only */
	uint32_t monitor_set;    /* shared only */
};

#define LB_SCOPE_GROUP 0x80000000u /* | group id: may the machine take new records of the group */

struct lb_target_key {
	uint32_t scope;
	uint32_t machine;
	uint32_t port_set; /* ports of the service that are probed; 0: not by service port */
	uint32_t port;     /* of the real server */
	uint32_t vip_path; /* 0: no VIP is probed */
};

struct lb_monitor_key {
	uint32_t type;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint32_t rise;
	uint32_t fall;
	uint32_t jitter_percent;
};

/* A VIP and how packets get from Ballast to it; ids from 1. */
struct lb_vip_path_key {
	struct lb_addr vip;
	uint32_t forwarding;
	uint32_t gue_port; /* gue only */
};

struct lb_probe_key {
	uint32_t machine;
	uint32_t monitor;
	uint32_t port;
	uint32_t vip_path; /* 0: asks the machine's address */
};

struct lb_registries {
	struct lb_ids *of[LB_ID_KIND_N];
};

int lb_registries_init(struct lb_registries *reg);
void lb_registries_fini(struct lb_registries *reg);

/* No round may be open. */
int lb_registries_copy(const struct lb_registries *reg, struct lb_registries *out);

void lb_registries_begin(struct lb_registries *reg);
void lb_registries_commit(struct lb_registries *reg);

/* lb_ids_get that says which bound was met. */
int lb_registries_get(struct lb_registries *reg, enum lb_id_kind kind, const void *key,
		      uint32_t *id, bool *is_first, struct lb_error *err);

/* Zero-padded. */
struct lb_name_key lb_name_key(const char *name);

/* Grows *array (of `*max` items of `item_bytes`) to hold index idx; new items are zero. */
int lb_array_reserve(void **array, uint32_t *max, uint32_t idx, size_t item_bytes);

#endif
