/* eal_boot.h - EAL's argument vector and its life.
 *
 * Role     chooses cores, memory mode and file prefix, adds what the user gave, starts EAL and
 *          leaves nothing behind when it ends
 * Shape    a plan (pure function of the request and the machine, testable without EAL), then boot
 * Units    cores as the kernel numbers them; MiB
 * Threads  control; the calling thread becomes EAL's main lcore. Worker w runs on lcore w + 1
 * Memory   the plan owns its strings; EAL may keep pointers to them until lb_eal_end
 * Limits   LB_EAL_USER_ARGS_MAX arguments of the user's
 * Errors   -EINVAL, -ENOMEM, -EIO with lb_error: which argument, core or memory, and what to do
 * Tests    tests/unit/test_eal_boot.c, tests/eal/
 */
#ifndef LB_EAL_BOOT_H
#define LB_EAL_BOOT_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/error.h"
#include "lb/limits.h"

#define LB_EAL_USER_ARGS_MAX 128u
#define LB_EAL_ARGS_MAX (LB_EAL_USER_ARGS_MAX + 2u * LB_IFACES_MAX + 16u)
#define LB_EAL_NOTES_MAX 512u

struct lb_eal_request {
	const char *program;
	const char *const *user_args;
	size_t n_user_args;
	const uint32_t *worker_cores;
	size_t n_worker_cores;  /* 0: every core that is not kept free, but the control thread's */
	const char *const *pci; /* addresses of the ports that are PCI devices */
	size_t n_pci;
	uint32_t memory_mib; /* what pools and queues need */
};

struct lb_eal_machine {
	cpu_set_t cores;     /* on which this process runs: without those kept free (isolcpus) */
	cpu_set_t reachable; /* those too; not what its cpuset denies */
	uint64_t hugepage_bytes; /* free */
	uint32_t pid;            /* makes the file prefix unique */
};

struct lb_eal {
	char *args[LB_EAL_ARGS_MAX]; /* owned */
	char *argv[LB_EAL_ARGS_MAX]; /* the same for EAL, which moves them about */
	int n_args;
	bool is_out_of_memory;          /* an argument is missing */
	uint32_t cores[LB_WORKERS_MAX]; /* of the workers */
	uint32_t n_workers;
	bool is_no_huge;
	char notes[LB_EAL_NOTES_MAX]; /* what was decided without being asked; may be empty */
};

/* Before other threads exist: moves the caller for a moment. */
void lb_eal_look_at_machine(struct lb_eal_machine *out);

/* Decides and fills `out`; on error there is nothing to release. */
int lb_eal_plan(const struct lb_eal_request *req, const struct lb_eal_machine *machine,
		struct lb_eal *out, struct lb_error *err);

void lb_eal_plan_free(struct lb_eal *eal);

/* Once per process: EAL cannot be started again after its end. */
int lb_eal_start(struct lb_eal *eal, struct lb_error *err);

/* After the last use of EAL; frees the plan too. */
void lb_eal_end(struct lb_eal *eal);

#endif
