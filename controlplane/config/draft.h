/* draft.h - a configuration while it is built and checked; private to this folder.
 *
 * Role     what the steps from document to lb_config share: the half-made configuration, the lists
 *          of complaints, and which place of the document each object came from
 * Shape    steps in order: lb_draft_fill, lb_draft_check_*
 * Units    as in lb/config.h
 * Threads  belongs to one call of lb_config_build
 * Memory   freed by it
 * Limits   as in lb/config.h
 * Errors   complaints go to the lists; a step returns only -ENOMEM. What the contract did not
 *          allow is absent from cfg (empty name, address zero, index LB_CFG_NONE): a check skips it
 * Tests    tests/unit/test_config.c
 */
#ifndef LB_DRAFT_H
#define LB_DRAFT_H

#include "error_list.h"
#include "json.h"
#include "lb/config.h"
#include "name_index.h"

/* Defaults that depend on other keys; openapi.yaml says them in words (x-default). */
#define LB_CFG_IDLE_TCP_S 7440u        /* RFC 5382 REQ-5 */
#define LB_CFG_IDLE_ONE_WAY_TCP_S 900u /* DESIGN 3.4: the state can be lost */
#define LB_CFG_IDLE_UDP_S 300u
#define LB_CFG_GUE_PORT 9886u /* as the contract says */
#define LB_CFG_NAT_FIRST_PORT 20000u /* a VIP that serves as its own NAT source */
#define LB_CFG_NAT_LAST_PORT 49999u

struct lb_draft {
	const cJSON *root;
	struct lb_config *cfg;
	struct lb_error_list *errors;
	struct lb_error_list *warnings; /* may be NULL */
	/* The first ones are declared in lists of their own; those of services follow. */
	uint32_t n_declared_groups;
	uint32_t n_declared_monitors;
	uint32_t n_declared_pools;
	uint32_t *pool_service; /* per pool: the service that lists it itself, or LB_CFG_NONE */
	struct lb_name_index interfaces;
	struct lb_name_index nat_sources;
	struct lb_name_index groups;
	struct lb_name_index monitors;
	struct lb_name_index pools;
};

/* How the document calls it. */
const char *lb_draft_scheduler_word(enum lb_scheduler scheduler);

int lb_draft_fill(struct lb_draft *d);
int lb_draft_fill_node(struct lb_draft *d);
int lb_draft_fill_pools(struct lb_draft *d);
/* Reads `health_monitors` and `real_servers` of a pool or of a service that has its own. */
int lb_draft_fill_pool_lists(struct lb_draft *d, uint32_t pool, const cJSON *monitors,
			     const cJSON *reals);

int lb_draft_check_names(struct lb_draft *d);
void lb_draft_check_node(struct lb_draft *d);
int lb_draft_check_machines(struct lb_draft *d);
int lb_draft_check_services(struct lb_draft *d);
int lb_draft_check_ports(struct lb_draft *d);
int lb_draft_check_addresses(struct lb_draft *d);
void lb_draft_warn(struct lb_draft *d);

/* What is wrong with it as the address of one host elsewhere ("a loopback address"), or NULL. */
const char *lb_draft_address_fault(const struct lb_addr *a);

/* JSON Pointer of a pool, or of the service that lists its servers itself. Returns `text`. */
const char *lb_draft_pool_place(const struct lb_draft *d, uint32_t pool,
				char text[LB_ERROR_WHERE_MAX]);

/* The same of a real server in a pool, followed by `key` ("/address"). */
const char *lb_draft_real_place(const struct lb_draft *d, uint32_t pool, uint32_t real,
				const char *key, char text[LB_ERROR_WHERE_MAX]);

/* Of service i, followed by `key`. */
const char *lb_draft_service_place(uint32_t service, const char *key,
				   char text[LB_ERROR_WHERE_MAX]);

#endif
