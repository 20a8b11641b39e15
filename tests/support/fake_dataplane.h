/* fake_dataplane.h - a data plane that only remembers, for tests of the control plane.
 *
 * Role     implements lb/dataplane.h without EAL: takes commands, acknowledges when it is told to
 * Shape    the handle is a plain struct that tests read
 * Threads  one
 * Memory   own heap; commands are counted, not kept
 * Limits   FAKE_WORKERS workers; real ids from FAKE_REALS_MAX on have no live connections
 * Errors   publish fails with -ENOMEM while `refuses` is set
 */
#ifndef FAKE_DATAPLANE_H
#define FAKE_DATAPLANE_H

#include "lb/dataplane.h"

#define FAKE_WORKERS 2u
#define FAKE_REPORTS_MAX 64u
#define FAKE_ENTRIES_MAX 1000u
#define FAKE_REALS_MAX 16u

struct lb_dataplane {
	uint64_t published;
	uint64_t acked[FAKE_WORKERS];
	bool is_stuck[FAKE_WORKERS]; /* the worker acknowledges nothing */
	bool refuses;
	uint64_t n_commands;
	uint64_t n_of_type[LB_CMD_N];
	uint64_t counter[FAKE_WORKERS][LB_COUNTER_N];
	uint64_t loops;
	uint32_t n_entries[FAKE_WORKERS]; /* of FAKE_ENTRIES_MAX */
	size_t n_ports;
	struct lb_traffic promises; /* of every service, for the fields that only services have */
	uint64_t real_live[FAKE_REALS_MAX]; /* live connections by real id */
	struct lb_query asked; /* the last query */
	uint32_t n_asked;
	bool is_deaf; /* takes no query */
	struct lb_report reports[FAKE_REPORTS_MAX]; /* told at the next question for reports */
	uint32_t n_reports;
	uint32_t n_resolve; /* resolve events to give out at the next poll, for next hop 7 */
};

/* The one that lb_dataplane_start made last; NULL after its stop. */
struct lb_dataplane *fake_dataplane(void);

#endif
